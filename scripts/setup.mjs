/**
 * Sets the project up on a machine that has only Node and npm: npm brings Bun, exactly pinned, into .bun/, and Bun brings the packages
 * of bun.lock. Plain Node from 18 on, no packages. No install script runs: Bun's program is taken from its platform's package.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const LOCK_POLL_MS = 200 // short beside the seconds that a set-up takes
const PARENT_POLL_MS = 500 // how long a program may outlive the npm that started it; a look costs microseconds
const OLDEST_NODE = 18 // the oldest that has all that these scripts use; Debian 12 has it

/** A failure that is told without a stack: what happened, and what to do. */
export class SetupError extends Error {
  /** @param {string} message @param {string} hint */
  constructor(message, hint) {
    super(message)
    this.hint = hint
  }
}

/** What failing programs print, and what a person can do about it. */
const diagnoses = [
  {
    pattern: /ENOSPC|no space left/i,
    hint: "The disk is full: about 700 MB are needed here and 200 MB in the temp folder.",
  },
  {
    pattern: /CERT|self.signed|issuer certificate/i,
    hint: "The registry's certificate is not trusted here. Behind a company proxy: set NODE_EXTRA_CA_CERTS to its certificate file.",
  },
  {
    pattern:
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ConnectionRefused|ConnectionClosed|FailedToOpenSocket|Timeout|DNS|network/i,
    hint: "The package registry cannot be reached. Look at the network, or at `npm config get registry` and HTTPS_PROXY; then run it again.",
  },
  {
    pattern: /E404|ETARGET|No matching version|404/i,
    hint: "The registry in use does not have that version. `npm config get registry` shows which one that is.",
  },
  {
    pattern: /EACCES|EPERM|EROFS|permission denied|read-only/i,
    hint: "This folder is not writable for you: clone the project into one that is.",
  },
  {
    pattern: /lockfile had changes|lockfile is frozen/i,
    hint: "package.json and bun.lock disagree: run `bun install`, and commit both.",
  },
]

/** @param {string} output */
export function diagnose(output) {
  return (
    diagnoses.find(({ pattern }) => pattern.test(output))?.hint ??
    "The lines above say why; run it again when that is put right."
  )
}

/** The packages that can hold this machine's Bun, best first. @param {{ platform: string, arch: string, musl: boolean }} machine */
export function bunPackages({ platform, arch, musl }) {
  const system = platform === "win32" ? "windows" : platform
  const cpu = arch === "arm64" ? "aarch64" : arch
  const known = ["linux-x64", "linux-aarch64", "darwin-x64", "darwin-aarch64", "windows-x64", "windows-aarch64"]
  if (!known.includes(`${system}-${cpu}`)) {
    throw new SetupError(
      `There is no Bun for ${platform}/${arch}`,
      "ironclaw builds on Linux, macOS and Windows with an x64 or arm64 processor.",
    )
  }
  const name = `@oven/bun-${system}-${cpu}${system === "linux" && musl ? "-musl" : ""}`
  return cpu === "x64" ? [name, `${name}-baseline`] : [name]
}

function isMusl() {
  if (process.platform !== "linux") return false
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report?.getReport() ?? {})
  return report.header?.glibcVersionRuntime === undefined
}

/** @returns {{ bun: string, packages: string[] }} Bun's exact version, and the names of what Bun installs. */
function readManifest() {
  // What the file holds is checked by `bun run check`.
  const manifest = /** @type {{ packageManager: string, devDependencies: Record<string, string> }} */ (
    JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  )
  return { bun: manifest.packageManager.replace(/^bun@/, ""), packages: Object.keys(manifest.devDependencies) }
}

/** Runs a program to its end and keeps what it prints. @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} env */
function run(command, args, env = process.env) {
  return new Promise(
    /** @param {(end: { code: number, output: string }) => void} resolve */ (resolve) => {
      let output = ""
      const child = spawn(command, args, {
        cwd: root,
        env,
        stdio: ["ignore", "pipe", "pipe"],
        shell: command.endsWith(".cmd"),
      })
      child.stdout.on("data", (chunk) => (output += String(chunk)))
      child.stderr.on("data", (chunk) => (output += String(chunk)))
      child.on("error", (error) => resolve({ code: -1, output: `${output}${error.message}` }))
      child.on("close", (code) => resolve({ code: code ?? -1, output }))
    },
  )
}

