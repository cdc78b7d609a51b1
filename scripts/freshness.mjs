/** Whether dist/ironclaw was built from the sources as they stand: a hash over their names, sizes and times, kept beside the binary. */
import { createHash } from "node:crypto"
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"

/** What goes into the binary, and what decides how. */
const sources = [
  "cmd",
  "core",
  "gateway",
  "sandbox",
  "channels",
  "skills",
  "scripts/build.ts",
  "scripts/snapshot.ts",
  "scripts/notices.ts",
  "scripts/bundled-packages.ts",
  "package.json",
  "bun.lock",
  "tsconfig.json",
]

/** @param {string} root */
export function binaryPath(root) {
  return join(root, "dist", process.platform === "win32" ? "ironclaw.exe" : "ironclaw")
}

/** @param {string} root */
export function stampPath(root) {
  return join(root, "dist", ".sources")
}

/** Changes with every file added, removed, renamed or written. @param {string} root */
export function sourceStamp(root) {
  const hash = createHash("sha256")
  /** @param {string} path */
  const visit = (path) => {
    const info = statSync(join(root, path), { throwIfNoEntry: false })
    if (!info) return
    if (info.isDirectory()) for (const name of readdirSync(join(root, path)).sort()) visit(`${path}/${name}`)
    else hash.update(`${path}\0${info.size}\0${info.mtimeMs}\n`)
  }
  for (const path of sources) visit(path)
  return hash.digest("hex")
}

/** @param {string} root */
export function isFresh(root) {
  return (
    existsSync(binaryPath(root)) &&
    existsSync(stampPath(root)) &&
    readFileSync(stampPath(root), "utf8") === sourceStamp(root)
  )
}
