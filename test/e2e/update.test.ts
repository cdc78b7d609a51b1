/** `ironclaw update` as a person uses it: the compiled program, installed somewhere, and a release server on this machine. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { restartService, runningService } from "#cmd/lib/restart.ts"
import { openHome } from "#core/home.ts"
import { readLock } from "#core/home-lock.ts"
import { binary, environmentOf, until } from "#test/fakes/binary.ts"
import { speaker, startReleaseServer } from "#test/fakes/release-server.ts"

setDefaultTimeout(120_000) // whole processes on a busy machine; nothing here measures

const base = mkdtempSync(join(tmpdir(), "ironclaw-update-"))
const server = startReleaseServer()
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(base, { recursive: true, force: true })
})

/** The program of this build, installed into a home of its own. */
function installed() {
  const home = mkdtempSync(join(base, "home-"))
  const folder = join(home, "bin")
  const program = join(folder, "ironclaw")
  mkdirSync(folder)
  copyFileSync(binary, program)
  chmodSync(program, 0o755)
  const env = environmentOf(home, {
    IRONCLAW_RELEASE_URL: server.url,
    IRONCLAW_UPDATE_KEYS: server.signer.publicKey,
    LLM_BACKEND: "demo",
  })
  const start = (args: readonly string[], { stdin = "", more = {} }: Given = {}) =>
    Bun.spawn([program, ...args], {
      cwd: home,
      env: { ...env, ...more },
      stdin: Buffer.from(stdin),
      stdout: "pipe",
      stderr: "pipe",
    })
  return {
    folder,
    program,
    run: join(home, ".ironclaw/run"),
    start,
    async update(args: readonly string[] = ["--without-backup"], given: Given = {}) {
      const child = start(["update", "--json", ...args], given)
      const [stdout] = await Promise.all([child.stdout.text(), child.stderr.text()])
      const status = await child.exited
      const { data, error } = JSON.parse(stdout)
      return { status, data, code: error?.code, message: error?.message, hint: error?.hint }
    },
    version: () => versionOf(program),
    /** Who holds the home. */
    holder(): { pid: number; address: string | null } | null {
      try {
        return JSON.parse(readFileSync(join(home, ".ironclaw/run/lock.json"), "utf8"))
      } catch {
        return null // nobody, or somebody who is just starting
      }
    },
    /** From a shell, as a person does. */
    async serve(more: Record<string, string> = {}) {
      const child = Bun.spawn(["/bin/sh", "-c", `'${program}' serve --port 0; :`], {
        cwd: home,
        env: { ...env, ...more },
        stdout: "ignore",
        stderr: "ignore",
      })
      await until("the service is ready", () => this.holder()?.address, 60_000)
      return child
    },
    async stop() {
      const { pid } = this.holder() ?? {}
      if (pid !== undefined) process.kill(pid, "SIGTERM")
      await until("it has ended", () => this.holder() === null, 30_000)
    },
  }
}
type Given = { stdin?: string; more?: Record<string, string> }

/** The program of this build under another version's name; `serve` may be something else. */
function renamed(version: string, number: number, serve = ":"): string {
  return `#!/bin/sh
case $1 in
  --version) echo "ironclaw ${version} (test, 2026-01-15, release ${number})"; exit ;;
  serve) ${serve} ;;
esac
exec '${binary}' "$@"
`
}

const versionOf = (program: string) => Bun.spawnSync([program, "--version"]).stdout.toString().split(" ")[1]
const own = versionOf(binary) ?? ""
const publish = (more: Parameters<typeof server.publish>[0] | object = {}) =>
  server.publish({ version: "9.9.9", number: 7, program: renamed("9.9.9", 7), ...more })

test("a newer release is found, tried on a copy of the data, and put in place", async () => {
  publish()
  const house = installed()
  const checked = await house.update(["--check"])
  expect(checked.data).toMatchObject({ available: true, newest: { version: "9.9.9", number: 7 } })
  expect(house.version()).toBe(own)
  const { status, data } = await house.update(["--passphrase-stdin"], { stdin: "seven wet owls under a bridge\n" })
  expect(status).toBe(0)
  expect(data).toMatchObject({ updated: true, from: own, version: "9.9.9", service: "none" })
  expect(existsSync(data.backup)).toBe(true)
  expect(house.version()).toBe("9.9.9")
  expect(readdirSync(house.folder).sort()).toEqual([".ironclaw.previous", "ironclaw"])
  expect(readFileSync(join(house.folder, ".ironclaw.previous")).equals(readFileSync(binary))).toBe(true)
})

test("--rollback changes places with the version before, and needs neither network nor database", async () => {
  const house = installed()
  const kept = join(house.folder, ".ironclaw.previous")
  expect((await house.update(["--rollback"])).code).toBe("update.nothing_kept")
  writeFileSync(kept, "#!/bin/sh\nexit 1\n", { mode: 0o755 })
  expect((await house.update(["--rollback"])).code).toBe("update.trial_failed")
  expect(house.version()).toBe(own)
  writeFileSync(kept, speaker({ version: "0.0.9", number: 1 }), { mode: 0o755 })
  const { data } = await house.update(["--rollback"])
  expect(data).toMatchObject({ rolledBack: true, from: own, to: "0.0.9", service: "none" })
  expect(house.version()).toBe("0.0.9")
  expect(versionOf(kept)).toBe(own)
  expect(readdirSync(house.folder).sort()).toEqual([".ironclaw.previous", "ironclaw"])
})

