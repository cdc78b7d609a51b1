/** file_glob and file_grep: files of the project by name, and lines by pattern. What is closed to tools is not looked at. */
import { RE2JS } from "re2js"
import type { FolderEntry, Jail } from "../safety/paths.ts"
import { type FindSecrets, type SecretSpan, withoutSpans } from "../safety/secret-window.ts"
import { t } from "../schema.ts"
import { judgeFileKind, KIND_BYTES } from "./file-kind.ts"
import { FILE_LABELS, readBytes } from "./file-read.ts"
import { pathFailure } from "./path-failure.ts"
import { defineTool, type Tool } from "./tool.ts"

const TIMEOUT_MS = 30_000 // a project of many thousand files on a slow disk
const MAX_FOUND = 500
const MAX_LINES = 200
const MAX_LINE_CHARACTERS = 300 // shows what a line is; minified code would fill the result
const MAX_VISITED = 50_000 // entries; about 1 s
const MAX_FILE_BYTES = 2 * 1024 * 1024 // source is smaller; one file takes at most some 70 ms of the process at 30 MB/s
const MAX_SEARCHED_BYTES = 128 * 1024 * 1024
/** Files with lines that are shown are looked through for secrets, each whole: a line of a private key is none that a pattern knows. */
const MAX_JUDGED_CHARACTERS = 16 * 1024 * 1024
/** Not looked into unless named: what tools made, a hundred times what people wrote. */
const SKIPPED_FOLDERS: readonly string[] = [".git", "node_modules"]

const closed = { additionalProperties: false }
const folder = t.Optional(t.String({ maxLength: 4_096, description: "Default: the project" }))

export function fileFindTools({ project, findSecrets }: { project: Jail; findSecrets: FindSecrets }): Tool[] {
  const glob = defineTool({
    name: "file_glob",
    description: 'Find files of the project by name, e.g. "src/**/{a,b}*.ts". Newest first.',
    input: t.Object(
      {
        pattern: t.String({ minLength: 1, maxLength: 300 }),
        path: folder,
      },
      closed,
    ),
    effect: () => "read-private",
    needs: (input) => [{ kind: "file", path: input.path ?? ".", write: false }],
    timeoutMs: TIMEOUT_MS,
    async run({ pattern, path = "." }, { signal }) {
      const matcher = new Bun.Glob(pattern)
      const walk = await startWalk({ project, path, signal })
      if (!walk.ok) return pathFailure(walk)
      const found: { path: string; size: number; modifiedAt: string }[] = []
      for await (const file of walk.files) {
        if (matcher.match(file.below)) found.push({ path: file.path, size: file.size, modifiedAt: file.modifiedAt })
      }
      found.sort((one, other) => (one.modifiedAt < other.modifiedAt ? 1 : -1))
      const note = [
        ...walk.notes(),
        ...(found.length > MAX_FOUND ? [`${found.length} files match; these are the newest ${MAX_FOUND}`] : []),
      ]
      return {
        data: { files: found.slice(0, MAX_FOUND), ...noteOf(note) },
        labels: [...FILE_LABELS],
        source: `file:${walk.path}`,
      }
    },
  })

  const grep = defineTool({
    name: "file_grep",
    description: "Find lines in text files of the project.",
    input: t.Object(
      {
        pattern: t.String({
          minLength: 1,
          maxLength: 500,
          description: "RE2, or text where `plain`",
        }),
        path: folder,
        files: t.Optional(t.String({ maxLength: 300, description: 'Only these, e.g. "**/*.ts"' })),
        plain: t.Optional(t.Boolean()),
        ignoreCase: t.Optional(t.Boolean()),
      },
      closed,
    ),
    effect: () => "read-private",
    needs: (input) => [{ kind: "file", path: input.path ?? ".", write: false }],
    timeoutMs: TIMEOUT_MS,
    async run({ pattern, path = ".", files, plain = false, ignoreCase = false }, { signal }) {
      const compiled = compile(pattern, { plain, ignoreCase })
      if (!compiled)
        return { failed: "That is no regular expression of RE2. Correct it, or set `plain` to look for it as it is" }
      const walk = await startWalk({ project, path, signal })
      if (!walk.ok) return pathFailure(walk)
      const name = files === undefined ? null : new Bun.Glob(files)
      const lines: { path: string; line: number; text: string }[] = []
      let searched = 0
      let tooLarge = 0
      let judged = 0
      for await (const file of walk.files) {
        if (name && !name.match(file.below)) continue
        if (file.size > MAX_FILE_BYTES) tooLarge++
        else if (searched + file.size <= MAX_SEARCHED_BYTES) {
          searched += file.size
          const text = await readText(project, file.path)
          if (text !== null) {
            const room = MAX_LINES + 1 - lines.length
            const found = matchingLines(compiled, { path: file.path, text, room, findSecrets })
            lines.push(...found)
            if (found.length > 0) judged += text.length
          }
        }
        if (judged > MAX_JUDGED_CHARACTERS || lines.length > MAX_LINES || searched + file.size > MAX_SEARCHED_BYTES)
          break
      }
      const note = [
        ...walk.notes(),
        ...(tooLarge > 0 ? [`${tooLarge} files above 2 MiB were not searched`] : []),
        ...(judged > MAX_JUDGED_CHARACTERS ? ["too many large files have such lines: narrow it"] : []),
        ...(lines.length > MAX_LINES ? [`only the first ${MAX_LINES} lines: narrow it`] : []),
      ]
      return {
        data: { lines: lines.slice(0, MAX_LINES), ...noteOf(note) },
        labels: [...FILE_LABELS],
        source: `file:${walk.path}`,
      }
    },
  })

  return [glob, grep]
}

