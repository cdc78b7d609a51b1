/** Channels through the inbox: what comes in, who it is taken from, and what is answered. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { isId, type SessionId } from "#core/id.ts"
import { channelHouse, type ChannelHouse, echoCode, hookedChannel } from "../fakes/channel-house.ts"
import { refusal } from "../fakes/gateway.ts"
import { until } from "../fakes/until.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const KEY = "the-value-of-a-secret-0123456789"
let at: ChannelHouse
beforeAll(async () => {
  at = await channelHouse({ secrets: { hook_secret: "a-secret-of-the-hook-0123456789", a_key: KEY } })
  await at.add("echo", echoCode, hookedChannel("echo", { max_message_characters: 200 }))
  await at.know("echo", "owner-1", "owner")
  await at.know("echo", "friend-1")
})
afterAll(() => at.close())

async function sentTo(
  peer: string,
): Promise<{ id: string; text: string; part: number; parts: number; replyTo: string | null; to: object }[]> {
  const rows = await at.rows(
    "select content from channel_memory where channel = 'echo' and path like 'sent/%' order by updated_at, path",
  )
  return rows.map((row) => JSON.parse(String(row["content"]))).filter(({ to }) => to.id === peer)
}
const emit = async (...messages: unknown[]) => (await at.receive("echo", messages)).body
/** Once everything that went before is answered and carried. */
async function forgetSent(): Promise<void> {
  await at.quiet()
  await at.rows("delete from channel_memory where channel = 'echo'")
}
const turnOf = async (text: string) => {
  const [row] = await at.rows(
    "select m.person_id, m.labels, m.source, m.session_id, t.id, t.ceiling from messages m join turns t on t.id = m.turn_id where m.text = $1",
    [text],
  )
  return row
}

describe("a message", () => {
  test("of the owner becomes a turn of theirs, and the reply is carried back to where it came from", async () => {
    expect(await emit({ id: "m1", sender: { id: "owner-1" }, text: "Hello there" })).toEqual([{ state: "accepted" }])
    await until("it is answered", async () => (await sentTo("owner-1"))[0])
    expect(await sentTo("owner-1")).toMatchObject([
      { text: "Done", part: 1, parts: 1, replyTo: "m1", to: { id: "owner-1", shared: false, topic: "" } },
    ])
    expect(await turnOf("Hello there")).toMatchObject({ person_id: at.ownerId, labels: [], ceiling: null })
    const told = await until("it is told", () => at.events.find((event) => event.type === "message.delivered"))
    expect(told).toMatchObject({ channel: "plugin:echo", preview: "Done" })
    const [audited] = await at.rows(
      "select destination, verdicts from audit where act = 'message.in' order by seq desc limit 1",
    )
    expect(audited).toMatchObject({ destination: "plugin:echo:owner-1", verdicts: { sender: "allow" } })
  })

  test("that comes again is none, and one of another conversation with the same id is", async () => {
    const message = { id: "m7", sender: { id: "owner-1" }, text: "Only once" }
    expect(await emit(message, message)).toEqual([{ state: "accepted" }, { state: "duplicate" }])
    expect(await emit(message)).toEqual([{ state: "duplicate" }])
    expect(await emit({ ...message, sender: { id: "friend-1" }, text: "Mine too" })).toEqual([{ state: "accepted" }])
    const [count] = await at.rows("select count(*)::int as count from messages where text in ('Only once', 'Mine too')")
    expect(count).toEqual({ count: 2 })
  })

  test("of somebody known is answered by a turn that holds nothing of the owner's", async () => {
    expect(
      await emit({ id: "f1", sender: { id: "friend-1", name: "Owner" }, text: "What does she remember?" }),
    ).toEqual([{ state: "accepted" }])
    const turn = await until("it is a turn", () => turnOf("What does she remember?"))
    expect(turn).toMatchObject({ labels: ["untrusted"], ceiling: { kind: "guest", fetches: false } })
    expect(turn["person_id"]).not.toBe(at.ownerId)
    await until("it is answered", async () => (await sentTo("friend-1"))[0])
    const request = at.model.requests.at(-1)
    expect(request?.system.map(({ text }) => text).join()).toContain("You know nothing about your owner here")
    expect(request?.trusted).toBe(false)
  })

  test("of the owner where others read along is answered as for a guest, and its commands are text", async () => {
    const group = { id: "room-1", topic: "7" }
    expect(await emit({ id: "g1", sender: { id: "owner-1" }, conversation: group, text: "/status" })).toEqual([
      { state: "accepted" },
    ])
    expect(await until("it is a turn", () => turnOf("/status"))).toMatchObject({ ceiling: { kind: "guest" } })
    await until("it is answered", async () => (await sentTo("room-1"))[0])
    expect(await sentTo("room-1")).toMatchObject([{ to: { id: "room-1", shared: true, topic: "7" } }])
  })

  test("of a stranger where others read along is nobody's: no code, no turn, no answer", async () => {
    await forgetSent()
    expect(
      await emit({ id: "s1", sender: { id: "nobody-1" }, conversation: { id: "room-1" }, text: "Let me in" }),
    ).toEqual([{ state: "stranger" }])
    await Bun.sleep(300)
    expect((await at.pairing.list()).asking).toEqual([])
    expect(await sentTo("room-1")).toEqual([])
    expect(await turnOf("Let me in")).toBeUndefined()
  })

  test("that is a command of the owner's is obeyed once, and its answer carried back", async () => {
    await forgetSent()
    const before = (await turnOf("Hello there"))?.["session_id"]
    const command = { id: "c1", sender: { id: "owner-1" }, text: "/new" }
    expect(await emit(command, command)).toEqual([{ state: "accepted" }, { state: "duplicate" }])
    await until("it is told", async () => (await sentTo("owner-1"))[0])
    await emit({ id: "c2", sender: { id: "owner-1" }, text: "In the new one" })
    const after = await until("it is a turn", () => turnOf("In the new one"))
    expect(after["session_id"]).not.toBe(before)
  })
})

