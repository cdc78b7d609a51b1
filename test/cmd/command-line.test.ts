import { describe, expect, test } from "bun:test"
import { judgeFlags } from "#cmd/lib/arguments.ts"
import { runCommandLine } from "#cmd/lib/run-verb.ts"
import { createUi } from "#cmd/lib/ui.ts"
import { defineVerb, defineVerbGroup, type Verb, type VerbTable } from "#cmd/lib/verb.ts"
import { AppError } from "#core/errors.ts"

const echo = defineVerb({
  meta: { description: "Says it back", examples: ["ironclaw echo hello"], rest: "WORDS" },
  args: {
    text: { type: "positional", description: "What to say", required: false },
    message: { type: "string", alias: "m", description: "Instead of it" },
    loud: { type: "boolean", alias: "l", description: "In capitals" },
    mood: { type: "enum", options: ["good", "bad"], description: "How" },
  },
  async run({ args, rest, flags, ui }) {
    const data = { ...args, _: undefined, rest, flags }
    return {
      data,
      show: () => ui.print(`said ${args.message ?? args.text ?? "nothing"}`),
      ...(args.mood === "bad" ? { status: 1 } : {}),
    }
  },
})
const show = defineVerb({
  meta: { description: "Shows one", examples: ["ironclaw thing show 1"] },
  args: { id: { type: "positional", description: "Which" } },
  async run({ args }) {
    if (args.id === "missing") throw new AppError("not_found", "There is no such thing")
    return { data: args.id, show() {} }
  },
})
const entry = (verb: Verb) => async () => ({ default: verb })
const verbs: VerbTable = {
  echo: { about: "Says it back", load: entry(echo) },
  thing: {
    about: "Things",
    alias: ["stuff"],
    load: entry(defineVerbGroup({ description: "Things", examples: ["ironclaw thing show 1"] }, { show })),
  },
}

async function run(...argv: string[]) {
  const out: string[] = []
  const err: string[] = []
  const status = await runCommandLine(argv, {
    verbs,
    fallback: "echo",
    makeUi: ({ json }) =>
      createUi({
        json,
        verbose: false,
        out: { write: (text) => void out.push(text), isTTY: false, columns: 80 },
        err: { write: (text) => void err.push(text), isTTY: false, columns: 80 },
        stdinIsTTY: false,
        env: {},
      }),
  })
  return { status, out: out.join(""), err: err.join("") }
}
const json = async (...argv: string[]) => JSON.parse((await run(...argv, "--json")).out)

describe("a command line", () => {
  test("without a verb, or with flags alone, is the fallback", async () => {
    expect(await run()).toMatchObject({ status: 0, out: "said nothing\n" })
    expect(await run("-m", "hello")).toMatchObject({ status: 0, out: "said hello\n" })
    expect(await run("--", "-text")).toMatchObject({ status: 0, out: "said -text\n" })
  })

  test("takes the flags of all verbs anywhere before --", async () => {
    const flags = { json: true, verbose: true, home: "/h", set: { "a.b": "c=d", e: "" } }
    expect(await json("--home", "/h", "-v", "echo", "x", "--set", "a.b=c=d", "--set=e=")).toMatchObject({
      ok: true,
      data: { text: "x", flags },
    })
    expect((await run("echo", "--", "--json")).out).toBe("said --json\n")
  })

  test("gives words, flags and aliases to the verb", async () => {
    expect((await json("echo", "a", "b", "c", "-l", "--mood", "good")).data).toMatchObject({
      text: "a",
      rest: ["b", "c"],
      loud: true,
      mood: "good",
    })
    expect((await json("echo", "--no-loud", "--message=--x")).data).toMatchObject({ loud: false, message: "--x" })
    expect((await json("echo", "-lm", "hi")).data).toMatchObject({ loud: true, message: "hi" })
  })

  test("ends with the status of the verb: 0, 1 for failed", async () => {
    expect((await run("echo", "--mood", "bad")).status).toBe(1)
    expect(await run("thing", "show", "missing")).toMatchObject({
      status: 1,
      err: expect.stringContaining("There is no such thing"),
    })
    expect((await run("stuff", "show", "1")).status).toBe(0)
  })
})

describe("wrong usage", () => {
  const wrong: [string[], string][] = [
    [["ecko"], "Did you mean `ironclaw echo`?"],
    [["what is the weather"], 'ironclaw run -m "…"'],
    [["thing", "shwo"], "Did you mean `ironclaw thing show`?"],
    [["thing"], "It takes show"],
    [["thing", "show"], "needs ID"],
    [["thing", "show", "1", "2"], '"2"'],
    [["echo", "--laud"], "did you mean --loud?"],
    [["echo", "-x"], "There is no flag -x"],
    [["thing", "show", "- milk"], "goes behind `--`"],
    [["echo", "--message"], "--message needs a value"],
    [["echo", "-m", "--loud"], "-m needs a value"],
    [["echo", "--mood", "odd"], "good, bad"],
    [["echo", "--home"], "--home needs a value"],
    [["echo", "--set", "x"], "key=value"],
  ]
  test.each(wrong)("%p is said with what would be right, and ends with 2", async (argv, words) => {
    const plain = await run(...argv)
    expect(plain.status).toBe(2)
    expect(plain.out).toBe("")
    expect(plain.err).toContain(words)
    expect(plain.err).not.toContain("\u001b")
    const document = await run("--json", ...argv)
    expect(document.status).toBe(2)
    expect(JSON.parse(document.out)).toMatchObject({ ok: false, error: { code: "usage.wrong" } })
  })

  test("is not seen in values that are right", () => {
    const args = { n: { type: "string" }, flag: { type: "boolean" } } as const
    for (const words of [
      ["--n", "-5"],
      ["--n=-x"],
      ["-"],
      ["-3"],
      ["--n", "-"],
      ["--no-flag"],
      ["--", "--what"],
      ["--n", ""],
    ]) {
      expect(judgeFlags(words, args)).toBeNull()
    }
  })
})

describe("help", () => {
  test("of the program lists every verb, of a verb its arguments and examples", async () => {
    const main = await run("--help")
    expect(main.status).toBe(0)
    for (const name of Object.keys(verbs)) expect(main.out).toContain(name)
    const one = await run("echo", "--help")
    for (const words of [
      "Says it back",
      "ironclaw echo [TEXT] [WORDS…] [FLAGS]",
      "-m, --message MESSAGE",
      "good|bad",
      "ironclaw echo hello",
      "--json",
    ])
      expect(one.out).toContain(words)
    expect((await run("help", "thing", "show")).out).toContain("Shows one")
    expect((await run("thing", "-h")).out).toContain("show")
    expect((await json("help")).data).toContainEqual({ name: "echo", about: "Says it back" })
  })
})
