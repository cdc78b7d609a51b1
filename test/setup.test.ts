import { describe, expect, test } from "bun:test"
import { createSocket } from "node:dgram"
import dns from "node:dns/promises"
import { get } from "node:https"
import { connect } from "node:net"
import { homedir, tmpdir } from "node:os"
import { createFakeClock } from "./fakes/clock.ts"
import { makeHome } from "./fakes/home.ts"

/** 192.0.2.0/24 is for documentation (RFC 5737): were the guard open, nothing of anybody's would be reached. */
const OUTSIDE = "192.0.2.1"

describe("no test reaches another machine", () => {
  test("fetch", () => expect(fetch(`http://${OUTSIDE}/`)).rejects.toThrow("loopback only"))
  test("a web socket", () => expect(() => new WebSocket(`ws://${OUTSIDE}/`)).toThrow("loopback only"))
  test("a socket", () => expect(() => connect({ host: OUTSIDE, port: 80 })).toThrow("loopback only"))
  test("a socket by port and host", () => expect(() => connect(80, OUTSIDE)).toThrow("loopback only"))
  test("a request of node:https", () => {
    const failure = Promise.withResolvers<unknown>()
    try {
      get(`https://${OUTSIDE}/`, { timeout: 1000 }).on("error", failure.resolve).on("timeout", failure.reject)
    } catch (error) {
      failure.resolve(error)
    }
    return failure.promise.then((error) => expect(String(error)).toContain("loopback only"))
  })
  test("a name", () => expect((async () => dns.lookup("example.com"))()).rejects.toThrow("loopback only"))
  test("a datagram", () => {
    const socket = createSocket("udp4")
    expect(() => socket.send("x", 53, OUTSIDE)).toThrow("loopback only")
    socket.close()
  })
  test("Bun.connect", () => {
    expect(() => Bun.connect({ hostname: OUTSIDE, port: 80, socket: { data() {} } })).toThrow("loopback only")
  })
  test("a server on loopback is reached", async () => {
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("here") })
    expect(await (await fetch(server.url)).text()).toBe("here")
  })
})

describe("no test sees the machine's user", () => {
  test("the home is a temporary one", () => expect(homedir()).toStartWith(tmpdir()))
  test("keys, tokens and settings are gone from the environment", () => {
    const left = Object.keys(process.env).filter((name) => /_(KEY|TOKEN)$|^(LLM|GATEWAY)_|^DATABASE_URL$/.test(name))
    expect(left).toEqual([])
  })
  test("a home made for one test is gone after it", async () => {
    const path = (() => {
      using home = makeHome()
      return home.path
    })()
    expect(await Bun.file(path).exists()).toBe(false)
  })
})

describe("the clock that a test moves", () => {
  test("fires timers in order of time, each at its moment", async () => {
    const clock = createFakeClock()
    const seen: string[] = []
    clock.after(20, () => seen.push(`b at ${clock.monotonicMs()}`))
    clock.after(10, () => seen.push(`a at ${clock.monotonicMs()}`))
    clock.after(40, () => seen.push("too late"))
    await clock.advance(30)
    expect(seen).toEqual(["a at 10", "b at 20"])
    expect(clock.waiting()).toBe(1)
  })
  test("fires a timer that a timer set", async () => {
    const clock = createFakeClock()
    const seen: number[] = []
    const tick = (): void => {
      seen.push(clock.monotonicMs())
      clock.after(10, tick)
    }
    clock.after(10, tick)
    await clock.advance(30)
    expect(seen).toEqual([10, 20, 30])
  })
  test("wakes who sleeps, and who sleeps again", async () => {
    const clock = createFakeClock()
    const done = (async () => {
      await clock.sleep(10)
      await clock.sleep(10)
      return clock.monotonicMs()
    })()
    await clock.advance(25)
    expect(await done).toBe(20)
  })
  test("an aborted sleep rejects with the reason and leaves no timer", async () => {
    const clock = createFakeClock()
    const stop = new AbortController()
    const sleeping = clock.sleep(10, stop.signal)
    stop.abort(new Error("enough"))
    expect(sleeping).rejects.toThrow("enough")
    expect(clock.waiting()).toBe(0)
  })
  test("a cancelled timer never fires", async () => {
    const clock = createFakeClock()
    let fired = false
    clock.after(10, () => (fired = true))()
    await clock.advance(20)
    expect(fired).toBe(false)
  })
  test("a jump of the wall clock moves no timer", async () => {
    const clock = createFakeClock()
    const before = clock.nowMs()
    clock.jump(-3_600_000)
    expect(clock.nowMs()).toBe(before - 3_600_000)
    expect(clock.monotonicMs()).toBe(0)
  })
})
