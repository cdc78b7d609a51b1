import { expect, setDefaultTimeout, test } from "bun:test"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type RunOptions, runBinary } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { startService } from "#test/fakes/service.ts"
import { drive, ENTER } from "#test/fakes/wizard-terminal.ts"

setDefaultTimeout(120_000)

const WORDS = "correct horse battery staple"
const keyOf = (home: string) => readFileSync(join(home, ".ironclaw/master.key"), "utf8")
const codeOf = (stdout: string): string => JSON.parse(stdout).error?.code ?? "done"

/** A home whose master key is sealed, and a secret in it. Nothing names the passphrase any more. */
async function sealedHome(home: string): Promise<void> {
  const file = join(home, "words.txt")
  writeFileSync(file, `${WORDS}\n`, { mode: 0o600 })
  const args = ["onboard", "--non-interactive", "--model", "demo", "--encryption", "passphrase", "--json"]
  const missing = await runBinary(args, { home })
  expect([missing.status, JSON.parse(missing.stdout).data.missing[0].answer]).toEqual([2, "passphrase-file"])
  const done = await runBinary([...args, "--passphrase-file", file], { home })
  expect(done.status, done.stdout + done.stderr).toBe(0)
  expect(JSON.parse(done.stdout).data.set[1]).toMatchObject({
    step: "encryption",
    set: "a key that a passphrase opens",
  })
  const stored = await runBinary(["secret", "set", "A_TOKEN"], { home, stdin: "v-0123456789abcdef" })
  expect(stored.status, stored.stderr).toBe(0)
  writeFileSync(join(home, ".ironclaw/config.toml"), '[model]\nbackend = "demo"\n')
}

test("nobody opens the vault without the passphrase, each place of it serves, and a service without one stops for good", async () => {
  using home = makeHome()
  await sealedHome(home.path)
  expect(keyOf(home.path)).toContain('"kdf": "argon2id"')
  const list = (more: Partial<RunOptions> = {}) => runBinary(["secret", "list", "--json"], { home: home.path, ...more })

  const none = await list()
  expect([none.status, codeOf(none.stdout)]).toEqual([1, "key.passphrase_missing"])
  expect(JSON.parse(none.stdout).error.hint).toContain("encryption.passphrase_file")
  const service = await runBinary(["serve", "--port", "0"], { home: home.path })
  expect([service.status, service.stderr.includes("is sealed by a passphrase")]).toEqual([78, true])
  const detached = await runBinary(["service", "start", "--detach", "--json"], { home: home.path })
  expect(codeOf(detached.stdout)).toBe("key.passphrase_missing")

  const env = { IRONCLAW_KEY_PASSPHRASE: WORDS }
  expect((await list({ env })).stdout).toContain("A_TOKEN")
  const wrong = await runBinary(["serve", "--port", "0"], {
    home: home.path,
    env: { IRONCLAW_KEY_PASSPHRASE: "correct horse battery stapler" },
  })
  expect([wrong.status, wrong.stderr.includes("does not open master.key")]).toEqual([78, true])
  const before = keyOf(home.path)

  mkdirSync(join(home.path, "credentials"))
  writeFileSync(join(home.path, "credentials/ironclaw-key-passphrase"), `${WORDS}\n`, { mode: 0o440 })
  expect((await list({ env: { CREDENTIALS_DIRECTORY: join(home.path, "credentials") } })).status).toBe(0)
  expect((await list({ env: { IRONCLAW_KEY_PASSPHRASE_FILE: join(home.path, "words.txt") } })).status).toBe(0)
  writeFileSync(join(home.path, "open.txt"), WORDS, { mode: 0o644 })
  const open = await list({ env: { IRONCLAW_KEY_PASSPHRASE_FILE: join(home.path, "open.txt") } })
  expect(codeOf(open.stdout)).toBe("home.unsafe_file")
  expect(keyOf(home.path)).toBe(before)
})

