/** README against the disk: its tree names what is there and nothing else, and each gate of its security map exists, is tested and says its limits. */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { type Problem, headerOf, readText, report, sourceFiles, sourceFolders } from "./tree.ts"

const readme = "README.md"
const generated = new Set(["node_modules", "dist"])

/** The four lines that a gate's header answers, in the words of the security map. */
const gateLines = ["Question:", "Fails closed by:", "Known limits:", "Source:"] as const

/** The text under a heading, up to the next heading of the same or a higher level. */
export function sectionOf(markdown: string, heading: string): string | null {
  const lines = markdown.split("\n")
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "").trim() === heading)
  if (start === -1) return null
  const level = /^#+/.exec(lines[start] ?? "")?.[0].length ?? 1
  let fenced = false
  const length = lines.slice(start + 1).findIndex((line) => {
    if (line.startsWith("```")) fenced = !fenced
    return !fenced && /^#+ /.test(line) && (/^#+/.exec(line)?.[0].length ?? 9) <= level
  })
  return lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join("\n")
}

/** Paths in the first code block: one a line, first word, children indented by two spaces under a folder that ends in "/". */
export function pathsOfTree(section: string): string[] {
  const block = /```[^\n]*\n([\s\S]*?)```/.exec(section)?.[1] ?? ""
  const parents: string[] = []
  const paths: string[] = []
  for (const line of block.split("\n")) {
    const match = /^( *)(\S+)/.exec(line)
    if (!match) continue
    const depth = Math.floor((match[1] ?? "").length / 2)
    const name = match[2] ?? ""
    const path = [...parents.slice(0, depth), name.replace(/\/$/, "")].join("/")
    paths.push(path)
    if (name.endsWith("/")) parents.splice(depth, parents.length, name.replace(/\/$/, ""))
  }
  return paths
}

/** Files in backticks in the table's third column. */
export function gatesOfMap(section: string): string[] {
  const rows = section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
  return rows.flatMap((row) => [...(row.split("|")[3] ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ""))
}

/** Where the test of a gate stands: same path, same name. A folder's tests are a folder. */
export function testOf(gate: string): string {
  return gate.endsWith("/") ? `test/${gate}` : `test/${gate.replace(/\.ts$/, ".test.ts")}`
}

export function checkReadme(root: string): Problem[] {
  const markdown = readText(root, readme)
  return [...checkTree(root, markdown), ...checkMap(root, markdown)]
}

function checkTree(root: string, markdown: string): Problem[] {
  const section = sectionOf(markdown, "The tree")
  const paths = section === null ? [] : pathsOfTree(section)
  if (paths.length === 0) return [{ file: readme, message: 'It has no code block under the heading "The tree"' }]
  const missing = paths.filter((path) => !existsSync(join(root, path)))
  const listed = new Set(paths.map((path) => path.split("/")[0]))
  const unlisted = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && !generated.has(entry.name))
    .map(({ name }) => name)
    // Git keeps no empty folders: on a clean checkout they are not there.
    .filter((name) => !listed.has(name) && readdirSync(join(root, name)).length > 0)
  const strange = unlisted.filter((name) => !sourceFolders.some((folder) => folder === name))
  return [
    ...missing.map((path) => ({ file: readme, message: `The tree names "${path}", which is not there` })),
    ...unlisted
      .filter((name) => !strange.includes(name))
      .map((name) => ({ file: readme, message: `The tree does not name the folder "${name}"` })),
    ...strange.map((name) => ({
      file: name,
      message: "No other folders at the top: it belongs inside one of those in the tree",
    })),
  ]
}

function checkMap(root: string, markdown: string): Problem[] {
  const section = sectionOf(markdown, "The security map")
  const gates = section === null ? [] : gatesOfMap(section)
  if (gates.length === 0)
    return [{ file: readme, message: 'It has no table of gates under the heading "The security map"' }]
  const problems: Problem[] = []
  for (const gate of gates) {
    if (!existsSync(join(root, gate))) {
      problems.push({ file: readme, message: `The security map names "${gate}", which is not there` })
      continue
    }
    if (!existsSync(join(root, testOf(gate))))
      problems.push({ file: gate, message: `A gate needs a test of its name: ${testOf(gate)}` })
    if (gate.endsWith(".ts")) problems.push(...judgeGateHeader(gate, readText(root, gate)))
  }
  for (const file of sourceFiles(root)) {
    if (gates.some((gate) => gate === file || (gate.endsWith("/") && file.startsWith(gate)))) continue
    if (isGate(readText(root, file)))
      problems.push({ file, message: "Its header is a gate's, and README's security map does not name it" })
  }
  return problems
}

export function judgeGateHeader(file: string, text: string): Problem[] {
  const header = headerOf(text)
  return gateLines
    .filter((line) => !header.includes(line))
    .map((line) => ({ file, message: `A gate's header has the line "${line}"` }))
}

/** A file whose header begins as a gate's does. */
function isGate(text: string): boolean {
  const header = headerOf(text)
  return header.includes("Question:") && header.includes("Fails closed by:")
}

if (import.meta.main) report("readme", checkReadme(join(import.meta.dir, "..")))
