/**
 * google-calendar: reads and plans in the owner's calendars, by Google's API (developers.google.com/workspace/calendar/api/v3/reference).
 * One file, as every plugin is. Times without an offset are wall-clock times of the calendar's zone: there is no table of zones here, and
 * none is needed, for Google answers in the zone that it is asked for. Whoever changes an event names its title, so that the owner reads
 * it when they are asked.
 */
import { definePlugin, defineTool, htmlText, http, type HttpResponse, nowMs, withQuery } from "ironclaw"

const BASE = "https://www.googleapis.com/calendar/v3"
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** No zone is further from UTC. */
const FURTHEST_MS = 14 * 3_600_000
const MAX_DESCRIPTION = 6_000
/** Pages of 250 events, for each calendar that is looked through for what is busy. */
const MAX_BUSY_PAGES = 4
const MAX_BUSY_DAYS = 62

type Time = { date?: string | null; dateTime?: string | null; timeZone?: string | null }
type Attendee = {
  email?: string
  displayName?: string
  self?: boolean
  organizer?: boolean
  optional?: boolean
  resource?: boolean
  responseStatus?: string
  comment?: string
}
type CalendarEvent = {
  id?: string
  etag?: string
  status?: string
  eventType?: string
  htmlLink?: string
  summary?: string
  description?: string
  location?: string
  organizer?: { email?: string; displayName?: string; self?: boolean }
  start?: Time
  end?: Time
  recurrence?: string[]
  recurringEventId?: string
  transparency?: string
  visibility?: string
  attendees?: Attendee[]
  attendeesOmitted?: boolean
  hangoutLink?: string
  conferenceData?: { entryPoints?: { entryPointType?: string; uri?: string }[] }
  reminders?: { useDefault?: boolean; overrides?: { method?: string; minutes?: number }[] }
  attachments?: { title?: string; fileUrl?: string }[]
  updated?: string
}
type EventPage = { items: CalendarEvent[]; nextPageToken: string; timeZone: string; accessRole: string }

// --- Google's API ---

type Asked = {
  method?: string
  query?: Record<string, string | number | boolean | undefined>
  body?: object
  etag?: string | undefined
}

