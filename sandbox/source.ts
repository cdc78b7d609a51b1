/** Where a plugin comes from, and its files as they were there: a folder or a file of this machine, or one that is inside this program. */
import { statSync } from "node:fs"
import { basename, extname, isAbsolute } from "node:path"
import { AppError } from "#core/errors.ts"
import type { Bundled } from "./bundled.ts"
import { folderOf, readPlainFile, readPluginFolder, sha256Of } from "./folder.ts"
import { unusable } from "./install.ts"
import type { PluginFolder } from "./plugin.ts"

export type PluginSource = { path: string } | { name: string }

/** The largest single file that is read as a plugin. */
const MAX_FILE_BYTES = 32 * 1024 * 1024

export type ReadSource = (source: PluginSource, signal: AbortSignal) => Promise<PluginFolder>

/** Reads what is there. Throws `plugin.unusable` with everything that is wrong, `not_found`. */
export function createReadSource({ bundled }: { bundled: Bundled }): ReadSource {
  return async (source) => {
    judgeSource(source, { bundled })
    return "name" in source ? bundled.read(source.name) : readPath(source.path)
  }
}

/** Throws for what can never be installed, as far as that can be told without looking anywhere. */
export function judgeSource(source: PluginSource, { bundled }: { bundled: Bundled }): void {
  if ("name" in source) bundled.judgeName(source.name)
  else if (!isAbsolute(source.path))
    throw new AppError("input.invalid", `/path: "${source.path.slice(0, 200)}" is no absolute path`)
}

/** For words alone. */
export function wordsOf(source: PluginSource): string {
  return "name" in source ? source.name : source.path
}

function readPath(path: string): PluginFolder {
  let isFolder: boolean
  try {
    isFolder = statSync(path).isDirectory()
  } catch {
    throw new AppError("not_found", `There is no ${path.slice(0, 300)}`)
  }
  if (isFolder) {
    const read = readPluginFolder(path)
    if (read.ok) return read.folder
    throw unusable(path, read.problems)
  }
  const extension = extname(path).toLowerCase()
  if (![".wasm", ".ts", ".js"].includes(extension))
    throw unusable(path, ["It is no folder, and no .wasm, .ts or .js file"])
  const bytes = readPlainFile(path, MAX_FILE_BYTES)
  if (typeof bytes === "string") throw unusable(path, [bytes])
  // Code without a manifest asks for nothing.
  const name = basename(path, extname(path))
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 40)
    .replace(/-+$/, "")
  if (name === "") throw unusable(path, ["Its name has no letters to call the plugin by"])
  const manifest = { name, version: "0.0.0", kind: "tool", entry: `plugin${extension}`, sha256: sha256Of(bytes) }
  return folderOf(
    new Map([
      ["plugin.json", new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`)],
      [`plugin${extension}`, bytes],
    ]),
  )
}
