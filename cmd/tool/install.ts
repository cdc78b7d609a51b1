/** `ironclaw tool install`: a plugin from a file, a folder, an archive, an address, or from inside this program. */
import { resolve } from "node:path"
import { AppError } from "#core/errors.ts"
import { reasonOf, systemCodeOf } from "#core/home.ts"
import { bundledChannels } from "#channels/bundled.ts"
import { bundledNames } from "#sandbox/bundled.ts"
import { isUrl, type KnownOfSource, type PluginSource } from "#sandbox/source.ts"
import { withPresence } from "../lib/presence.ts"
import { type Ui, visible } from "../lib/ui.ts"
import { askVerb } from "../lib/verbs.ts"

type Meta = { description: string; examples: string[]; offers: Record<string, readonly string[]> }

export const install = installVerb({
  description:
    "Puts a plugin into its folder, at this terminal: the code that appears here is typed back. It stays inactive until it is granted",
  examples: [
    "ironclaw tool install weather",
    "ironclaw tool install ./weather",
    "ironclaw tool install ./weather.zip",
    "ironclaw tool install ./sums.wasm",
    "ironclaw tool install https://example.com/weather.tar.gz --sha256 9f86d081…",
    "ironclaw tool install https://example.com/weather.zip --key RWQf6LRC… --signature https://example.com/weather.zip.minisig",
  ],
  offers: { source: [...bundledNames, ...Object.keys(bundledChannels)].sort() },
})

/** `ironclaw channel add`: the same of a plugin that is a channel. */
export const addChannel = installVerb({
  description:
    "Installs a channel, which is a plugin, at this terminal: the code that appears here is typed back. It stays inactive until it is granted",
  examples: ["ironclaw channel add relay", "ironclaw channel add ./my-channel"],
  offers: { source: Object.keys(bundledChannels).sort() },
})

function installVerb(meta: Meta) {
  return askVerb({
    meta,
    args: {
      source: {
        type: "positional",
        description:
          "The name of a plugin inside this program, a path, or an https address: a folder with a plugin.json, a .zip or .tar.gz of one, or a .wasm, .ts or .js file",
      },
      sha256: { type: "string", valueHint: "hex", description: "It is installed only if its bytes have this hash" },
      signature: {
        type: "string",
        valueHint: "file|url|base64",
        description: "Over its bytes, by ed25519 or minisign; it is installed only if it is right",
      },
      key: {
        type: "string",
        valueHint: "base64",
        description: "The publisher's public key; later versions that it did not sign are inactive",
      },
    },
    async ask({ client, args, signal, ui }) {
      const source = sourceOf(args.source)
      const known = await knownOf(args)
      const { plugin, asks, changes, replaces } = await withPresence(async (presence) => {
        const send = () => client.api.plugins.post({ body: { ...source, ...known, presence } })
        // Not while a code is asked for on the same terminal.
        if (!("code" in presence)) return send()
        const progress = ui.progress("url" in source ? "Fetching and examining it" : "Examining it")
        return send().finally(progress.stop)
      }, signal)
      return { plugin, asks, changes, replaces }
    },
    show({ plugin, asks, changes, replaces }, { ui }) {
      const place = replaces === null ? "" : ` in the place of ${visible(replaces)}, which you granted`
      ui.print(`${plugin.name} ${visible(plugin.version)} is installed${place}, and ${plugin.state}`)
      if (plugin.publisher !== null) ui.print(`It is signed with the key ${plugin.publisher}`)
      if (plugin.state === "active") return
      ui.print("It asks to:")
      for (const line of asks) ui.print(`  - ${visible(line)}`)
      showChanges(changes ?? [], ui)
      ui.print(`Grant it: ironclaw tool grant ${plugin.name}`)
    },
  })
}

/** A bare word is a name: what is meant as a path has a slash, a dot in front, or an extension. */
export function sourceOf(text: string): PluginSource {
  if (isUrl(text)) return { url: text }
  return /[/\\.]/.test(text) ? { path: resolve(text) } : { name: text }
}

type Given = { sha256?: string | undefined; signature?: string | undefined; key?: string | undefined }

async function knownOf({ sha256, signature, key }: Given): Promise<KnownOfSource> {
  return {
    ...(sha256 === undefined ? {} : { sha256: sha256.trim() }),
    ...(signature === undefined ? {} : { signature: await signatureIn(signature.trim()) }),
    ...(key === undefined ? {} : { key: key.trim() }),
  }
}

const MAX_SIGNATURE_BYTES = 4_000

/** An address and base64 are the signature as they are; anything else is a file that holds it. */
async function signatureIn(text: string): Promise<string> {
  if (isUrl(text) || /^[A-Za-z0-9+/]{86}==$/.test(text)) return text
  try {
    const file = Bun.file(resolve(text))
    if (file.size > MAX_SIGNATURE_BYTES)
      throw new AppError("input.invalid", `${text} is no signature: it has ${file.size} bytes`)
    return await file.text()
  } catch (error) {
    if (error instanceof AppError || systemCodeOf(error) === "") throw error
    throw new AppError("not_found", `The signature ${text} cannot be read: ${reasonOf(error)}`)
  }
}

export function showChanges(changes: readonly string[], ui: Ui): void {
  if (changes.length === 0) return
  ui.print("Different from what you granted:")
  for (const line of changes) ui.print(`  ${visible(line)}`)
}
