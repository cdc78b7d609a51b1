/** Files a person can finish in one sitting, named for what they define, each opening with a sentence that says what it is for. */
import { join } from "node:path"
import { type Problem, headerOf, isProduct, readText, report, sourceFiles } from "./tree.ts"

/** A name that says nothing about what is inside invites everything. */
const banned = new Set([
  "util",
  "utils",
  "helper",
  "helpers",
  "common",
  "misc",
  "type",
  "types",
  "manager",
  "handler",
  "index",
])

const MAX_LINES = 400 // what one sitting takes; a longer file says in its header why one file is right
const P95_LINES = 400

export type SizedFile = { file: string; text: string }

export function judgeName(file: string): Problem[] {
  const problems: Problem[] = []
  for (const part of file.split("/")) {
    const stem = part.replace(/(\.(test|d|config))?\.[a-z]+$/, "")
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem)) problems.push({ file, message: `"${part}" is not kebab-case` })
    // The last word is the noun: `tool-types` is a file of types, `type-script` would be a script.
    const noun = stem.split("-").at(-1) ?? ""
    if (banned.has(noun)) problems.push({ file, message: `"${noun}" names no thing: say what the file defines` })
  }
  return problems
}

export function judgeHeader({ file, text }: SizedFile): Problem[] {
  // A test's names are its sentences, and its table may be as long as what it tests is wide.
  if (file.endsWith(".test.ts")) return []
  const header = headerOf(text)
  if (header.replace(/[/*\s]/g, "").length < 10) {
    return [{ file, message: "It does not open with a sentence that says what it is for" }]
  }
  const lines = countLines(text)
  if (lines > MAX_LINES && !/\bone file\b/i.test(header)) {
    return [
      {
        file,
        message: `${lines} lines, over ${MAX_LINES}: split it by question, or say in its header why "one file" is right`,
      },
    ]
  }
  return []
}

/** The length that 95 of 100 product files stay within. */
export function judgeP95(files: readonly SizedFile[]): Problem[] {
  const sizes = files.map(({ file, text }) => ({ file, lines: countLines(text) })).sort((a, b) => a.lines - b.lines)
  // Nearest rank: of 20 files the 19th.
  const p95 = sizes[Math.ceil(sizes.length * 0.95) - 1]
  if (!p95 || p95.lines <= P95_LINES) return []
  return [{ file: p95.file, message: `The 95th percentile of file sizes is ${p95.lines} lines, over ${P95_LINES}` }]
}

function countLines(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0)
}

export function checkSizesAndNames(root: string): Problem[] {
  const files = sourceFiles(root).map((file) => ({ file, text: readText(root, file) }))
  return [
    ...files.flatMap(({ file }) => judgeName(file)),
    ...files.flatMap(judgeHeader),
    ...judgeP95(files.filter(({ file }) => isProduct(file))),
  ]
}

if (import.meta.main) report("sizes and names", checkSizesAndNames(join(import.meta.dir, "..")))
