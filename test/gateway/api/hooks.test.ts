/** The owner's hooks through the API: who may change them, and what becomes of messages, calls and replies that meet one. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import { createHookChain } from "#core/hooks/chain.ts"
import { noPluggedHooks, type PluginHook } from "#core/hooks/plugged.ts"
import { createHookStore, type NewHook } from "#core/hooks/store.ts"
import type { HookPoint } from "#core/hooks.ts"
import { filesOf } from "#core/hooks/program.ts"
import { silentLog } from "#core/log.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import type { Effect } from "#core/safety/capability.ts"
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"
import { createFakeInternet, PUBLIC } from "#test/core/safety/fake-internet.ts"
import { refusal } from "../../fakes/gateway.ts"
import { oneModel, scriptedModel, type ScriptStep } from "../../fakes/model.ts"
import { AT_TERMINAL, type OwnerHouse, ownerHouse } from "../../fakes/owner-house.ts"
import { until } from "../../fakes/until.ts"

setDefaultTimeout(30_000) // one database for all, on a machine that may be busy

const folder = mkdtempSync(join(tmpdir(), "ironclaw-hooks-"))
const internet = createFakeInternet()
const steps: ScriptStep[] = []
const model = scriptedModel([() => steps.shift() ?? { say: "Hello there" }])
const SECRET = "the-value-of-a-secret-0123"
const secrets = [{ name: "A_KEY", value: SECRET }]
const sent: string[] = []
const looked: string[] = []
const mail = defineTool({
  name: "mail_send",
  description: "Sends a mail",
  input: t.Object({ to: t.String() }, { additionalProperties: false }),
  effect: (): Effect => "send",
  needs: ({ to }) => [{ kind: "send", channel: `mail:${to}` }],
  timeoutMs: 1_000,
  run: async ({ to }) => ({ data: `sent ${sent.push(to)}`, labels: [], source: "test" }),
})
const look = defineTool({
  name: "look_up",
  description: "Reads",
  input: t.Object({ word: t.String({ maxLength: 10 }) }, { additionalProperties: false }),
  effect: (): Effect => "read",
  needs: () => [],
  timeoutMs: 1_000,
  run: async ({ word }) => ({ data: `looked ${looked.push(word)}`, labels: [], source: "test" }),
})

/** What plugins bring: their code has tests of its own. */
let plugged: PluginHook[] = []
const asked: string[] = []

let at: OwnerHouse
beforeAll(async () => {
  at = await ownerHouse({
    plugged: {
      current: () => plugged,
      async ask({ form }, { input }) {
        asked.push(input)
        if (form.problem !== null) return { ok: false, fault: form.problem, detail: "" }
        return { ok: true, text: '{"verdict":"refuse","why":"not today"}' }
      },
    },
    models: oneModel(model),
    tools: [mail, look],
    hookEgress: internet.egress,
    secretValues: () => secrets,
  })
})
afterAll(async () => {
  await at.end()
  internet.close()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  plugged = []
  asked.length = 0
  await at.db.query({ sql: "delete from hooks", params: [] })
  await at.hookStore.remove("none").catch(() => {}) // reads the rows anew
  steps.length = 0
  sent.length = 0
  looked.length = 0
  at.badSeals.length = 0
  internet.connections.length = 0
})

