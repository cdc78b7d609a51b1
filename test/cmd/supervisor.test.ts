import { expect, test } from "bun:test"
import { supervise } from "#cmd/lib/supervisor.ts"
import { createFakeClock } from "#test/fakes/clock.ts"

/** A service whose ends the test decides, one after the other. */
function scripted() {
  const clock = createFakeClock()
  const told = new AbortController()
  const starts: { atMs: number; end: (status: number) => void; signals: NodeJS.Signals[] }[] = []
  const said: string[] = []
  const ended = supervise({
    clock,
    signal: told.signal,
    say: (line) => said.push(line),
    start() {
      const { promise, resolve } = Promise.withResolvers<number>()
      const signals: NodeJS.Signals[] = []
      starts.push({ atMs: clock.monotonicMs(), end: resolve, signals })
      return { pid: starts.length, exited: promise, kill: (signal) => void signals.push(signal) }
    },
  })
  return { clock, told, starts, said, ended }
}

test("a service that fails is started again, later each time, up to five minutes", async () => {
  const { clock, starts } = scripted()
  const waits: number[] = []
  for (let n = 0; n < 11; n++) {
    const failedMs = clock.monotonicMs()
    starts.at(-1)?.end(1)
    await clock.advance(300_000)
    waits.push((starts.at(-1)?.atMs ?? 0) - failedMs)
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((seconds) => seconds * 1_000))
})

test("one that ran well for a while begins with the first wait again", async () => {
  const { clock, starts } = scripted()
  for (let n = 0; n < 5; n++) {
    starts.at(-1)?.end(137)
    await clock.advance(60_000)
  }
  await clock.advance(300_000)
  const failedMs = clock.monotonicMs()
  starts.at(-1)?.end(137)
  await clock.advance(1_000)
  expect(starts.at(-1)?.atMs).toBe(failedMs + 1_000)
})

test("one that needs a person is not started again", async () => {
  const { starts, said, ended } = scripted()
  starts.at(-1)?.end(78)
  expect(await ended).toBe(78)
  expect(starts).toHaveLength(1)
  expect(said.join()).toContain("not tried again")
})

test("one that was stopped in order stays stopped", async () => {
  const { starts, ended } = scripted()
  starts.at(-1)?.end(0)
  expect(await ended).toBe(0)
})

test("a supervisor that is told to stop stops its service, and kills it where it does not listen", async () => {
  const { clock, told, starts, ended } = scripted()
  told.abort()
  expect(starts[0]?.signals).toEqual(["SIGTERM"])
  await clock.advance(30_000)
  expect(starts[0]?.signals).toEqual(["SIGTERM", "SIGKILL"])
  starts[0]?.end(137)
  expect(await ended).toBe(0)
  expect(starts).toHaveLength(1)
})
