/** One Google login for gmail, google-calendar and google-drive: the rights of all that are installed, one token, a host each. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { createHash } from "node:crypto"
import { join } from "node:path"
import { gmail } from "#test/fakes/gmail-server.ts"
import { googleCalendar } from "#test/fakes/google-calendar-server.ts"
import { googleDrive } from "#test/fakes/google-drive-server.ts"
import { GOOGLE_TOKEN } from "#test/fakes/google-server.ts"
import { browse, CLIENT, type LoginHouse, loginHouse } from "#test/fakes/login-house.ts"
import { createVendorServer } from "#test/fakes/vendor-server.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const RIGHTS = "https://www.googleapis.com/auth"
const mail = gmail()
const days = googleCalendar()
const files = googleDrive()
let challenge = ""
/** developers.google.com/identity/protocols/oauth2/native-app: a code for tokens. */
const tokens = createVendorServer(({ path, body }) => {
  const form = new URLSearchParams(String(body))
  const verifier = createHash("sha256")
    .update(form.get("code_verifier") ?? "")
    .digest("base64url")
  if (path !== "/token" || form.get("code") !== "4/made-up-code" || verifier !== challenge)
    return { status: 400, body: { error: "invalid_grant" } }
  return {
    body: {
      access_token: GOOGLE_TOKEN,
      expires_in: 3599,
      refresh_token: "1//made-up-refresh-token-0123456789",
      scope: `${RIGHTS}/drive ${RIGHTS}/gmail.modify ${RIGHTS}/calendar.events ${RIGHTS}/calendar.calendarlist.readonly`,
      token_type: "Bearer",
    },
  }
})

let at: LoginHouse
beforeAll(async () => {
  at = await loginHouse()
  await at.internet.vendor("oauth2.googleapis.com", tokens.answer)
  await at.internet.vendor("gmail.googleapis.com", mail.answer)
  await at.internet.vendor("www.googleapis.com", (request, reply) =>
    (request.url?.startsWith("/calendar/") ? days : files).answer(request, reply),
  )
  for (const name of ["gmail", "google-calendar", "google-drive"]) {
    await at.install(join(import.meta.dir, "../../../sandbox/tools", name))
    await at.grant(name)
  }
})
afterAll(() => at.close())

test("logging in for one of the three lets in all of them, with what they ask for together", async () => {
  expect((await at.call("gmail_label_list")).told?.text).toContain("`ironclaw tool auth gmail`")
  await at.client("gmail")
  const begun = await at.begin("gmail")
  const asked = new URL(begun.url)
  expect(asked.origin + asked.pathname).toBe("https://accounts.google.com/o/oauth2/v2/auth")
  expect(Object.fromEntries(asked.searchParams)).toMatchObject({
    client_id: CLIENT.id,
    access_type: "offline",
    prompt: "consent",
    code_challenge_method: "S256",
  })
  expect(asked.searchParams.get("scope")?.split(" ")).toEqual([
    `${RIGHTS}/calendar.calendarlist.readonly`,
    `${RIGHTS}/calendar.events`,
    `${RIGHTS}/drive`,
    `${RIGHTS}/gmail.modify`,
  ])
  challenge = asked.searchParams.get("code_challenge") ?? ""
  const back = new URL(begun.redirectUri)
  back.search = new URLSearchParams({
    state: asked.searchParams.get("state") ?? "",
    code: "4/made-up-code",
    iss: "https://accounts.google.com",
  }).toString()
  expect((await browse(back)).status).toBe(200)

  days.calendars.set("primary", { summary: "Mine", timeZone: "Europe/Berlin", accessRole: "owner", events: [] })
  expect((await at.call("gmail_label_list")).told).toMatchObject({
    state: "done",
    text: expect.stringContaining("INBOX"),
  })
  expect((await at.call("gcal_calendar_list")).told).toMatchObject({
    state: "done",
    text: expect.stringContaining("Mine"),
  })
  expect((await at.call("gdrive_file_search")).told).toMatchObject({ state: "done", text: '{"files":[]}' })
  for (const server of [mail, days, files])
    expect(server.last().headers["authorization"]).toBe(`Bearer ${GOOGLE_TOKEN}`)
  expect(tokens.requests).toHaveLength(1)
})