let count = 0
/** A program that is given the input and says what `body` prints. */
function script(body: string): string {
  const path = join(folder, `hook-${++count}.sh`)
  writeFileSync(path, `#!/bin/sh\ninput=$(cat)\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}
const says = (answer: object) => script(`echo '${JSON.stringify(answer)}'`)

/** Sets one as if the owner had proved to be there. */
async function set(name: string, point: HookPoint, more: Partial<NewHook> & { argv?: string[] }): Promise<void> {
  const { argv = [], ...given } = more
  const form = given.form ?? { kind: "program" as const, argv, files: await filesOf(argv) }
  const all = { tools: null, channels: null, agents: null }
  await at.hookStore.add({ name, point, position: 100, ...all, ...given, form })
}

type Said = { answer?: unknown; error?: AppError | null }
async function say(content: string) {
  const { id } = await at.overTcp.api.sessions.post({ body: {} })
  const seen = at.events.length
  const turn = at.overTcp.api.sessions({ id }).messages.post({ query: { wait: true }, body: { content } })
  const outcome: Said = await turn.then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error: error instanceof AppError ? error : null }),
  )
  const { items } = await at.overTcp.api.sessions({ id }).messages.get()
  return { id, outcome, items, events: at.events.slice(seen) }
}
async function verdictsOf(act: string): Promise<Record<string, unknown>[]> {
  return at.db.query({
    sql: "select outcome, verdicts from audit where act = $1 order by seq desc limit 1",
    params: [act],
  })
}
const proof = { ask: { pid: AT_TERMINAL } }

describe("setting a hook", () => {
  test("needs the owner at a terminal, who sees what runs and its hash; so does taking it away; both are on record", async () => {
    const path = says({ verdict: "pass" })
    const body = { name: "mine", point: "message.in" as const, argv: [path, "-v"] }
    expect(await refusal(at.overTcp.api.hooks.post({ body }))).toMatchObject({ code: "presence.required" })
    expect(await refusal(at.atSocket.api.hooks.post({ body }))).toMatchObject({ code: "presence.required" })
    const asked = await at.atSocket.api.hooks.post({ body: { ...body, presence: proof } })
    let presence = { challenge: "challenge" in asked ? asked.challenge.id : "", code: at.lastCode() }
    expect(at.screen.at(-1)).toContain(JSON.stringify([path, "-v"]))
    expect(at.screen.at(-1)).toMatch(/is [0-9a-f]{64}/)
    // The code is for exactly this hook.
    for (const other of [{ argv: [path] }, { point: "reply.out" as const }, { channels: ["api"] }, { position: 5 }])
      expect(await refusal(at.atSocket.api.hooks.post({ body: { ...body, ...other, presence } }))).toMatchObject({
        code: "presence.expired",
      })
    expect((await at.overTcp.api.hooks.get()).items).toEqual([])
    const again = await at.atSocket.api.hooks.post({ body: { ...body, presence: proof } })
    presence = { challenge: "challenge" in again ? again.challenge.id : "", code: at.lastCode() }
    expect(await at.atSocket.api.hooks.post({ body: { ...body, presence } })).toMatchObject({ hook: { name: "mine" } })
    expect((await at.overTcp.api.hooks.get()).items).toMatchObject([{ name: "mine", problem: null, lastRun: null }])
    expect(await refusal(set("mine", "reply.out", { argv: [path] }))).toMatchObject({ code: "conflict" })

    const one = at.atSocket.api.hooks({ name: "mine" })
    expect(await refusal(at.overTcp.api.hooks({ name: "mine" }).delete({ body: {} }))).toMatchObject({
      code: "presence.required",
    })
    const leaving = await one.delete({ body: { presence: proof } })
    await one.delete({
      body: { presence: { challenge: "challenge" in leaving ? leaving.challenge.id : "", code: at.lastCode() } },
    })
    expect((await at.overTcp.api.hooks.get()).items).toEqual([])
    expect((await at.audit()).slice(-2)).toMatchObject([
      { principal: "owner", subject: "hook:mine", outcome: "added" },
      { principal: "owner", subject: "hook:mine", outcome: "removed" },
    ])
    expect(at.events.filter(({ type }) => type === "hook.changed").slice(-2)).toMatchObject([
      { hook: "mine", change: "added" },
      { hook: "mine", change: "removed" },
    ])
  })

  test("with a program that changed since the code was shown is refused", async () => {
    const path = says({ verdict: "pass" })
    const body = { name: "mine", point: "message.in" as const, argv: [path] }
    const asked = await at.atSocket.api.hooks.post({ body: { ...body, presence: proof } })
    writeFileSync(path, "#!/bin/sh\necho evil\n")
    const presence = { challenge: "challenge" in asked ? asked.challenge.id : "", code: at.lastCode() }
    expect(await refusal(at.atSocket.api.hooks.post({ body: { ...body, presence } }))).toMatchObject({
      code: "presence.expired",
    })
  })

  test("refuses what could never be asked", async () => {
    const base = { name: "mine", point: "tool.call" as const }
    const codeOf = async (more: object) => {
      const error = await refusal(at.atSocket.api.hooks.post({ body: { ...base, ...more, presence: proof } }))
      return error instanceof Error && "code" in error ? error.code : null
    }
    const argv = [says({ verdict: "pass" })]
    expect(await codeOf({})).toBe("input.invalid")
    expect(await codeOf({ argv, url: "https://api.example.com/" })).toBe("input.invalid")
    expect(await codeOf({ argv: ["sh"] })).toBe("hook.unusable")
    for (const url of [
      "http://api.example.com/",
      "https://10.0.0.1/",
      "https://localhost/",
      "https://a.example.com:8443/",
    ])
      expect(await codeOf({ url })).toBe("hook.unusable")
    expect(await codeOf({ url: "http://169.254.169.254/", local: true })).toBe("hook.unusable")
    expect(await codeOf({ argv, tools: ["mail_sent"] })).toBe("not_found")
    expect(await codeOf({ argv, agents: ["nobody"] })).toBe("not_found")
    expect(await codeOf({ argv, point: "message.in", tools: ["mail_send"] })).toBe("input.invalid")
    expect(await codeOf({ argv, name: "My Hook" })).toBe("input.invalid")
  })
})

describe("a hook at message.in", () => {
  test("rewrites the message before any of it is a row or reaches the model", async () => {
    await set("rewrite", "message.in", { argv: [says({ verdict: "pass", text: "rewritten" })] })
    const { outcome, items } = await say("the original words")
    expect(outcome).toMatchObject({ answer: { state: "finished", text: "Hello there" } })
    expect(items[0]).toMatchObject({ role: "person", text: "rewritten", labels: [] })
    expect(JSON.stringify(model.requests.at(-1))).not.toContain("original")
    expect(JSON.stringify(at.events)).not.toContain("the original words")
    expect(await verdictsOf("message.in")).toMatchObject([{ verdicts: { sender: "allow", hooks: "pass (1)" } }])
  })

  test("is told who, where and what, and can say that its words come from outside", async () => {
    const seen = join(folder, "seen")
    await set("look", "message.in", {
      argv: [script(`echo "$input" > ${seen}; echo '{"verdict":"pass","text":"mail: hi","labels":["untrusted"]}'`)],
    })
    const { id, items } = await say("read my mail")
    expect(JSON.parse(readFileSync(seen, "utf8"))).toEqual({
      point: "message.in",
      agent: "main",
      channel: "api",
      session: id,
      turn: null,
      person: at.ownerId,
      labels: [],
      source: at.ownerId,
      value: { text: "read my mail", images: 0 },
    })
    expect(items[0]).toMatchObject({ labels: ["untrusted"], source: `${at.ownerId}, hook:look` })
  })

  test("refuses the message, of which nothing is kept but the refusal", async () => {
    await set("no", "message.in", { argv: [says({ verdict: "refuse", why: "not today" })] })
    const before = model.requests.length
    const { outcome, items } = await say("hello")
    expect(outcome).toMatchObject({
      error: { code: "hook.refused", message: expect.stringContaining("no: not today") },
    })
    expect(items).toEqual([])
    expect(model.requests.length).toBe(before)
    expect(await verdictsOf("message.in")).toMatchObject([
      { outcome: "refused", verdicts: { sender: "allow", hooks: "deny: no: not today" } },
    ])
  })

  test.each([
    ["crashes", "echo private detail >&2; exit 1", "it ended with status 1"],
    ["says nothing", "true", "it wrote no answer"],
    ["writes no JSON", "echo pass", "its answer is no JSON"],
    ["writes another shape", 'echo \'{"verdict":"ok"}\'', "its answer does not fit"],
  ])("that %s refuses everything, and says which it is and how to take it away", async (_what, body, why) => {
    await set("bad", "message.in", { argv: [script(body)] })
    const { outcome, items } = await say("hello")
    const { code = "", message = "" } = outcome.error ?? {}
    expect(code).toBe("hook.refused")
    expect(message).toContain(`"bad" at message.in is broken (${why})`)
    expect(message).toContain("ironclaw hook remove bad")
    expect(message).not.toContain("private detail")
    expect(items).toEqual([])
    await at.writer.drain()
    expect(at.events.findLast(({ type }) => type === "hook.failed")).toMatchObject({ hook: "bad", point: "message.in" })
    expect((await at.overTcp.api.hooks.get()).items).toMatchObject([{ name: "bad", lastRun: { verdict: "fault" } }])
  })

  test("whose program was changed refuses, and the list says why", async () => {
    const path = says({ verdict: "pass" })
    await set("mine", "message.in", { argv: [path] })
    expect((await say("hello")).outcome).toMatchObject({ answer: { state: "finished" } })
    writeFileSync(path, `#!/bin/sh\necho '{"verdict":"pass","text":"evil"}'\n`)
    expect((await say("hello")).outcome).toMatchObject({
      error: { code: "hook.refused", message: expect.stringContaining("was changed since the hook was set") },
    })
    const problem = expect.stringContaining("was changed")
    expect((await at.overTcp.api.hooks.get()).items).toMatchObject([{ name: "mine", problem }])
  })

  test("of another channel or agent is not asked", async () => {
    const argv = [says({ verdict: "refuse", why: "no" })]
    await set("elsewhere", "message.in", { argv, channels: ["web"] })
    await set("other", "message.in", { argv, agents: ["work"] })
    expect((await say("hello")).outcome).toMatchObject({ answer: { state: "finished" } })
    expect(await verdictsOf("message.in")).toEqual([{ outcome: "done", verdicts: { sender: "allow" } }])
  })
})