describe("what is said", () => {
  test("in a reply longer than the channel takes goes in pieces, in order, each under a name of its own", async () => {
    await forgetSent()
    at.steps.push({ say: Array.from({ length: 40 }, (_, index) => `Sentence number ${index}.`).join(" ") })
    await emit({ id: "long", sender: { id: "owner-1" }, text: "At length" })
    const sent = await until("all of it is there", async () => {
      const all = await sentTo("owner-1")
      return all.length > 0 && all.length === all[0]?.parts ? all : undefined
    })
    expect(sent.length).toBeGreaterThan(3)
    expect(sent.every(({ text }) => text.length <= 200)).toBe(true)
    const inOrder = sent.toSorted((a, b) => a.part - b.part)
    expect(inOrder.map(({ text }) => text).join(" ")).toContain("Sentence number 38. Sentence number 39.")
    expect(new Set(sent.map(({ id }) => id)).size).toBe(sent.length)
    expect(inOrder.map(({ replyTo }) => replyTo)).toEqual(["long", ...Array(sent.length - 1).fill(null)])
  })

  test("holds no secret of the house and no picture, though it was stored before one became a secret", async () => {
    await forgetSent()
    const [session] = await at.rows(
      "select id from sessions where channel = 'plugin:echo' and peer = 'owner-1' limit 1",
    )
    await at.rows(
      "insert into messages (id, session_id, agent_id, role, text, labels, source) values ('msg_old', $1, 'main', 'model', $2, '{}', '')",
      [session?.["id"], `It is ${KEY}.\n\n![x](https://example.com/x.png)`],
    )
    await at.rows(
      "insert into deliveries (id, channel, peer, topic, agent_id, session_id, message_id, labels) values ('dlv_old', 'echo', 'owner-1', '', 'main', $1, 'msg_old', '{}')",
      [session?.["id"]],
    )
    const [sent] = await until("it is sent", async () => {
      const all = await sentTo("owner-1")
      return all.length > 0 ? all : undefined
    })
    expect(sent?.text).toContain("[redacted: a_key]")
    expect(sent?.text).not.toContain("![x](")
  })

  test("of a turn that fails is told to the owner, and to a guest not why", async () => {
    await forgetSent()
    const failure = { fail: { kind: "bad_request" as const, message: "The model is broken in a private way" } }
    at.steps.push(failure, failure)
    await emit({ id: "x1", sender: { id: "friend-1" }, text: "Fail for a guest" })
    await until("the guest is told", async () => (await sentTo("friend-1"))[0])
    expect((await sentTo("friend-1"))[0]?.text).toBe("I cannot answer this now.")
    at.steps.length = 0
    at.steps.push(failure, failure)
    await emit({ id: "x2", sender: { id: "owner-1" }, text: "Fail for the owner" })
    await until("the owner is told", async () => (await sentTo("owner-1"))[0])
    expect((await sentTo("owner-1"))[0]?.text).toContain("There is no answer")
    at.steps.length = 0
  })
})

