/** What is said on its way: in order, each piece once, again where it was certainly not sent, and never where it may have been. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { Router } from "#channels/router.ts"
import { until } from "../fakes/until.ts"
import { channelRig, livePlugin } from "./rig.ts"

setDefaultTimeout(30_000) // a database is made for each, on a machine that may be busy

let at: Awaited<ReturnType<typeof channelRig>>
let router: Router
beforeEach(async () => {
  at = await channelRig()
  at.live.push(livePlugin("tell", { max_message_characters: 100 }))
  router = at.router()
})
afterEach(async () => {
  await router.stop()
  await at.close()
})
const texts = () => at.asked.map(({ input }) => (input as { text: string }).text)
const endedAs = (id: string, state: string) =>
  until(`${id} is ${state}`, async () => ((await at.stateOf(id))?.["state"] === state ? at.stateOf(id) : undefined))

describe("what waits", () => {
  test("is said in order at each place, and our own words are kept no longer than until then", async () => {
    const ids = [await at.say("one"), await at.say("two"), await at.say("three")]
    router.start()
    for (const id of ids) expect(await endedAs(id, "sent")).toMatchObject({ attempts: 1, note: "", error: "" })
    expect(texts()).toEqual(["one", "two", "three"])
  })

  test("of one place waits for what failed there before it, and of another does not", async () => {
    at.state.answer = ({ input }) =>
      (input as { to: { id: string } }).to.id === "a"
        ? { ok: true, value: { state: "failed", why: "Down" } }
        : { ok: true, value: null }
    const first = await at.say("one")
    const second = await at.say("two")
    const other = await at.say("elsewhere", { peer: "b" })
    router.start()
    await endedAs(other, "sent")
    await until("it was tried", async () => (await at.stateOf(first))?.["error"] === "Down")
    expect(await at.stateOf(second)).toMatchObject({ state: "waiting", attempts: 0 })
  })

  test("behind what fails again and again passes it, so that one that never goes out keeps nobody silent", async () => {
    at.state.answer = ({ input }) =>
      (input as { text: string }).text === "poison"
        ? { ok: true, value: { state: "failed" } }
        : { ok: true, value: null }
    const poison = await at.say("poison")
    const after = await at.say("after")
    router.start()
    for (const [index, seconds] of [5, 30].entries()) {
      await until(`try ${index + 1}`, async () => (await at.stateOf(poison))?.["attempts"] === index + 1)
      await until("it waits", async () => (await at.stateOf(poison))?.["state"] === "waiting")
      expect(await at.stateOf(after)).toMatchObject({ state: "waiting", attempts: 0 })
      await at.clock.advance(seconds * 1_000)
      router.wake()
    }
    await endedAs(after, "sent")
    expect(await at.stateOf(poison)).toMatchObject({ state: "waiting", attempts: 3 })
  })

  test("of a channel that is not there waits for it", async () => {
    const id = await at.say("one", { channel: "gone" })
    router.start()
    await Bun.sleep(200)
    expect(await at.stateOf(id)).toMatchObject({ state: "waiting", attempts: 0 })
    at.live.push(livePlugin("gone"))
    router.wake()
    await endedAs(id, "sent")
  })

  test("is said by one of two processes, never by both", async () => {
    const other = at.router()
    const ids = await Promise.all(
      Array.from({ length: 20 }, (_, index) => at.say(`${index}`, { peer: `p${index % 5}` })),
    )
    router.start()
    other.start()
    for (const id of ids) await endedAs(id, "sent")
    await other.stop()
    expect(texts().toSorted()).toEqual(ids.map((_, index) => `${index}`).toSorted())
  })
})

describe("what was certainly not sent", () => {
  test("is tried again, more and more rarely, and given up in the end, which is told", async () => {
    at.state.answer = () => ({ ok: false, why: "respond() failed (trap): no", touched: false, refused: false })
    const id = await at.say("one")
    router.start()
    for (const [index, seconds] of [5, 30, 120, 600, 1_800, 7_200, 28_800].entries()) {
      await until(
        `try ${index + 1}`,
        async () =>
          (await at.stateOf(id))?.["attempts"] === index + 1 && (await at.stateOf(id))?.["state"] === "waiting",
      )
      await at.clock.advance(seconds * 1_000 - 1_000)
      router.wake()
      await Bun.sleep(30)
      expect((await at.stateOf(id))?.["attempts"]).toBe(index + 1)
      await at.clock.advance(1_000)
      router.wake()
    }
    expect(await endedAs(id, "failed")).toMatchObject({ attempts: 8, error: expect.stringContaining("no") })
  })

  test("is tried again no sooner than the channel says, and not at all where it says so", async () => {
    at.state.answer = () => ({ ok: true, value: { state: "failed", retryAfterSeconds: 90 } })
    const id = await at.say("one")
    router.start()
    await until(
      "it was tried",
      async () => (await at.stateOf(id))?.["attempts"] === 1 && (await at.stateOf(id))?.["state"] === "waiting",
    )
    at.state.answer = () => ({ ok: true, value: { state: "failed", retry: false, why: "Blocked" } })
    await at.clock.advance(80_000)
    router.wake()
    await Bun.sleep(50)
    expect((await at.stateOf(id))?.["attempts"]).toBe(1)
    await at.clock.advance(10_000)
    router.wake()
    expect(await endedAs(id, "failed")).toMatchObject({ attempts: 2, error: "Blocked" })
  })

  test("goes on with the piece that failed: what was said of a long one is not said again", async () => {
    let isDown = true
    at.state.answer = ({ input }) =>
      isDown && (input as { part: number }).part === 2
        ? { ok: true, value: { state: "failed" } }
        : { ok: true, value: null }
    const id = await at.say(Array.from({ length: 30 }, (_, index) => `word${index}`).join(" "))
    router.start()
    await until(
      "the second piece failed",
      async () => (await at.stateOf(id))?.["parts_sent"] === 1 && (await at.stateOf(id))?.["state"] === "waiting",
    )
    isDown = false
    await at.clock.advance(5_000)
    router.wake()
    await endedAs(id, "sent")
    const parts = at.asked.map(({ input }) => input as { part: number; id: string })
    expect(parts.map(({ part }) => part)).toEqual([1, 2, 2, 3])
    expect(parts[1]?.id).toBe(parts[2]?.id ?? "")
    expect(parts[1]?.id).toBe(`${id}:2`)
  })
})

test("what the egress gate refused is given up at once: it would be refused again", async () => {
  at.state.answer = () => ({
    ok: false,
    why: "respond() failed (trap): It carries a secret",
    touched: false,
    refused: true,
  })
  const id = await at.say("one")
  router.start()
  expect(await endedAs(id, "failed")).toMatchObject({ attempts: 1 })
})

describe("what may have been sent", () => {
  test("is not sent again: a channel that dies behind its request leaves it unknown, and that is told", async () => {
    at.state.answer = () => ({ ok: false, why: "respond() failed (deadline): too late", touched: true, refused: false })
    const [session] = await at.rows(
      "insert into sessions (id, agent_id, channel, peer) values ('ses_1', 'main', 'plugin:tell', 'a') returning id",
    )
    await at.rows(
      "insert into messages (id, session_id, agent_id, role, text) values ('msg_1', $1, 'main', 'model', 'Said')",
      [session?.["id"]],
    )
    const id = await at.say("")
    await at.rows("update deliveries set session_id = 'ses_1', message_id = 'msg_1' where id = $1", [id])
    router.start()
    expect(await endedAs(id, "unknown")).toMatchObject({ attempts: 1, error: expect.stringContaining("too late") })
    await until("it is told", () => at.told.find(({ type }) => type === "message.undelivered"))
    await at.clock.advance(3_600_000)
    router.wake()
    await Bun.sleep(100)
    expect(texts()).toEqual(["Said"])
  })

  test("when its process died is unknown to the next one, which says it to nobody", async () => {
    const id = await at.say("one")
    await at.rows("update deliveries set state = 'sending', attempts = 1, lease_until = $2 where id = $1", [
      id,
      new Date(at.clock.nowMs() + 60_000).toISOString(),
    ])
    const after = await at.say("two")
    router.start()
    await Bun.sleep(100)
    expect(texts()).toEqual([])
    await at.clock.advance(61_000)
    router.wake()
    await endedAs(id, "unknown")
    router.wake()
    await endedAs(after, "sent")
    expect(texts()).toEqual(["two"])
  })
})

test("what was cut off is known at once where nobody else uses the database", async () => {
  const id = await at.say("one")
  await at.rows("update deliveries set state = 'sending', lease_until = $2 where id = $1", [
    id,
    new Date(at.clock.nowMs() + 60_000).toISOString(),
  ])
  await router.stop()
  router = at.router({ isAlone: true })
  router.start()
  await endedAs(id, "unknown")
  expect(texts()).toEqual([])
})

test("nothing is said while everything is stopped", async () => {
  at.state.mayRun = false
  const id = await at.say("one")
  router.start()
  await Bun.sleep(100)
  expect(await at.stateOf(id)).toMatchObject({ state: "waiting", attempts: 0 })
  at.state.mayRun = true
  router.wake()
  await endedAs(id, "sent")
})

test("what was caught by the stop of everything, and did not leave, goes out once that is over", async () => {
  at.state.answer = () => {
    at.state.mayRun = false
    return { ok: false, why: "respond() failed (trap): everything is stopped", touched: false, refused: true }
  }
  const id = await at.say("one")
  router.start()
  await until("it waits again", async () => (await at.stateOf(id))?.["error"] !== "")
  expect(await at.stateOf(id)).toMatchObject({ state: "waiting", attempts: 1 })
  at.state.answer = () => ({ ok: true, value: null })
  at.state.mayRun = true
  await at.clock.advance(5_000)
  router.wake()
  await endedAs(id, "sent")
})
