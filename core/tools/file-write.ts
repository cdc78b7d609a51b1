/** file_write and file_patch: change a file of the project folder, with a record to undo it from kept first. */
import { judgePath, type Jail } from "../safety/paths.ts"
import { t } from "../schema.ts"
import { readPresent, sha256, type KeepChange, type Present } from "./file-change.ts"
import { judgeFileKind, KIND_BYTES } from "./file-kind.ts"
import { pathFailure } from "./path-failure.ts"
import { defineTool, type Tool, type ToolContext, type ToolResult } from "./tool.ts"

const TIMEOUT_MS = 20_000 // a slow disk, not a broken one
const MAX_CONTENT_CHARACTERS = 1024 * 1024 // more than a model writes in one call
const MAX_EDITS = 50

const closed = { additionalProperties: false }
const path = t.String({
  minLength: 1,
  maxLength: 4_096,
  description: 'e.g. "docs/plan.md"',
})

export function fileWriteTools({ project, keepChange }: { project: Jail; keepChange: KeepChange }): Tool[] {
  const write = defineTool({
    name: "file_write",
    description: "Write a whole text file of the project, with its folders. To change parts, use file_patch.",
    input: t.Object({ path, content: t.String({ maxLength: MAX_CONTENT_CHARACTERS }) }, closed),
    effect: () => "write-local",
    needs: (input) => [{ kind: "file", path: input.path, write: true }],
    reversible: () => true, // what was there is kept first
    timeoutMs: TIMEOUT_MS,
    run: ({ path, content }, context) => change({ project, keepChange, path, context }, () => ({ content })),
  })

  const patch = defineTool({
    name: "file_patch",
    description:
      "Change parts of a text file of the project: all edits or none. Each `find` must stand there exactly once, unless `all`.",
    input: t.Object(
      {
        path,
        edits: t.Array(
          t.Object(
            {
              find: t.String({
                minLength: 1,
                maxLength: MAX_CONTENT_CHARACTERS,
                description: "Exact text, indentation too",
              }),
              replace: t.String({ maxLength: MAX_CONTENT_CHARACTERS }),
              all: t.Optional(t.Boolean()),
            },
            closed,
          ),
          { minItems: 1, maxItems: MAX_EDITS },
        ),
      },
      closed,
    ),
    effect: () => "write-local",
    needs: (input) => [{ kind: "file", path: input.path, write: true }],
    reversible: () => true, // what was there is kept first
    timeoutMs: TIMEOUT_MS,
    run: ({ path, edits }, context) =>
      change({ project, keepChange, path, context }, (present) => {
        if (!present.content) return { failed: `"${path}" does not exist; file_write makes it` }
        const text = decodeText(present.content)
        return text === null
          ? { failed: `"${path}" is no text in UTF-8, so it cannot be patched` }
          : applyEdits(text, edits)
      }),
  })

  return [write, patch]
}

type Edit = { find: string; replace: string; all?: boolean }
type Planned = { content: string } | { failed: string }

/** One after another, each on what the one before left. */
export function applyEdits(text: string, edits: readonly Edit[]): Planned {
  let content = text
  for (const [index, { find, replace, all = false }] of edits.entries()) {
    const places = content.split(find).length - 1
    const which = edits.length === 1 ? "The text to find" : `The text to find of edit ${index + 1}`
    if (places === 0) {
      const ends =
        content.includes("\r\n") && find.includes("\n") && !find.includes("\r\n")
          ? " (the file has Windows line ends)"
          : ""
      return { failed: `${which} does not stand in the file${ends}: read it again. Nothing was changed` }
    }
    if (places > 1 && !all)
      return {
        failed: `${which} stands in the file ${places} times: give more of what is around it, or set \`all\`. Nothing was changed`,
      }
    content = content.split(find).join(replace)
    if (content.length > MAX_CONTENT_CHARACTERS)
      return { failed: "The file would become too large. Nothing was changed" }
  }
  return { content }
}

type Change = { project: Jail; keepChange: KeepChange; path: string; context: ToolContext }

async function change(
  { project, keepChange, path, context }: Change,
  plan: (present: Extract<Present, { ok: true }>) => Planned,
): Promise<ToolResult> {
  // Before anything is kept: what may be read may still be closed for writing.
  const judged = judgePath({ root: project.root, path, use: "write" })
  if (!judged.ok) return pathFailure({ why: `The path is refused: ${judged.why}` })
  const present = await readPresent(project, path)
  if (!present.ok) return pathFailure(present)
  const planned = plan(present)
  if ("failed" in planned) return planned
  const content = Buffer.from(planned.content.toWellFormed())
  const { agentId, sessionId, turnId, callId, labels, source } = context
  await keepChange({
    agentId,
    sessionId,
    turnId,
    callId,
    path: judged.segments.join("/"),
    before: present.content,
    afterSha256: sha256(content),
    labels,
    source,
  })
  context.signal.throwIfAborted()
  const written = await project.replace({ path, content, expected: present.file })
  if (!written.ok) return pathFailure(written)
  const data = { path: written.value.path, bytes: content.length, created: present.file === null }
  return { data, labels: [...labels], source }
}

function decodeText(content: Uint8Array): string | null {
  if (!judgeFileKind(content.subarray(0, KIND_BYTES)).text) return null
  try {
    // A byte-order mark stays where it is.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    // Not UTF-8: writing it back would damage what was not understood.
    return null
  }
}
