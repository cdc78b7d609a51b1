/**
 * `npm run build`: dist/ironclaw for this machine, or with `-- --target NAME` (more than once, or `all`) for others, which are built
 * here and run nowhere. Fails when a binary is larger than it may be.
 */
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { NOTICES_FILE } from "#cmd/lib/notices.ts"
import { SNAPSHOT_FILE } from "#core/db/snapshot.ts"
import { METERED_QUICKJS_FILE, meterQuickjs } from "#sandbox/child/quickjs.ts"
import { binaryPath, sourceStamp, stampPath } from "./freshness.mjs"
import { buildNotices } from "./notices.ts"
import { buildSnapshot } from "./snapshot.ts"

const root = join(import.meta.dir, "..")
const dist = join(root, "dist")

/** Bun's names of what we build, and how large each may be. */
const MB = 1_000_000
const targets = {
  "linux-x64": { bun: "bun-linux-x64", maxBytes: 150 * MB },
  "linux-arm64": { bun: "bun-linux-arm64", maxBytes: 165 * MB },
  "linux-x64-musl": { bun: "bun-linux-x64-musl", maxBytes: 165 * MB },
  "linux-arm64-musl": { bun: "bun-linux-arm64-musl", maxBytes: 165 * MB },
  "darwin-arm64": { bun: "bun-darwin-arm64", maxBytes: 165 * MB },
  "darwin-x64": { bun: "bun-darwin-x64", maxBytes: 165 * MB },
  "windows-x64": { bun: "bun-windows-x64", maxBytes: 165 * MB },
} as const satisfies Record<string, { bun: string; maxBytes: number }>
export type Target = keyof typeof targets

/** Where the embedded database's first state is made. */
const snapshot = join(dist, SNAPSHOT_FILE)

/** What `ironclaw licences` prints. */
const notices = join(dist, NOTICES_FILE)

/** The program; the worker that runs the embedded database, which a compiled program finds only if it is named; files, embedded as they are. */
const entries = [
  "cmd/ironclaw.ts",
  "core/db/embedded-worker.ts",
  ...[SNAPSHOT_FILE, NOTICES_FILE, METERED_QUICKJS_FILE].map((name) => `dist/${name}`),
]

export const targetNames: readonly Target[] = Object.keys(targets).filter(isTarget)

export function isTarget(name: string): name is Target {
  return Object.hasOwn(targets, name)
}

/** Says why a binary is too large; null where it is not. */
export function judgeSize(target: Target | null, bytes: number): string | null {
  const host = `${process.platform}-${process.arch}`
  const { maxBytes } = targets[target ?? (isTarget(host) ? host : "linux-arm64")]
  return bytes <= maxBytes ? null : `${(bytes / MB).toFixed(1)} MB, over ${maxBytes / MB} MB`
}

export type BuildRequest = {
  entries: readonly string[]
  outFile: string
  target: Target | null
  stamps: Stamps
}

/** Names that are put in the place of what `cmd/lib/version.ts` declares. */
export type Stamps = Readonly<Record<string, string | number>>

/** Bundles and compiles; throws with the compiler's words. Nothing in the folder where it later runs can change what it does. */
export async function compile({ entries: files, outFile, target, stamps }: BuildRequest): Promise<void> {
  const defines = Object.entries(stamps).map(([name, value]) => `--define=${name}=${JSON.stringify(value)}`)
  const child = Bun.spawn(
    [
      process.execPath,
      "build",
      "--compile",
      ...(target === null ? [] : [`--target=${targets[target].bun}`]),
      "--minify",
      "--bytecode",
      "--format=esm",
      "--splitting",
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      ...defines,
      `--outfile=${outFile}`,
      ...files,
    ],
    { cwd: root, stdout: "pipe", stderr: "pipe" },
  )
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  if ((await child.exited) !== 0) throw new Error(`bun build failed:\n${stderr}${stdout}`)
}

export async function git(...args: string[]): Promise<string> {
  try {
    const child = Bun.spawn(["git", ...args], { cwd: root, stdout: "pipe", stderr: "ignore" })
    const output = await child.stdout.text()
    return (await child.exited) === 0 ? output.trim() : ""
  } catch {
    // No git: an unpacked archive has no commit to tell.
    return ""
  }
}

/** The stamps of `cmd/lib/version.ts`. SOURCE_DATE_EPOCH (reproducible-builds.org) sets the date. */
export async function stampsOf(
  version: string,
): Promise<Record<"BUILD_VERSION" | "BUILD_COMMIT" | "BUILD_DATE", string>> {
  const commit = await git("rev-parse", "--short=12", "HEAD")
  const dirty = commit !== "" && (await git("status", "--porcelain")) !== ""
  const epoch = Number(process.env["SOURCE_DATE_EPOCH"])
  const date = new Date(epoch > 0 ? epoch * 1000 : Date.now()).toISOString()
  return { BUILD_VERSION: version, BUILD_COMMIT: `${commit || "unknown"}${dirty ? "-dirty" : ""}`, BUILD_DATE: date }
}

/** Gives the file that was made. Throws where the compiler does, and where the program grew too large. */
export async function build(target: Target | null, stamps: Stamps): Promise<string> {
  const suffix = target === "windows-x64" ? ".exe" : ""
  const outFile = target === null ? binaryPath(root) : join(dist, `ironclaw-${target}${suffix}`)
  const fresh = join(dist, `.building-${process.pid}${suffix || (process.platform === "win32" ? ".exe" : "")}`)
  const stamp = sourceStamp(root)
  const startedMs = performance.now()
  try {
    const named = target === null ? {} : { BUILD_TARGET: target }
    await compile({ entries, outFile: fresh, target, stamps: { ...stamps, ...named } })
    const { size } = statSync(fresh)
    const tooLarge = judgeSize(target, size)
    if (tooLarge !== null) throw new Error(`${outFile} is too large: ${tooLarge}`)
    // A running binary keeps its file: the new one takes the name only.
    renameSync(fresh, outFile)
    if (target === null) writeFileSync(stampPath(root), stamp)
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    const untested = target === null ? "" : ", built here and untested"
    console.log(`${outFile.slice(root.length + 1)}: ${(size / MB).toFixed(1)} MB in ${seconds} s${untested}`)
    return outFile
  } finally {
    rmSync(fresh, { force: true })
  }
}

/** Makes what is embedded. */
export async function prepareBuild(): Promise<void> {
  mkdirSync(dist, { recursive: true })
  await buildSnapshot(snapshot)
  await buildNotices(root, notices)
  await Bun.write(join(dist, METERED_QUICKJS_FILE), await meterQuickjs())
  for (const entry of entries) if (!existsSync(join(root, entry))) throw new Error(`${entry} is missing`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { target: { type: "string", multiple: true } } })
  const names = values.target?.flatMap((name) => (name === "all" ? Object.keys(targets) : [name])) ?? []
  const unknown = names.find((name) => !isTarget(name))
  if (unknown !== undefined)
    throw new Error(`"${unknown}" is no target; there are: ${Object.keys(targets).join(", ")}, all`)
  await prepareBuild()
  const { version } = (await import("../package.json")).default
  const stamps = await stampsOf(version)
  console.log(`Building ironclaw ${version} (${stamps["BUILD_COMMIT"]})`)
  for (const target of names.length === 0 ? [null] : names.filter(isTarget)) await build(target, stamps)
}

if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
