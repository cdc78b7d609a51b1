/** Channels through the compiled program: loaded while it runs, paired at a terminal, a message in, a reply out, and a crash in between. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { createHmac } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { atTerminal, codeIn } from "#test/fakes/at-terminal.ts"
import { binary, environmentOf, modelEnvironment, runBinary, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { type Json, type Service, startService } from "#test/fakes/service.ts"

setDefaultTimeout(180_000) // whole processes on a busy machine; nothing here measures

const SECRET = "a-secret-of-the-relay-0123456789"
const home = makeHome()
const model = startModelServer()
const env = modelEnvironment(model.url)
let service: Service
let requests = 0

beforeAll(async () => {
  const set = await runBinary(["secret", "set", "relay_signing_secret"], { home: home.path, env, stdin: SECRET })
  expect(set.status).toBe(0) // what `tool auth relay` asks for
  service = await startService({ home: home.path, env })
})
afterAll(async () => {
  await service.kill()
  await model.stop()
  home[Symbol.dispose]()
})

const verb = async (...args: string[]): Promise<Json> =>
  JSON.parse((await runBinary([...args, "--json"], { home: home.path, env })).stdout)
const owner = (...args: string[]) =>
  atTerminal([binary, ...args], { env: environmentOf(home.path, env), cwd: home.path, answer: codeIn })

async function relay(asked: Json, secret = SECRET): Promise<{ status: number; body: Json }> {
  const body = JSON.stringify({ ...asked, nonce: ++requests }) // the same bytes in the same second are the same request
  const at = String(Math.floor(Date.now() / 1_000))
  const signature = createHmac("sha256", secret).update(`${at}.${body}`).digest("hex")
  const answer = await fetch(`${service.address}/webhooks/relay`, {
    method: "POST",
    headers: { "X-Relay-Timestamp": at, "X-Relay-Signature": signature },
    body,
  })
  const text = await answer.text()
  return { status: answer.status, body: text === "" ? null : JSON.parse(text) }
}
const repliesOf = async (id: string): Promise<Json[]> => (await relay({ from: { id } })).body.replies

test("the bundled relay is loaded while the service runs, carries a message in and a reply out", async () => {
  expect((await relay({ from: { id: "laptop" } })).status).toBe(401)
  const installed = await owner("channel", "add", "relay")
  expect(installed.status).toBe(0)
  expect((await relay({ from: { id: "laptop" } })).status).toBe(401)
  const granted = await owner("tool", "grant", "relay")
  // Nobody has talked here yet, and who was turned away is nobody: what is inside the program is granted without a code.
  expect(granted.status).toBe(0)
  expect((await verb("tool", "info", "relay")).data.asks).toContain(
    "receive requests at /webhooks/relay, each signed with your relay_signing_secret",
  )
  expect((await verb("tool", "info", "relay")).data.secrets).toMatchObject([
    { name: "relay_signing_secret", isSet: true, isRequired: true, way: "token" },
  ])
  await until("it hears", async () => (await relay({ from: { id: "laptop" } })).status === 200)

  // A stranger's first message brings a code, and is no message.
  const stranger = await relay({ from: { id: "laptop", name: "My laptop" }, id: "1", text: "Hello" })
  expect(stranger.body.message).toEqual({ state: "stranger" })
  const [told] = await until("the code is told", async () => {
    const replies = await repliesOf("laptop")
    return replies.length > 0 ? replies : undefined
  })
  const code = /code: (\S+)\./.exec(told.text)?.[1] ?? ""
  expect(model.requests).toEqual([])
  expect((await verb("pairing", "list")).data).toMatchObject({
    asking: [{ externalId: "laptop", name: "My laptop" }],
    known: [],
  })

  // Nobody is let in but by the owner at a terminal, who is told what that means.
  const alone = await verb("pairing", "approve", "relay", code, "--owner")
  expect(alone).toMatchObject({ ok: false, error: { code: "presence.no_terminal" } })
  const wrong = await verb("pairing", "approve", "relay", "AAAA-AAAA")
  expect(wrong).toMatchObject({ ok: false, error: { code: "not_found" } })
  const approved = await owner("pairing", "approve", "relay", code, "--owner")
  expect(approved.status).toBe(0)
  expect(approved.shown).toContain("Take whoever has the id laptop on relay")
  expect((await verb("pairing", "list")).data).toMatchObject({
    asking: [],
    known: [{ externalId: "laptop", role: "owner" }],
  })

  model.script({ text: "Hello to you, by relay." })
  const ack = (await repliesOf("laptop")).map(({ id }) => id)
  const message = { from: { id: "laptop" }, id: "2", text: "Hello again", ack }
  expect((await relay(message)).body.message).toEqual({ state: "accepted" })
  const reply = await until("it is answered", async () =>
    (await repliesOf("laptop")).find(({ replyTo }) => replyTo === "2"),
  )
  expect(reply).toMatchObject({ text: "Hello to you, by relay.", part: 1, parts: 1 })
  expect((await relay({ ...message, ack: [] })).body.message).toEqual({ state: "duplicate" })
  expect((await relay(message, "another-secret-of-the-relay")).status).toBe(401)

  // It hears before it was started: what a webhook brings waits for nothing.
  const data = await until("it was started", async () => {
    const shown = (await verb("channel", "status", "relay")).data
    return shown.started ? shown : null
  })
  expect(data).toMatchObject({
    state: "active",
    people: 1,
    says: { ok: true },
    deliveries: { waiting: 0, failed: 0 },
  })
  expect((await verb("channel", "list")).data.items).toMatchObject([{ name: "relay" }])
  expect((await verb("session", "list", "--channel", "plugin:relay")).data.items).toHaveLength(1)
  expect((await verb("doctor")).data.checks.find(({ id }: Json) => id === "channels.failing")).toMatchObject({
    level: "ok",
  })
})

/** A network on this machine: what people wrote there, and what was sent to them. */
function startNetwork() {
  const waiting: Json[] = []
  const sent: Json[] = []
  let isHanging = false
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      if (request.method === "GET") return Response.json(waiting)
      sent.push(await request.json())
      if (isHanging) await new Promise(() => {})
      return Response.json({})
    },
  })
  return {
    waiting,
    sent,
    address: `http://127.0.0.1:${server.port}`,
    hang(hanging: boolean) {
      isHanging = hanging
    },
    stop: () => server.stop(true),
  }
}

