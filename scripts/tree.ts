/** The source tree as the checks see it: which files there are, and what each one imports, type-only and dynamic imports included. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseSync } from "oxc-parser"

/** The product's folders, low to high, then the two that may use all of them and that nobody uses. */
export const productFolders = ["core", "sandbox", "skills", "channels", "gateway", "cmd"] as const
export const sourceFolders = [...productFolders, "scripts", "test"] as const

/** One thing that a check found: where, and what to do about it. */
export type Problem = { file: string; line?: number; message: string }

export type Import = { specifier: string; line: number; typeOnly: boolean; dynamic: boolean }

/** Folders that hold no source of ours, wherever they stand. */
const skipped = new Set(["node_modules", "dist", "bundled"])

/** Every source file under the product's folders, scripts and test, sorted, relative to `root` with forward slashes. */
export function sourceFiles(root: string): string[] {
  const found: string[] = []
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (skipped.has(entry.name) || entry.name.startsWith(".")) continue
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) visit(path)
      else if (/\.(ts|tsx|mts|mjs|js)$/.test(entry.name)) found.push(path)
    }
  }
  const present = new Set(readdirSync(root))
  for (const folder of sourceFolders) if (present.has(folder)) visit(folder)
  return found.sort()
}

export function isProduct(file: string): boolean {
  return productFolders.some((folder) => file.startsWith(`${folder}/`))
}

/** What a file imports, in any of the ways there are. A specifier that is no literal comes back as "". */
export function importsOf(file: string, text: string): { imports: Import[]; problems: Problem[] } {
  const parsed = parseSync(file, text, { sourceType: "module" })
  const problems = parsed.errors.map(({ message }) => ({ file, message: `Does not parse: ${message}` }))
  const imports: Import[] = []
  const lineOf = (offset: number): number => text.slice(0, offset).split("\n").length
  const add = (node: Node, source: unknown, kind: { typeOnly: boolean; dynamic: boolean }): void => {
    imports.push({ specifier: literalOf(source), line: lineOf(node.start), ...kind })
  }
  walk(parsed.program, (node) => {
    switch (node.type) {
      case "ImportDeclaration":
      case "ExportAllDeclaration":
      case "ExportNamedDeclaration": {
        const typeOnly = node["importKind"] === "type" || node["exportKind"] === "type"
        if (node["source"]) add(node, node["source"], { typeOnly, dynamic: false })
        return
      }
      case "ImportExpression":
        return add(node, node["source"], { typeOnly: false, dynamic: true })
      case "TSImportType":
        return add(node, node["source"] ?? node["argument"], { typeOnly: true, dynamic: false })
      case "TSExternalModuleReference":
        return add(node, node["expression"], { typeOnly: false, dynamic: false })
      case "CallExpression": {
        const callee = node["callee"]
        const argument: unknown = Array.isArray(node["arguments"]) ? node["arguments"][0] : undefined
        if (isNode(callee) && callee["name"] === "require") add(node, argument, { typeOnly: false, dynamic: true })
      }
    }
  })
  return { imports, problems }
}

type Node = { type: string; start: number } & Record<string, unknown>

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"
}

function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit)
    return
  }
  if (!isNode(value)) return
  visit(value)
  for (const child of Object.values(value)) if (typeof child === "object") walk(child, visit)
}

function literalOf(source: unknown): string {
  if (!isNode(source)) return ""
  // `import("x")` as a type wraps its literal once more.
  if (isNode(source["literal"])) return literalOf(source["literal"])
  return typeof source["value"] === "string" ? source["value"] : ""
}

/** The comment that a file opens with, after a `#!` line if there is one; "" where there is none. */
export function headerOf(text: string): string {
  const body = text.replace(/^#!.*\n/, "").trimStart()
  return /^\/\*[\s\S]*?\*\//.exec(body)?.[0] ?? /^(\/\/.*\n?)+/.exec(body)?.[0] ?? ""
}

export function readText(root: string, file: string): string {
  return readFileSync(join(root, file), "utf8")
}

/** Runs a check as its own program: prints what it found and sets the exit status. */
export function report(name: string, problems: readonly Problem[]): void {
  for (const { file, line, message } of problems) console.log(`${file}${line ? `:${line}` : ""}  ${message}`)
  if (problems.length > 0) process.exitCode = 1
  else console.log(`${name}: nothing found`)
}
