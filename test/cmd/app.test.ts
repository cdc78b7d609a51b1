/** The composition root where a part cannot be opened: whatever was opened before it is closed again, in reverse. */
import { expect, setDefaultTimeout, test } from "bun:test"
import { createApp } from "#cmd/app.ts"
import { createOpened } from "#cmd/lib/opened.ts"
import { type Clock, systemClock } from "#core/clock.ts"
import { loadConfig } from "#core/config.ts"
import { openHome } from "#core/home.ts"
import { silentLog } from "#core/log.ts"
import { makeHome } from "../fakes/home.ts"

setDefaultTimeout(60_000) // each makes a database, on a machine that may be busy

/** Counts the timers that are set; `fails` says which one cannot be. */
function watchedClock(fails: (delayMs: number) => boolean): { clock: Clock; waiting: () => number; set: () => number } {
  const timers = new Set<object>()
  let set = 0
  return {
    waiting: () => timers.size,
    set: () => set,
    clock: {
      ...systemClock,
      after(delayMs, work) {
        if (fails(delayMs)) throw new Error("This part cannot be opened")
        const timer = {}
        timers.add(timer)
        set += 1
        const cancel = systemClock.after(delayMs, () => {
          timers.delete(timer)
          work()
        })
        return () => {
          timers.delete(timer)
          cancel()
        }
      },
    },
  }
}

/** Of the watch on the plugins folder, which is opened when jobs, hooks, the sandbox, the gateway and the upkeep are there. */
const LATE_MS = 3_000

test("a part that fails late leaves nothing at work, and the home can be opened again", async () => {
  using home = makeHome()
  const setting = { home: openHome({ env: {}, explicit: home.path }), env: { LLM_BACKEND: "demo" }, flags: {} }
  const loaded = await loadConfig(setting)
  const open = (clock: Clock) =>
    createApp({ setting, loaded, clock, log: silentLog, as: "service", holdsHome: true, died: null, keyLock: null })
  const failing = watchedClock((delayMs) => delayMs === LATE_MS)
  let told: unknown
  await open(failing.clock).catch((error: unknown) => (told = error))
  expect(told).toMatchObject({ message: "This part cannot be opened" })
  expect(failing.set()).toBeGreaterThan(0)
  expect(failing.waiting()).toBe(0)
  const whole = watchedClock(() => false)
  const app = await open(whole.clock)
  expect(whole.waiting()).toBeGreaterThan(0)
  await app.close()
  expect(whole.waiting()).toBe(0)
})

test("what is open is closed in reverse, each once, whatever became of the others", async () => {
  const opened = createOpened()
  const closed: string[] = []
  opened.add(() => closed.push("first"))
  opened.add(async () => {
    throw new Error("It would not close")
  })
  opened.add(async () => {
    await Bun.sleep(1)
    closed.push("last")
  })
  let told: unknown
  await opened.closeAll().catch((error: unknown) => (told = error))
  expect(told).toMatchObject({ message: "It would not close" })
  expect(closed).toEqual(["last", "first"])
  await opened.closeAll()
  expect(closed).toHaveLength(2)
})
