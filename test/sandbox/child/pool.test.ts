import { describe, expect, test } from "bun:test"
import type { Child, ChildKind } from "#sandbox/child/child-process.ts"
import { createPool, MAX_CHILDREN, MAX_FOR_PLUGINS, MAX_PER_PLUGIN } from "#sandbox/child/pool.ts"
import { createFakeClock } from "#test/fakes/clock.ts"
import { nextTurn } from "#core/clock.ts"

function setUp() {
  const clock = createFakeClock()
  let made = 0
  const alive = new Set<number>()
  const start = (kind: ChildKind): Promise<Child> => {
    const pid = ++made
    alive.add(pid)
    const notHere = () => Promise.reject(new Error("Nothing runs in this child"))
    return Promise.resolve({
      pid,
      kind,
      isAlive: () => alive.has(pid),
      kill: () => void alive.delete(pid),
      exited: Promise.resolve(),
      ready: notHere,
      load: notHere,
      call: notHere,
    })
  }
  const pool = createPool({ clock, start })
  const { signal } = new AbortController()
  const acquire = (pluginId: string, version = "1", kind: ChildKind = "wasm", isNested = false) =>
    pool.acquire({ owner: { pluginId, version }, kind, signal, isNested })
  return { clock, pool, acquire, alive }
}

/** Lets everything that can happen without time happen. */
const settle = async () => {
  for (let round = 0; round < 5; round++) await nextTurn()
}

