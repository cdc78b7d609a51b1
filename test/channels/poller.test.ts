/** Channels that are started and polled: by one process at a time, no more often than was granted, and more rarely while they fail. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { Poller } from "#channels/poller.ts"
import { until } from "../fakes/until.ts"
import { channelRig, livePlugin } from "./rig.ts"

setDefaultTimeout(30_000) // a database is made for each, on a machine that may be busy

let at: Awaited<ReturnType<typeof channelRig>>
let pollers: Poller[]
beforeEach(async () => {
  at = await channelRig()
  pollers = []
})
afterEach(async () => {
  await Promise.all(pollers.map((poller) => poller.stop()))
  await at.close()
})
function started(more: { isAlone?: boolean } = {}): Poller {
  const poller = at.poller(more)
  pollers.push(poller)
  poller.start()
  return poller
}
const names = () => at.asked.map(({ name }) => name)
const stateOf = async (channel: string) =>
  (await at.rows("select * from channel_states where channel = $1", [channel]))[0]
/** A second of the clock at a time, as the looks come. */
async function pass(seconds: number, realMs = 10): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await at.clock.advance(1_000)
    await Bun.sleep(realMs)
  }
}

describe("a channel", () => {
  test("is started once, then asked for news as often as its manifest says, and no more often", async () => {
    at.live.push(livePlugin("news", { allow_polling: true, min_poll_interval_ms: 10_000 }))
    started()
    await until("it was polled", () => names().includes("poll"))
    expect(names()).toEqual(["start", "poll"])
    await pass(8)
    expect(names()).toEqual(["start", "poll"])
    await pass(5)
    await until("it was polled again", () => names().length === 3)
    expect(names()).toEqual(["start", "poll", "poll"])
    expect(await stateOf("news")).toMatchObject({ failures: 0, last_error: "" })
  })

  test("that does not poll is started and left alone", async () => {
    at.live.push(livePlugin("hook", { allowed_paths: ["/webhooks/hook"] }))
    started()
    await until("it was started", () => names().length === 1)
    await pass(90)
    expect(names()).toEqual(["start"])
  })

  test("of two processes is polled by one", async () => {
    at.live.push(livePlugin("news", { allow_polling: true, min_poll_interval_ms: 5_000 }))
    let inside = 0
    let most = 0
    at.state.answer = async () => {
      most = Math.max(most, ++inside)
      await Bun.sleep(20)
      inside--
      return { ok: true, value: null }
    }
    started()
    started()
    await pass(30, 60)
    await until("it was polled some times", () => names().filter((name) => name === "poll").length >= 3)
    expect(most).toBe(1)
    expect(names().filter((name) => name === "start")).toHaveLength(1)
    expect(names().filter((name) => name === "poll").length).toBeLessThanOrEqual(8)
  })

  test("whose holder died is taken over once its lease has ended", async () => {
    at.live.push(livePlugin("news", { allow_polling: true, min_poll_interval_ms: 5_000 }))
    await at.rows(
      "insert into channel_states (channel, lease_owner, lease_until, next_at) values ('news', 'dead', $1, $2)",
      [new Date(at.clock.nowMs() + 20_000).toISOString(), at.clock.iso()],
    )
    started()
    await pass(15)
    expect(names()).toEqual([])
    await pass(12)
    await until("it was taken over", () => names().includes("poll"))
  })

  test("whose holder died is taken over at once where nobody else uses the database", async () => {
    at.live.push(livePlugin("news", { allow_polling: true, min_poll_interval_ms: 5_000 }))
    await at.rows(
      "insert into channel_states (channel, lease_owner, lease_until, next_at) values ('news', 'dead', $1, $2)",
      [new Date(at.clock.nowMs() + 100_000).toISOString(), at.clock.iso()],
    )
    started({ isAlone: true })
    await pass(2)
    await until("it was taken over", () => names().includes("poll"))
  })

  test("that fails is asked again more and more rarely, is told of once, and recovers", async () => {
    at.live.push(livePlugin("news", { allow_polling: true, min_poll_interval_ms: 5_000 }))
    at.state.answer = ({ name }) =>
      name === "poll"
        ? { ok: false, why: "poll() failed (trap): down", touched: true, refused: false }
        : { ok: true, value: null }
    started()
    await until("it failed", async () => Number((await stateOf("news"))?.["failures"]) === 1)
    expect(await stateOf("news")).toMatchObject({ last_error: "poll() failed (trap): down", lease_owner: null })
    await pass(65)
    await until("it failed again", async () => Number((await stateOf("news"))?.["failures"]) >= 3)
    expect(names().filter((name) => name === "poll").length).toBeLessThanOrEqual(4)
    expect(at.told.filter(({ type }) => type === "channel.failed")).toHaveLength(1)
    at.state.answer = () => ({ ok: true, value: null })
    await pass(90)
    await until("it recovered", async () => Number((await stateOf("news"))?.["failures"]) === 0)
  })

  test("in another version is started anew at once, whatever the former one had to wait for", async () => {
    at.live.push(livePlugin("news", { allow_polling: true, min_poll_interval_ms: 5_000 }))
    at.state.answer = () => ({ ok: false, why: "start() failed", touched: false, refused: false })
    const poller = started()
    await pass(200)
    await until("it failed some times", async () => Number((await stateOf("news"))?.["failures"]) >= 4)
    at.asked.length = 0
    at.state.answer = () => ({ ok: true, value: null })
    at.live[0] = livePlugin("news", { allow_polling: true, min_poll_interval_ms: 5_000, sha256: "b".repeat(64) })
    poller.changed()
    await pass(3)
    await until("it was started", () => names().includes("poll"))
    expect(names().slice(0, 2)).toEqual(["start", "poll"])
  })

  test("with other settings is asked at once, whatever it had to wait for", async () => {
    const channel = livePlugin("news", { allow_polling: true, min_poll_interval_ms: 5_000 })
    at.live.push(channel)
    at.state.answer = ({ name }) =>
      name === "poll" ? { ok: false, why: "no address", touched: false, refused: false } : { ok: true, value: null }
    const poller = started()
    await pass(200)
    await until("it failed some times", async () => Number((await stateOf("news"))?.["failures"]) >= 4)
    at.asked.length = 0
    at.state.answer = () => ({ ok: true, value: null })
    at.live[0] = { ...channel, pin: { ...channel.pin, config: { address: "http://127.0.0.1:1" } } }
    poller.changed()
    await pass(3)
    await until("it was asked", () => names().includes("poll"))
    expect(names()).not.toContain("start")
  })

  test("that was taken away and is put back, the very same version, is started and asked again", async () => {
    const news = livePlugin("news", { allow_polling: true, min_poll_interval_ms: 5_000 })
    at.live.push(news)
    const poller = started()
    await until("it was polled", () => names().includes("poll"))
    await until("it was let go", async () => (await stateOf("news"))?.["lease_owner"] === null)
    at.live.length = 0
    await at.rows("delete from channel_states where channel = 'news'")
    poller.changed()
    await pass(3)
    at.asked.length = 0
    at.live.push(news)
    poller.changed()
    await pass(10)
    await until("it was polled again", () => names().includes("poll"))
    expect(names().slice(0, 2)).toEqual(["start", "poll"])
  })

  test("is left alone while everything is stopped, and what is ended then is no failure", async () => {
    at.live.push(livePlugin("news", { allow_polling: true, min_poll_interval_ms: 5_000 }))
    at.state.answer = () => {
      at.state.mayRun = false
      return { ok: false, why: "poll() failed (cancelled)", touched: true, refused: false }
    }
    started()
    await until("it was cut off", () => at.asked.length === 1)
    await pass(60)
    expect(at.asked).toHaveLength(1)
    expect(await stateOf("news")).toMatchObject({ failures: 0, lease_owner: null })
  })
})