describe("a hook at tool.call", () => {
  const call = (name: string, args: object) => ({ call: [{ id: "c", name, arguments: { ...args } }] })

  test("rewrites arguments, which are then judged, asked about and recorded as the call", async () => {
    await set("to-eve", "tool.call", {
      argv: [says({ verdict: "pass", arguments: { to: "eve" } })],
      tools: ["mail_send"],
    })
    steps.push(call("mail_send", { to: "mia" }))
    const { outcome } = await say("write to mia")
    expect(outcome).toMatchObject({ answer: { state: "suspended" } })
    const [open] = await at.approvals.list({ state: "open", limit: 1 })
    expect(open).toMatchObject({ destination: "send mail:eve" })
    expect(open?.question).toContain("eve")
    expect(sent).toEqual([])
    const [row] = await at.db.query({
      sql: "select verdicts, preview from audit where act = 'tool.run' order by seq desc limit 1",
      params: [],
    })
    expect(row).toMatchObject({ verdicts: { hooks: "pass (1)" }, preview: expect.stringContaining("eve") })
  })

  test("whose rewriting does not fit the tool is refused by the shape gate", async () => {
    await set("long", "tool.call", { argv: [says({ verdict: "pass", arguments: { word: "far too long for it" } })] })
    steps.push(call("look_up", { word: "tea" }))
    const { items } = await say("look")
    expect(items.find(({ role }) => role === "tool")?.text).toContain("do not fit look_up")
    expect(looked).toEqual([])
  })

  test("refuses the call; the model reads why, and other tools are not asked about", async () => {
    await set("no-mail", "tool.call", { argv: [says({ verdict: "refuse", why: "mail is off" })], tools: ["mail_send"] })
    steps.push(call("mail_send", { to: "mia" }), call("look_up", { word: "tea" }))
    const { outcome, items } = await say("write to mia")
    expect(outcome).toMatchObject({ answer: { state: "finished" } })
    const [refused, read] = items.filter(({ role }) => role === "tool")
    expect(refused).toMatchObject({ text: "The owner's hooks refused this call. no-mail: mail is off", labels: [] })
    expect(read?.text).toBe("looked 1")
    const [row] = await at.db.query({
      sql: "select outcome, verdicts from audit where subject = 'mail_send' order by seq desc limit 1",
      params: [],
    })
    expect(row).toMatchObject({ outcome: "refused", verdicts: { hooks: "deny: no-mail: mail is off" } })
  })
})

