/** Where a plugin comes from, and its files as they were there: of this machine, from an address, or from inside this program. */
import { statSync } from "node:fs"
import { basename, isAbsolute } from "node:path"
import { AppError } from "#core/errors.ts"
import type { Bundled } from "./bundled.ts"
import { contentsOf, type GivenFile } from "./contents.ts"
import { type Download, judgeSourceUrl } from "./download.ts"
import { MAX_BYTES, readPlainFile, readPluginFolder, sha256Of } from "./folder.ts"
import { unusable } from "./install.ts"
import type { ReadArchive } from "./parser.ts"
import type { PluginFolder } from "./plugin.ts"
import { judgeSignature, readPublisherKey } from "./publisher.ts"

export type PluginSource = { path: string } | { url: string } | { name: string }

/** What the owner knows of the bytes before they are there. */
export type KnownOfSource = {
  /** In hex: of the one file, or of a folder as `tool info` shows it. */
  sha256?: string
  /** 64 bytes in base64, a file of minisign's, or the address of one of them. */
  signature?: string
  /** The publisher's, in a form that {@link readPublisherKey} reads. */
  key?: string
}
export type Asked = { source: PluginSource; known: KnownOfSource }

export type Source = {
  folder: PluginFolder
  /** The key by which these files were signed, where that was proved. */
  publisher: string | null
  /** False: they came over the network, and nothing says that they are those that their owner meant. */
  isKnown: boolean
}
export type ReadSource = (
  asked: Asked,
  /** `publisherOf`: the key that the owner gave for this plugin before. */
  how: { publisherOf: (name: string) => string | null; signal: AbortSignal },
) => Promise<Source>

export type SourceDeps = { bundled: Bundled; readArchive: ReadArchive; download: Download }

const MAX_SIGNATURE_BYTES = 4_096

/** Reads what is there. Throws `plugin.unusable` with everything that is wrong, `not_found`, `egress.…`. */
export function createReadSource({ bundled, readArchive, download }: SourceDeps): ReadSource {
  async function find(source: PluginSource, signal: AbortSignal): Promise<Found> {
    if ("name" in source) return { folder: await bundled.read(source.name) }
    if ("path" in source) return findAt(source.path)
    return { file: await download(source.url, { maxBytes: MAX_BYTES, signal }) }
  }

  /** The signature itself, wherever it was given. */
  async function signatureOf({ signature }: KnownOfSource, signal: AbortSignal): Promise<string | null> {
    if (signature === undefined || !isUrl(signature)) return signature ?? null
    const { bytes } = await download(signature, { maxBytes: MAX_SIGNATURE_BYTES, signal })
    return new TextDecoder().decode(bytes)
  }

  return async ({ source, known }, { publisherOf, signal }) => {
    judgeAsked({ source, known }, { bundled })
    const from = wordsOf(source)
    const found = await find(source, signal)
    const sha256 = "folder" in found ? found.folder.sha256 : sha256Of(found.file.bytes)
    const problems: string[] = []
    if (known.sha256 !== undefined && known.sha256.toLowerCase() !== sha256) problems.push(`Its sha256 is ${sha256}`)
    if ("folder" in found) {
      if (known.signature !== undefined)
        problems.push("It is a folder, which has no bytes of its own to sign: sign an archive of it")
      if (problems.length > 0) throw unusable(from, problems)
      return { folder: found.folder, publisher: null, isKnown: true }
    }
    const signature = await signatureOf(known, signal)
    const given = known.key === undefined ? null : readPublisherKey(known.key)
    const bad = (key: string) => (signature === null ? null : judgeSignature(found.file.bytes, { signature, key }))
    if (given !== null) problems.push(...[bad(given)].filter((why) => why !== null))
    // What is not what the owner knows of is not opened.
    if (problems.length > 0) throw unusable(from, problems)
    const contents = await contentsOf(found.file, { readArchive, signal })
    if (!contents.ok) throw unusable(from, contents.problems)
    const { folder } = contents
    if (signature === null)
      return { folder, publisher: null, isKnown: !("url" in source) || known.sha256 !== undefined }
    const key = given ?? publisherOf(nameIn(folder))
    if (key === null) throw unusable(from, ["It came with a signature, and no key of its publisher: --key gives one"])
    const why = given === null ? bad(key) : null
    if (why !== null) throw unusable(from, [why])
    return { folder, publisher: key, isKnown: true }
  }
}

/** Throws for what can never be installed, with all of it, as far as that can be told without looking anywhere. */
export function judgeAsked({ source, known }: Asked, { bundled }: { bundled: Bundled }): void {
  if ("name" in source) bundled.judgeName(source.name)
  const isFile = !("name" in source)
  const problems = [
    "path" in source && !isAbsolute(source.path) ? `/path: "${source.path.slice(0, 200)}" is no absolute path` : null,
    "url" in source ? judgedUrl("url", source.url) : null,
    known.sha256 !== undefined && !/^[0-9a-fA-F]{64}$/.test(known.sha256)
      ? "/sha256: it is no hash of 64 hex digits"
      : null,
    known.key !== undefined && readPublisherKey(known.key) === null
      ? "/key: it is no ed25519 public key: 32 bytes in base64 are 44 characters, or minisign's line of 56"
      : null,
    known.key !== undefined && known.signature === undefined ? "/key: a key without a signature says nothing" : null,
    known.signature !== undefined && !isFile
      ? "/signature: a plugin inside this program has no signature of its own"
      : null,
    known.signature !== undefined && isUrl(known.signature) ? judgedUrl("signature", known.signature) : null,
  ].filter((problem) => problem !== null)
  if (problems.length > 0) throw new AppError("input.invalid", problems.join("; "))
}

function judgedUrl(field: string, url: string): string | null {
  const why = judgeSourceUrl(url)
  return why === null ? null : `/${field}: nothing is fetched from there: ${why}`
}

export function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
}

/** For words alone. */
export function wordsOf(source: PluginSource): string {
  return "name" in source ? source.name : "url" in source ? source.url : source.path
}

/** As its manifest says, which is judged later; "" where it says nothing. */
function nameIn({ files }: PluginFolder): string {
  try {
    const manifest: unknown = JSON.parse(new TextDecoder().decode(files.get("plugin.json")))
    const name: unknown = typeof manifest === "object" && manifest !== null ? Reflect.get(manifest, "name") : null
    return typeof name === "string" ? name : ""
  } catch {
    return "" // what is wrong with it is told where it is judged
  }
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
