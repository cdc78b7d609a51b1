/** The first day going wrong: killed at each step, two at once, a disk that is full or read-only, a configuration that is no TOML. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binary, runBinary } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { startReleaseServer } from "#test/fakes/release-server.ts"
import { smallDisk } from "#test/fakes/small-disk.ts"
import { drive, ENTER } from "#test/fakes/wizard-terminal.ts"

setDefaultTimeout(180_000) // whole processes on a busy machine; nothing here measures

const setUp = ["onboard", "--non-interactive", "--model", "demo"]
const json = (stdout: string) => JSON.parse(stdout)

test("killed at each step it goes on at that step, with what was answered before", async () => {
  using home = makeHome()
  const answers = [
    ["On your own PostgreSQL server", ENTER],
    ["a passphrase of yours opens", ENTER],
    ["None yet: the demo", ENTER],
    ["Change it", ENTER],
    ["A folder to work in, or none", ENTER],
    ["More tools?", ENTER],
  ] as const
  /** Which of them each step takes, by its number; what answers costs nothing, so the fourth asks nothing. */
  const steps = [[0], [1], [2], [], [3], [4, 5]]
  for (const [at, taken] of steps.entries()) {
    const turns = taken.flatMap((index) => answers.slice(index, index + 1))
    const killed = await drive(["onboard"], { home: home.path, turns, killAt: `${at + 2} of 7` })
    expect(killed.shown).toContain(at === 0 ? "1 of 7" : "from where it was left")
    if (at > 1) expect(killed.shown).not.toContain(`${at} of 7`)
  }
  const last = await drive(["onboard"], { home: home.path, turns: [["No: only while I chat", ENTER]] })
  expect(last.status, last.shown).toBe(0)
  expect(last.shown).toContain("ironclaw is set up.")
  for (const step of ["database", "encryption", "model", "spending", "manner", "tools", "service"])
    expect(last.shown).toContain(`${step}: `)
  expect((await runBinary(["run", "-m", "hello"], { home: home.path })).status).toBe(0)
})

test("two at once end in one home that works", async () => {
  using home = makeHome()
  const both = await Promise.all(
    ["Ada", "Bob"].map((name) => runBinary([...setUp, "--name", name, "--json"], { home: home.path })),
  )
  for (const { status, stdout, stderr } of both) expect(status, stdout + stderr).toBe(0)
  expect((await runBinary(["config", "get", "agent.name"], { home: home.path })).stdout.trim()).toMatch(/^(Ada|Bob)$/)
  expect((await runBinary(["run", "-m", "hello"], { home: home.path })).status).toBe(0)
  const left = readdirSync(join(home.path, ".ironclaw"), { recursive: true }).filter((name) =>
    String(name).endsWith(".new"),
  )
  expect(left).toEqual([])
})

test("a configuration that is no TOML is told with its line, by every command, and nothing is written over it", async () => {
  using home = makeHome()
  const root = join(home.path, ".ironclaw")
  mkdirSync(root, { mode: 0o700 })
  writeFileSync(join(root, "config.toml"), "agent = [\n", { mode: 0o600 })
  for (const args of [setUp, ["run", "-m", "hello"], ["config", "set", "agent.name", "Ada"], ["serve"], ["doctor"]]) {
    const { status, stdout, stderr } = await runBinary(args, { home: home.path })
    expect([args[0], status]).toEqual([args[0], args[0] === "serve" ? 78 : 1])
    expect(stdout + stderr).toContain("config.toml:1")
  }
  expect((await runBinary(["status"], { home: home.path })).status).toBe(0)
  expect(readFileSync(join(root, "config.toml"), "utf8")).toBe("agent = [\n")
})

const base = join(tmpdir(), `ironclaw-broken-${process.pid}`)
const mounts = [join(base, "small"), join(base, "big"), join(base, "bin")]
afterAll(() => {
  for (const path of mounts) Bun.spawnSync(["umount", "-l", path])
  rmSync(base, { recursive: true, force: true })
})
const [small = "", big = "", bin = ""] = mounts
const disks = [smallDisk(small), smallDisk(big, "300m"), smallDisk(bin, `${statSync(binary).size + 1_000_000}`)]

describe.skipIf(disks.some((disk) => disk === null))("a disk", () => {
  const at = (root: string) => ({ home: base, env: { IRONCLAW_HOME: root } })

  test("that is full is told as such; with room it goes on", async () => {
    const full = await runBinary([...setUp, "--json"], at(small))
    expect([full.status, json(full.stdout).error.message]).toEqual([1, expect.stringContaining("is full")])
    expect((await runBinary(["status"], at(small))).stdout).toContain("are free where the home is")
    expect(Bun.spawnSync(["mount", "-o", "remount,size=300m", small]).exitCode).toBe(0)
    const roomy = await runBinary([...setUp, "--json"], at(small))
    expect(roomy.status, roomy.stdout).toBe(0)
    expect((await runBinary(["run", "-m", "hello"], at(small))).status).toBe(0)
  })

  test("that is read-only is named by every command, and the doctor says nothing went wrong inside", async () => {
    expect((await runBinary(setUp, at(big))).status).toBe(0)
    expect(Bun.spawnSync(["mount", "-o", "remount,ro", big]).exitCode).toBe(0)
    for (const args of [setUp, ["run", "-m", "hello"], ["config", "set", "agent.name", "Ada"], ["serve"]]) {
      const { status, stderr } = await runBinary(args, at(big))
      expect(status).toBeGreaterThan(0)
      expect(stderr).toContain("read-only")
    }
    expect((await runBinary(["status"], at(big))).status).toBe(0)
    const doctor = await runBinary(["doctor"], at(big))
    expect([doctor.status, doctor.stdout.includes("read-only")]).toEqual([1, true])
    expect(doctor.stdout).not.toContain("went wrong inside")
  })

  test("that has no room for a new version leaves the old one in its place, whole", async () => {
    await using server = startReleaseServer()
    const program = join(bin, "ironclaw")
    copyFileSync(binary, program)
    chmodSync(program, 0o755)
    // More than the room that is left, and nothing that could be packed small.
    const bulk = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)))
      .toString("base64")
      .repeat(40)
    server.publish({ version: "9.9.9", number: 7, program: `#!/bin/sh\necho "ironclaw 9.9.9 (x)"\nexit\n# ${bulk}\n` })
    const env = { IRONCLAW_RELEASE_URL: server.url, IRONCLAW_UPDATE_KEYS: server.signer.publicKey, LLM_BACKEND: "demo" }
    using home = makeHome()
    const child = Bun.spawn([program, "update", "--without-backup", "--json"], {
      env: { HOME: home.path, PATH: "/usr/bin:/bin", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    })
    const { error } = json(await child.stdout.text())
    expect(await child.exited).toBe(1)
    expect(error.message).toMatch(/no space|full/i)
    expect(readdirSync(bin)).toEqual(["ironclaw"])
    expect(readFileSync(program).equals(readFileSync(binary))).toBe(true)
    expect(existsSync(join(home.path, ".ironclaw/run"))).toBe(true)
  })
})
