/** The bundled relay: a mailbox for programs. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { bundledChannels } from "#channels/bundled.ts"
import { createBundled } from "#sandbox/bundled.ts"
import { judgePackage } from "#sandbox/package.ts"
import { channelHouse, type ChannelHouse } from "../fakes/channel-house.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

let at: ChannelHouse
const signal = new AbortController().signal
beforeAll(async () => {
  at = await channelHouse({ bundled: createBundled(bundledChannels) })
  await at.plugins.install(await at.plugins.prepareInstall({ source: { name: "relay" }, known: {} }, signal))
  await at.grant("relay")
  await at.know("relay", "laptop", "owner")
  await at.know("relay", "ada")
})
afterAll(() => at.close())

type Reply = { id: string; text: string; replyTo: string | null }
async function send(
  asked: unknown,
): Promise<{ status: number; body: { message?: unknown; replies?: Reply[]; error?: string } }> {
  const { status, body } = await at.receive("relay", asked)
  return { status, body: body as { message?: unknown; replies?: Reply[]; error?: string } }
}

test("every bundled channel is one that can be installed under its name", async () => {
  const bundled = createBundled(bundledChannels)
  for (const name of bundled.names) {
    const judged = judgePackage(await bundled.read(name), { agreed: null })
    expect(judged.ok ? [judged.manifest.name, judged.manifest.kind] : judged.problems).toEqual([name, "channel"])
  }
})

describe("the relay", () => {
  test("says in plain words what it asks for", async () => {
    const { asks } = await at.plugins.get("relay")
    expect(asks.slice(0, 4)).toEqual([
      "carry messages of people to the assistant, and what it answers to them, as the channel relay",
      "say which of the people you let in on relay a message is from, those whom you let in before this version too",
      "receive requests at /webhooks/relay, each signed with your relay_signing_secret",
      "hand in at most 30 messages a minute and 600 an hour",
    ])
  })

  test("takes a message, keeps the reply until it is acknowledged, and gives it to nobody else", async () => {
    expect((await send({ from: { id: "laptop" }, id: "1", text: "Hello" })).body).toEqual({
      message: { state: "accepted" },
      replies: [],
    })
    await at.quiet()
    expect((await send({ from: { id: "ada" } })).body.replies).toEqual([])
    for (let again = 0; again < 2; again++)
      expect((await send({ from: { id: "laptop" } })).body.replies).toMatchObject([{ text: "Done", replyTo: "1" }])
    const id = (await send({ from: { id: "laptop" } })).body.replies?.[0]?.id
    expect((await send({ from: { id: "ada" }, ack: [id] })).body.replies).toEqual([])
    expect((await send({ from: { id: "laptop" } })).body.replies).toHaveLength(1)
    expect((await send({ from: { id: "laptop" }, ack: [id] })).body.replies).toEqual([])
  })

  test("hands a stranger their code and nothing else", async () => {
    expect((await send({ from: { id: "mallory", name: "Mallory" }, id: "1", text: "Hi" })).body.message).toEqual({
      state: "stranger",
    })
    await at.quiet()
    const { replies } = (await send({ from: { id: "mallory" } })).body
    expect(replies).toHaveLength(1)
    expect(replies?.[0]?.text).toMatch(/^I do not know you yet.*code: [A-Z2-9]{4}-[A-Z2-9]{4}\./)
  })

  test.each([
    ["no JSON", "{"],
    ["nobody", {}],
    ["a path for a name", { from: { id: "../ada" } }],
    ["a list", []],
    ["a number for a text", { from: { id: "ada" }, id: "1", text: 7 }],
    ["a text without an id", { from: { id: "ada" }, text: "x" }],
    ["acknowledgements that are paths", { from: { id: "ada" }, ack: ["../../out/laptop/x"] }],
  ])("answers %s with what is wrong", async (_, asked) => {
    const { status, body } = await send(asked)
    expect(status).toBe(400)
    expect(body.error).toBeString()
  })
})