const writeChannel = (folder: string, version: string, greeting: string) => {
  mkdirSync(folder, { recursive: true })
  const manifest = {
    name: "board",
    version,
    kind: "channel",
    entry: "plugin.ts",
    config: {
      type: "object",
      properties: { address: { type: "string", format: "local-endpoint", description: "Where the board is" } },
      required: ["address"],
    },
    capabilities: { channel: { allow_polling: true, min_poll_interval_ms: 5_000 } },
  }
  writeFileSync(join(folder, "plugin.json"), JSON.stringify(manifest))
  writeFileSync(
    join(folder, "plugin.ts"),
    `import { config, defineChannel, emitMessage, http } from "ironclaw"
export const { start, receive, poll, respond, status, stop } = defineChannel({
  poll() {
    for (const { id, from, text } of http({ url: config.address + "/" }).json() as { id: string; from: string; text: string }[])
      emitMessage({ id, sender: { id: from }, text })
  },
  respond({ id, to, text }) {
    const answer = http({ url: config.address + "/", method: "POST", body: { id, to: to.id, text: ${JSON.stringify(greeting)} + text } })
    if (!answer.ok) throw new Error("The board says " + answer.status)
  },
})
`,
  )
}

test("a channel that polls is dropped in and replaced while it runs, and a reply that a crash cut off is never sent twice", async () => {
  const network = startNetwork()
  const folder = join(home.path, ".ironclaw/plugins/board")
  try {
    writeChannel(folder, "1.0.0", "")
    await until("it is noticed", async () =>
      (await verb("channel", "list")).data.items.some(({ name }: Json) => name === "board"),
    )
    expect((await owner("tool", "grant", "board")).status).toBe(0)
    await until("it says what it needs", async () =>
      (await verb("channel", "status", "board")).data.lastError.includes("ironclaw tool config board address"),
    )
    const ready = await service.call("GET", "/ready")
    expect(ready).toMatchObject({ status: 503, body: { ready: false } })
    expect(ready.body.parts).toContainEqual({ name: "channels", ok: false, detail: "board fails" })
    expect((await service.call("GET", "/api/status")).body.warnings.join()).toContain("ironclaw channel status board")
    const configured = await owner("tool", "config", "board", "address", network.address)
    expect(configured.status).toBe(0)
    network.waiting.push({ id: "1", from: "ada", text: "Hi" })
    const asked = await until("a stranger is told", () => network.sent.find(({ to }) => to === "ada"), 60_000)
    const code = /code: (\S+)\./.exec(asked.text)?.[1] ?? ""
    expect((await owner("pairing", "approve", "board", code)).status).toBe(0)

    model.script({ text: "Hello, Ada." })
    network.waiting.splice(0, 1, { id: "2", from: "ada", text: "How are you?" })
    await until("it is answered", () => network.sent.find(({ text }) => text === "Hello, Ada."), 60_000)

    // Another version, by hand: inactive until it is granted, then it carries on where the former one was.
    writeChannel(folder, "2.0.0", "v2: ")
    await until("it is another", async () => (await verb("channel", "status", "board")).data.state === "inactive")
    expect((await owner("tool", "grant", "board")).status).toBe(0)
    model.script({ text: "Still here." })
    network.waiting.splice(0, 1, { id: "3", from: "ada", text: "Are you there?" })
    await until("the new one answers", () => network.sent.find(({ text }) => text === "v2: Still here."), 60_000)

    // Cut off while the network has the request: nobody knows, so nobody is told twice.
    network.hang(true)
    model.script({ text: "Lost." })
    network.waiting.splice(0, 1, { id: "4", from: "ada", text: "One more" })
    await until("it is being sent", () => network.sent.find(({ text }) => text === "v2: Lost."), 60_000)
    await service.kill()
    network.hang(false)
    network.waiting.splice(0)
    service = await startService({ home: home.path, env })
    await until("it is unknown", async () => (await verb("channel", "status", "board")).data.deliveries.unknown === 1)
    expect(network.sent.filter(({ text }) => text === "v2: Lost.")).toHaveLength(1)
    expect((await runBinary(["channel", "remove", "board"], { home: home.path, env })).status).toBe(0)
    expect((await verb("pairing", "list")).data.known).toMatchObject([{ channel: "relay" }])
  } finally {
    await network.stop()
  }
})