test("a service under our own supervisor stays under it", async () => {
  const house = installed()
  const root = join(house.run, "..")
  const signal = new AbortController().signal
  expect(await house.start(["service", "start", "--detach"]).exited).toBe(0)
  try {
    const home = openHome({ env: {}, explicit: root })
    const before = await runningService({ home, signal })
    expect(before).toMatchObject({ keeper: "supervisor", what: "serve", how: { program: house.program } })
    if (before === null) return
    const supervisor = readLock(home, "supervisor")?.pid
    expect(await restartService({ home, program: house.program, before, signal })).toBe(true)
    expect(house.holder()?.pid).not.toBe(before.pid)
    expect(readLock(home, "supervisor")?.pid).not.toBe(supervisor ?? null)
    expect(readLock(home, "supervisor")).not.toBeNull()
  } finally {
    await house.start(["service", "stop"]).exited
  }
})

describe("beside a running service", () => {
  const house = installed()
  afterAll(() => house.stop())

  test("what is forged, older, frozen, damaged, cut short or not for this machine is refused, and nothing changes", async () => {
    await house.serve()
    publish()
    const refused = async (code: string, args?: string[]) => {
      const { status, code: said, hint } = await house.update(args)
      expect(said).toBe(code)
      expect(hint).not.toBe("")
      expect(status).toBe(1)
      expect(readdirSync(house.folder)).toEqual(["ironclaw"])
    }
    server.bend = (path, bytes) => {
      if (!path.endsWith("release.json")) return null
      const text = Buffer.from(bytes)
        .toString()
        .replace(/"ed25519":"./, (found) => `"ed25519":"${found.endsWith("A") ? "B" : "A"}`)
      return new Uint8Array(Buffer.from(text))
    }
    await refused("release.unsigned")
    server.bend = () => new Response("<html>hotel</html>")
    await refused("release.unsigned")
    server.bend = () => new Response("no", { status: 500 })
    await refused("release.unavailable", ["--check"])
    server.bend = () => new Response(null, { status: 302, headers: { location: "https://example.org/release.json" } })
    await refused("egress.refused")
    server.bend = (path, bytes) =>
      path.endsWith(".gz") ? bytes.map((byte, at) => (at === 30 ? byte ^ 1 : byte)) : null
    await refused("release.damaged")
    server.bend = (path, bytes) => (path.endsWith(".gz") ? bytes.slice(0, -4) : null)
    await refused("release.damaged")
    server.bend = (path, bytes) => (path.endsWith(".gz") ? new Uint8Array([...bytes, ...bytes]) : null)
    await refused("egress.too_large")
    server.bend = null
    publish({ created: new Date("2025-01-01T00:00:00Z") })
    await refused("release.expired")
    publish({ programs: new Map([["plan9-mips", import.meta.path]]) })
    await refused("release.no_target")
    publish({ version: "9.9.8", number: 6 })
    await refused("release.older") // 7 was seen
    publish()
    const nobody = await house.update(["--check"], { more: { IRONCLAW_UPDATE_KEYS: "" } })
    expect(nobody.code).toBe("release.no_key")
    expect(house.version()).toBe(own)
  })

  test("a new version that does not start, lies about itself or cannot answer takes no place", async () => {
    for (const program of [
      "#!/bin/sh\nexit 3\n",
      renamed("1.0.0", 7),
      '#!/bin/sh\n[ "$1" = --version ] && echo "ironclaw 9.9.9 (x)" || { echo broken >&2; exit 1; }\n',
      "not a program at all",
    ]) {
      publish({ program })
      expect((await house.update()).code).toBe("update.trial_failed")
      expect(readdirSync(house.folder)).toEqual(["ironclaw"])
    }
    expect(house.version()).toBe(own)
  })

  test("two at once are one, and killed in the middle it leaves a whole program", async () => {
    publish()
    const arrived = Promise.withResolvers<void>()
    server.bend = (path, bytes) => {
      if (!path.endsWith(".gz")) return null
      arrived.resolve()
      return new Response(new ReadableStream({ start: (controller) => controller.enqueue(bytes.slice(0, 50)) }))
    }
    const first = house.start(["update", "--without-backup"])
    await arrived.promise
    expect((await house.update()).code).toBe("update.busy")
    mkdirSync(join(house.run, "trial-half"))
    first.kill("SIGKILL")
    await first.exited
    server.bend = null
    expect(readdirSync(house.folder)).toEqual(["ironclaw"])
    expect(house.version()).toBe(own)
  })

  test("one that does not become ready gives way to the old one", async () => {
    publish({ program: renamed("9.9.9", 7, "exit 1") })
    const before = house.holder()
    const { code, message } = await house.update()
    expect(code).toBe("update.went_back")
    expect(message).toContain(`${own} was put back and runs again`)
    expect(house.version()).toBe(own)
    const after = house.holder()
    expect(after?.pid).not.toBe(before?.pid)
    expect((await fetch(`${after?.address}/health`)).status).toBe(200)
  })

  test("the new version runs afterwards, with the arguments and the environment that the service had", async () => {
    await house.stop()
    await house.serve({ MARK: "kept" })
    publish({ program: renamed("9.9.9", 7, `echo "$MARK $*" > '${base}/served'`) })
    const before = house.holder()
    const { data } = await house.update()
    expect(data).toMatchObject({ updated: true, service: "restarted" })
    const after = house.holder()
    expect(after?.pid).not.toBe(before?.pid)
    expect(readFileSync(join(base, "served"), "utf8").trim()).toBe("kept serve --port 0")
    expect((await fetch(`${after?.address}/health`)).status).toBe(200)
    // What was killed and what was refused before has left nothing.
    expect(readdirSync(house.folder).sort()).toEqual([".ironclaw.previous", "ironclaw"])
    expect(readdirSync(house.run).filter((name) => /[.]part$|^trial-/.test(name))).toEqual([])
  })
})