/** RE2 takes time linear in the text, so that no pattern and no file can hold the process. */
function compile(pattern: string, { plain, ignoreCase }: { plain: boolean; ignoreCase: boolean }): RE2JS | null {
  try {
    return RE2JS.compile(plain ? RE2JS.quote(pattern) : pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0)
  } catch {
    // The library's message is about syntax alone, and the caller says so.
    return null
  }
}

async function readText(project: Jail, path: string): Promise<string | null> {
  const read = await project.withFile(path, async (file) =>
    readBytes(file, { from: 0, count: Math.min(file.size, MAX_FILE_BYTES) }),
  )
  // Gone meanwhile, a link, a file with other names: not for us.
  if (!read.ok || !judgeFileKind(read.value.subarray(0, KIND_BYTES)).text) return null
  return new TextDecoder().decode(read.value)
}

function matchingLines(
  pattern: RE2JS,
  { path, text, room, findSecrets }: { path: string; text: string; room: number; findSecrets: FindSecrets },
) {
  const found: { path: string; line: number; text: string }[] = []
  let spans: SecretSpan[] | null = null
  let number = 0
  let start = 0
  for (const line of text.split("\n")) {
    number++
    const end = start + line.length
    if (pattern.matcher(line).find()) {
      spans ??= findSecrets(text)
      const clean = withoutSpans(text, { start, end }, spans)
      found.push({
        path,
        line: number,
        text: clean.length <= MAX_LINE_CHARACTERS ? clean : `${clean.slice(0, MAX_LINE_CHARACTERS).toWellFormed()}…`,
      })
      if (found.length === room) break
    }
    start = end + 1
  }
  return found
}

type WalkedFile = FolderEntry & { path: string; below: string }

/** Regular files under `path`, folder by folder. */
async function startWalk({ project, path, signal }: { project: Jail; path: string; signal: AbortSignal }) {
  const top = await project.list(path)
  if (!top.ok) return top
  const root = top.value.path
  const skipped = new Set<string>()
  let visited = 0
  async function* files(): AsyncGenerator<WalkedFile> {
    const waiting = [root]
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      signal.throwIfAborted()
      const listed = await project.list(folder === "" ? "." : folder)
      if (!listed.ok) continue
      for (const entry of listed.value.entries) {
        if (++visited > MAX_VISITED) return
        const at = folder === "" ? entry.name : `${folder}/${entry.name}`
        if (entry.kind === "file") yield { ...entry, path: at, below: root === "" ? at : at.slice(root.length + 1) }
        if (entry.kind !== "folder") continue
        if (SKIPPED_FOLDERS.includes(entry.name)) skipped.add(entry.name)
        else waiting.push(at)
      }
    }
  }
  const notes = () => [
    ...(skipped.size > 0 ? [`not looked into: ${[...skipped].join(", ")} (name the folder to do so)`] : []),
    ...(visited > MAX_VISITED ? [`stopped after ${MAX_VISITED} entries: name a folder further down`] : []),
  ]
  return { ok: true as const, path: root, files: files(), notes }
}

function noteOf(notes: readonly string[]): { note?: string } {
  return notes.length > 0 ? { note: notes.join("; ") } : {}
}
