import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expiryTime } from "#cmd/lib/expiry.ts"
import { atTerminal as commandAtTerminal, codeIn } from "../fakes/at-terminal.ts"
import { startModelServer } from "../fakes/model-server.ts"

setDefaultTimeout(60_000) // every command is a process of its own, on a machine that may be busy

const base = mkdtempSync(join(tmpdir(), "ironclaw-cmd-approval-"))
const entry = join(import.meta.dir, "../../cmd/ironclaw.ts")
const [home, project] = [join(base, "home"), join(base, "project")]
const model = startModelServer()
const argv = (args: readonly string[]) => [
  process.execPath,
  entry,
  "--home",
  home,
  "--set",
  `project.folder=${project}`,
  ...args,
]
const env = {
  LLM_BACKEND: "openai_compatible",
  LLM_BASE_URL: `${model.url}/v1`,
  LLM_API_KEY: "none",
  LLM_MODEL: "fake",
}

/** Without a terminal, as a script or a child of ours runs it. */
async function run(...args: string[]) {
  const child = Bun.spawn(argv(args), { env, cwd: base, stdin: "ignore", stdout: "pipe", stderr: "pipe" })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, out, err }
}
const data = async (...args: string[]) => JSON.parse((await run(...args, "--json")).out)

const atTerminal = (args: readonly string[], answer: (shown: string) => string | null) =>
  commandAtTerminal(argv(args), { env, cwd: base, answer })

let service: Bun.Subprocess<"ignore", "pipe", "inherit">
let address = ""
beforeAll(async () => {
  mkdirSync(home, { mode: 0o700 })
  mkdirSync(project)
  service = Bun.spawn(argv(["serve", "--port", "0"]), {
    env,
    cwd: base,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  })
  const first = new TextDecoder().decode((await service.stdout.getReader().read()).value)
  address = /http:\/\/127\.0\.0\.1:\d+/.exec(first)?.[0] ?? ""
  expect(address).not.toBe("")
})
afterAll(async () => {
  service.kill("SIGTERM")
  expect(await service.exited).toBe(0)
  await model.stop()
  rmSync(base, { recursive: true, force: true })
})

/** A turn that waits for the owner's yes to writing this file. */
async function asked(path: string): Promise<string> {
  model.reset()
  model.script(
    { toolCalls: [{ name: "file_write", arguments: { path, content: "hello" } }] },
    { text: "It is written.", times: 3 },
  )
  const sent = await run("run", "-m", `write ${path}`)
  expect(sent.status).toBe(1)
  expect(sent.err).toContain("ironclaw approval allow")
  const { items } = (await data("approval", "list")).data
  expect(items[0].question).toContain(path)
  return items[0].id
}
async function written(path: string): Promise<boolean> {
  for (let n = 0; n < 300 && !existsSync(join(project, path)); n++) await Bun.sleep(10)
  return existsSync(join(project, path))
}

