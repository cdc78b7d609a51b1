/** How far a plugin got: what lies in its folder, held against what its owner agreed to. */
import type { HostFunctionDeps } from "./host-functions.ts"
import type { Installed } from "./installed.ts"
import { settingsOf } from "./plugin-config.ts"
import { secretsOf } from "./plugin-credentials.ts"
import type { PluginPin, PluginStatus } from "./plugin.ts"
import { differences, publisherChange, sentencesFor } from "./sentences.ts"

type Known = {
  pin: PluginPin | undefined
  isForged: boolean
  publisher: string | null
  logins: HostFunctionDeps["logins"]
}

export function statusOf(one: Installed, { pin, isForged, publisher, logins }: Known): PluginStatus {
  const manifest = one.manifest ?? pin?.manifest ?? null
  const isSame = pin !== undefined && one.sha256 === pin.sha256
  const tools = pin?.tools ?? []
  const base = {
    name: one.name,
    kind: manifest?.kind ?? ("tool" as const),
    version: manifest?.version ?? "",
    sha256: one.sha256,
    description: manifest?.description ?? "",
    tools: tools.map(({ name }) => name),
    hooks: ((isForged ? one.manifest : pin?.manifest)?.hooks ?? []).map(({ point }) => point),
    asks: manifest ? sentencesFor({ manifest, tools: isSame ? tools : [] }) : [],
    changes:
      pin && one.manifest && !isSame
        ? [
            ...differences({ ...pin, tools: [] }, { manifest: one.manifest, tools: [] }),
            ...publisherChange({ before: pin.publisher, now: publisher }),
            "~ its files",
          ]
        : [],
    publisher,
    settings: pin ? settingsOf(pin.manifest, pin.config) : [],
    secrets: manifest ? secretsOf(manifest, logins.valueFor({ name: one.name, manifest })) : [],
  }
  if (isForged)
    return {
      ...base,
      state: "broken",
      problems: ["Its row was changed by somebody else: remove it, and install it again"],
    }
  if (one.problems.length > 0) return { ...base, state: "broken", problems: one.problems }
  return { ...base, state: isSame ? pin.state : "inactive", problems: [] }
}

export function emptyOf(name: string): Installed {
  return { name, sha256: null, manifest: null, codeSha256: null, problems: [] }
}
