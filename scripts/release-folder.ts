/** A release as the folder that is put on a server: programs packed, listed, hashed and signed. Made whole or not at all. */
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { judgeRelease, MAX_RELEASE_BYTES, type Release, RELEASE_FILE, type ReleaseFile } from "#core/release.ts"
import { type Pins, withPins } from "./release-pins.ts"
import { sealRelease, type Signer } from "./release-sign.ts"

const DAY_MS = 24 * 3_600_000

export type ReleaseFolder = {
  /** Where it is to be; what is there is replaced. */
  out: string
  version: string
  number: number
  created: Date
  /** How long clients may take it for the newest without hearing again. */
  days: number
  signers: readonly Signer[]
  pins: Pins
  /** The program of each target, as a path. */
  programs: ReadonlyMap<string, string>
  /** What comes with them: name → content. */
  others: ReadonlyMap<string, string | Uint8Array>
  /** The install scripts: name → text. */
  scripts: ReadonlyMap<string, string>
}

/**
 * `OUT/release.json` and the install scripts; everything else in `OUT/VERSION/`. Put the folder of the version on the server first and
 * release.json last: whoever reads the one finds what it names.
 */
export function writeRelease(request: ReleaseFolder): Release {
  const { out, version, number, created, days, signers, pins, programs, others, scripts } = request
  const fresh = `${out}.${process.pid}.new`
  rmSync(fresh, { recursive: true, force: true })
  const folder = join(fresh, version)
  mkdirSync(folder, { recursive: true })
  try {
    const files: ReleaseFile[] = []
    const add = (target: string, name: string, bytes: Uint8Array, unpacked: number) => {
      writeFileSync(join(folder, name), bytes)
      files.push({ target, name, bytes: bytes.byteLength, sha256: sha256Of(bytes), unpacked })
    }
    for (const [target, path] of programs) {
      const program = readFileSync(path)
      // gzip, because every machine can undo it; it takes 140 MB to about 50.
      add(target, programName(target), gzipSync(program, { level: 9 }), program.byteLength)
    }
    for (const [name, content] of others) add("any", name, Buffer.from(content), 0)
    writeFileSync(join(folder, "SHA256SUMS"), files.map(({ sha256, name }) => `${sha256}  ${name}\n`).join(""))
    for (const [name, text] of scripts) writeFileSync(join(fresh, name), withPins(name, text, pins), { mode: 0o755 })
    const release: Release = {
      product: "ironclaw",
      version,
      number,
      created: created.toISOString(),
      expires: new Date(created.getTime() + days * DAY_MS).toISOString(),
      files,
    }
    writeFileSync(join(fresh, RELEASE_FILE), sealed(release, { signers, pins }))
    rmSync(out, { recursive: true, force: true })
    renameSync(fresh, out)
    return release
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** Says of the same release that it is the newest for so many days more. */
export function renewRelease({
  out,
  created,
  days,
  signers,
  pins,
}: Omit<ReleaseFolder, "version" | "number" | "programs" | "others" | "scripts">): Release {
  const text = readFileSync(join(out, RELEASE_FILE), "utf8")
  // Whether it has expired already is no question here.
  const old = readSigned(text, pins)
  const release = {
    ...old,
    created: created.toISOString(),
    expires: new Date(created.getTime() + days * DAY_MS).toISOString(),
  }
  for (const { name, sha256 } of old.files) {
    const path = join(out, old.version, name)
    if (sha256Of(readFileSync(path)) !== sha256) throw new Error(`${path} is not what was released`)
  }
  writeFileSync(join(out, `${RELEASE_FILE}.new`), sealed(release, { signers, pins }))
  renameSync(join(out, `${RELEASE_FILE}.new`), join(out, RELEASE_FILE))
  return release
}

function readSigned(text: string, { keys }: Pins): Release {
  // Read at the moment at which it was made, which the signed text itself says.
  const created = /"created":"([^"]+)"/.exec(
    Buffer.from(/"signed":"([^"]+)"/.exec(text)?.[1] ?? "", "base64").toString(),
  )
  return judgeRelease({ text, keys, nowMs: Date.parse(created?.[1] ?? ""), newestSeen: 0 })
}

/** Signed, and accepted by the very judge that will read it. */
function sealed(release: Release, { signers, pins }: { signers: readonly Signer[]; pins: Pins }): string {
  const text = sealRelease(release, signers)
  if (text.length > MAX_RELEASE_BYTES)
    throw new Error(`${RELEASE_FILE} has ${text.length} bytes, over ${MAX_RELEASE_BYTES}`)
  judgeRelease({ text, keys: pins.keys, nowMs: Date.parse(release.created), newestSeen: 0 })
  return text
}

export function programName(target: string): string {
  return `ironclaw-${target}${target.startsWith("windows-") ? ".exe" : ""}.gz`
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex")
}

/** The install scripts of the tree. */
export function scriptsOf(root: string): Map<string, string> {
  const folder = join(root, "scripts")
  const names = readdirSync(folder).filter((name) => /^install\.(sh|ps1)$/.test(name))
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]))
}