describe.if(process.platform === "linux")("with a service running", () => {
  test("approval allow types back the code that the service shows on this terminal, and the call runs", async () => {
    const id = await asked("one.txt")
    expect((await run("approval", "list")).out).toContain("one.txt")
    const { status, shown } = await atTerminal(["approval", "allow", id], codeIn)
    expect(shown).toContain("Allow this call, once.")
    expect(shown).toContain("one.txt")
    expect(status).toBe(0)
    expect(await written("one.txt")).toBe(true)
    expect(readFileSync(join(home, "logs/ironclaw.log"), "utf8")).not.toMatch(/\d{3} \d{3}.*two minutes/)
    expect((await data("approval", "list")).data.items).toEqual([])
  })

  test("approval allow without a terminal is refused, and says what to do", async () => {
    const id = await asked("two.txt")
    const { status, err } = await run("approval", "allow", id)
    expect([status, err.includes("foreground of a terminal")]).toEqual([1, true])
    const wrong = await atTerminal(["approval", "allow", id], (shown) =>
      codeIn(shown) === "000 000" ? "000001" : "000000",
    )
    expect(wrong.status).toBe(1)
    expect(wrong.shown).toContain("4 tries are left")
    expect(wrong.shown).toContain("wrong too often")
    const left = await atTerminal(["approval", "allow", id], () => "")
    expect(left.shown).toContain("No code was given")
    expect(await data("approval", "deny", id, "--reason", "not now")).toMatchObject({
      data: { state: "denied", reason: "not now" },
    })
    expect((await run("approval", "deny", id)).err).toContain("denied already")
    expect(existsSync(join(project, "two.txt"))).toBe(false)
  })

  test("approval allow --always leaves a grant with its end, which grant list shows and grant revoke takes back", async () => {
    const id = await asked("three.txt")
    const wrong = await run("approval", "allow", id, "--expires", "7d")
    expect(wrong.status).toBe(2)
    expect((await atTerminal(["approval", "allow", id, "--always", "--expires", "7d"], codeIn)).status).toBe(0)
    expect(await written("three.txt")).toBe(true)
    const { items } = (await data("grant", "list")).data
    expect(items).toMatchObject([
      { tool: "file_write", destination: "file write three.txt", expiresAt: expect.any(String) },
    ])
    expect((await run("grant", "list")).out).toContain("file write three.txt")
    expect((await run("grant", "revoke", items[0].id)).status).toBe(0)
    expect((await data("grant", "list")).data.items).toEqual([])
    expect((await data("grant", "list", "--all")).data.items).toHaveLength(1)
  })

  test("grant add asks at the terminal too", async () => {
    expect((await run("grant", "add", "time_now")).status).toBe(1)
    const added = await atTerminal(["grant", "add", "file_write", "file write a.txt", "--even-untrusted"], codeIn)
    expect(added.status).toBe(0)
    expect(added.shown).toContain("ALSO WHEN TEXT FROM OUTSIDE HAD A HAND IN IT.")
    expect((await data("grant", "list")).data.items).toMatchObject([{ tool: "file_write", evenUntrusted: true }])
  })

  test("token add prints the token alone, once it was confirmed; token revoke takes it back by name", async () => {
    expect((await run("token", "add", "phone")).status).toBe(1)
    const added = await atTerminal(["token", "add", "phone", "--expires", "90d"], codeIn)
    expect(added.status).toBe(0)
    expect(added.shown).toContain("Make an API token for phone")
    const token = /^ict_[\w-]{43}(?=\r?$)/m.exec(added.shown)?.[0] ?? ""
    const models = () => fetch(`${address}/v1/models`, { headers: { authorization: `Bearer ${token}` } })
    expect((await models()).status).toBe(200)
    expect((await data("token", "list")).data.items).toMatchObject([{ name: "phone", expiresAt: expect.any(String) }])
    expect((await run("token", "list")).out).toContain("in force")
    expect((await run("token", "revoke", "phone")).out).toContain("is revoked")
    expect((await models()).status).toBe(401)
    expect((await run("token", "revoke", "phone")).err).toContain('No token in force is called "phone"')
    expect((await data("token", "list", "--all")).data.items).toMatchObject([{ revokedAt: expect.any(String) }])
  })

  test("lockdown ends the turn that waits and refuses the next, until it is lifted at a terminal", async () => {
    const id = await asked("four.txt")
    expect((await run("lockdown", "--reason", "a strange message")).out).toContain("Everything is stopped")
    expect((await data("approval", "list", "--all")).data.items[0]).toMatchObject({ id, state: "expired" })
    expect((await data("run", "-m", "hello")).error.code).toBe("lockdown.active")
    expect((await run("lockdown", "--lift")).status).toBe(1)
    expect((await data("lockdown", "--status")).data.active).toBe(true)
    const lifted = await atTerminal(["lockdown", "--lift"], codeIn)
    expect(lifted.shown).toContain("Nothing is stopped")
    expect((await run("run", "-m", "hello")).out).toContain("It is written.")
    expect(existsSync(join(project, "four.txt"))).toBe(false)
  })
})

describe("how long a yes lasts", () => {
  test("is a span or a time to come", () => {
    expect(expiryTime("7d", 0)).toBe("1970-01-08T00:00:00.000Z")
    expect(expiryTime("12h", 0)).toBe("1970-01-01T12:00:00.000Z")
    expect(expiryTime("2030-01-31", 0)).toBe("2030-01-31T00:00:00.000Z")
    for (const text of ["soon", "0d", "-1d", "1970-01-01", ""]) expect(() => expiryTime(text, 1)).toThrow("--expires")
  })
})