function ask<Answer extends object>(
  path: string,
  { method = "GET", query = {}, body, etag }: Asked = {},
): Partial<Answer> {
  const response = http({
    url: withQuery(`${BASE}${path}`, query),
    method,
    headers: {
      ...(body ? { "content-type": "application/json" } : {}),
      ...(etag === undefined ? {} : { "if-match": etag }),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  if (!response.ok) throw new Error(problemOf(response))
  if (response.bytes.length === 0) return {}
  try {
    const answer = response.json()
    // Google's own documentation has its form; each part of it is looked for before it is used.
    if (typeof answer === "object" && answer !== null) return answer
  } catch {
    // said below
  }
  throw new Error("Google Calendar answered with what is no JSON. Try again in a minute.")
}

/** What went wrong, and what can be done about it. Reasons: developers.google.com/workspace/calendar/api/guides/errors */
function problemOf(response: HttpResponse): string {
  const { status } = response
  const { reasons, message } = errorIn(response)
  const has = (...names: string[]) => names.some((name) => reasons.includes(name))
  const told = message === "" ? "" : ` Google says: ${message}`
  if (status === 401)
    return "Google Calendar takes no login from here: it has ended or was withdrawn. The owner logs in again with `ironclaw tool auth google-calendar`."
  if (has("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"))
    return "The Google login does not cover this. The owner logs in again with `ironclaw tool auth google-calendar` and leaves every box ticked."
  if (has("accessNotConfigured", "SERVICE_DISABLED"))
    return "The Google Calendar API is not enabled in the owner's Google Cloud project. It is enabled at https://console.cloud.google.com/apis/library/calendar-json.googleapis.com and works some minutes later."
  if (has("quotaExceeded", "dailyLimitExceeded"))
    return `A limit of Google Calendar is used up: try again in some hours.${told}`
  if (status === 429 || has("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED")) {
    const seconds = /^\d{1,5}$/.exec(response.headers["retry-after"] ?? "")?.[0]
    return `Too many requests to Google Calendar. Wait ${seconds === undefined ? "a minute" : `${seconds} s`}, then ask for less at once.`
  }
  if (has("forbiddenForNonOrganizer"))
    return "Only who organizes this event can change that. As a guest, the owner can answer with gcal_event_respond."
  if (has("requiredAccessLevel"))
    return "The owner may only look at this calendar: gcal_calendar_list shows which ones they may change."
  if (status === 403) return `Google Calendar does not allow this.${told}`
  if (status === 404)
    return "There is no such event or calendar, or it is not shared with the owner. Ids come from gcal_calendar_list and gcal_event_list; a person's calendar has their mail address as its id."
  if (status === 409) return `Google Calendar has one like it already.${told}`
  if (status === 410)
    return has("deleted")
      ? "This event is deleted already."
      : "What was asked goes too far back for Google to say: list the events anew, without a page token."
  if (status === 412)
    return "The event was changed since it was read. Read it again, then repeat the change if it still fits."
  if (status >= 500) return `Google Calendar has a fault of its own (${status}). Try again in a minute.`
  return `Google Calendar refused this (${status}).${told}`
}

function errorIn(response: HttpResponse): { reasons: string[]; message: string } {
  type Told = { error?: { message?: unknown; errors?: { reason?: unknown }[]; details?: { reason?: unknown }[] } }
  try {
    const { error } = response.json() as Told // a form that is looked at part by part
    const all = [error?.errors, error?.details].flatMap((list) => (Array.isArray(list) ? list : []))
    return {
      reasons: all.flatMap(({ reason }) => (typeof reason === "string" ? [reason] : [])),
      message: typeof error?.message === "string" ? plainLine(error.message, 300) : "",
    }
  } catch {
    return { reasons: [], message: "" }
  }
}

const calendarPath = (id: string) => `/calendars/${encodeURIComponent(textIn(id, "calendar id"))}`
const eventPath = (calendar: string, id: string) => {
  if (!/^[A-Za-z0-9_-]{1,1024}$/.test(id)) throw new Error("This is no event id: gcal_event_list gives them")
  return `${calendarPath(calendar)}/events/${id}`
}

/** On one line, without what cannot be seen. */
function plainLine(text: string, max: number): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim()
    .slice(0, max)
    .toWellFormed()
}

function textIn(text: string, what: string): string {
  const plain = text.toWellFormed().trim()
  if (plain === "" || /\p{Cc}/u.test(plain)) throw new Error(`The ${what} is empty or holds a control character`)
  return plain
}

// --- time ---

const DATE = /^\d{4}-\d\d-\d\d$/
const DATE_TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?(?:\.\d+)?(Z|[+-]\d\d:\d\d)?$/i

type Moment = { isDay: boolean; wallMs: number; offset: string | null }

/** The clock on the wall as milliseconds, and what stands behind it. */
function momentOf(given: string, what: string): Moment {
  const [, local, seconds = ":00", offset = null] = DATE_TIME.exec(given) ?? []
  const isDay = DATE.test(given)
  const wallMs = Date.parse(isDay ? `${given}T00:00:00Z` : `${local ?? ""}${seconds}Z`)
  // A day that no month has would silently become one of the next month.
  if (Number.isNaN(wallMs) || !wallOf(wallMs).startsWith(given.slice(0, 10)))
    throw new Error(
      `${JSON.stringify(given.slice(0, 60))} (${what}) is no date such as 2026-12-01 and no time such as 2026-12-01T09:30, with or without an offset such as +01:00`,
    )
  return { isDay, wallMs, offset: offset?.toUpperCase() ?? null }
}

const wallOf = (ms: number) => new Date(ms).toISOString().slice(0, 19)
const dayOf = (ms: number) => wallOf(ms).slice(0, 10)

function offsetMs(offset: string): number {
  if (offset === "Z") return 0
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6))
  return (offset.startsWith("-") ? -minutes : minutes) * MINUTE_MS
}

/** As Google's answers have it: in the zone that was asked for, so what stands before the offset is its wall clock. */
function wallOfTime({ date, dateTime }: Time = {}): number {
  return Date.parse(date ? `${date}T00:00:00Z` : `${(dateTime ?? "").slice(0, 19)}Z`)
}

/** What Google is asked for, and what of its answer counts: without an offset it is asked for more. */
type Range = { timeMin: string; timeMax: string | undefined; fromWall: number | null; toWall: number | null }

function rangeOf(from: string, to: string | undefined): Range {
  const bound = (given: string, what: string, side: -1 | 1) => {
    const { isDay, wallMs, offset } = momentOf(given, what)
    if (offset !== null) return { time: new Date(wallMs - offsetMs(offset)).toISOString(), wall: null }
    const wall = isDay && side === 1 ? wallMs + DAY_MS : wallMs
    return { time: new Date(wall + side * FURTHEST_MS).toISOString(), wall }
  }
  const first = bound(from, "from", -1)
  const last = to === undefined ? null : bound(to, "to", 1)
  if (last && last.time <= first.time) throw new Error("`to` is not after `from`")
  if (last && first.wall !== null && last.wall !== null && last.wall <= first.wall)
    throw new Error("`to` is not after `from`")
  return { timeMin: first.time, timeMax: last?.time, fromWall: first.wall, toWall: last?.wall ?? null }
}

function isWithin({ start, end }: CalendarEvent, { fromWall, toWall }: Range): boolean {
  return (
    (fromWall === null || wallOfTime(end) > fromWall || wallOfTime(start) >= fromWall) &&
    (toWall === null || wallOfTime(start) < toWall)
  )
}

// --- reading ---

