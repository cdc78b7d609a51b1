/** Where a plugin comes from, and its files as they were there: a folder or a file of this machine, or one that is inside this program. */
import { statSync } from "node:fs"
import { basename, isAbsolute } from "node:path"
import { AppError } from "#core/errors.ts"
import type { Bundled } from "./bundled.ts"
import { contentsOf, type GivenFile } from "./contents.ts"
import { MAX_BYTES, readPlainFile, readPluginFolder } from "./folder.ts"
import { unusable } from "./install.ts"
import type { ReadArchive } from "./parser.ts"
import type { PluginFolder } from "./plugin.ts"

export type PluginSource = { path: string } | { name: string }

export type ReadSource = (source: PluginSource, signal: AbortSignal) => Promise<PluginFolder>

/** Reads what is there. Throws `plugin.unusable` with everything that is wrong, `not_found`. */
export function createReadSource({ bundled, readArchive }: { bundled: Bundled; readArchive: ReadArchive }): ReadSource {
  return async (source, signal) => {
    judgeSource(source, { bundled })
    if ("name" in source) return bundled.read(source.name)
    const found = findAt(source.path)
    if ("folder" in found) return found.folder
    const contents = await contentsOf(found.file, { readArchive, signal })
    if (contents.ok) return contents.folder
    throw unusable(wordsOf(source), contents.problems)
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

type Found = { folder: PluginFolder } | { file: GivenFile }

function findAt(path: string): Found {
  let isFolder: boolean
  try {
    isFolder = statSync(path).isDirectory()
  } catch {
    throw new AppError("not_found", `There is no ${path.slice(0, 300)}`)
  }
  if (isFolder) {
    const read = readPluginFolder(path)
    if (read.ok) return { folder: read.folder }
    throw unusable(path, read.problems)
  }
  const bytes = readPlainFile(path, MAX_BYTES)
  if (typeof bytes === "string") throw unusable(path, [bytes])
  return { file: { fileName: basename(path), bytes } }
}