describe("a hook over the reply", () => {
  test("rewrites it before anybody sees a word: not in a delta, an event or a row", async () => {
    await set("b-second", "response.transform", {
      argv: [script(`echo "$input" | sed 's/.*"text":"\\([^"]*\\)".*/{"verdict":"pass","text":"\\1 2"}/'`)],
    })
    await set("z-first", "response.transform", { argv: [says({ verdict: "pass", text: "1" })], position: 1 })
    steps.push(
      { say: "the secret plan", thenCall: [{ id: "c", name: "look_up", arguments: { word: "tea" } }] },
      { say: "the secret end" },
    )
    const { outcome, items, events } = await say("hello")
    expect(outcome).toMatchObject({ answer: { state: "finished", text: "1 2" } })
    expect(items.filter(({ role }) => role === "model").map(({ text }) => text)).toEqual(["1 2", "1 2"])
    expect(JSON.stringify(events)).not.toContain("secret")
    const deltas = events.flatMap((event) => (event.type === "turn.delta" ? [event.text] : []))
    expect(deltas.join("")).toBe("1 2\n\n1 2")
    expect(await verdictsOf("reply.out")).toMatchObject([{ outcome: "finished", verdicts: { hooks: "pass (2)" } }])
  })

  test("refuses it after it was rewritten; the turn fails, and the text is nowhere", async () => {
    const seen = join(folder, "reply")
    await set("shout", "response.transform", { argv: [says({ verdict: "pass", text: "LOUD" })] })
    await set("quiet", "reply.out", {
      argv: [script(`echo "$input" > ${seen}; echo '{"verdict":"refuse","why":"too loud"}'`)],
    })
    const { outcome, items, events } = await say("hello")
    expect(outcome).toMatchObject({
      answer: {
        state: "failed",
        text: "",
        error: { code: "hook.refused", message: expect.stringContaining("quiet: too loud") },
      },
    })
    expect(JSON.parse(readFileSync(seen, "utf8"))).toMatchObject({ point: "reply.out", value: { text: "LOUD" } })
    expect(items.filter(({ role }) => role === "model")).toEqual([])
    expect(events.filter(({ type }) => type === "turn.delta")).toEqual([])
    expect(await verdictsOf("reply.out")).toMatchObject([
      { outcome: "failed", verdicts: { hooks: "deny: quiet: too loud" } },
    ])
  })

  test("passes the gates afterwards: a link or a secret that it puts in is no link and no secret", async () => {
    const text = `see https://evil.example/?q=1 and ${SECRET}`
    await set("leaky", "response.transform", { argv: [says({ verdict: "pass", text, labels: ["untrusted"] })] })
    const { outcome, items, events } = await say("hello")
    const told = JSON.stringify([outcome, items, events])
    expect(told).toContain("evil")
    expect(told).not.toContain("https://evil.example")
    expect(told).not.toContain(SECRET)
    expect(items.at(-1)).toMatchObject({ role: "model", labels: ["untrusted"] })
  })

  test("may not rewrite at reply.out: that is no answer there", async () => {
    await set("late", "reply.out", { argv: [says({ verdict: "pass", text: "new" })] })
    expect((await say("hello")).outcome).toMatchObject({ answer: { state: "failed", error: { code: "hook.refused" } } })
  })
})