/** All-day events end, for Google, on the day after their last one; here, as for people, on their last. */
function timesOf({ start = {}, end = {} }: CalendarEvent) {
  if (start.date) {
    const last = wallOfTime(end) - DAY_MS
    return { all_day: true, start: start.date, end: Number.isNaN(last) ? start.date : dayOf(last) }
  }
  return { start: start.dateTime ?? "", end: end.dateTime ?? "" }
}

function summaryOf(event: CalendarEvent) {
  const {
    id = "",
    summary = "",
    location,
    organizer,
    attendees = [],
    recurringEventId,
    status,
    transparency,
    eventType,
  } = event
  const mine = attendees.find(({ self }) => self)
  const meet =
    event.hangoutLink ?? event.conferenceData?.entryPoints?.find(({ entryPointType: type }) => type === "video")?.uri
  const others = attendees.filter(({ self, resource }) => !self && !resource)
  return {
    id,
    title: plainLine(summary, 150),
    ...timesOf(event),
    ...(location ? { location: plainLine(location, 120) } : {}),
    ...(organizer && !organizer.self
      ? { organizer: plainLine(organizer.email ?? organizer.displayName ?? "", 100) }
      : {}),
    ...(others.length > 0 ? { guests: others.length } : {}),
    ...(mine?.responseStatus ? { my_answer: mine.responseStatus } : {}),
    ...(meet ? { call: meet.slice(0, 200) } : {}),
    ...(recurringEventId ? { series_id: recurringEventId } : {}),
    ...(status && status !== "confirmed" ? { status } : {}),
    ...(transparency === "transparent" ? { busy: false } : {}),
    ...(eventType && eventType !== "default" ? { kind: eventType } : {}),
  }
}

function detailsOf(event: CalendarEvent) {
  const {
    description = "",
    attendees = [],
    recurrence,
    reminders,
    attachments = [],
    visibility,
    etag,
    updated,
    htmlLink,
    start,
  } = event
  const text = /<[a-z/!]/i.test(description) ? htmlText(description) : description.trim()
  return {
    ...summaryOf(event),
    ...(start?.timeZone ? { time_zone: start.timeZone } : {}),
    description: text.slice(0, MAX_DESCRIPTION).toWellFormed(),
    ...(text.length > MAX_DESCRIPTION ? { description_cut: true } : {}),
    guests: attendees.slice(0, 60).map(({ email = "", displayName, responseStatus, optional, comment, resource }) => ({
      email: email.slice(0, 200),
      ...(displayName ? { name: plainLine(displayName, 80) } : {}),
      answer: responseStatus ?? "needsAction",
      ...(optional ? { optional } : {}),
      ...(resource ? { room: true } : {}),
      ...(comment ? { comment: plainLine(comment, 200) } : {}),
    })),
    ...(attendees.length > 60 ? { more_guests: attendees.length - 60 } : {}),
    ...(recurrence ? { recurrence: recurrence.slice(0, 20) } : {}),
    ...(reminders?.overrides
      ? { reminder_minutes: reminders.overrides.slice(0, 5).map(({ minutes }) => minutes) }
      : {}),
    ...(attachments.length > 0
      ? {
          attachments: attachments
            .slice(0, 10)
            .map(({ title = "", fileUrl = "" }) => ({ title: plainLine(title, 100), url: fileUrl.slice(0, 300) })),
        }
      : {}),
    ...(visibility && visibility !== "default" ? { visibility } : {}),
    link: htmlLink,
    updated,
    etag,
  }
}

const CALENDAR = {
  type: "string",
  maxLength: 300,
  default: "primary",
  description: "An id of gcal_calendar_list, a person's mail address, or primary: the owner's own",
}
const EVENT = { type: "string", maxLength: 1024 }
const TITLE = {
  type: "string",
  maxLength: 1024,
  description: "The title that it has now; nothing is done to an event of another",
}
const ZONE = { type: "string", maxLength: 60, description: "Such as Europe/Berlin. Without it the calendar's own" }
const WHEN = "2026-12-01T09:30, with an offset or in the calendar's zone; or a day, 2026-12-01"
const NOTIFY = {
  type: "string",
  enum: ["all", "external", "none"],
  description: "Who of the guests gets a mail about it; external: those who do not use Google Calendar",
}
const page = {
  type: "string",
  maxLength: 1000,
  description: "next_page_token of the page before, with the same other arguments",
}

const listCalendars = defineTool({
  name: "gcal_calendar_list",
  description: "Lists the owner's calendars: id, name, time zone, and whether the owner may change it or only look.",
  input: { type: "object", properties: { page_token: page }, additionalProperties: false },
  run({ page_token: pageToken }: { page_token?: string }) {
    type Entry = {
      id: string
      summary: string
      summaryOverride: string
      timeZone: string
      accessRole: string
      primary: boolean
    }
    const { items = [], nextPageToken } = ask<{ items: Partial<Entry>[]; nextPageToken: string }>(
      "/users/me/calendarList",
      {
        query: { maxResults: 50, pageToken },
      },
    )
    return {
      calendars: items.map(({ id, summary = "", summaryOverride, timeZone, accessRole, primary }) => ({
        id,
        name: plainLine(summaryOverride ?? summary, 120),
        time_zone: timeZone,
        may:
          accessRole === "owner" || accessRole === "writer"
            ? "change"
            : accessRole === "reader"
              ? "read"
              : "see what is busy",
        ...(primary ? { primary } : {}),
      })),
      ...(nextPageToken ? { next_page_token: nextPageToken } : {}),
    }
  },
})

