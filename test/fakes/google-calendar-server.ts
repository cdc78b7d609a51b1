/** Google Calendar's API as its reference describes it (developers.google.com/workspace/calendar/api/v3/reference), with made-up events. */
import { fieldsOf, googleError, notFound, pageOf, withToken } from "./google-server.ts"
import { createVendorServer, type VendorAnswer, type VendorRequest, type VendorServer } from "./vendor-server.ts"

type Time = { date?: string; dateTime?: string; timeZone?: string }
export type FakeEvent = Record<string, unknown> & {
  id: string
  etag: string
  summary: string
  start: Time
  end: Time
  attendees?: { email: string; self?: boolean; responseStatus?: string }[]
}
export type FakeCalendar = { summary: string; timeZone: string; accessRole: string; events: FakeEvent[] }
export type GoogleCalendar = VendorServer & { calendars: Map<string, FakeCalendar> }

const ROOT = "/calendar/v3"
let edition = 0
const nextEtag = () => `"${++edition}"`

/** A time, or with ten characters a day; `to` of a day is the one after the last. */
export function event(id: string, from: string, to: string, more: Record<string, unknown> = {}): FakeEvent {
  const time = (given: string): Time =>
    given.length === 10 ? { date: given } : { dateTime: given, timeZone: "Europe/Berlin" }
  return {
    id,
    etag: nextEtag(),
    status: "confirmed",
    summary: `Event ${id}`,
    start: time(from),
    end: time(to),
    ...more,
  }
}

export const calendar = (events: FakeEvent[] = [], more: Partial<FakeCalendar> = {}): FakeCalendar => ({
  summary: "Anna",
  timeZone: "Europe/Berlin",
  accessRole: "owner",
  events,
  ...more,
})

export function googleCalendar(): GoogleCalendar {
  const calendars = new Map<string, FakeCalendar>()
  return { ...createVendorServer(withToken(route)), calendars }

  function route(request: VendorRequest): VendorAnswer {
    const path = request.path
      .slice(ROOT.length + 1)
      .split("/")
      .map(decodeURIComponent)
    if (!request.path.startsWith(`${ROOT}/`)) return notFound()
    if (path.join("/") === "users/me/calendarList") return listCalendars(request)
    const [kind, id = "", part, eventId] = path
    const found = calendars.get(id)
    if (kind !== "calendars" || part !== "events" || !found) return notFound()
    if (eventId === undefined) return request.method === "POST" ? insert(found, request) : list(found, request)
    const at = found.events.findIndex((one) => one.id === eventId)
    const one = found.events[at]
    if (!one) return notFound()
    if (request.method === "GET") return { body: one }
    const match = request.headers["if-match"]
    if (match !== undefined && match !== one.etag) return googleError(412, "conditionNotMet", "Precondition Failed")
    if (request.method === "DELETE") {
      if (one["status"] === "cancelled") return googleError(410, "deleted", "Resource has been deleted")
      one["status"] = "cancelled"
      return { status: 204 }
    }
    return patch(found, at, fieldsOf(request.body))
  }

  function listCalendars({ query }: VendorRequest): VendorAnswer {
    const all = [...calendars].map(([id, { summary, timeZone, accessRole }]) => ({
      id,
      summary,
      timeZone,
      accessRole,
      ...(id === "primary" ? { primary: true } : {}),
    }))
    const { items, next } = pageOf(all, { size: Number(query["maxResults"]), token: query["pageToken"] })
    return { body: { kind: "calendar#calendarList", items, ...next } }
  }

  function list({ events, timeZone, accessRole, summary }: FakeCalendar, { query }: VendorRequest): VendorAnswer {
    const { timeMin, timeMax, q = "", maxResults, pageToken } = query
    for (const bound of [timeMin, timeMax])
      if (bound !== undefined && !/(?:Z|[+-]\d\d:\d\d)$/.test(bound))
        return googleError(400, "badRequest", "Bad Request")
    const instant = ({ date, dateTime }: Time) => Date.parse(date ? `${date}T00:00:00+01:00` : (dateTime ?? ""))
    const all = events
      .filter((one) => timeMin === undefined || instant(one.end) > Date.parse(timeMin))
      .filter((one) => timeMax === undefined || instant(one.start) < Date.parse(timeMax))
      .filter((one) => one["status"] !== "cancelled" && JSON.stringify(one).toLowerCase().includes(q.toLowerCase()))
      .toSorted((a, b) => instant(a.start) - instant(b.start))
    const { items, next } = pageOf(all, { size: Number(maxResults ?? 250), token: pageToken })
    return {
      body: { kind: "calendar#events", summary, timeZone: query["timeZone"] ?? timeZone, accessRole, items, ...next },
    }
  }

  function insert(into: FakeCalendar, { body, query }: VendorRequest): VendorAnswer {
    const given = fieldsOf(body)
    const call = query["conferenceDataVersion"] === "1" ? { hangoutLink: "https://meet.google.com/abc-defg-hij" } : {}
    const made = { ...event(`new${into.events.length + 1}`, "", ""), ...withoutNulls(given), ...call } as FakeEvent // of the same fields
    into.events.push(made)
    return { body: made }
  }

  function patch(of: FakeCalendar, at: number, changes: Record<string, unknown>): VendorAnswer {
    const before = of.events[at]
    if (!before) return notFound()
    const { attendeesOmitted: isAlone, attendees: given, ...rest } = changes
    const changed = withoutNulls({ ...before, ...rest, etag: nextEtag() }) as FakeEvent // of the same fields
    const [answer] = (given ?? []) as NonNullable<FakeEvent["attendees"]>
    if (isAlone && answer)
      // Of the one guest nothing but the answer is taken.
      changed.attendees = (before.attendees ?? []).map((one) =>
        one.email === answer.email ? { ...one, responseStatus: String(answer.responseStatus) } : one,
      )
    else if (given) changed.attendees = given as NonNullable<FakeEvent["attendees"]>
    of.events[at] = changed
    return { body: changed }
  }
}

/** A null takes a field away. */
function withoutNulls(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]) =>
      one === null ? [] : [[name, typeof one === "object" && !Array.isArray(one) ? withoutNulls(fieldsOf(one)) : one]],
    ),
  )
}