test("session hooks are told of beginning and end, in that order, and stop nothing by failing", async () => {
  const told = join(folder, "told")
  const note = script(`echo "$input" >> ${told}; echo '{"verdict":"refuse","why":"too late"}'`)
  await set("start", "session.start", { argv: [note] })
  await set("end", "session.end", { argv: [note] })
  await set("end-broken", "session.end", { argv: [script("exit 4")], position: 200 })
  const { id } = await say("hello")
  await at.overTcp.api.sessions({ id }).clear.post()
  await at.overTcp.api.sessions({ id }).delete()
  const direct = await at.say("begins a session by itself")
  await at.hooks.drain()
  const lines = readFileSync(told, "utf8").trim().split("\n")
  const seen = lines.map((line): unknown => JSON.parse(line))
  const of = (session: string) =>
    seen.flatMap((one) => {
      const { session: about, point, value } = one as { session: string; point: string; value: { why: string } }
      return about === session ? [`${point} ${value.why}`] : []
    })
  expect(of(id)).toEqual(["session.start created", "session.end cleared", "session.end deleted"])
  expect(of(direct.received.sessionId)).toEqual(["session.start created"])
  await at.writer.drain()
  expect(at.events.findLast(({ type }) => type === "hook.failed")).toMatchObject({
    sessionId: id,
    hook: "end-broken",
    error: "it ended with status 4",
  })
})

