/** time_now on a clock that stands still. */
import { expect, test } from "bun:test"
import { timeTools } from "#core/tools/time.ts"
import { createFakeClock } from "#test/fakes/clock.ts"
import { toolContext } from "#test/fakes/tool-context.ts"

function now(input: { timeZone?: string }, { at = Date.UTC(2026, 0, 15, 12, 0, 0), home = "Europe/Paris" } = {}) {
  const [tool] = timeTools({ clock: createFakeClock(at), timeZone: () => home })
  return tool?.run(input, toolContext())
}

test("tells the owner's time with its offset, the weekday and UTC", async () => {
  expect(await now({})).toEqual({
    data: {
      local: "2026-01-15T13:00:00+01:00",
      weekday: "Thursday",
      timeZone: "Europe/Paris",
      utc: "2026-01-15T12:00:00.000Z",
      unixSeconds: 1768478400,
    },
    labels: [],
    source: "clock",
  })
})

test.each([
  ["Asia/Kolkata", "2026-01-15T17:30:00+05:30", "Thursday"],
  ["Pacific/Kiritimati", "2026-01-16T02:00:00+14:00", "Friday"],
  ["UTC", "2026-01-15T12:00:00+00:00", "Thursday"],
])("tells the time of %s", async (timeZone, local, weekday) => {
  expect(await now({ timeZone })).toMatchObject({ data: { local, weekday, timeZone } })
})

test("knows summer time, and midnight as 00", async () => {
  expect(await now({}, { at: Date.UTC(2026, 6, 1, 22, 0, 0) })).toMatchObject({
    data: { local: "2026-07-02T00:00:00+02:00" },
  })
})

test("says that a zone is none", async () => {
  expect(await now({ timeZone: "Mars/Olympus" })).toMatchObject({ failed: expect.stringContaining("time zone") })
})
