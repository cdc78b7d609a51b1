/** The migrated data directory that a first start begins with: made at build time, carried in the binary, ignored when it is not this build's. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import pglite from "../../node_modules/@electric-sql/pglite/package.json" with { type: "json" }
import { sha256 } from "./migrate.ts"
import { migrations } from "./migrations.ts"

/** The file's name in `dist/`; the bundler adds a hash in the middle of it. */
export const SNAPSHOT_FILE = "snapshot.tar.zst"

/** What the snapshot was made of, in the first 64 bytes of the file: the engine's version and the text of every migration. */
export function snapshotStamp(): string {
  return sha256(JSON.stringify([pglite.version, migrations.map(({ name, sql }) => [name, sql])]))
}

/** The data directory as a tar, or null where there is none that fits: then the database is made from nothing. */
export async function loadSnapshot(): Promise<Uint8Array<ArrayBuffer> | null> {
  const file = findSnapshot()
  return file === null ? null : openSnapshot(await file.bytes())
}

export function openSnapshot(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  const stamp = snapshotStamp()
  if (new TextDecoder().decode(bytes.subarray(0, stamp.length)) !== stamp) return null
  try {
    return new Uint8Array(Bun.zstdDecompressSync(bytes.subarray(stamp.length)))
  } catch {
    return null // cut off by a build that was stopped: like none
  }
}

export function sealSnapshot(tar: Uint8Array<ArrayBuffer>): Uint8Array {
  // 19 is the highest level without long windows: 2 MB instead of 5, for a few seconds of the build.
  return Buffer.concat([Buffer.from(snapshotStamp()), Bun.zstdCompressSync(tar, { level: 19 })])
}

/** In the binary an embedded file and nothing else; in the source tree what the last build left in `dist/`. */
function findSnapshot(): Blob | null {
  const [stem = ""] = SNAPSHOT_FILE.split(".zst")
  const embedded = Bun.embeddedFiles.find((file) => "name" in file && String(file.name).startsWith(stem))
  if (embedded) return embedded
  const built = join(import.meta.dir, "../../dist", SNAPSHOT_FILE)
  return Bun.embeddedFiles.length === 0 && existsSync(built) ? Bun.file(built) : null
}