describe("a row that someone else wrote", () => {
  test.each([
    "update hooks set argv = '{/bin/true}'",
    "update hooks set point = 'session.end'",
    "update hooks set tools = '{nothing}'",
    "update hooks set position = 7",
    `update hooks set files = '[]'`,
    "update hooks set mac = ''",
  ])("lets nothing pass any point, until the owner has taken it away (%s)", async (change) => {
    await set("mine", "reply.out", { argv: [says({ verdict: "pass" })] })
    await at.db.query({ sql: change, params: [] })
    await at.hookStore.remove("none").catch(() => {}) // reads the rows anew, as a start does
    expect(at.badSeals).toContain("hook mine")
    expect((await say("hello")).outcome).toMatchObject({
      error: { code: "hook.refused", message: expect.stringContaining("ironclaw hook remove mine") },
    })
    expect((await at.overTcp.api.hooks.get()).items).toMatchObject([{ name: "mine", hook: null }])
    await at.hookStore.remove("mine")
    expect((await say("hello")).outcome).toMatchObject({ answer: { state: "finished" } })
  })
})

describe("a hook with a URL", () => {
  const url = { kind: "url" as const, url: "https://api.example.com/hook", local: false }

  test("is asked through the egress gate; what it rewrites comes from outside", async () => {
    const bodies: string[] = []
    await internet.site(PUBLIC, async (request, answer) => {
      for await (const part of request) bodies.push(String(part))
      answer.end('{"verdict":"pass","text":"from outside"}')
    })
    internet.name("api.example.com", [PUBLIC])
    await set("far", "message.in", { form: url })
    const { items } = await say("hello")
    expect(items[0]).toMatchObject({ text: "from outside", labels: ["untrusted"], source: `${at.ownerId}, hook:far` })
    expect(JSON.parse(bodies.join(""))).toMatchObject({ value: { text: "hello" } })
    expect(internet.records.at(-1)).toMatchObject({
      principal: "hook:far",
      method: "POST",
      path: "/hook",
      outcome: "done",
    })
  })

  test("is a refusal where it redirects, fails, resolves to a private address or is not there", async () => {
    const other = "93.184.216.35"
    let status = 302
    await internet.site(other, (_request, answer) => {
      answer.writeHead(status, { Location: "https://api.example.com/other" }).end('{"verdict":"pass"}')
    })
    internet.name("files.example.com", [other])
    internet.name("a.example.org", ["10.0.0.1"])
    await set("far", "message.in", { form: { ...url, url: "https://files.example.com/hook" } })
    expect((await say("hello")).outcome).toMatchObject({ error: { code: "hook.refused" } })
    status = 503
    const why = expect.stringContaining("it answered with status 503")
    expect((await say("hello")).outcome).toMatchObject({ error: { code: "hook.refused", message: why } })
    await at.hookStore.remove("far")
    for (const host of ["a.example.org", "nowhere.example.org"]) {
      await set("far", "message.in", { form: { ...url, url: `https://${host}/` } })
      expect((await say("hello")).outcome).toMatchObject({ error: { code: "hook.refused" } })
      await at.hookStore.remove("far")
    }
    expect(internet.connections).not.toContain("10.0.0.1")
  })

  test("of a place of the owner's own is reached at exactly that place", async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => Response.json({ verdict: "refuse", why: "local no" }),
    })
    await set("near", "message.in", { form: { kind: "url", url: `http://127.0.0.1:${server.port}/x`, local: true } })
    expect((await say("hello")).outcome).toMatchObject({
      error: { message: expect.stringContaining("near: local no") },
    })
    await server.stop(true)
    expect((await say("hello")).outcome).toMatchObject({ error: { code: "hook.refused" } })
  })
})