/** Tells that something takes a while: one line, with the seconds counting on a terminal. @template T @param {string} what @param {() => Promise<T>} work */
export async function step(what, work) {
  const startedMs = Date.now()
  const seconds = () => ((Date.now() - startedMs) / 1000).toFixed(0)
  const { isTTY } = process.stderr
  if (!isTTY) process.stderr.write(`${what} …\n`)
  const timer = isTTY ? setInterval(() => process.stderr.write(`\r${what} … ${seconds()} s`), 1000) : undefined
  if (isTTY) process.stderr.write(`${what} …`)
  try {
    const result = await work()
    process.stderr.write(isTTY ? `\r${what} … done in ${seconds()} s\n` : `${what}: done in ${seconds()} s\n`)
    return result
  } catch (error) {
    if (isTTY) process.stderr.write("\n")
    throw error
  } finally {
    clearInterval(timer)
  }
}

/** @param {string} what @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
async function runOrThrow(what, command, args, env) {
  const { code, output } = await run(command, args, env)
  if (code === 0) return output
  process.stderr.write(`\n${output.trim().split("\n").slice(-15).join("\n")}\n`)
  throw new SetupError(`${what} failed`, diagnose(output))
}

/** One set-up at a time in this folder; a lock whose holder is gone counts for nothing. @template T @param {() => Promise<T>} work */
export async function withLock(work) {
  const lock = join(root, ".bun", "lock")
  makeFolder(join(root, ".bun"))
  for (let told = false; ; told = true) {
    try {
      mkdirSync(lock)
      writeFileSync(join(lock, "pid"), String(process.pid))
      break
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw explain(error)
      const holder = readHolder(lock)
      if (holder !== null && !isAlive(holder)) rmSync(lock, { recursive: true, force: true })
      else if (!told)
        process.stderr.write(`Waiting for another set-up of this folder${holder ? ` (process ${holder})` : ""} …\n`)
      await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS))
    }
  }
  try {
    return await work()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

/** @param {string} lock */
function readHolder(lock) {
  try {
    return Number(readFileSync(join(lock, "pid"), "utf8")) || null
  } catch {
    // Its holder is between making the folder and writing its number, or has just left.
    return null
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM"
  }
}

/** @param {unknown} error */
function explain(error) {
  const message = error instanceof Error ? error.message : String(error)
  return new SetupError(message, diagnose(message))
}

/** @param {string} path */
function makeFolder(path) {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    throw explain(error)
  }
}

/** The path of the pinned Bun, installing it if it is not there yet. */
export async function ensureBun() {
  const major = Number(process.versions.node.split(".")[0])
  if (major < OLDEST_NODE) {
    throw new SetupError(
      `Node ${process.versions.node} is too old`,
      `Install Node ${OLDEST_NODE} or newer (20 is what we test with).`,
    )
  }
  const { bun: version } = readManifest()
  const running = runningBun(version)
  if (running) return running
  const home = join(root, ".bun", version)
  const known = knownBun(home)
  if (known) return known
  return withLock(
    async () => knownBun(home) ?? step(`Installing Bun ${version} (about 40 MB)`, () => installBun(version, home)),
  )
}

/** Started by `bun run`, and that Bun is the pinned one: no other is needed. @param {string} version */
function runningBun(version) {
  const { npm_config_user_agent: agent = "", npm_execpath: path = "" } = process.env
  return agent.startsWith(`bun/${version} `) && existsSync(path) ? path : null
}

/** @param {string} home */
function knownBun(home) {
  try {
    const path = join(home, readFileSync(join(home, "program"), "utf8"))
    return existsSync(path) ? path : null
  } catch {
    // Not installed yet.
    return null
  }
}