const listEvents = defineTool({
  name: "gcal_event_list",
  description:
    "Lists what is on a calendar, event by event and each occurrence of a series on its own; from now on unless said otherwise. With query: those whose title, text, place or guests hold its words.",
  input: {
    type: "object",
    properties: {
      calendar_id: CALENDAR,
      from: { type: "string", maxLength: 40, description: WHEN },
      to: { type: "string", maxLength: 40, description: `${WHEN}, which is included` },
      query: { type: "string", maxLength: 200 },
      time_zone: ZONE,
      limit: { type: "integer", minimum: 1, maximum: 40, default: 20 },
      page_token: page,
    },
    additionalProperties: false,
  },
  run(input: ListInput) {
    // Pages of one list have one beginning, also where that was "now".
    const [, startedAt = "", token] = /^([\dTZ:.-]{20,30})~(.+)$/.exec(input.page_token ?? "") ?? []
    if (input.page_token !== undefined && token === undefined)
      throw new Error("This is no page token of gcal_event_list")
    const now = new Date(nowMs()).toISOString()
    const range = rangeOf(input.from ?? (startedAt || now), input.to)
    const {
      items = [],
      nextPageToken,
      timeZone,
    } = ask<EventPage>(`${calendarPath(input.calendar_id ?? "primary")}/events`, {
      query: {
        singleEvents: true,
        orderBy: "startTime",
        timeMin: range.timeMin,
        timeMax: range.timeMax,
        q: input.query || undefined,
        timeZone: input.time_zone,
        maxResults: input.limit ?? 20,
        maxAttendees: 30,
        pageToken: token,
      },
    })
    return {
      time_zone: input.time_zone ?? timeZone,
      events: items.filter((event) => isWithin(event, range)).map(summaryOf),
      ...(nextPageToken ? { next_page_token: `${range.timeMin}~${nextPageToken}` } : {}),
    }
  },
})
type ListInput = {
  calendar_id?: string
  from?: string
  to?: string
  query?: string
  time_zone?: string
  limit?: number
  page_token?: string
}

const readEvent = defineTool({
  name: "gcal_event_read",
  description: "Reads one event whole: text, guests and their answers, call link, recurrence, reminders, attachments.",
  input: {
    type: "object",
    properties: { event_id: EVENT, calendar_id: CALENDAR, time_zone: ZONE },
    required: ["event_id"],
    additionalProperties: false,
  },
  run: ({
    event_id: id,
    calendar_id: calendar = "primary",
    time_zone: timeZone,
  }: {
    event_id: string
    calendar_id?: string
    time_zone?: string
  }) => detailsOf(ask<CalendarEvent>(eventPath(calendar, id), { query: { timeZone } })),
})

// --- what is busy, and what is not ---

type Span = { from: number; to: number }

/** In wall-clock time of one zone. What each calendar of the list has, or why it could not be looked at. */
function busyOf(calendars: readonly string[], from: string, to: string, zone: string | undefined) {
  const range = rangeOf(from, to)
  if (range.fromWall === null || range.toWall === null)
    throw new Error("`from` and `to` have no offset here: they are times of the zone")
  if (range.toWall - range.fromWall > MAX_BUSY_DAYS * DAY_MS) throw new Error(`That is more than ${MAX_BUSY_DAYS} days`)
  const { fromWall, toWall } = range
  let timeZone = zone
  const each = [...new Set(calendars)].map((calendar) => {
    const spans: Span[] = []
    let pageToken: string | undefined
    try {
      for (let n = 0; n === 0 || pageToken !== undefined; n++) {
        if (n === MAX_BUSY_PAGES) throw new Error("It holds too many events to look through: ask for fewer days")
        const answer = ask<EventPage>(`${calendarPath(calendar)}/events`, {
          query: {
            singleEvents: true,
            timeMin: range.timeMin,
            timeMax: range.timeMax,
            timeZone,
            maxResults: 250,
            maxAttendees: 1,
            pageToken,
            fields:
              "items(start,end,status,transparency,eventType,attendees(self,responseStatus)),nextPageToken,timeZone",
          },
        })
        timeZone ??= answer.timeZone
        spans.push(
          ...(answer.items ?? [])
            .filter(isBusy)
            .map(({ start, end }) => ({ from: wallOfTime(start), to: wallOfTime(end) })),
        )
        pageToken = answer.nextPageToken
      }
      const within = spans.map((span) => ({ from: Math.max(span.from, fromWall), to: Math.min(span.to, toWall) }))
      return { calendar, busy: merged(within) }
    } catch (error) {
      return { calendar, failed: error instanceof Error ? error.message : String(error) }
    }
  })
  return { each, timeZone, fromWall, toWall }
}

