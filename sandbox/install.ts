/**
 * Question: is this the plugin the owner agreed to?
 * Fails closed by: whatever differs from the sealed row by a byte, or by a word of what it said of its tools, is inactive; what is wrong
 * is refused whole, with everything that is wrong.
 * Known limits: no signatures of publishers yet, and nothing is fetched: a plugin comes from a file or a folder of this machine.
 * Source: ARCHITECTURE 7; supply-chain attacks in which a plugin's later version is another program.
 */
import { statSync } from "node:fs"
import { basename, extname, isAbsolute } from "node:path"
import { AppError } from "#core/errors.ts"
import type { Sandbox } from "./child/guest.ts"
import { describePlugin } from "./describe.ts"
import { folderOf, readPlainFile, readPluginFolder, sha256Of } from "./folder.ts"
import type { Manifest } from "./manifest.ts"
import { judgePackage } from "./package.ts"
import type { PluginCode, PluginFolder, PluginPin, PluginTool } from "./plugin.ts"
import { differences, sentencesFor } from "./sentences.ts"

/** A plugin that may be installed or agreed to, and what that would mean. */
export type Prepared = {
  name: string
  version: string
  sha256: string
  manifest: Manifest
  tools: readonly PluginTool[]
  asks: string[]
  /** What is different from what the owner agreed to; null where they never agreed to any version. */
  changes: string[] | null
  folder: PluginFolder
}

/** The largest single file that is read as a plugin. */
const MAX_FILE_BYTES = 32 * 1024 * 1024

/** Reads a folder or a single file of code. Throws `plugin.unusable` with everything that is wrong. */
export function readSource(path: string): PluginFolder {
  if (!isAbsolute(path)) throw new AppError("input.invalid", `/path: "${path.slice(0, 200)}" is no absolute path`)
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

/** Judges all of it, its own words of its tools too. Throws `plugin.unusable` with everything that is wrong. */
export async function preparePlugin({
  folder,
  from,
  sandbox,
  takenBeside,
  pinOf,
  signal,
}: {
  folder: PluginFolder
  /** For words alone. */
  from: string
  sandbox: Pick<Sandbox, "call">
  /** Names of all tools but those of this plugin. */
  takenBeside: (name: string) => readonly string[]
  pinOf: (name: string) => PluginPin | null
  signal: AbortSignal
}): Promise<Prepared> {
  const judged = judgePackage(folder, { agreed: null })
  if (!judged.ok) throw unusable(from, judged.problems)
  const { manifest } = judged
  const code: PluginCode = judged.code
  const { name, version } = manifest
  const described = await describePlugin({ sandbox, manifest, code, taken: takenBeside(name), signal })
  if (!described.ok) throw unusable(from, described.problems)
  const { tools } = described
  const pin = pinOf(name)
  return {
    name,
    version,
    sha256: folder.sha256,
    manifest,
    tools,
    asks: sentencesFor({ manifest, tools }),
    changes: pin === null ? null : differences(pin, { manifest, tools }),
    folder,
  }
}

function unusable(what: string, problems: readonly string[]): AppError {
  return new AppError(
    "plugin.unusable",
    `${what.slice(0, 300)} is no plugin that could be used:\n${problems.map((problem) => `- ${problem}`).join("\n")}`,
  )
}