test("trying one says what it says and how long it took, and changes nothing", async () => {
  await set("mine", "message.in", {
    argv: [
      script(`case $input in *bill*) echo '{"verdict":"refuse","why":"no"}';; *) echo '{"verdict":"pass"}';; esac`),
    ],
  })
  const one = at.overTcp.api.hooks({ name: "mine" })
  expect(await one.test.post({ body: {} })).toMatchObject({
    answer: { verdict: "pass" },
    value: { text: "This is a test.", images: 0 },
    durationMs: expect.any(Number),
  })
  expect(await one.test.post({ body: { text: "a bill" } })).toMatchObject({ answer: { verdict: "refuse", why: "no" } })
  expect(await refusal(at.overTcp.api.hooks({ name: "none" }).test.post({ body: {} }))).toMatchObject({
    code: "not_found",
  })
})

describe("a plugin's hook", () => {
  const hook = (problem: string | null): PluginHook => ({
    name: "plugin:guard:message.in",
    point: "message.in",
    tools: null,
    channels: null,
    agents: null,
    createdAt: "2026-11-27T12:00:00Z",
    form: { kind: "plugin", plugin: "guard", sha256: "ab".repeat(32), problem },
  })

  test("is listed behind the owner's own, tried like one, and goes with its plugin alone", async () => {
    plugged = [hook(null)]
    await set("mine", "message.in", { argv: [says({ verdict: "pass" })] })
    const { items } = await at.overTcp.api.hooks.get()
    expect(items).toMatchObject([
      { name: "mine", from: "owner", problem: null },
      { name: "plugin:guard:message.in", from: "plugin", form: "the plugin guard (abababababab)", lastRun: null },
    ])
    const one = at.overTcp.api.hooks({ name: "plugin:guard:message.in" })
    expect(await one.test.post({ body: { text: "a bill" } })).toMatchObject({ answer: { verdict: "refuse" } })
    expect(JSON.parse(asked[0] ?? "")).toMatchObject({ point: "message.in", value: { text: "a bill" } })
    expect((await at.overTcp.api.hooks.get()).items.at(-1)).toMatchObject({ lastRun: { verdict: "refuse" } })
    expect(
      await refusal(at.atSocket.api.hooks({ name: "plugin:guard:message.in" }).delete({ body: {} })),
    ).toMatchObject({ code: "conflict", hint: expect.stringContaining("ironclaw tool disable guard") })
    expect((await say("hello")).outcome).toMatchObject({
      error: { code: "hook.refused", message: expect.stringContaining("plugin:guard:message.in: not today") },
    })
  })

  test("that is not what its owner agreed to lets nothing pass, and says so in the list", async () => {
    plugged = [hook("its folder is gone")]
    expect((await at.overTcp.api.hooks.get()).items).toMatchObject([{ problem: "its folder is gone" }])
    expect((await say("hello")).outcome).toMatchObject({
      error: { message: expect.stringContaining('The hook of the plugin "guard" at message.in is broken') },
    })
  })
})