function isBusy({ status, transparency, eventType, attendees = [] }: CalendarEvent): boolean {
  if (status === "cancelled" || transparency === "transparent") return false
  if (eventType === "workingLocation" || eventType === "birthday") return false
  return attendees.find(({ self }) => self)?.responseStatus !== "declined"
}

function merged(spans: readonly Span[]): Span[] {
  const all: Span[] = []
  for (const { from, to } of spans.filter((span) => span.to > span.from).toSorted((a, b) => a.from - b.from)) {
    const last = all.at(-1)
    if (last && from <= last.to) last.to = Math.max(last.to, to)
    else all.push({ from, to })
  }
  return all
}

const CALENDARS = {
  type: "array",
  items: { type: "string", maxLength: 300 },
  minItems: 1,
  maxItems: 20,
  description: "Ids of calendars, or mail addresses of people",
}
const shown = ({ from, to }: Span) => ({ from: wallOf(from), to: wallOf(to) })

const readBusy = defineTool({
  name: "gcal_busy_read",
  description:
    "Says when several calendars, also those of other people who share theirs, are busy. Declined and free events do not count. Times are wall-clock times of time_zone.",
  input: {
    type: "object",
    properties: {
      calendar_ids: CALENDARS,
      from: { type: "string", maxLength: 40, description: "A day, or a time without offset" },
      to: { type: "string", maxLength: 40, description: "A day, which is included, or a time without offset" },
      time_zone: ZONE,
    },
    required: ["calendar_ids", "from", "to"],
    additionalProperties: false,
  },
  run(input: { calendar_ids: string[]; from: string; to: string; time_zone?: string }) {
    const { each, timeZone } = busyOf(input.calendar_ids, input.from, input.to, input.time_zone)
    const room = Math.floor(200 / each.length)
    return {
      time_zone: timeZone,
      calendars: each.map(({ calendar, busy, failed }) =>
        busy === undefined
          ? { calendar_id: calendar, failed }
          : {
              calendar_id: calendar,
              busy: busy.slice(0, room).map(shown),
              ...(busy.length > room ? { cut: busy.length - room } : {}),
            },
      ),
    }
  },
})

const findSlots = defineTool({
  name: "gcal_slot_find",
  description:
    "Finds when all of several calendars are free for so many minutes, between two hours of the day. Times are wall-clock times of time_zone. A calendar that cannot be looked at is named.",
  input: {
    type: "object",
    properties: {
      calendar_ids: CALENDARS,
      from: { type: "string", maxLength: 40, description: "A day, or a time without offset" },
      to: { type: "string", maxLength: 40, description: "A day, which is included, or a time without offset" },
      minutes: { type: "integer", minimum: 5, maximum: 1440 },
      day_from: { type: "string", maxLength: 5, default: "09:00" },
      day_to: { type: "string", maxLength: 5, default: "17:00" },
      weekends: { type: "boolean", default: false },
      time_zone: ZONE,
      limit: { type: "integer", minimum: 1, maximum: 50, default: 10 },
    },
    required: ["calendar_ids", "from", "to", "minutes"],
    additionalProperties: false,
  },
  run(input: SlotInput) {
    const [opens, closes] = [minutesOf(input.day_from ?? "09:00"), minutesOf(input.day_to ?? "17:00")]
    if (closes <= opens) throw new Error("day_to is not after day_from")
    const { each, timeZone, fromWall, toWall } = busyOf(input.calendar_ids, input.from, input.to, input.time_zone)
    const failed = each.flatMap(({ calendar, failed: why }) =>
      why === undefined ? [] : [{ calendar_id: calendar, failed: why }],
    )
    const busy = merged(each.flatMap((one) => one.busy ?? []))
    const free: Span[] = []
    for (let day = fromWall - (fromWall % DAY_MS); day < toWall; day += DAY_MS) {
      if (!input.weekends && [0, 6].includes(new Date(day).getUTCDay())) continue
      let at = Math.max(day + opens * MINUTE_MS, fromWall)
      const end = Math.min(day + closes * MINUTE_MS, toWall)
      for (const span of [...busy.filter(({ from, to }) => to > at && from < end), { from: end, to: end }]) {
        if (span.from - at >= input.minutes * MINUTE_MS) free.push({ from: at, to: span.from })
        at = Math.max(at, span.to)
      }
    }
    return {
      time_zone: timeZone,
      free: free.slice(0, input.limit ?? 10).map(shown),
      ...(failed.length > 0 ? { not_looked_at: failed } : {}),
    }
  },
})
type SlotInput = {
  calendar_ids: string[]
  from: string
  to: string
  minutes: number
  day_from?: string
  day_to?: string
  weekends?: boolean
  time_zone?: string
  limit?: number
}

