/** Where plugins come from, through the compiled program: by name, from an archive, and everything that is refused. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { createReadPage } from "#sandbox/parser.ts"
import { atTerminal, codeIn } from "#test/fakes/at-terminal.ts"
import { binary, environmentOf, runBinary, spawnBinary, until } from "#test/fakes/binary.ts"
import { quietLog } from "#test/fakes/guest.ts"
import { makeHome } from "#test/fakes/home.ts"
import { makePublisher } from "#test/fakes/publisher.ts"
import { gzipOf, tarOf, zipOf } from "#test/sandbox/parse/archive-maker.ts"

setDefaultTimeout(120_000) // whole processes on a busy machine; nothing here measures

const home = makeHome()
const folder = join(home.path, "given")
const plugins = join(home.path, ".ironclaw/plugins")
let service: ReturnType<typeof spawnBinary>
beforeAll(async () => {
  mkdirSync(folder)
  service = spawnBinary(["serve"], { home: home.path, env: { GATEWAY_PORT: "0", LLM_BACKEND: "demo" } })
  await until("the service answers", () => existsSync(join(home.path, ".ironclaw/run/ironclaw.sock")))
})
afterAll(async () => {
  service.kill()
  await service.exited
  home[Symbol.dispose]()
})

const verb = (...args: string[]) => runBinary(args, { home: home.path })
const owner = (...args: string[]) =>
  atTerminal([binary, ...args], {
    env: environmentOf(home.path),
    cwd: home.path,
    answer: (shown) => codeIn(shown) ?? "y",
  })
const stateOf = async (name: string): Promise<unknown> =>
  JSON.parse((await verb("tool", "info", name, "--json")).stdout)?.data?.state ?? "none"
const there = () => (existsSync(plugins) ? readdirSync(plugins).sort() : [])

const filesOf = (name: string) => [
  {
    name: `${name}-1.0/plugin.json`,
    text: JSON.stringify({ name, version: "1.0.0", entry: "plugin.ts", effects: { [`${name}_tool`]: "read" } }),
  },
  {
    name: `${name}-1.0/plugin.ts`,
    text: `import { definePlugin, defineTool } from "ironclaw"
export const { describe, call } = definePlugin(defineTool({
  name: "${name}_tool", description: "A tool of a test.", input: { type: "object" }, run: () => "from ${name}",
}))
`,
  },
]
function put(name: string, bytes: Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

test("a plugin inside the program is listed, completed and installed by its name, and a wrong name says which there are", async () => {
  const { available } = JSON.parse((await verb("tool", "list", "--json")).stdout).data
  const [first] = available
  expect(first).toMatchObject({ installed: null })
  expect((await verb("tool", "list", "--available")).stdout).toContain(first.name)
  expect((await verb("completion", "bash")).stdout).toContain(
    `"tool install") words="${available.map(({ name }: { name: string }) => name).join(" ")}"`,
  )

  const wrong = await verb("tool", "install", `${first.name}x`, "--json")
  expect(wrong.status).toBe(1)
  const { error } = JSON.parse(wrong.stdout)
  expect(error).toMatchObject({ code: "not_found" })
  expect(error.hint).toContain(`Did you mean ${first.name}?`)

  // Before the first talk what is inside the program needs no terminal; from then on it does.
  expect((await verb("run", "-m", "Hello")).status).toBe(0)
  const installed = await owner("tool", "install", first.name)
  expect(installed.shown).toContain(`${first.name}, which is inside this program`)
  expect(installed.status).toBe(0)
  expect(await stateOf(first.name)).toBe("inactive")
})

test("archives are opened by the compiled program in its locked child: installed, granted, called", async () => {
  const mia = makePublisher()
  const zip = zipOf(filesOf("zipped"))
  const signature = put("zipped.zip.minisig", Buffer.from(mia.minisign(zip, { hashed: true })))
  const signed = await owner(
    "tool",
    "install",
    put("zipped.zip", zip),
    "--key",
    mia.minisignKey,
    "--signature",
    signature,
  )
  expect(signed.shown).toContain(`It is signed with the key ${mia.key}`)
  expect(signed.status).toBe(0)
  expect((await owner("tool", "install", put("tarred.tgz", gzipOf(tarOf(filesOf("tarred")))))).status).toBe(0)
  for (const name of ["zipped", "tarred"]) {
    expect((await owner("tool", "grant", name)).status).toBe(0)
    expect((await verb("tool", "call", `${name}_tool`)).stdout).toContain(`from ${name}`)
  }
  expect((await verb("tool", "info", "zipped")).stdout).toContain(`signed with the key ${mia.key}`)

  const next = put(
    "next.zip",
    zipOf(filesOf("zipped").map((file) => ({ ...file, text: file.text.replace("from zipped", "from eve") }))),
  )
  const unsigned = await owner("tool", "install", next)
  expect(unsigned.shown).toContain("it is not signed by the publisher whose key you gave")
  expect(await stateOf("zipped")).toBe("inactive")
})

test("pages are parsed by the compiled program in its locked child", async () => {
  const sandbox = createSandbox({ command: [binary, "sandbox-child"], clock: systemClock, log: quietLog })
  const readPage = createReadPage({ sandbox })
  const signal = AbortSignal.timeout(60_000)
  const page = {
    html: "<title>T</title><h1>A</h1><p hidden>no</p><p>x &eacute; <a href=/b>b</a>",
    url: "https://example.com/",
  }
  expect(await readPage(page, signal)).toEqual({
    ok: true,
    title: "T",
    markdown: "# A\n\nx é b (example.com/b)",
    cut: null,
  })
  for (const html of ["<".repeat(2_000_000), "<div>".repeat(100_000), "&amp;".repeat(400_000)])
    expect(await readPage({ ...page, html }, signal)).toMatchObject({ ok: true })
  const { lock, children } = sandbox.status()
  if (process.platform === "linux") expect(lock.state).toBe("locked")
  expect(children).toHaveLength(1)
  await sandbox.stopAll()
})

test("what is wrong ends with status 1 and everything that is wrong, and nothing of it is on disk", async () => {
  const before = there()
  const bad = put(
    "bad.zip",
    zipOf([
      { name: "../evil", text: "x" },
      { name: "link", text: "/etc/passwd", mode: 0o120777 },
    ]),
  )
  const refused = await owner("tool", "install", bad)
  expect(refused.status).toBe(1)
  for (const why of ["leads out of the archive", "a link or a device"]) expect(refused.shown).toContain(why)
  const mia = makePublisher()
  const good = put("good.zip", zipOf(filesOf("good")))
  const proofs = ["--sha256", "0".repeat(64), "--key", mia.key, "--signature", mia.sign(Buffer.from("other"))]
  const unproved = await owner("tool", "install", good, ...proofs)
  expect(unproved.status).toBe(1)
  for (const why of ["Its sha256 is", "the signature is not by that key"]) expect(unproved.shown).toContain(why)

  for (const url of [
    "http://example.com/x.zip",
    "https://127.0.0.1/x.zip",
    "https://localhost/x.zip",
    "ftp://example.com/x",
  ]) {
    const answer = await verb("tool", "install", url, "--json")
    expect(answer.status).toBe(1)
    expect(JSON.parse(answer.stdout)).toMatchObject({ ok: false, error: { code: "input.invalid" } })
  }
  const nowhere = await verb("tool", "install", good, "--key", mia.key, "--signature", "./nothing.minisig", "--json")
  expect(JSON.parse(nowhere.stdout)).toMatchObject({ ok: false, error: { code: "not_found" } })
  expect(there()).toEqual(before)
  expect(existsSync(join(home.path, ".ironclaw/evil"))).toBe(false)
})

test("and without a service, at the same terminal", async () => {
  service.kill()
  await service.exited
  const alone = await owner("tool", "install", put("alone.zip", zipOf(filesOf("alone"))))
  expect(alone.status).toBe(0)
  expect(await stateOf("alone")).toBe("inactive")
})