describe("a turn that is given up", () => {
  test("is told to who waits for its answer", async () => {
    await forgetSent()
    const held = Promise.withResolvers<void>()
    at.steps.push(() => held.promise.then(() => ({ say: "First" })))
    await emit({ id: "d1", sender: { id: "owner-1" }, text: "Hold on" })
    await emit({ id: "d2", sender: { id: "owner-1" }, text: "Never run" })
    await at.rows(
      "update jobs set attempts = 9 where id = (select job_id from turns t join messages m on m.turn_id = t.id where m.text = 'Never run')",
    )
    held.resolve()
    const told = await until("it is told", async () =>
      (await sentTo("owner-1")).find(({ text }) => text.startsWith("There is no answer")),
    )
    expect(told).toMatchObject({ replyTo: "d2", text: expect.stringContaining("The process that ran it ended") })
  })
})

describe("a conversation on a channel", () => {
  test("is not written into from elsewhere, whose answer would go to who reads there", async () => {
    const sessionId = (await turnOf("What does she remember?"))?.["session_id"] as SessionId
    expect(isId("ses", sessionId)).toBe(true)
    expect(await refusal(at.say("What is my password?", { sessionId }))).toMatchObject({ code: "conflict" })
  })

  test("is not gone on with by whom the same address means later: a guest is told nothing of what the owner said there", async () => {
    const sessionAt = async (text: string) => (await turnOf(text))?.["session_id"]
    const say = async (id: string, text: string) => {
      expect(await emit({ id, sender: { id: "phone" }, text })).toEqual([{ state: "accepted" }])
      await at.quiet()
    }
    await at.know("echo", "phone", "owner")
    await say("p1", "My number is 4711")
    await say("p2", "And hers is 4712")
    expect(await sessionAt("And hers is 4712")).toBe(await sessionAt("My number is 4711"))
    await at.know("echo", "phone") // the owner has another phone now
    await say("p3", "What was the number?")
    expect(await sessionAt("What was the number?")).not.toBe(await sessionAt("My number is 4711"))
    expect(JSON.stringify(at.model.requests.at(-1))).not.toContain("4711")
    await at.know("echo", "phone", "owner")
    await say("p4", "It is me again")
    expect(await sessionAt("It is me again")).toBe(await sessionAt("My number is 4711"))
  })
})

describe("somebody whom the owner turns away, or makes a guest", () => {
  test("is told nothing that was on its way to the owner", async () => {
    await at.quiet()
    await forgetSent()
    for (const later of ["turned away", "a guest"]) {
      const peer = `was-owner-${later.replace(" ", "-")}`
      await at.know("echo", peer, "owner")
      const gate = Promise.withResolvers<void>()
      at.steps.push(async () => {
        await gate.promise
        return { say: "The number is 4711" }
      })
      await emit({ id: peer, sender: { id: peer }, text: "What is the number?" })
      if (later === "a guest") await at.know("echo", peer)
      else await at.people.unlink({ channel: "echo", externalId: peer })
      gate.resolve()
      await at.quiet()
      expect(await sentTo(peer)).toEqual([])
      const [row] = await at.rows("select state, error from deliveries where peer = $1", [peer])
      expect(row).toMatchObject({ state: "failed", error: expect.stringContaining("turned away") })
    }
  })
})

describe("a channel that is taken away", () => {
  test("leaves nothing for the next one of its name, and stays where that cannot be", async () => {
    await at.add("leaver", echoCode, hookedChannel("leaver"))
    await at.know("leaver", "me", "owner")
    await at.receive("leaver", [{ id: "1", sender: { id: "stranger" }, text: "Hi" }])
    const traces = () =>
      at.rows(`select 1 from identities where channel = 'leaver' union all select 1 from pairings where channel = 'leaver'
        union all select 1 from plugin_rates where plugin like 'leaver%'`)
    expect((await traces()).length).toBeGreaterThan(2)
    await at.rows("alter table webhook_receipts rename to away")
    const isGone = await at.plugins.remove("leaver").then(
      () => true,
      () => false,
    )
    expect(isGone).toBe(false)
    await at.rows("alter table away rename to webhook_receipts")
    expect(await at.plugins.get("leaver")).toMatchObject({ state: "active" })
    expect(await at.people.identify({ channel: "leaver", externalId: "me" })).toMatchObject({ role: "owner" })
    await at.plugins.remove("leaver")
    expect(await traces()).toEqual([])
  })
})