function minutesOf(clock: string): number {
  const [, hours, minutes] = /^([01]?\d|2[0-4]):([0-5]\d)$/.exec(clock) ?? []
  if (hours === undefined) throw new Error(`${JSON.stringify(clock)} is no time of day such as 09:00`)
  return Number(hours) * 60 + Number(minutes)
}

// --- changing ---

type Changes = {
  start?: string
  end?: string
  minutes?: number
  time_zone?: string
  location?: string
  description?: string
  recurrence?: string[]
  reminder_minutes?: number[]
  busy?: boolean
  private?: boolean
}

/** `length`: of an event whose beginning alone is moved. `zone`: the one that an event has now, in which a series goes on. */
type Placing = { calendar: string; isSeries: boolean; length?: number | null; zone?: string | null | undefined }

/** Begin and end as Google takes them. */
function spanOf(
  { start = "", end, minutes, time_zone: said }: Changes,
  { calendar, isSeries, length = null, zone: former }: Placing,
) {
  const from = momentOf(start, "start")
  const until = end === undefined ? null : momentOf(end, "end")
  if (until && minutes !== undefined) throw new Error("Say `end` or `minutes`, not both")
  if (until && until.isDay !== from.isDay) throw new Error("`start` and `end` are both days, or both times")
  if (from.isDay) {
    if (minutes !== undefined) throw new Error("An all-day event has an `end` day, and no minutes")
    const last = until?.wallMs ?? from.wallMs + (length ?? DAY_MS) - DAY_MS
    if (last < from.wallMs) throw new Error("`end` is before `start`")
    const day = (date: string): Time => ({ date, dateTime: null, timeZone: null })
    return { start: day(dayOf(from.wallMs)), end: day(dayOf(last + DAY_MS)) }
  }
  const isWall = from.offset === null || (until !== null && until.offset === null)
  const timeZone = said ?? (isWall ? zoneOf(calendar) : isSeries ? (former ?? zoneOf(calendar)) : undefined)
  const to =
    until ??
    (minutes === undefined && length === null
      ? null
      : { ...from, wallMs: from.wallMs + (minutes === undefined ? (length ?? 0) : minutes * MINUTE_MS) })
  if (!to) throw new Error("Say when it ends: `end` or `minutes`")
  const utc = ({ wallMs, offset }: Moment) => wallMs - (offset === null ? 0 : offsetMs(offset))
  if ((from.offset === null) === (to.offset === null) && utc(to) < utc(from)) throw new Error("`end` is before `start`")
  const time = ({ wallMs, offset }: Moment): Time => ({
    dateTime: `${wallOf(wallMs)}${offset ?? ""}`,
    date: null,
    ...(timeZone === undefined ? {} : { timeZone }),
  })
  return { start: time(from), end: time(to) }
}

function zoneOf(calendar: string): string {
  const { timeZone } = ask<EventPage>(`${calendarPath(calendar)}/events`, {
    query: { maxResults: 1, fields: "timeZone" },
  })
  return timeZone ?? "UTC"
}

function fieldsOf({
  location,
  description,
  recurrence,
  reminder_minutes: reminders,
  busy,
  private: isPrivate,
}: Changes) {
  for (const rule of recurrence ?? [])
    if (!/^(?:RRULE|EXRULE|RDATE|EXDATE)[:;][\x20-\x7e]+$/.test(rule))
      throw new Error(`${JSON.stringify(rule.slice(0, 100))} is no line of RFC 5545 such as RRULE:FREQ=WEEKLY;BYDAY=MO`)
  return {
    ...(location === undefined ? {} : { location }),
    ...(description === undefined ? {} : { description }),
    ...(recurrence === undefined ? {} : { recurrence }),
    ...(busy === undefined ? {} : { transparency: busy ? "opaque" : "transparent" }),
    ...(isPrivate === undefined ? {} : { visibility: isPrivate ? "private" : "default" }),
    ...(reminders === undefined
      ? {}
      : { reminders: { useDefault: false, overrides: reminders.map((minutes) => ({ method: "popup", minutes })) } }),
  }
}

function emailOf(given: string): string {
  const email = given.trim()
  if (
    /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}$/.test(email)
  )
    return email
  throw new Error(`${JSON.stringify(given.slice(0, 100))} is no mail address such as name@example.com`)
}

/** Guests are told of a change, or not: that is for who changes it to say, and never left to a default. */
function sendUpdates(notify: string | undefined, hasGuests: boolean): string | undefined {
  if (notify === undefined && hasGuests)
    throw new Error("This event has guests: say with `notify` which of them get a mail about it: all, external or none")
  return notify === "external" ? "externalOnly" : notify
}

/** The event that is meant, read before it is touched. */
function meantEvent(calendar: string, id: string, title: string): CalendarEvent {
  const event = ask<CalendarEvent>(eventPath(calendar, id))
  if (event.status === "cancelled") throw new Error("This event is deleted already.")
  const now = plainLine(event.summary ?? "", 1_024)
  if (now.toLowerCase() !== plainLine(title, 1_024).toLowerCase())
    throw new Error(`Nothing was done: the title of this event is ${JSON.stringify(now)}`)
  return event
}

