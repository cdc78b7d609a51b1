/** `backup` and `restore` as a person uses them: while the service runs, into another home, over what is there, and when they may not. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { finishReplacement } from "#core/db/backup-swap.ts"
import { openHome } from "#core/home.ts"
import { atTerminal } from "../fakes/at-terminal.ts"
import { createServerDatabase, testServerUrl } from "../core/db/memory.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-cmd-backup-"))
const entry = join(import.meta.dir, "../../cmd/ironclaw.ts")
afterAll(() => rmSync(base, { recursive: true, force: true }))
const passphrase = "seven wet owls under a bridge\n"
const secret = "a-value-that-nobody-may-see"

function freshHome(name: string): string {
  const home = join(base, name)
  mkdirSync(home, { mode: 0o700 })
  return home
}
function start(home: string, args: readonly string[], env: Record<string, string> = {}) {
  return Bun.spawn([process.execPath, entry, "--home", home, ...args], {
    env,
    cwd: base,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  })
}
async function run(
  home: string,
  args: readonly string[],
  { stdin = "", env = {} }: { stdin?: string; env?: Record<string, string> } = {},
) {
  const child = start(home, args, env)
  void child.stdin.write(stdin)
  void child.stdin.end()
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, out, err }
}
async function data(
  home: string,
  args: readonly string[],
  given: { stdin?: string; env?: Record<string, string> } = {},
) {
  const { out } = await run(home, [...args, "--json"], given)
  expect(out.trimEnd().split("\n")).toHaveLength(1)
  return JSON.parse(out)
}
const restored = (home: string, file: string, ...args: string[]) =>
  data(home, ["restore", file, "--passphrase-stdin", ...args], { stdin: passphrase })
const noteIn = async (home: string, env = {}) => (await run(home, ["memory", "read", "note.md"], { env })).out

const source = freshHome("source")
const file = join(base, "house.backup")
beforeAll(async () => {
  await run(source, ["memory", "write", "note.md", "walnuts"])
  await run(source, ["config", "set", "agent.name", "Ada"])
  await run(source, ["secret", "set", "A_TOKEN"], { stdin: secret })
  mkdirSync(join(source, "plugins/weather"), { recursive: true, mode: 0o700 })
  const service = start(source, ["serve", "--port", "0"])
  await service.stdout.getReader().read()
  const made = await data(source, ["backup", "--passphrase-stdin", "--output", "house.backup"], { stdin: passphrase })
  expect(made).toMatchObject({ ok: true, data: { path: file } })
  expect(await data(source, ["restore", file, "--passphrase-stdin", "--force"], { stdin: passphrase })).toMatchObject({
    error: { code: "home.locked" },
  })
  service.kill("SIGTERM")
  expect(await service.exited).toBe(0)
})

describe("a backup", () => {
  test("that was made while the service ran is a private file without a readable word in it", () => {
    expect(statSync(file).mode & 0o777).toBe(0o600)
    for (const word of ["walnuts", "Ada", secret, readFileSync(join(source, "master.key"), "utf8")])
      expect(readFileSync(file).includes(word)).toBeFalse()
  })

  test("goes into the home's backups where no file is named, and never over a file", async () => {
    const made = await data(source, ["backup", "--passphrase-stdin"], { stdin: passphrase })
    expect(made.data.path).toStartWith(join(source, "backups", "ironclaw-"))
    expect(await data(source, ["backup", "--passphrase-stdin", "-o", file], { stdin: passphrase })).toMatchObject({
      ok: false,
      error: { code: "backup.exists" },
    })
  })

  test("wants a passphrase that is one, from stdin or from a person, and never as an argument", async () => {
    expect(await data(source, ["backup", "--passphrase-stdin"], { stdin: "short\n" })).toMatchObject({
      error: { code: "backup.passphrase_weak" },
    })
    expect((await run(source, ["backup"])).status).toBe(2)
    expect((await run(source, ["backup", "--passphrase-stdin"], { stdin: "" })).status).toBe(2)
    expect((await run(source, ["backup", "--passphrase", "x"])).status).toBe(2)
  })
})

describe("a backup, once somebody has talked with the assistant", () => {
  const words = passphrase.trim()
  let home = ""
  beforeAll(async () => {
    home = freshHome("talked")
    await run(home, ["secret", "set", "BACKUP_PASSPHRASE"], { stdin: words })
    await run(home, ["run", "-m", "hello"], { env: { LLM_BACKEND: "demo" } })
  }, 60_000)

  test("is the owner's at a terminal, and there it is made once they say so", async () => {
    const own = "ten grey mice behind a wall"
    expect(await data(home, ["backup", "--passphrase-stdin"], { stdin: own })).toMatchObject({
      error: { code: "presence.no_terminal", hint: expect.stringContaining("BACKUP_PASSPHRASE") },
    })
    const line = `echo '${own}' | '${process.execPath}' '${entry}' --home '${home}' backup --passphrase-stdin`
    const at = (answer: string) => atTerminal(["sh", "-c", line], { env: {}, cwd: base, answer: () => answer })
    expect(await at("n")).toMatchObject({ status: 1, shown: expect.stringContaining("It was not confirmed") })
    expect(existsSync(join(home, "backups"))).toBeFalse()
    expect(await at("y")).toMatchObject({ status: 0, shown: expect.stringContaining("rows in") })
    expect(readdirSync(join(home, "backups"))).toHaveLength(1)
  }, 60_000)

  test("is made for a script with the passphrase that the owner has set, in the home alone", async () => {
    expect(await data(home, ["backup", "--passphrase-stdin"], { stdin: passphrase })).toMatchObject({ ok: true })
    const away = join(base, "away.backup")
    expect(await data(home, ["backup", "--passphrase-stdin", "-o", away], { stdin: passphrase })).toMatchObject({
      error: { code: "presence.no_terminal" },
    })
    expect(existsSync(away)).toBeFalse()
  }, 60_000)
})

describe("a restore", () => {
  test("into an empty home brings back documents, secrets, the master key and the configuration, and says what is to be installed", async () => {
    const home = freshHome("empty")
    expect(await restored(home, file)).toMatchObject({
      ok: true,
      data: { auditIntact: true, kept: null, config: true, plugins: ["weather"], database: "embedded" },
    })
    expect(await noteIn(home)).toBe("walnuts")
    expect(await data(home, ["secret", "list"])).toMatchObject({
      data: { items: [{ name: "A_TOKEN", readable: true }] },
    })
    expect(readFileSync(join(home, "master.key"), "utf8")).toBe(readFileSync(join(source, "master.key"), "utf8"))
    expect((await data(home, ["config", "get", "agent.name"])).data).toMatchObject({ value: "Ada" })
  })

  test("over a home that was used needs --force, keeps what was there with its key, and leaves its configuration", async () => {
    const home = freshHome("used")
    await run(home, ["memory", "write", "note.md", "mine"])
    await run(home, ["config", "set", "agent.name", "Bob"])
    const key = readFileSync(join(home, "master.key"), "utf8")
    expect(await restored(home, file)).toMatchObject({ ok: false, error: { code: "backup.not_empty" } })
    expect(await noteIn(home)).toBe("mine")
    const { data: done } = await restored(home, file, "--force")
    expect(done).toMatchObject({ config: false })
    expect(await noteIn(home)).toBe("walnuts")
    expect(readFileSync(join(done.kept, "master.key"), "utf8")).toBe(key)
    expect((await data(home, ["config", "get", "agent.name"])).data).toMatchObject({ value: "Bob" })

    // What was kept is a whole database with its key: put back, it is as it was.
    rmSync(join(home, "db/pgdata"), { recursive: true })
    renameSync(join(done.kept, "master.key"), join(home, "master.key"))
    renameSync(done.kept, join(home, "db/pgdata"))
    expect(await noteIn(home)).toBe("mine")
  })

  test("with a wrong passphrase or a damaged file changes nothing, and makes no database", async () => {
    const home = freshHome("wrong")
    const bytes = readFileSync(file)
    const cut = join(base, "cut.backup")
    writeFileSync(cut, bytes.subarray(0, bytes.length - 1))
    expect(await data(home, ["restore", file, "--passphrase-stdin"], { stdin: "another passphrase\n" })).toMatchObject({
      error: { code: "backup.passphrase_wrong" },
    })
    expect(await restored(home, cut)).toMatchObject({ error: { code: "backup.damaged" } })
    expect(await restored(home, entry)).toMatchObject({ error: { code: "backup.not_one" } })
    expect(readdirSync(home).filter((name) => name === "master.key" || name === "config.toml")).toEqual([])
    expect(existsSync(join(home, "db/pgdata"))).toBeFalse()
  })

  test("takes the place of a database that does not open any more", async () => {
    const home = freshHome("broken")
    await run(home, ["memory", "write", "note.md", "mine"])
    writeFileSync(join(home, "db/pgdata/data/PG_VERSION"), "99\n")
    expect((await run(home, ["memory", "list"])).status).toBe(1)
    expect(await restored(home, file)).toMatchObject({ error: { code: "backup.not_empty" } })
    expect(await restored(home, file, "--force")).toMatchObject({ ok: true })
    expect(await noteIn(home)).toBe("walnuts")
  })

  test("under another master key from the environment seals everything under that one", async () => {
    const home = freshHome("environment")
    const env = { SECRETS_MASTER_KEY: crypto.getRandomValues(new Uint8Array(32)).toHex() }
    expect(await data(home, ["restore", file, "--passphrase-stdin"], { stdin: passphrase, env })).toMatchObject({
      ok: true,
    })
    expect(existsSync(join(home, "master.key"))).toBeFalse()
    expect(await data(home, ["secret", "list"], { env })).toMatchObject({
      data: { items: [{ name: "A_TOKEN", readable: true }] },
    })
    expect(await data(home, ["secret", "list"])).toMatchObject({ error: { code: "key.missing" } })
  })

  test("that was interrupted between its two renames is finished by the next start", async () => {
    const home = openHome({ env: {}, explicit: freshHome("interrupted") })
    await run(home.root, ["memory", "write", "note.md", "mine"])
    const dir = join(home.folder("db"), "pgdata")
    const kept = join(home.folder("backups"), "before-restore-test")
    renameSync(dir, `${dir}.restoring`)
    writeFileSync(`${dir}.replace`, kept, { mode: 0o600 })
    expect(await noteIn(home.root)).toBe("mine")
    expect(readdirSync(home.paths.db)).toEqual(["pgdata"])
    // Before the first rename, both are there; the new one counts.
    mkdirSync(`${dir}.restoring`)
    writeFileSync(`${dir}.replace`, kept, { mode: 0o600 })
    finishReplacement(dir)
    expect(readdirSync(dir)).toEqual([])
    expect(existsSync(join(kept, "data/PG_VERSION"))).toBeTrue()
  })

  test.skipIf(testServerUrl === undefined)(
    "goes from the built-in database to a server and back, keeping what the server had in a backup",
    async () => {
      const server = await createServerDatabase(testServerUrl ?? "")
      try {
        const env = { DATABASE_URL: server.url }
        const home = freshHome("server")
        expect(await data(home, ["restore", file, "--passphrase-stdin"], { stdin: passphrase, env })).toMatchObject({
          ok: true,
          data: { database: "postgres", kept: null },
        })
        expect(await noteIn(home, env)).toBe("walnuts")
        await run(home, ["memory", "write", "note.md", "from the server"], { env })
        const again = await data(home, ["restore", file, "--passphrase-stdin", "--force"], { stdin: passphrase, env })
        expect(again).toMatchObject({ ok: true, data: { database: "postgres" } })
        expect(await noteIn(home, env)).toBe("walnuts")
        const back = freshHome("back")
        expect(await restored(back, again.data.kept)).toMatchObject({
          ok: true,
          data: { database: "embedded", auditIntact: true },
        })
        expect(await noteIn(back)).toBe("from the server")
        expect(await data(back, ["secret", "list"])).toMatchObject({
          data: { items: [{ name: "A_TOKEN", readable: true }] },
        })
      } finally {
        await server.drop()
      }
    },
  )
})
