/** `ironclaw update` as a person uses it: the compiled program, installed somewhere, and a release server on this machine. */
import { afterAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binary, environmentOf, until } from "#test/fakes/binary.ts"
import { startReleaseServer } from "#test/fakes/release-server.ts"

setDefaultTimeout(120_000) // whole processes on a busy machine; nothing here measures

const base = mkdtempSync(join(tmpdir(), "ironclaw-update-"))
const server = startReleaseServer()
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(base, { recursive: true, force: true })
})

let home = ""
let folder = ""
let program = ""
beforeEach(() => {
  home = mkdtempSync(join(base, "home-"))
  folder = join(home, "bin")
  program = join(folder, "ironclaw")
  mkdirSync(folder)
  copyFileSync(binary, program)
  chmodSync(program, 0o755)
  server.bend = null
})

/** The program of this build under another version's name; `serve` may be something else. */
function renamed(version: string, number: number, serve = ""): string {
  return `#!/bin/sh
case $1 in
  --version) echo "ironclaw ${version} (test, 2026-01-15, release ${number})"; exit ;;
  serve) ${serve || ":"} ;;
esac
exec '${binary}' "$@"
`
}

function environment(more: Record<string, string> = {}) {
  return environmentOf(home, {
    IRONCLAW_RELEASE_URL: server.url,
    IRONCLAW_UPDATE_KEYS: server.signer.publicKey,
    LLM_BACKEND: "demo",
    ...more,
  })
}

function start(args: readonly string[], { stdin = "", env = {} }: { stdin?: string; env?: Record<string, string> } = {}) {
  return Bun.spawn([program, ...args], {
    cwd: home,
    env: environment(env),
    stdin: Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  })
}

async function update(args: readonly string[] = [], given: Parameters<typeof start>[1] = {}) {
  const child = start(["update", "--json", ...args], given)
  const [stdout] = await Promise.all([child.stdout.text(), child.stderr.text()])
  const status = await child.exited
  const { data, error } = JSON.parse(stdout)
  return { status, data, code: error?.code, message: error?.message, hint: error?.hint }
}

const versionNow = () => Bun.spawnSync([program, "--version"]).stdout.toString().split(" ")[1]
const own = Bun.spawnSync([binary, "--version"]).stdout.toString().split(" ")[1] ?? ""
const quick = ["--without-backup"]

test("a newer release is found, tried on a copy of the data, put in place, and taken back", async () => {
  server.publish({ version: "9.9.9", number: 7, program: renamed("9.9.9", 7) })
  const checked = await update(["--check"])
  expect(checked.data.available).toBe(true)
  expect(checked.data.newest.version).toBe("9.9.9")
  expect(versionNow()).toBe(own)

  const { status, data } = await update(["--passphrase-stdin"], { stdin: "seven wet owls under a bridge\n" })
  expect(status).toBe(0)
  expect(data).toMatchObject({ updated: true, from: own, version: "9.9.9", service: "none" })
  expect(existsSync(data.backup)).toBe(true)
  expect(versionNow()).toBe("9.9.9")
  expect(readdirSync(folder).sort()).toEqual([".ironclaw.previous", "ironclaw"])
  expect(readdirSync(join(home, ".ironclaw/run")).filter((name) => name.startsWith("update-"))).toEqual([])

  copyFileSync(join(folder, ".ironclaw.previous"), join(base, "kept"))
  expect(readFileSync(join(base, "kept")).equals(readFileSync(binary))).toBe(true)
})

test("--rollback changes places with the version before, and again", async () => {
  server.publish({ version: "9.9.9", number: 7, program: renamed("9.9.9", 7) })
  expect((await update(["--rollback"])).code).toBe("update.nothing_kept")
  expect((await update(quick)).status).toBe(0)
  rmSync(program)
  copyFileSync(binary, program) // our build again, which is what can roll back here: the other is a script
  const back = await update(["--rollback"])
  expect(back.data).toMatchObject({ rolledBack: true, from: own, to: own })
  expect(readdirSync(folder).sort()).toEqual([".ironclaw.previous", "ironclaw"])
})

test("nothing is asked of anybody when no address or no key is known", async () => {
  expect((await update(["--check"], { env: { IRONCLAW_RELEASE_URL: "" } })).code).toBe("update.not_configured")
  expect((await update(["--check"], { env: { IRONCLAW_UPDATE_KEYS: "" } })).code).toBe("release.no_key")
  expect((await update(["--check"], { env: { IRONCLAW_RELEASE_URL: "http://example.org/x" } })).code).toBe("config.invalid")
})

