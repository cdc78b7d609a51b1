import { expect, test } from "bun:test"
import { dayOf, hourOf } from "#core/llm/calendar.ts"

const HOUR_MS = 3_600_000
const span = (iso: string, zone: string) => {
  const { fromMs, untilMs } = dayOf(Date.parse(iso), zone)
  return [new Date(fromMs).toISOString(), new Date(untilMs).toISOString(), (untilMs - fromMs) / HOUR_MS]
}

test("a day begins at local midnight", () => {
  expect(span("2026-01-15T12:00:00Z", "UTC")).toEqual(["2026-01-15T00:00:00.000Z", "2026-01-16T00:00:00.000Z", 24])
  expect(span("2026-01-15T23:30:00Z", "Europe/Vienna")).toEqual([
    "2026-01-15T23:00:00.000Z",
    "2026-01-16T23:00:00.000Z",
    24,
  ])
  expect(span("2026-01-15T12:00:00Z", "Asia/Kolkata")).toEqual([
    "2026-01-14T18:30:00.000Z",
    "2026-01-15T18:30:00.000Z",
    24,
  ])
  expect(span("2026-01-15T11:00:00Z", "Pacific/Kiritimati")).toEqual([
    "2026-01-15T10:00:00.000Z",
    "2026-01-16T10:00:00.000Z",
    24,
  ])
})

test("the days on which summer time begins and ends have 23 and 25 hours", () => {
  expect(span("2026-03-29T12:00:00Z", "Europe/Vienna")[2]).toBe(23)
  expect(span("2026-10-25T12:00:00Z", "Europe/Vienna")[2]).toBe(25)
})

test("a day whose midnight is skipped begins with its first moment", () => {
  // Beirut goes from 00:00 to 01:00 on the last Sunday of March.
  expect(span("2026-03-29T12:00:00Z", "Asia/Beirut")).toEqual([
    "2026-03-28T22:00:00.000Z",
    "2026-03-29T21:00:00.000Z",
    23,
  ])
})

test("the last and the first moment of a day lie on their sides of midnight", () => {
  expect(span("2026-06-30T21:59:59.999Z", "Europe/Vienna")[1]).toBe("2026-06-30T22:00:00.000Z")
  expect(span("2026-06-30T22:00:00.000Z", "Europe/Vienna")[0]).toBe("2026-06-30T22:00:00.000Z")
})

test("an hour is the clock's", () => {
  const { fromMs, untilMs } = hourOf(Date.parse("2026-01-15T12:34:56Z"))
  expect([new Date(fromMs).toISOString(), untilMs - fromMs]).toEqual(["2026-01-15T12:00:00.000Z", HOUR_MS])
})
