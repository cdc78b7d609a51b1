/**
 * Question: is this the plugin the owner agreed to?
 * Fails closed by: whatever differs from the sealed row by a byte, or by a word of what it said of its tools, is inactive; what is wrong
 * is refused whole, with everything that is wrong.
 * Known limits: who wrote it is known only where the owner gave a publisher's key (publisher.ts); a name says nothing of who that is.
 * Source: ARCHITECTURE 7; supply-chain attacks in which a plugin's later version is another program.
 */
import { AppError } from "#core/errors.ts"
import type { Sandbox } from "./child/guest.ts"
import { describePlugin } from "./describe.ts"
import type { Manifest } from "./manifest.ts"
import { judgePackage } from "./package.ts"
import type { PluginCode, PluginFolder, PluginPin, PluginTool } from "./plugin.ts"
import { differences, olderChange, publisherChange, sentencesFor } from "./sentences.ts"
import type { Source } from "./source.ts"

/** A plugin that may be installed or agreed to, and what that would mean. */
export type Prepared = {
  name: string
  version: string
  sha256: string
  manifest: Manifest
  tools: readonly PluginTool[]
  asks: string[]
  /** The version that the owner agreed to before; null: none. */
  replaces: string | null
  /** What is different from what the owner agreed to; null where they never agreed to any version. */
  changes: string[] | null
  folder: PluginFolder
  /** The key that signed it; null: none that the owner gave. */
  publisher: string | null
}

/** Judges all of it, its own words of its tools too. Throws `plugin.unusable` with everything that is wrong. */
export async function preparePlugin({
  source: { folder, publisher, isKnown },
  from,
  sandbox,
  takenBeside,
  pinOf,
  signal,
}: {
  source: Source
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
    changes:
      pin === null
        ? null
        : [
            ...differences(pin, { manifest, tools }),
            ...publisherChange({ before: pin.publisher, now: publisher }),
            ...(publisher === null ? [] : olderChange({ before: pin.version, now: version })),
            ...(isKnown || pin.sha256 === folder.sha256
              ? []
              : ["~ its files, which came from an address without a hash or a signature that you know"]),
          ],
    replaces: pin?.version ?? null,
    folder,
    publisher,
  }
}

export function unusable(what: string, problems: readonly string[]): AppError {
  return new AppError(
    "plugin.unusable",
    `${what.slice(0, 300)} is no plugin that could be used:\n${problems.map((problem) => `- ${problem}`).join("\n")}`,
  )
}