test("what is forged, older, frozen, damaged, cut short or not for this machine is refused, and nothing changes", async () => {
  const publish = (more: object = {}) => server.publish({ version: "9.9.9", number: 7, program: renamed("9.9.9", 7), ...more })
  publish()
  const refused = async (code: string, args = quick) => {
    const { status, code: said, hint } = await update(args)
    expect(said).toBe(code)
    expect(hint).not.toBe("")
    expect(status).toBe(1)
    expect(readdirSync(folder)).toEqual(["ironclaw"])
    expect(versionNow()).toBe(own)
  }
  server.bend = (path, bytes) => {
    if (!path.endsWith("release.json")) return null
    const text = Buffer.from(bytes).toString()
    return new Uint8Array(Buffer.from(text.replace(/"ed25519":"./, (found) => (found.endsWith("A") ? '"ed25519":"B' : '"ed25519":"A'))))
  }
  await refused("release.unsigned")
  server.bend = () => new Response("<html>hotel</html>")
  await refused("release.unsigned")
  server.bend = () => new Response("no", { status: 500 })
  await refused("release.unavailable")
  server.bend = () => new Response(null, { status: 302, headers: { location: "https://example.org/release.json" } })
  await refused("egress.refused")
  server.bend = (path, bytes) => (path.endsWith(".gz") ? bytes.map((byte, at) => (at === 30 ? byte ^ 1 : byte)) : null)
  await refused("release.damaged")
  server.bend = (path, bytes) => (path.endsWith(".gz") ? bytes.slice(0, -4) : null)
  await refused("release.damaged")
  server.bend = (path, bytes) => (path.endsWith(".gz") ? new Uint8Array([...bytes, ...bytes]) : null)
  await refused("egress.too_large")
  server.bend = null
  publish({ created: new Date("2025-01-01T00:00:00Z") })
  await refused("release.expired")
  publish({ programs: new Map([["plan9-mips", binary]]) })
  await refused("release.no_target")
  publish({ version: "9.9.8", number: 6 })
  await refused("release.older") // 7 was seen
})

test("a new version that does not start, lies about itself or cannot answer takes no place", async () => {
  for (const bad of [
    "#!/bin/sh\nexit 3\n",
    renamed("1.0.0", 7),
    '#!/bin/sh\n[ "$1" = --version ] && echo "ironclaw 9.9.9 (x)" || { echo broken >&2; exit 1; }\n',
    "not a program at all",
  ]) {
    server.publish({ version: "9.9.9", number: 7, program: bad })
    expect((await update(quick)).code).toBe("update.trial_failed")
    expect(readdirSync(folder)).toEqual(["ironclaw"])
    expect(versionNow()).toBe(own)
  }
})

test("it is not ours to replace in a checkout, in a package manager's folder, or where it cannot be written", async () => {
  const checkout = join(home, "checkout")
  mkdirSync(join(checkout, "dist"), { recursive: true })
  await Bun.write(join(checkout, "package.json"), '{\n  "name": "ironclaw"\n}\n')
  copyFileSync(binary, join(checkout, "dist/ironclaw"))
  const child = Bun.spawn([join(checkout, "dist/ironclaw"), "update", "--json"], { env: environment(), stdout: "pipe" })
  const { error } = await child.stdout.json()
  expect(error.code).toBe("update.not_ours")
  expect(error.hint).toContain("npm run build")
  expect(server.asked.length).toBeGreaterThan(0)
})

test("killed at any moment it leaves a whole program, and the next one works; two at once are one", async () => {
  server.publish({ version: "9.9.9", number: 7, program: renamed("9.9.9", 7) })
  const arrived = Promise.withResolvers<void>()
  server.bend = (path, bytes) => {
    if (!path.endsWith(".gz")) return null
    arrived.resolve()
    return new Response(new ReadableStream({ start: (controller) => controller.enqueue(bytes.slice(0, 50)) }))
  }
  const first = start(["update", ...quick])
  await arrived.promise
  expect((await update(quick)).code).toBe("update.busy")
  first.kill("SIGKILL")
  await first.exited
  expect(versionNow()).toBe(own)
  server.bend = null
  expect((await update(quick)).status).toBe(0)
  expect(versionNow()).toBe("9.9.9")
  expect(readdirSync(folder).sort()).toEqual([".ironclaw.previous", "ironclaw"])
  expect(readdirSync(join(home, ".ironclaw/run")).filter((name) => name.startsWith("update-"))).toEqual([])
})

const lockFile = () => join(home, ".ironclaw/run/lock.json")
const holder = (): { pid: number; address: string | null } | null => {
  try {
    return JSON.parse(readFileSync(lockFile(), "utf8"))
  } catch {
    return null // nobody, or somebody who is just starting
  }
}

async function startServe() {
  const child = start(["serve", "--port", "0"], { env: { MARK: "kept" } })
  await until("the service is ready", () => holder()?.address, 30_000)
  return child
}

test("a running service is the new version afterwards, with the arguments and environment that it had", async () => {
  server.publish({ version: "9.9.9", number: 7, program: renamed("9.9.9", 7, `echo "$MARK $*" > '${base}/served'`) })
  const before = await startServe()
  const { data } = await update(quick)
  expect(data).toMatchObject({ updated: true, service: "restarted" })
  expect(await before.exited).toBe(0)
  const after = holder()
  try {
    expect(after?.pid).not.toBe(before.pid)
    expect(readFileSync(join(base, "served"), "utf8").trim()).toBe("kept serve --port 0")
    expect((await fetch(`${after?.address}/health`)).status).toBe(200)
  } finally {
    if (after) process.kill(after.pid, "SIGTERM")
    await until("it has ended", () => holder() === null)
  }
})

test("a service that does not become ready as the new version is the old one again", async () => {
  server.publish({ version: "9.9.9", number: 7, program: renamed("9.9.9", 7, "exit 1") })
  const before = await startServe()
  const { code, message } = await update(quick)
  const after = holder()
  try {
    expect(code).toBe("update.went_back")
    expect(message).toContain(`${own} was put back and runs again`)
    expect(versionNow()).toBe(own)
    expect(after?.pid).not.toBe(before.pid)
    expect((await fetch(`${after?.address}/health`)).status).toBe(200)
  } finally {
    if (after) process.kill(after.pid, "SIGTERM")
    await until("it has ended", () => holder() === null)
  }
})
