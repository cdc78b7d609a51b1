/**
 * Makes dist/snapshot.tar.zst: the embedded database as it is after initdb and every migration, so that a first start takes half a
 * second instead of several. The build calls {@link buildSnapshot} first and then names the file as one more entry of
 * `bun build --compile`, which embeds it as it is; core/db/snapshot.ts finds it among the embedded files by its name.
 * A snapshot of other migrations or of another PGlite is ignored by the program: a stale file costs time, never correctness.
 */
import { mkdirSync, renameSync } from "node:fs"
import { dirname, join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { migratedImage } from "#core/db/open.ts"
import { openSnapshot, SNAPSHOT_FILE, sealSnapshot } from "#core/db/snapshot.ts"

/** Does nothing when `outFile` fits already. Returns the size in bytes. */
export async function buildSnapshot(outFile: string): Promise<number> {
  const file = Bun.file(outFile)
  if ((await file.exists()) && openSnapshot(await file.bytes()) !== null) return file.size
  mkdirSync(dirname(outFile), { recursive: true })
  const sealed = sealSnapshot(await migratedImage(systemClock))
  await Bun.write(`${outFile}.new`, sealed)
  renameSync(`${outFile}.new`, outFile)
  return sealed.byteLength
}

if (import.meta.main) {
  const outFile = join(import.meta.dir, "../dist", SNAPSHOT_FILE)
  console.log(`${outFile}: ${((await buildSnapshot(outFile)) / 1e6).toFixed(1)} MB`)
}
