/** The owner's hooks through the compiled program: set at a terminal, asked by every message, fail closed, taken away again. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { binary, environmentOf, runBinary, spawnBinary, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"

setDefaultTimeout(60_000) // whole processes on a busy machine; nothing here measures

const home = makeHome()
let service: ReturnType<typeof spawnBinary>
beforeAll(async () => {
  service = spawnBinary(["serve"], { home: home.path, env: { GATEWAY_PORT: "0", SECRET_OF_MINE: "x" } })
  await until("the service answers", () => existsSync(join(home.path, ".ironclaw/run/ironclaw.sock")))
})
afterAll(async () => {
  service.kill()
  await service.exited
  home[Symbol.dispose]()
})

/** Runs the program at a terminal of its own, as its owner, who types the code that stands there. */
async function atTerminal(args: string[]): Promise<{ status: number; screen: string }> {
  let screen = ""
  let answered = false
  const child = Bun.spawn([binary, ...args], {
    cwd: home.path,
    env: environmentOf(home.path),
    terminal: {
      cols: 200,
      rows: 50,
      data(terminal, bytes) {
        screen += new TextDecoder().decode(bytes)
        const code = /Code: (\d{3}) (\d{3})[^]*Code \(empty/.exec(screen)
        if (answered || !code) return
        answered = true
        terminal.write(`${code[1]}${code[2]}\n`)
      },
    },
  })
  return { status: await child.exited, screen }
}

test("a hook is set at a terminal alone, rewrites and refuses, lets nothing pass once it was changed, and is taken away", async () => {
  const program = join(home.path, "judge.sh")
  const refuse = `echo '{"verdict":"refuse","why":"no invoices"}'`
  const rewrite = `echo '{"verdict":"pass","text":"what time is it?"}'`
  writeFileSync(
    program,
    `#!/bin/sh\ncase $(cat) in *invoice*) ${refuse};; *clock*) ${rewrite};; *) echo '{"verdict":"pass"}';; esac\n`,
  )
  chmodSync(program, 0o755)
  const say = (text: string) => runBinary(["run", "--json", "-m", text], { home: home.path })

  const alone = await runBinary(["hook", "add", "judge", "message.in", "--json", "--", program], { home: home.path })
  expect(alone.status).toBe(1)
  expect(JSON.parse(alone.stdout)).toMatchObject({ ok: false, error: { code: "presence.no_terminal" } })
  const { status, screen } = await atTerminal(["hook", "add", "judge", "message.in", "--", program])
  expect(screen).toContain("It runs as you, outside of every jail")
  expect(status).toBe(0)

  expect(JSON.parse((await say("pay this invoice")).stdout)).toMatchObject({
    ok: false,
    error: { code: "hook.refused", message: "The owner's hooks refused this message. judge: no invoices" },
  })
  const rewritten: unknown = JSON.parse((await say("the clock")).stdout)
  expect(rewritten).toMatchObject({ ok: true, data: { state: "finished" } })
  expect(JSON.stringify(rewritten)).toContain("2026") // the stand-in was asked for the time and told it

  const trial = await runBinary(["hook", "test", "judge", "--text", "an invoice", "--json"], { home: home.path })
  expect(JSON.parse(trial.stdout)).toMatchObject({ ok: true, data: { answer: { verdict: "refuse" } } })

  writeFileSync(program, `#!/bin/sh\ntouch ${join(home.path, "ran")}\necho '{"verdict":"pass"}'\n`)
  const changed = await say("hello")
  expect(changed.status).toBe(1)
  expect(changed.stdout).toContain("was changed since the hook was set")
  expect(existsSync(join(home.path, "ran"))).toBe(false)
  const list = await runBinary(["hook", "list"], { home: home.path })
  expect(list.stderr).toContain("ironclaw hook remove judge")

  expect((await runBinary(["hook", "remove", "judge"], { home: home.path })).status).toBe(1)
  expect((await atTerminal(["hook", "remove", "judge"])).status).toBe(0)
  expect((await say("hello")).status).toBe(0)
})

test("what a program gets holds nothing of the environment, and wrong use is told", async () => {
  const program = join(home.path, "look.sh")
  const seen = join(home.path, "seen")
  writeFileSync(program, `#!/bin/sh\nenv > ${seen}\npwd >> ${seen}\necho '{"verdict":"pass"}'\n`)
  chmodSync(program, 0o755)
  expect((await atTerminal(["hook", "add", "look", "message.in", "--", program])).status).toBe(0)
  expect((await runBinary(["run", "-m", "hello"], { home: home.path })).status).toBe(0)
  const text = readFileSync(seen, "utf8")
  expect(text).toContain("PATH=/usr/local/bin:/usr/bin:/bin")
  expect(text).not.toContain("SECRET_OF_MINE")
  expect(text).not.toContain(home.path)

  for (const args of [
    ["hook", "add", "x", "message.out", "--", program],
    ["hook", "add", "x", "message.in"],
    ["hook", "add", "x", "message.in", "--url", "https://a.example.com/", "--", program],
    ["hook", "test", "look", "--arguments", "[1]"],
  ]) {
    const { status, stderr } = await runBinary(args, { home: home.path })
    expect({ args, status, stderr: stderr.includes("Error: ") }).toEqual({ args, status: 2, stderr: true })
  }
})
