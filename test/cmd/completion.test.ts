import { describe, expect, test } from "bun:test"
import { completionRules } from "#cmd/completion.ts"
import { bashScript, fishScript, zshScript } from "#cmd/lib/completion-scripts.ts"
import { verbTable } from "#cmd/lib/verb-table.ts"
import { configKeyNames } from "#core/config.ts"

const rules = await completionRules(verbTable)

/** What bash offers for a line that ends where the cursor is. */
async function offered(line: string, program = ""): Promise<string[]> {
  const words = line.split(" ")
  const script = `${program}
${bashScript(rules)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _ironclaw; printf '%s\\n' "\${COMPREPLY[@]}"`
  const child = Bun.spawn(["bash", "--norc", "--noprofile", "-euc", script], {
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "" },
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  expect(err).toBe("")
  return out
    .trim()
    .split("\n")
    .filter((word) => word !== "")
}

describe("bash completion", () => {
  test("offers the verbs, and those that begin with what was typed", async () => {
    expect(await offered("ironclaw ")).toEqual([...Object.keys(verbTable), "help"])
    expect(await offered("ironclaw se")).toEqual(["serve", "service", "session", "secret"])
  })

  test("offers what a verb takes: its verbs, keys and flags", async () => {
    expect(await offered("ironclaw config ")).toEqual(["list", "get", "set", "unset", "path", "schema"])
    expect(await offered("ironclaw config get gateway.p")).toEqual(["gateway.port", "gateway.public_url"])
    expect(await offered("ironclaw --json config set ")).toEqual([...configKeyNames])
    expect(await offered("ironclaw config list --s")).toEqual(["--set-only", "--set"])
    expect(await offered("ironclaw completion ")).toEqual(["bash", "zsh", "fish"])
  })

  test("asks the program for names that only a running service knows, and does without where it says none", async () => {
    const program = 'ironclaw() { [ "$*" = "__complete secrets" ] && printf "A_TOKEN\\nB_TOKEN\\n"; }'
    expect(await offered("ironclaw secret delete ", program)).toEqual(["A_TOKEN", "B_TOKEN"])
    expect(await offered("ironclaw secret delete B", program)).toEqual(["B_TOKEN"])
    expect(await offered("ironclaw secret delete --j", program)).toEqual(["--json"])
    expect(await offered("ironclaw session show ", program)).toEqual([])
    expect(await offered("ironclaw session show ", "ironclaw() { return 127; }")).toEqual([])
  })

  test("leaves the rest to the shell: values of flags, file names", async () => {
    expect(await offered("ironclaw memory write notes/")).toEqual([])
  })
})

describe("the scripts", () => {
  test("say the same for all three shells", () => {
    for (const script of [bashScript(rules), zshScript(rules), fishScript(rules)]) {
      for (const words of ["list get set unset path schema", configKeyNames.join(" "), "session list"])
        expect(script).toContain(words)
    }
  })

  test("hold nothing that a shell could take for a command", () => {
    const odd = [{ after: "x", words: ["$(touch owned)", "a;b", "ok"], flags: ["--`id`", "--fine"] }]
    for (const script of [bashScript(odd), zshScript(odd), fishScript(odd)]) {
      expect(script).not.toContain("owned")
      expect(script).not.toContain("`id`")
      expect(script).toContain("ok")
    }
  })
})

describe("every verb", () => {
  test("has help with examples that begin with its own command, and its subverbs do too", async () => {
    const paths = rules.map(({ after }) => after).filter((after) => after !== "")
    expect(paths.length).toBeGreaterThan(20)
    for (const [name, { about, load }] of Object.entries(verbTable)) {
      const { default: verb } = await load()
      expect(about).not.toBe("")
      for (const [path, one] of [
        [name, verb] as const,
        ...Object.entries(verb.subCommands ?? {}).map(([sub, each]) => [`${name} ${sub}`, each] as const),
      ]) {
        expect(one.meta.description).not.toBe("")
        expect(one.meta.examples.length).toBeGreaterThan(0)
        if (path !== "run" && path !== "completion")
          expect(one.meta.examples.some((example) => example.includes(`ironclaw ${path}`))).toBe(true)
      }
    }
  })
})
