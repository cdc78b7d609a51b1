/** `secret` as a person uses it, and the places where a value must not turn up: output, logs, the API, the process list. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { atTerminal } from "../fakes/at-terminal.ts"
import { entry, runVerb } from "../fakes/from-source.ts"

setDefaultTimeout(60_000) // every command is a process of its own, on a machine that may be busy

const base = mkdtempSync(join(tmpdir(), "ironclaw-cmd-secret-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))
const value = "not-a-known-form-8472"

function freshHome(name: string): string {
  const home = join(base, name)
  mkdirSync(home, { mode: 0o700 })
  return home
}
const run = (home: string, args: readonly string[], given: { stdin?: string; env?: Record<string, string> } = {}) =>
  runVerb(["--home", home, ...args], { cwd: base, ...given })
const data = async (
  home: string,
  args: readonly string[],
  given: { stdin?: string; env?: Record<string, string> } = {},
) => JSON.parse((await run(home, [...args, "--json"], given)).out)

describe("secret", () => {
  const home = freshHome("own")
  beforeAll(async () => {
    expect(await run(home, ["secret", "set", "openai_api_key"], { stdin: `${value}\n` })).toMatchObject({
      status: 0,
      out: "OPENAI_API_KEY is set\n",
    })
  })

  test("lists names and never a value, and the model whose key it is counts as having one", async () => {
    const { out } = await run(home, ["secret", "list"])
    expect(out).toContain("OPENAI_API_KEY")
    expect(out).not.toContain(value)
    expect((await data(home, ["model", "list"])).data.default).toStartWith("openai/")
  })

  test("takes no value as an argument, an empty one, or one for a name that is none", async () => {
    expect((await run(home, ["secret", "set", "B", "value-as-argument"])).status).toBe(2)
    expect((await run(home, ["secret", "set", "B"])).status).toBe(2)
    expect(await data(home, ["secret", "set", "b-c"], { stdin: "v" })).toMatchObject({
      error: { code: "input.invalid" },
    })
    expect((await data(home, ["secret", "list"])).data.items).toHaveLength(1)
  })

  test("rotates a value that is there and no other, and the master key with all of them", async () => {
    expect(await data(home, ["secret", "rotate", "OPENAI_API_KY"], { stdin: "v" })).toMatchObject({
      error: { code: "not_found", message: expect.stringContaining("OPENAI_API_KEY") },
    })
    expect(await data(home, ["secret", "rotate", "OPENAI_API_KEY"], { stdin: value })).toMatchObject({
      data: { version: 2 },
    })
    expect((await run(home, ["secret", "rotate"])).status).toBe(2)
    expect((await run(home, ["secret", "rotate", "A", "--master"])).status).toBe(2)
    const before = readFileSync(join(home, "master.key"), "utf8")
    expect(await data(home, ["secret", "rotate", "--master"])).toMatchObject({ data: { source: "file", secrets: 1 } })
    expect(readFileSync(join(home, "master.key"), "utf8")).not.toBe(before)
    expect((await data(home, ["secret", "list"])).data.items).toMatchObject([
      { name: "OPENAI_API_KEY", readable: true },
    ])
  })

  test("a value that stands in a document reaches neither the model nor the reply", async () => {
    const env = { LLM_BACKEND: "demo" }
    await run(home, ["memory", "write", "note.md", "the", "door", "code", "is", value, "indeed"], { env })
    const { out } = await run(home, ["run", "-m", "recall door code"], { env })
    expect(out).toContain("the door code is [redacted: OPENAI_API_KEY] indeed")
  })

  test("once somebody has talked with the assistant, changes are the owner's alone, at a terminal", async () => {
    for (const change of [
      ["set", "B"],
      ["rotate", "OPENAI_API_KEY"],
      ["rotate", "--master"],
      ["delete", "OPENAI_API_KEY"],
    ])
      expect(await data(home, ["secret", ...change], { stdin: "v" })).toMatchObject({
        error: { code: "presence.no_terminal" },
      })
    expect((await data(home, ["secret", "list"])).data.items).toMatchObject([{ name: "OPENAI_API_KEY", version: 2 }])
  })

  test("deletes for good", async () => {
    const typed = (answer: string) =>
      atTerminal([process.execPath, entry, "--home", home, "secret", "delete", "openai_api_key"], {
        env: {},
        cwd: base,
        answer: () => answer,
      })
    expect(await typed("n")).toMatchObject({ status: 1, shown: expect.stringContaining("It was not confirmed") })
    expect(await typed("y")).toMatchObject({ status: 0, shown: expect.stringContaining("OPENAI_API_KEY is deleted") })
    expect(await data(home, ["secret", "delete", "OPENAI_API_KEY"])).toMatchObject({ error: { code: "not_found" } })
    expect((await run(home, ["secret", "list"])).out).toContain("No secrets")
  })
})

describe("the master key", () => {
  test("of the environment is refused where it is weak, or not the database's", async () => {
    const home = freshHome("environment")
    const [one, two] = [0, 1].map(() => crypto.getRandomValues(new Uint8Array(32)).toHex())
    const list = (key = "") => data(home, ["secret", "list"], { env: { SECRETS_MASTER_KEY: key } })
    expect(await list("a".repeat(32))).toMatchObject({ error: { code: "key.weak" } })
    expect(await list("01".repeat(32))).toMatchObject({ error: { code: "key.weak" } })
    expect(await list(one)).toMatchObject({ ok: true })
    expect(await list(two)).toMatchObject({ error: { code: "key.wrong", hint: expect.any(String) } })
    const rotated = await data(home, ["secret", "rotate", "--master", "--key-stdin"], {
      stdin: two ?? "",
      env: { SECRETS_MASTER_KEY: one ?? "" },
    })
    expect(rotated).toMatchObject({ ok: true, data: { source: "environment" } })
    expect(await list(one)).toMatchObject({ error: { code: "key.wrong" } })
    expect(await list(two)).toMatchObject({ ok: true })
    expect(readdirSync(home)).not.toContain("master.key")
  })

  test("is made once by two first starts at the same moment", async () => {
    const home = freshHome("raced")
    const results = await Promise.all(
      [1, 2, 3].map((n) => run(home, ["secret", "set", `KEY_${n}`], { stdin: `value-number-${n}` })),
    )
    expect(results.map(({ status, err }) => [status, err])).toEqual(results.map(() => [0, ""]))
    expect((await data(home, ["secret", "list"])).data.items).toMatchObject(
      [1, 2, 3].map((n) => ({ name: `KEY_${n}`, readable: true })),
    )
  })
})
