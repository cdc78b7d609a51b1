/** A plugin's folder, read once: plain files and nothing else, so that what was hashed is all that there is. */
import { createHash } from "node:crypto"
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { systemCodeOf } from "#core/home.ts"
import type { PluginFolder } from "./plugin.ts"

export type ReadFolder = { ok: true; folder: PluginFolder } | { ok: false; problems: string[] }

/** Manifest, code, instructions, a picture, and room for a licence and some more. */
const MAX_FILES = 30
export const MAX_BYTES = 32 * 1024 * 1024

/** Null: so many files of so many bytes can be a plugin's folder. */
export function judgeFolderSize(files: ReadonlyMap<string, Uint8Array>): string | null {
  if (files.size > MAX_FILES) return `It holds more than ${MAX_FILES} files`
  const bytes = [...files.values()].reduce((sum, { length }) => sum + length, 0)
  return bytes > MAX_BYTES ? `Its files have more than ${MAX_BYTES} bytes together` : null
}

/** Half-written files are read as they are: they have another hash than the whole ones. */
export function readPluginFolder(path: string): ReadFolder {
  let names: string[]
  try {
    names = readdirSync(path).sort()
  } catch (error) {
    return { ok: false, problems: [`The folder cannot be read (${systemCodeOf(error)})`] }
  }
  if (names.length > MAX_FILES) return { ok: false, problems: [`It holds more than ${MAX_FILES} files`] }
  const files = new Map<string, Uint8Array>()
  let left = MAX_BYTES
  for (const name of names) {
    const bytes = readPlainFile(join(path, name), left)
    if (typeof bytes === "string") return { ok: false, problems: [`${name.slice(0, 80)}: ${bytes}`] }
    left -= bytes.length
    files.set(name, bytes)
  }
  return { ok: true, folder: folderOf(files) }
}

export function folderOf(files: ReadonlyMap<string, Uint8Array>): PluginFolder {
  const hash = createHash("sha256")
  // As JSON, so that no name can run into the next.
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${JSON.stringify([name, sha256Of(bytes)])}\n`)
  return { sha256: hash.digest("hex"), files }
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex")
}

/** Its bytes, or why there are none. Never follows a link, never waits for a pipe. */
export function readPlainFile(path: string, maxBytes: number): Uint8Array | string {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    const code = systemCodeOf(error)
    return code === "ELOOP" ? "it is a link" : `it cannot be read (${code})`
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) return stat.isDirectory() ? "it is a folder" : "it is no plain file"
    if (stat.size > maxBytes) return `it is larger than ${maxBytes} bytes`
    const bytes = readFileSync(file)
    return bytes.length > maxBytes ? `it is larger than ${maxBytes} bytes` : bytes
  } catch (error) {
    return `it cannot be read (${systemCodeOf(error)})`
  } finally {
    closeSync(file)
  }
}

/** Changes whenever a file of the folder was written, replaced, added or taken away. */
export function folderSignature(path: string): string {
  try {
    return readdirSync(path)
      .slice(0, MAX_FILES + 1)
      .map((name) => {
        const { size, ino, mtimeMs, ctimeMs, mode } = lstatSync(join(path, name))
        return [name, size, ino, mtimeMs, ctimeMs, mode].join(" ")
      })
      .join("\n")
  } catch {
    return "gone" // reading it says why
  }
}
