/**
 * Makes a release in one command: every target's program, packed and hashed, the bill of materials, the notices, the notes, the sources,
 * and over all of it a description that is signed, numbered and expires.
 *
 *   release.ts --new-key FILE                 makes a signing key; FILE is for the releaser alone, and never in the repository
 *   release.ts --pin --key FILE… [--url URL]  writes who signs, and where releases are, into the program and the install scripts
 *   release.ts --key FILE…                    makes dist/release/ from a clean tree
 *   release.ts --renew --key FILE…            signs the release that is in dist/release/ again, for another 90 days
 *
 * Instead of --key, IRONCLAW_RELEASE_KEY may hold the key itself. More than one --key signs with each, which is how a key is changed:
 * one release is signed by the old and the new key and pins both, the next ones by the new key alone.
 */
import { closeSync, openSync, readFileSync, statSync, writeSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { build, git, isTarget, prepareBuild, stampsOf, type Target, targetNames } from "./build.ts"
import { bundledPackages } from "./bundled-packages.ts"
import { notices, strangeLicences } from "./notices.ts"
import { renewRelease, scriptsOf, writeRelease } from "./release-folder.ts"
import { releaseNotes } from "./release-notes.ts"
import { checkPins, readPins, writePins } from "./release-pins.ts"
import { newSigningKey, type Signer, signerOf } from "./release-sign.ts"
import { sbomOf } from "./sbom.ts"
import { readText } from "./tree.ts"

const root = join(import.meta.dir, "..")
/** A quarter: long enough for a small project's pace, short enough that a server that was frozen is noticed. */
const DEFAULT_DAYS = 90

function readSigners(files: readonly string[]): Signer[] {
  const inline = process.env["IRONCLAW_RELEASE_KEY"]
  const texts = files.map((file) => {
    if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0)
      throw new Error(`Others can read ${file}: run \`chmod 600 ${file}\`, and think about who could have read it`)
    return readFileSync(file, "utf8")
  })
  if (texts.length === 0 && inline) texts.push(inline)
  if (texts.length === 0) throw new Error("Name the signing key with --key FILE, or put it into IRONCLAW_RELEASE_KEY")
  return texts.map(signerOf)
}

function makeKey(path: string): void {
  const { pem, publicKey } = newSigningKey()
  const file = openSync(path, "wx", 0o600)
  writeSync(file, pem)
  closeSync(file)
  console.log(`${path} holds the new key: keep it off every server. Its public half is ${publicKey}`)
}

/** Of the commits on the way to this one: it grows with every release of one line of history, and anybody can count again. */
async function releaseNumberOf(given: string | undefined): Promise<number> {
  if (given !== undefined) return Number(given)
  if ((await git("rev-parse", "--is-shallow-repository")) !== "false")
    throw new Error("Commits cannot be counted in a shallow clone: `git fetch --unshallow`, or say --number")
  return Number(await git("rev-list", "--count", "HEAD"))
}

async function sources(version: string): Promise<Uint8Array> {
  const child = Bun.spawn(["git", "archive", "--format=tar.gz", `--prefix=ironclaw-${version}/`, "HEAD"], { cwd: root })
  const bytes = await child.stdout.bytes()
  if ((await child.exited) !== 0) throw new Error("git archive failed")
  return bytes
}

type Options = {
  out: string
  number: string | undefined
  days: number
  targets: readonly Target[]
  signers: readonly Signer[]
}

async function release({ out, number: given, days, targets, signers }: Options): Promise<void> {
  const pins = readPins(root)
  const [disagreement] = checkPins(root)
  if (disagreement) throw new Error(`${disagreement.file}: ${disagreement.message}`)
  const unpinned = signers.find(({ publicKey }) => !pins.keys.includes(publicKey))
  if (unpinned) throw new Error(`The key ${unpinned.publicKey} is not pinned: run release.ts --pin with it, and commit`)
  if ((await git("status", "--porcelain")) !== "")
    throw new Error("The tree has changes: a release is made of a commit")
  const packages = bundledPackages(root)
  const [strange] = strangeLicences(packages)
  if (strange !== undefined) throw new Error(`${strange}: look at this licence before it is released`)
  const { version } = (await import("../package.json")).default
  const notes = releaseNotes(readText(root, "CHANGELOG.md"), version)
  const number = await releaseNumberOf(given)
  // The date of the commit, so that who builds it again gets the same stamps.
  process.env["SOURCE_DATE_EPOCH"] ??= await git("log", "-1", "--format=%ct")
  const stamps = { ...(await stampsOf(version)), BUILD_RELEASE: number }
  await prepareBuild()
  const programs = new Map<string, string>()
  for (const target of targets) programs.set(target, await build(target, stamps))
  const created = new Date()
  const sbom = sbomOf(packages, {
    version,
    commit: stamps.BUILD_COMMIT,
    created: stamps.BUILD_DATE,
    bunVersion: Bun.version,
  })
  const others = new Map<string, string | Uint8Array>([
    ["sbom.cdx.json", `${JSON.stringify(sbom, null, 2)}\n`],
    ["THIRD-PARTY-NOTICES.txt", notices(root)],
    ["RELEASE-NOTES.md", notes],
    [`ironclaw-${version}-source.tar.gz`, await sources(version)],
  ])
  const made = writeRelease({
    out,
    version,
    number,
    created,
    days,
    signers,
    pins,
    programs,
    others,
    scripts: scriptsOf(root),
  })
  console.log(`${out} holds release ${made.number}, ironclaw ${version}, which is the newest until ${made.expires}`)
  console.log(`Put ${version}/ on the server first, then release.json and the install scripts.`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      "new-key": { type: "string" },
      pin: { type: "boolean", default: false },
      renew: { type: "boolean", default: false },
      key: { type: "string", multiple: true, default: [] },
      url: { type: "string" },
      target: { type: "string", multiple: true },
      number: { type: "string" },
      days: { type: "string", default: String(DEFAULT_DAYS) },
      out: { type: "string", default: join(root, "dist/release") },
    },
  })
  if (values["new-key"] !== undefined) return makeKey(values["new-key"])
  const signers = readSigners(values.key)
  if (values.pin) {
    const keys = signers.map(({ publicKey }) => publicKey)
    return writePins(root, { url: values.url ?? readPins(root).url, keys })
  }
  const days = Number(values.days)
  if (!Number.isInteger(days) || days < 1) throw new Error(`--days takes a whole number above 0, not "${values.days}"`)
  const { out } = values
  if (values.renew) {
    const { version, expires } = renewRelease({ out, created: new Date(), days, signers, pins: readPins(root) })
    console.log(`${version} is the newest until ${expires}: put release.json on the server`)
    return
  }
  const unknown = values.target?.find((name) => !isTarget(name))
  if (unknown !== undefined) throw new Error(`"${unknown}" is no target; there are: ${targetNames.join(", ")}`)
  const targets = values.target?.filter(isTarget) ?? targetNames
  await release({ out, number: values.number, days, targets, signers })
}

if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