const guestsOf = (event: CalendarEvent) => (event.attendees ?? []).filter(({ self, resource }) => !self && !resource)
const GUESTS = {
  type: "array",
  items: { type: "string", maxLength: 320 },
  maxItems: 100,
  description: "Mail addresses",
}
const CHANGES = {
  start: { type: "string", maxLength: 40, description: WHEN },
  end: { type: "string", maxLength: 40, description: "As start; of an all-day event its last day" },
  minutes: { type: "integer", minimum: 1, maximum: 20_160, description: "Instead of end" },
  time_zone: ZONE,
  location: { type: "string", maxLength: 1_000 },
  description: { type: "string", maxLength: 8_000 },
  recurrence: {
    type: "array",
    items: { type: "string", maxLength: 500 },
    maxItems: 10,
    description: "Lines of RFC 5545: RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=10. Empty: not repeated",
  },
  reminder_minutes: { type: "array", items: { type: "integer", minimum: 0, maximum: 40_320 }, maxItems: 5 },
  busy: { type: "boolean", description: "Whether it blocks the time" },
  private: { type: "boolean" },
}

const createEvent = defineTool({
  name: "gcal_event_create",
  description:
    "Puts an event into a calendar, once or repeated, of so many minutes or whole days; with guests, who are invited by mail or not as notify says; with a video call if asked for.",
  input: {
    type: "object",
    properties: {
      title: { type: "string", minLength: 1, maxLength: 1024 },
      ...CHANGES,
      calendar_id: CALENDAR,
      guests: GUESTS,
      notify: NOTIFY,
      video_call: { type: "boolean", default: false },
    },
    required: ["title", "start"],
    additionalProperties: false,
  },
  run({
    title,
    calendar_id: calendar = "primary",
    guests = [],
    notify,
    video_call: call = false,
    ...input
  }: CreateInput) {
    const span = spanOf(input, { calendar, isSeries: (input.recurrence ?? []).length > 0 })
    const updates = sendUpdates(notify, guests.length > 0)
    const event = ask<CalendarEvent>(`${calendarPath(calendar)}/events`, {
      method: "POST",
      query: { sendUpdates: updates ?? "none", ...(call ? { conferenceDataVersion: 1 } : {}) },
      body: {
        summary: title,
        ...fieldsOf(input),
        ...span,
        ...(guests.length > 0 ? { attendees: guests.map((guest) => ({ email: emailOf(guest) })) } : {}),
        ...(call
          ? {
              conferenceData: {
                createRequest: { requestId: `call-${nowMs()}`, conferenceSolutionKey: { type: "hangoutsMeet" } },
              },
            }
          : {}),
      },
    })
    return { created: true, ...summaryOf(event), link: event.htmlLink, guests: guests.length }
  },
})
type CreateInput = Changes & {
  title: string
  start: string
  calendar_id?: string
  guests?: string[]
  notify?: string
  video_call?: boolean
}

const updateEvent = defineTool({
  name: "gcal_event_update",
  description:
    "Changes an event: only what is given; where start alone is given it keeps its length. The id of an occurrence changes that one, its series_id the whole series.",
  input: {
    type: "object",
    properties: {
      event_id: EVENT,
      title: TITLE,
      new_title: { type: "string", minLength: 1, maxLength: 1024 },
      ...CHANGES,
      calendar_id: CALENDAR,
      add_guests: GUESTS,
      remove_guests: GUESTS,
      notify: NOTIFY,
      etag: {
        type: "string",
        maxLength: 100,
        description: "Of gcal_event_read: refused where the event has changed since",
      },
    },
    required: ["event_id", "title"],
    additionalProperties: false,
  },
  run({
    event_id: id,
    title,
    new_title: newTitle,
    calendar_id: calendar = "primary",
    notify,
    etag,
    ...input
  }: UpdateInput) {
    const event = meantEvent(calendar, id, title)
    const attendees = guestsAfter(event, input.add_guests ?? [], input.remove_guests ?? [])
    const isSeries = (input.recurrence ?? event.recurrence ?? []).length > 0
    if (input.start === undefined && (input.end ?? input.minutes) !== undefined) input.start = beginningOf(event)
    const length = wallOfTime(event.end) - wallOfTime(event.start)
    const wasDay = Boolean(event.start?.date)
    const keeps =
      input.start !== undefined && DATE.test(input.start) === wasDay && !Number.isNaN(length) ? length : null
    const body = {
      ...(newTitle === undefined ? {} : { summary: newTitle }),
      ...fieldsOf(input),
      ...(input.start === undefined
        ? {}
        : spanOf(input, { calendar, isSeries, length: keeps, zone: event.start?.timeZone })),
      ...(attendees ? { attendees } : {}),
    }
    if (Object.keys(body).length === 0) throw new Error("Say what to change")
    const hasGuests = guestsOf(event).length > 0 || (input.add_guests ?? []).length > 0
    const changed = ask<CalendarEvent>(eventPath(calendar, id), {
      method: "PATCH",
      query: { sendUpdates: sendUpdates(notify, hasGuests) ?? "none" },
      body,
      etag: etag ?? event.etag,
    })
    return { changed: true, ...summaryOf(changed), link: changed.htmlLink }
  },
})
type UpdateInput = Changes & {
  event_id: string
  title: string
  new_title?: string
  calendar_id?: string
  add_guests?: string[]
  remove_guests?: string[]
  notify?: string
  etag?: string
}

