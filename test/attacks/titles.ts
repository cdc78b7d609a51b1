/** What tests a test file holds, read from its syntax: the sentence of each, below those of the groups that it stands in. */
import { readFileSync } from "node:fs"
import { parseSync } from "oxc-parser"

type Fields = Record<string, unknown>
/** `always` is false for what is skipped, still to do, or runs only where a machine has something that not every one has. */
export type Title = { name: string; always: boolean }

const isNode = (value: unknown): value is Fields => typeof value === "object" && value !== null
const sourceOf = (node: Fields, source: string): string => source.slice(Number(node["start"]), Number(node["end"]))

/** A title as it is written; what a template puts in stays as its expression, so that a row of a table of tests has one name. */
function textOf(node: unknown, source: string): string | null {
  if (!isNode(node)) return null
  if (node["type"] === "Literal" && typeof node["value"] === "string") return node["value"]
  return node["type"] === "TemplateLiteral" ? sourceOf(node, source).slice(1, -1) : null
}

/** `test`, `test.each(…)`, `describe.if(…)`: the word, whether it always runs, or nothing where the call is another. */
function wordOf(callee: unknown, source: string): { word: string; always: boolean } | null {
  if (!isNode(callee)) return null
  if (callee["type"] === "Identifier") return { word: String(callee["name"]), always: true }
  if (callee["type"] === "CallExpression") {
    const inner = wordOf(callee["callee"], source)
    return inner === null ? null : { ...inner, always: inner.always || isAboutPlatform(callee, source) }
  }
  if (callee["type"] !== "MemberExpression" || !isNode(callee["property"])) return null
  const inner = wordOf(callee["object"], source)
  const always = ["each", "serial", "concurrent"].includes(String(callee["property"]["name"]))
  return inner === null ? null : { word: inner.word, always: inner.always && always }
}

/** What asks for Linux runs wherever the whole suite counts; what asks for root or a full disk may run nowhere. */
const isAboutPlatform = (call: Fields, source: string): boolean =>
  /\.(if|skipIf)\((onLinux|process\.platform\s*===?\s*"(linux|win32)")\)$/.test(sourceOf(call, source))

export function titlesIn(source: string): Title[] {
  const found: Title[] = []
  function visit(value: unknown, above: readonly string[], always: boolean): void {
    if (Array.isArray(value)) {
      for (const entry of value) visit(entry, above, always)
      return
    }
    if (!isNode(value)) return
    let [names, runs] = [above, always]
    if (value["type"] === "CallExpression") {
      const called = wordOf(value["callee"], source)
      const first: unknown = Array.isArray(value["arguments"]) ? value["arguments"][0] : null
      const text = called === null ? null : textOf(first, source)
      if (called !== null && text !== null && ["test", "it", "describe"].includes(called.word)) {
        names = [...above, text]
        runs = always && called.always
        if (called.word !== "describe") found.push({ name: names.join(" › "), always: runs })
      }
    }
    for (const child of Object.values(value)) visit(child, names, runs)
  }
  visit(parseSync("a.test.ts", source).program, [], true)
  return found
}

export const titlesOfFile = (path: string): Title[] => titlesIn(readFileSync(path, "utf8"))