test("a command that goes through the running service needs no passphrase, and a new master key is sealed by the same", async () => {
  using home = makeHome()
  await sealedHome(home.path)
  await using service = await startService({ home: home.path, env: { IRONCLAW_KEY_PASSPHRASE: WORDS } })
  expect((await runBinary(["secret", "list"], { home: home.path })).stdout).toContain("A_TOKEN")
  const before = keyOf(home.path)
  const rotated = await drive(["secret", "rotate", "--master"], {
    home: home.path,
    turns: [], // nobody has talked with it yet: nothing to confirm
  })
  expect(rotated.shown).toContain("sealed by the same passphrase")
  const after = keyOf(home.path)
  expect(after).not.toBe(before)
  expect(readdirSync(join(home.path, ".ironclaw")).filter((name) => name.startsWith("master.key"))).toEqual([
    "master.key",
  ])
  await service.stop()
  const env = { IRONCLAW_KEY_PASSPHRASE: WORDS }
  expect((await runBinary(["secret", "list"], { home: home.path, env })).stdout).toContain("A_TOKEN")
  const doctor = await runBinary(["doctor", "--all", "--json"], { home: home.path, env })
  const checks: { id: string; level: string; found: string }[] = JSON.parse(doctor.stdout).data.checks
  const found = (id: string) => checks.find((one) => one.id === id)?.found
  expect(found("key.strength")).toContain("argon2id")
  expect(found("key.place")).toContain("sealed by a passphrase")
})

test("at a terminal it is asked for unseen, a slip of the hand is forgiven, and the wizard puts it on, changes it and takes it off", async () => {
  using home = makeHome()
  const at = { home: home.path }
  expect((await runBinary(["run", "-m", "hello"], at)).status).toBe(0)
  const clear = keyOf(home.path)
  const on = await drive(["onboard", "encryption", "--encryption", "passphrase"], {
    ...at,
    turns: [
      ["five or six random words", `short${ENTER}`],
      ["shorter than 12", `${"\u007f".repeat(5)}${WORDS}${ENTER}`],
      ["Once more", `${WORDS}${ENTER}`],
      ["Do it? [y/N]", `y${ENTER}`],
    ],
  })
  expect(on.status, on.shown).toBe(0)
  expect(on.shown).toContain("may still be found on the disk")
  expect(on.shown).not.toContain("horse")
  expect(keyOf(home.path)).not.toContain(clear)

  const asked = await drive(["session", "list"], {
    ...at,
    turns: [
      ["\u25c6  Passphrase of the master key", `wrong horse${ENTER}`],
      ["\u25c6  Passphrase of the master key", `${WORDS}${ENTER}`],
    ],
  })
  expect(asked.status, asked.shown).toBe(0)
  expect(asked.shown).toContain("does not open master.key")
  expect(asked.shown).toContain("hello")
  expect(asked.shown).not.toContain("horse")
  const never = await drive(["session", "list"], {
    ...at,
    turns: Array.from({ length: 3 }, () => ["\u25c6  Passphrase of the master key", `wrong horse${ENTER}`] as const),
  })
  expect(never.status).toBe(1)

  const another = await drive(["onboard", "encryption"], {
    ...at,
    turns: [
      ["with another passphrase", `${"\u001b[B"}${ENTER}`],
      ["five or six random words", `${WORDS} 2${ENTER}`],
      ["Once more", `${WORDS} 2${ENTER}`],
      ["\u25c6  Passphrase of the master key", `${WORDS}${ENTER}`],
      ["Do it? [y/N]", `y${ENTER}`],
    ],
  })
  expect(another.status, another.shown).toBe(0)
  const off = await drive(["onboard", "encryption", "--encryption", "file"], {
    ...at,
    turns: [
      ["\u25c6  Passphrase of the master key", `${WORDS} 2${ENTER}`],
      ["Do it? [y/N]", `y${ENTER}`],
    ],
  })
  expect(off.status, off.shown).toBe(0)
  expect(keyOf(home.path)).toBe(clear)
  expect((await runBinary(["session", "list"], at)).stdout).toContain("hello")
})

test("a service that is started detached at a terminal asks there, and is restarted with what it was told", async () => {
  using home = makeHome()
  await sealedHome(home.path)
  const at = { home: home.path, env: { GATEWAY_PORT: "0" } }
  const turns = [["\u25c6  Passphrase of the master key", `${WORDS}${ENTER}`]] as const
  const started = await drive(["service", "start", "--detach"], { ...at, turns })
  try {
    expect(started.status, started.shown).toBe(0)
    expect(started.shown).not.toContain("horse")
    expect((await runBinary(["secret", "list"], at)).stdout).toContain("A_TOKEN")
    const unasked = await runBinary(["service", "restart", "--json"], at)
    expect(codeOf(unasked.stdout)).toBe("key.passphrase_missing") // before anything is stopped
    expect((await runBinary(["service", "status"], at)).status).toBe(0)
    const restarted = await drive(["service", "restart"], { ...at, turns })
    expect(restarted.status, restarted.shown).toBe(0)
    expect((await runBinary(["secret", "list"], at)).stdout).toContain("A_TOKEN")
  } finally {
    expect((await runBinary(["service", "stop"], at)).status).toBe(0)
  }
})