const beginningOf = ({ start }: CalendarEvent) => start?.date ?? start?.dateTime ?? ""

/** Null where the list stays as it is: Google replaces it whole. */
function guestsAfter(
  { attendees = [], attendeesOmitted: isCut }: CalendarEvent,
  add: readonly string[],
  remove: readonly string[],
): Attendee[] | null {
  if (add.length + remove.length === 0) return null
  if (isCut) throw new Error("Google does not show all guests of this event: whom it would lose, nobody could say")
  const gone = remove.map((one) => emailOf(one).toLowerCase())
  const missing = gone.filter((one) => !attendees.some(({ email }) => email?.toLowerCase() === one))
  if (missing.length > 0) throw new Error(`No guest of this event: ${missing.join(", ")}`)
  const kept = attendees.filter(({ email }) => !gone.includes(email?.toLowerCase() ?? ""))
  const added = add.map(emailOf).filter((one) => !kept.some(({ email }) => email?.toLowerCase() === one.toLowerCase()))
  return [...kept, ...added.map((email) => ({ email }))]
}

const deleteEvent = defineTool({
  name: "gcal_event_delete",
  description:
    "Deletes an event: of a series, one occurrence by its id, all of them by their series_id. Guests hear of it as notify says.",
  input: {
    type: "object",
    properties: { event_id: EVENT, title: TITLE, calendar_id: CALENDAR, notify: NOTIFY },
    required: ["event_id", "title"],
    additionalProperties: false,
  },
  run({
    event_id: id,
    title,
    calendar_id: calendar = "primary",
    notify,
  }: {
    event_id: string
    title: string
    calendar_id?: string
    notify?: string
  }) {
    const event = meantEvent(calendar, id, title)
    const updates = sendUpdates(notify, guestsOf(event).length > 0) ?? "none"
    ask(eventPath(calendar, id), { method: "DELETE", query: { sendUpdates: updates }, etag: event.etag })
    return { deleted: true, ...summaryOf(event), ...(event.recurrence ? { whole_series: true } : {}) }
  },
})

const respondToEvent = defineTool({
  name: "gcal_event_respond",
  description:
    "Answers an invitation for the owner: accepted, declined or tentative, with a comment if there is one. The organizer hears of it as notify says.",
  input: {
    type: "object",
    properties: {
      event_id: EVENT,
      title: TITLE,
      answer: { type: "string", enum: ["accepted", "declined", "tentative"] },
      comment: { type: "string", maxLength: 500 },
      calendar_id: CALENDAR,
      notify: NOTIFY,
    },
    required: ["event_id", "title", "answer", "notify"],
    additionalProperties: false,
  },
  run({ event_id: id, title, answer, comment, calendar_id: calendar = "primary", notify }: RespondInput) {
    const event = meantEvent(calendar, id, title)
    const me = event.attendees?.find(({ self }) => self)
    if (!me?.email) throw new Error("The owner is no guest of this event: there is nothing to answer")
    const changed = ask<CalendarEvent>(eventPath(calendar, id), {
      method: "PATCH",
      query: { sendUpdates: sendUpdates(notify, true) },
      body: answerOf(event, { ...me, responseStatus: answer, ...(comment === undefined ? {} : { comment }) }),
      etag: event.etag,
    })
    return { answered: answer, ...summaryOf(changed) }
  },
})
/** Marked as cut, a list changes the answer of the one guest in it and nothing else, no comment either: for that it has to be whole. */
function answerOf(
  { attendees = [], attendeesOmitted: isCut }: CalendarEvent,
  { email, responseStatus, comment }: Attendee,
) {
  if (comment === undefined) return { attendeesOmitted: true, attendees: [{ email, responseStatus }] }
  if (isCut) throw new Error("This event has too many guests for a comment to be sent from here: answer without one")
  return { attendees: attendees.map((one) => (one.self ? { ...one, responseStatus, comment } : one)) }
}
type RespondInput = {
  event_id: string
  title: string
  answer: string
  comment?: string
  calendar_id?: string
  notify: string
}

export const { describe, call } = definePlugin(
  listCalendars,
  listEvents,
  readEvent,
  readBusy,
  findSlots,
  createEvent,
  updateEvent,
  deleteEvent,
  respondToEvent,
)