test("messages of one place keep their order, though the first is judged longer", async () => {
  const gate = join(folder, "gate")
  await set("slow", "message.in", {
    argv: [
      script(`case $input in *first*) while [ ! -e ${gate} ]; do sleep 0.05; done;; esac; echo '{"verdict":"pass"}'`),
    ],
  })
  const { id } = await at.overTcp.api.sessions.post({ body: {} })
  const messages = at.overTcp.api.sessions({ id }).messages
  const first = messages.post({ query: { wait: true }, body: { content: "the first" } })
  await systemClock.sleep(50)
  const second = messages.post({ query: { wait: true }, body: { content: "the second" } })
  await systemClock.sleep(50)
  writeFileSync(gate, "")
  await Promise.all([first, second])
  const { items } = await messages.get()
  expect(items.filter(({ role }) => role === "person").map(({ text }) => text)).toEqual(["the first", "the second"])
})

test("another process on the database hears of a hook, and of its end", async () => {
  const seal = createAuthoritySeal({ key: () => new Uint8Array(32).fill(7) })
  const { db, writer } = at
  const other = await createHookStore({ db, writer, clock: systemClock, seal, onBadSeal() {}, onFault() {} })
  await other.watch()
  const namesThere = async () => (await other.current()).hooks.map(({ name }) => name)
  await set("mine", "message.in", { argv: [says({ verdict: "pass" })] })
  for (let n = 0; n < 200 && (await namesThere()).length === 0; n++) await systemClock.sleep(10)
  expect(await namesThere()).toEqual(["mine"])
  await at.hookStore.remove("mine")
  for (let n = 0; n < 200 && (await namesThere()).length > 0; n++) await systemClock.sleep(10)
  expect(await namesThere()).toEqual([])
  await other.close()
})

test("a process that cannot read the hooks any more lets nothing pass, until it can", async () => {
  const seal = createAuthoritySeal({ key: () => new Uint8Array(32).fill(7) })
  let isDown = false
  const faults: unknown[] = []
  const real = at.db
  const db = {
    ...real,
    get orm() {
      if (isDown) throw new Error("away")
      return real.orm
    },
  }
  const onFault = (error: unknown) => void faults.push(error)
  const store = await createHookStore({ db, writer: at.writer, clock: systemClock, seal, onBadSeal() {}, onFault })
  const chain = createHookChain({
    store,
    plugged: noPluggedHooks,
    egress: internet.egress,
    writer: at.writer,
    clock: systemClock,
    log: silentLog,
    redact: (text) => text,
  })
  const judge = () =>
    chain.judge("reply.out", {
      agentId: "main",
      channel: "api",
      sessionId: null,
      turnId: null,
      personId: null,
      labels: [],
      source: "",
      value: { text: "hello" },
      signal: new AbortController().signal,
    })
  const where = { agentId: "main", channel: "api", tool: null }
  expect(await judge()).toMatchObject({ verdict: "pass", ran: 0 })
  expect(chain.covers("reply.out", where)).toBe(false)
  await store.watch()
  isDown = true
  await set("elsewhere", "message.in", { argv: [says({ verdict: "pass" })] })
  for (let n = 0; n < 200 && faults.length === 0; n++) await systemClock.sleep(10)
  expect(await judge()).toMatchObject({
    verdict: "refuse",
    record: "deny: The hooks could not be read from the database",
  })
  expect(chain.covers("reply.out", where)).toBe(true)
  isDown = false
  expect(await judge()).toMatchObject({ verdict: "pass" })
  await store.close()
})

test("a lockdown ends what runs, and what it was asked about is refused", async () => {
  const begun = join(folder, "begun")
  await set("slow", "message.in", { argv: [script(`touch ${begun}; sleep 1000`)] })
  const said = say("hello")
  await until("it runs", () => existsSync(begun))
  at.hooks.endAll()
  expect((await said).outcome).toMatchObject({ error: { code: "hook.refused" } })
})

test("without a hook an act asks the database nothing about them", async () => {
  await say("hello") // whatever a first one needs
  const queries: string[] = []
  const real = at.db.query
  at.db.query = (statement) => {
    queries.push(statement.sql)
    return real(statement)
  }
  try {
    await say("hello")
  } finally {
    at.db.query = real
  }
  expect(queries.length).toBeGreaterThan(0)
  expect(queries.filter((sql) => /\bhooks\b/.test(sql))).toEqual([])
})
