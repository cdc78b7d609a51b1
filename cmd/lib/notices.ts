/** Whose work is in the program and under which licences: a text that the build makes of what it bundles, and embeds. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { AppError } from "#core/errors.ts"

/** The file's name in `dist/`; the bundler adds a hash in the middle of it. */
export const NOTICES_FILE = "notices.txt.zst"

/** Throws `not_found` in a source tree where nothing was built yet. */
export async function readNotices(): Promise<string> {
  const file = findNotices()
  if (file === null) {
    throw new AppError("not_found", "The notices are made by the build, and there was none here", {
      hint: "Run `npm run build`, then dist/ironclaw licences.",
    })
  }
  return new TextDecoder().decode(Bun.zstdDecompressSync(await file.bytes()))
}

/** In the binary an embedded file and nothing else; in the source tree what the last build left in `dist/`. */
function findNotices(): Blob | null {
  const [stem = ""] = NOTICES_FILE.split(".zst")
  const embedded = Bun.embeddedFiles.find((file) => "name" in file && String(file.name).startsWith(stem))
  if (embedded) return embedded
  const built = join(import.meta.dir, "../../dist", NOTICES_FILE)
  return Bun.embeddedFiles.length === 0 && existsSync(built) ? Bun.file(built) : null
}