describe("the pool", () => {
  test("keeps no child for a plugin whose call was cancelled while the child started: nothing is loaded into it", async () => {
    const { pool, acquire, alive } = setUp()
    const cancelled = new AbortController()
    const first = pool.acquire({
      owner: { pluginId: "a", version: "1" },
      kind: "wasm",
      signal: cancelled.signal,
      isNested: false,
    })
    cancelled.abort(new Error("cancelled"))
    expect(await first.catch((error: unknown) => error)).toMatchObject({ message: "cancelled" })
    await settle()
    expect((await acquire("a")).isFresh).toBe(true)
    await settle()
    expect(pool.slots().filter(({ owner }) => owner !== null)).toHaveLength(1)
    expect(alive.size).toBe(pool.slots().length)
  })

  test("gives no child to a plugin that was stopped while it waited for one, or while one was on its way", async () => {
    const { pool, acquire } = setUp()
    const busy = await Promise.all(Array.from({ length: MAX_PER_PLUGIN }, () => acquire("a")))
    const calls = [acquire("a"), acquire("b")].map((call) => call.catch((error: unknown) => error))
    await Promise.all(["a", "b"].map((name) => pool.retire(({ pluginId }) => pluginId === name, { drain: false })))
    for (const { slot } of busy) pool.release(slot)
    expect(await Promise.all(calls)).toEqual(
      Array.from({ length: 2 }, () => expect.objectContaining({ reason: "cancelled" })),
    )
    await settle()
    expect(pool.slots().filter(({ owner }) => owner !== null)).toEqual([])
    expect((await acquire("b")).isFresh).toBe(true)
  })

  test("gives a child back to the version that it was loaded with, and to no other", async () => {
    const { pool, acquire } = setUp()
    const first = await acquire("a")
    expect(first.isFresh).toBe(true)
    pool.release(first.slot)
    const again = await acquire("a")
    expect({ same: again.slot === first.slot, isFresh: again.isFresh }).toEqual({ same: true, isFresh: false })
    pool.release(again.slot)
    expect((await acquire("a", "2")).slot).not.toBe(first.slot)
    expect((await acquire("b")).slot).not.toBe(first.slot)
  })

  test("never gives one child to two calls, and lets the fifth of a plugin wait", async () => {
    const { pool, acquire } = setUp()
    const slots = await Promise.all(Array.from({ length: MAX_PER_PLUGIN }, () => acquire("a")))
    expect(new Set(slots.map(({ slot }) => slot)).size).toBe(MAX_PER_PLUGIN)
    const late = acquire("a")
    await settle()
    expect(pool.waiting()).toBe(1)
    const [first] = slots
    if (first) pool.release(first.slot)
    expect((await late).slot).toBe(first?.slot as never)
    expect(pool.waiting()).toBe(0)
  })

  test("keeps to its numbers when many come at once, before the first child is there", async () => {
    const { pool, acquire, alive } = setUp()
    let most = 0
    const owners = Array.from({ length: 40 }, (_, index) => `p${index % 2 === 0 ? 0 : index}`)
    const work = owners.map(async (pluginId) => {
      const { slot } = await acquire(pluginId)
      most = Math.max(most, alive.size)
      expect(pool.slots().filter(({ owner }) => owner?.pluginId === pluginId).length).toBeLessThanOrEqual(
        MAX_PER_PLUGIN,
      )
      await nextTurn()
      pool.release(slot)
    })
    await Promise.all(work)
    expect(most).toBeLessThanOrEqual(MAX_CHILDREN)
    expect(pool.waiting()).toBe(0)
  })

  test("never lets a call wait that another one waits for, and keeps places for parsers, which wait for nobody", async () => {
    const { pool, acquire, alive } = setUp()
    const nested = (pluginId: string) => acquire(pluginId, "1", "wasm", true)
    const outer = await Promise.all(
      Array.from({ length: MAX_FOR_PLUGINS }, (_, index) => acquire(`p${Math.floor(index / MAX_PER_PLUGIN)}`)),
    )
    expect(await nested("p0").catch(String)).toContain("waits for none")
    expect(await nested("another").catch(String)).toContain("waits for none")
    const late = acquire("late")
    await settle()
    expect(pool.waiting()).toBe(1)
    const parsers = await Promise.all([1, 2].map(() => acquire("parser", "html", "parser")))
    expect(alive.size).toBe(MAX_CHILDREN)
    const third = acquire("parser", "html", "parser")
    await settle()
    expect(pool.waiting()).toBe(2)
    for (const { slot } of parsers) pool.release(slot)
    expect((await third).slot.child.kind).toBe("parser")
    const [first, second] = outer
    if (first) pool.release(first.slot)
    expect((await late).slot.owner?.pluginId).toBe("late")
    if (second) pool.release(second.slot)
    expect((await nested("another")).slot.owner?.pluginId).toBe("another")
  })

  test("keeps places for hooks too, which calls of plugins wait for, in children that run nothing else", async () => {
    const { pool, acquire } = setUp()
    const outer = await Promise.all(
      Array.from({ length: MAX_FOR_PLUGINS }, (_, index) => acquire(`p${Math.floor(index / MAX_PER_PLUGIN)}`)),
    )
    const hook = () =>
      pool.acquire({
        owner: { pluginId: "p0", version: "1", isHook: true },
        kind: "wasm",
        signal: new AbortController().signal,
        isNested: false,
      })
    const first = await hook()
    expect(outer.some(({ slot }) => slot === first.slot)).toBe(false)
    pool.release(first.slot)
    expect((await hook()).slot).toBe(first.slot)
    // Nor does a call of the same plugin get the child of its hook.
    const [called] = outer
    if (called) pool.release(called.slot)
    expect((await acquire("p0")).slot).toBe(called?.slot as never)
    await pool.retire(({ pluginId }) => pluginId === "p0", { drain: false })
    expect(pool.slots().filter(({ owner }) => owner?.pluginId === "p0")).toEqual([])
  })

  test("makes room by ending who was idle longest, and never exceeds its number", async () => {
    const { pool, acquire, clock, alive } = setUp()
    for (let index = 0; index < MAX_CHILDREN; index++) {
      pool.release((await acquire(`p${index}`)).slot)
      await settle()
      await clock.advance(10)
    }
    for (let index = 0; index < 5; index++) {
      pool.release((await acquire(`q${index}`)).slot)
      await settle()
    }
    expect(alive.size).toBeLessThanOrEqual(MAX_CHILDREN)
    const owners = pool.slots().map(({ owner }) => owner?.pluginId)
    expect(owners).not.toContain("p0")
    expect(owners).toContain("q4")
  })

  test("makes no parser ahead: one is started for its first caller, kept for the next, and ended when idle", async () => {
    const { clock, pool, acquire, alive } = setUp()
    const first = await acquire("(parser)", "html", "parser")
    await settle()
    pool.release(first.slot)
    await settle()
    expect(pool.slots()).toHaveLength(1)
    const again = await acquire("(parser)", "html", "parser")
    expect(again).toEqual({ slot: first.slot, isFresh: false })
    pool.release(again.slot)
    // Of another format, so another child.
    const other = await acquire("(parser)", "archive", "parser")
    expect(other.slot).not.toBe(first.slot)
    other.slot.isRetired = true
    pool.release(other.slot)
    expect(pool.slots()).toHaveLength(1)
    await clock.advance(120_000)
    expect(pool.slots()).toHaveLength(0)
    expect(alive.size).toBe(0)
  })

  test("keeps two warm once something is active, and none when all has been idle", async () => {
    const { pool, acquire, clock, alive } = setUp()
    await settle()
    expect(alive.size).toBe(0)
    pool.release((await acquire("a")).slot)
    await settle()
    expect(pool.slots().filter(({ state }) => state === "warm")).toHaveLength(2)
    await clock.advance(200_000)
    expect(alive.size).toBe(0)
    expect(clock.waiting()).toBe(0)
  })

  test("never uses a child again that died, or that was retired", async () => {
    const { pool, acquire, alive } = setUp()
    const dead = await acquire("a")
    alive.delete(dead.slot.child.pid)
    pool.release(dead.slot)
    const retired = await acquire("a")
    expect(retired.slot).not.toBe(dead.slot)
    await pool.retire(({ pluginId }) => pluginId === "a", { drain: true })
    expect(retired.slot.child.isAlive()).toBe(true)
    pool.release(retired.slot)
    expect(retired.slot.child.isAlive()).toBe(false)
  })

  test("lets go of who waits when the signal aborts, or when it closes", async () => {
    const { pool, acquire, alive } = setUp()
    await Promise.all(Array.from({ length: MAX_PER_PLUGIN }, () => acquire("a")))
    const controller = new AbortController()
    const aborted = pool.acquire({
      owner: { pluginId: "a", version: "1" },
      kind: "wasm",
      signal: controller.signal,
      isNested: false,
    })
    const closed = acquire("a")
    controller.abort(new Error("Enough"))
    expect(await aborted.catch(String)).toContain("Enough")
    const told = closed.catch(String)
    await pool.close()
    expect(await told).toContain("stopped")
    await settle()
    expect(alive.size).toBe(0)
    expect(await acquire("b").catch(String)).toContain("stopped")
  })
})