/** @param {string} version @param {string} home */
async function installBun(version, home) {
  const names = bunPackages({ platform: process.platform, arch: process.arch, musl: isMusl() })
  const fresh = `${home}.${process.pid}`
  rmSync(fresh, { recursive: true, force: true })
  makeFolder(fresh)
  try {
    await npmInstall(fresh, `bun@${version}`)
    let answer = ""
    for (const name of names) {
      const program = `node_modules/${name}/bin/bun${process.platform === "win32" ? ".exe" : ""}`
      // The package `bun` names its platforms' packages as optional ones; some configurations leave those out.
      if (!existsSync(join(fresh, program))) await npmInstall(fresh, `${name}@${version}`)
      const { code, output } = await run(join(fresh, program), ["--version"])
      answer = output.trim()
      if (code !== 0 || answer !== version) continue
      writeFileSync(join(fresh, "program"), program)
      rmSync(home, { recursive: true, force: true })
      renameSync(fresh, home)
      return join(home, program)
    }
    throw new SetupError(
      `Bun ${version} does not run here: it answered "${answer}"`,
      "Say so in an issue, with your system and processor.",
    )
  } catch (error) {
    throw error instanceof SetupError ? error : explain(error)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** @param {string} prefix @param {string} name */
async function npmInstall(prefix, name) {
  const { npm_execpath: cli = "", npm_config_user_agent: agent = "" } = process.env
  const own = agent.startsWith("npm/") && cli.endsWith(".js")
  const args = [
    "install",
    "--prefix",
    prefix,
    "--ignore-scripts",
    "--no-save",
    "--no-package-lock",
    "--include=optional",
    "--force",
  ]
  const command = own ? process.execPath : process.platform === "win32" ? "npm.cmd" : "npm"
  const all = [...(own ? [cli] : []), ...args, "--no-audit", "--no-fund", "--loglevel=error", name]
  if (!own && (await run(command, ["--version"])).code !== 0) {
    throw new SetupError("npm is not there", "Install it (Debian: `apt install npm`), or start with `npm start`.")
  }
  await runOrThrow(`Installing ${name}`, command, all)
}

/** Installs what bun.lock names, unless that is what stands in node_modules already. @param {string} bun */
export async function ensurePackages(bun) {
  const stamp = packagesStamp()
  if (hasPackages(stamp)) return
  await withLock(async () => {
    if (hasPackages(stamp)) return
    await step("Installing packages (about 90)", () =>
      runOrThrow(
        "Installing the packages",
        bun,
        ["install", "--frozen-lockfile", "--no-progress"],
        bunEnvironment(bun),
      ),
    )
    writeFileSync(join(root, "node_modules", ".ironclaw-stamp"), stamp)
  })
}

function packagesStamp() {
  const { bun, packages } = readManifest()
  const hash = createHash("sha256").update(`${bun}\n${process.platform}-${process.arch}\n${packages.join()}\n`)
  return hash.update(readFileSync(join(root, "bun.lock"))).digest("hex")
}

/** @param {string} stamp */
function hasPackages(stamp) {
  try {
    const found = readFileSync(join(root, "node_modules", ".ironclaw-stamp"), "utf8")
    return found === stamp && readManifest().packages.every((name) => existsSync(join(root, "node_modules", name)))
  } catch {
    // Nothing installed yet.
    return false
  }
}

/** The environment for Bun and what it starts: Bun on the PATH, npm's certificate setting known to it. @param {string} bun */
export function bunEnvironment(bun) {
  const certificates = process.env["NODE_EXTRA_CA_CERTS"] ?? process.env["npm_config_cafile"]
  return {
    ...process.env,
    PATH: `${dirname(bun)}${delimiter}${process.env["PATH"] ?? ""}`,
    ...(certificates ? { NODE_EXTRA_CA_CERTS: certificates } : {}),
  }
}

/** Starts a program in this one's place: its input, output, signals and exit status are ours. @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} env */
export function become(command, args, env) {
  const child = spawn(command, args, { stdio: "inherit", env })
  // A terminal sends Ctrl-C to both of us: the child decides what it means.
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY
  process.on("SIGINT", () => onTerminal || child.kill("SIGINT"))
  process.on("SIGTERM", () => child.kill("SIGTERM"))
  process.on("SIGHUP", () => child.kill("SIGHUP"))
  // npm, when told to end, ends only the shell between it and us.
  const parent = process.ppid
  const npmIsGone = () => process.ppid !== parent && child.kill("SIGTERM")
  if (process.env["npm_lifecycle_event"]) setInterval(npmIsGone, PARENT_POLL_MS).unref()
  child.on("error", (error) =>
    fail(new SetupError(`${command} did not start: ${error.message}`, diagnose(error.message))),
  )
  // 128 + number is how shells tell that a signal ended it; 2 and 15 are those that people send.
  child.on("exit", (code, signal) =>
    process.exit(code ?? 128 + (signal === "SIGINT" ? 2 : signal === "SIGKILL" ? 9 : 15)),
  )
}

/** @param {unknown} error */
export function fail(error) {
  if (error instanceof SetupError) process.stderr.write(`\nerror: ${error.message}\n  ${error.hint}\n`)
  else process.stderr.write(`\n${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
}
