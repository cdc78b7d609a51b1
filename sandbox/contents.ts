/**
 * What one file holds as a plugin, told by its bytes and not by its name: an archive of a folder, a module, or a script. Archives are
 * opened in a child of their own.
 */
import { extname } from "node:path"
import { folderOf, judgeFolderSize, sha256Of } from "./folder.ts"
import { isArchive } from "./parse/archive-kind.ts"
import type { ReadArchive } from "./parser.ts"
import type { PluginFolder } from "./plugin.ts"

export type Contents = { ok: true; folder: PluginFolder } | { ok: false; problems: string[] }

export type GivenFile = {
  /** The last part of its path, for a plugin that has no other name. */
  fileName: string
  bytes: Uint8Array
}

export async function contentsOf(
  { fileName, bytes }: GivenFile,
  { readArchive, signal }: { readArchive: ReadArchive; signal: AbortSignal },
): Promise<Contents> {
  if (isArchive(bytes)) {
    const opened = await readArchive(bytes, signal)
    return opened.ok ? folderIn(opened.files) : opened
  }
  const extension = isModule(bytes) ? ".wasm" : extensionOf(fileName, bytes)
  if (extension === null)
    return { ok: false, problems: [`It is no archive, no WebAssembly and no script${whatElse(bytes)}`] }
  const name = nameOf(fileName)
  if (name === "") return { ok: false, problems: ["Its name has no letters to call the plugin by"] }
  // Code without a manifest asks for nothing.
  const manifest = { name, version: "0.0.0", kind: "tool", entry: `plugin${extension}`, sha256: sha256Of(bytes) }
  return {
    ok: true,
    folder: folderOf(
      new Map([
        ["plugin.json", new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`)],
        [`plugin${extension}`, bytes],
      ]),
    ),
  }
}

/** Without the one folder that archives are often made of, and what a Mac adds to them. */
function folderIn(files: readonly { name: string; bytes: Uint8Array }[]): Contents {
  const own = files.filter(({ name }) => !/^__MACOSX\/|(?:^|\/)(?:\.DS_Store|\._[^/]*)$/.test(name))
  const [top = ""] = own[0]?.name.split("/", 1) ?? []
  const isUnderOne = own.every(({ name }) => name.startsWith(`${top}/`))
  const flat = new Map(own.map(({ name, bytes }) => [isUnderOne ? name.slice(top.length + 1) : name, bytes]))
  const problems = [...flat.keys()]
    .filter((name) => name.includes("/"))
    .map((name) => `${JSON.stringify(name.slice(0, 80))}: it is in a folder, and a plugin has none`)
    .slice(0, 20)
  const size = judgeFolderSize(flat)
  if (size !== null) problems.push(size)
  return problems.length > 0 ? { ok: false, problems } : { ok: true, folder: folderOf(flat) }
}

function isModule(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "\0asm"
}

/** JavaScript is told from TypeScript by its name alone, and is TypeScript too. Null: it is no text, or the text of something else. */
function extensionOf(fileName: string, bytes: Uint8Array): string | null {
  const extension = extname(fileName).toLowerCase()
  if (extension === ".wasm") return ".wasm" // and it is told what is wrong with it
  const isText = !bytes.includes(0) && isUtf8(bytes)
  if (!isText || bytes.length === 0 || isPage(bytes)) return null
  if (extension === ".js" || extension === ".mjs") return ".js"
  return [".ts", ".mts", ""].includes(extension) ? ".ts" : null
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

function isPage(bytes: Uint8Array): boolean {
  return /^\s*<(?:!doctype|html|\?xml)/i.test(Buffer.from(bytes.subarray(0, 500)).toString("latin1"))
}

function whatElse(bytes: Uint8Array): string {
  return isPage(bytes) ? ": it is a web page, and the address of the file itself is another one" : ""
}

function nameOf(fileName: string): string {
  return fileName
    .slice(0, fileName.length - extname(fileName).length)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 40)
    .replace(/-+$/, "")
}
