/** What a turn costs the database, counted where it comes in and goes out: at /v1/chat/completions, in the whole program. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createApp, type App } from "#cmd/app.ts"
import { systemClock } from "#core/clock.ts"
import { loadConfig } from "#core/config.ts"
import { openHome } from "#core/home.ts"
import { silentLog } from "#core/log.ts"
import { makeHome, type TestHome } from "../fakes/home.ts"
import { type ModelServer, startModelServer } from "../fakes/model-server.ts"
import { createServerDatabase, testServerUrl } from "./db/memory.ts"

const MAX_COMMITS = 2
const MAX_ROUND_TRIPS = 10
/** Turns that pass before one is counted: the first ones read agents, secrets and grants, and teach the server its statements. */
const WARM_UP_TURNS = 5

const kinds = testServerUrl ? (["embedded", "postgres"] as const) : (["embedded"] as const)
if (!testServerUrl) console.log("Skipped: TEST_DATABASE_URL names no PostgreSQL server")

describe.each(kinds)("on %s, a turn without tools", (kind) => {
  let home: TestHome
  let server: ModelServer
  let app: App
  let dropDatabase = async () => {}

  beforeAll(async () => {
    home = makeHome()
    server = startModelServer({ mode: "instant" })
    const env: Record<string, string> = {
      LLM_BACKEND: "openai_compatible",
      LLM_BASE_URL: `${server.url}/v1`,
      LLM_MODEL: "fake-model",
    }
    if (kind === "postgres" && testServerUrl) {
      const database = await createServerDatabase(testServerUrl)
      dropDatabase = database.drop
      env["DATABASE_URL"] = database.url
    }
    const setting = { home: openHome({ env: {}, explicit: home.path }), env, flags: {} }
    app = await createApp({
      setting,
      loaded: await loadConfig(setting),
      clock: systemClock,
      log: silentLog,
      as: "service",
      holdsHome: true,
      died: null,
      keyLock: null,
    })
  })
  afterAll(async () => {
    await app.close()
    await dropDatabase()
    await server.stop()
    home[Symbol.dispose]()
  })

  async function turn({ session, stream }: { session: string | null; stream: boolean }): Promise<void> {
    const request = new Request("http://localhost/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", ...(session === null ? {} : { "x-ironclaw-session": session }) },
      body: JSON.stringify({ model: "ironclaw", stream, messages: [{ role: "user", content: "Good morning" }] }),
    })
    const answer = await app.handle(request)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain("Hello.")
  }

  /** The middle one of five: what the service does in the background now and then is no cost of a turn. */
  async function costOf(asked: { session: string | null; stream: boolean }) {
    const costs: { commits: number; roundTrips: number }[] = []
    for (let done = 0; done < 5; done += 1) {
      const before = app.counters()
      await turn(asked)
      const after = app.counters()
      costs.push({ commits: after.commits - before.commits, roundTrips: after.roundTrips - before.roundTrips })
    }
    const middle = (counts: number[]) => counts.toSorted((a, b) => a - b)[2] ?? Infinity
    return {
      commits: middle(costs.map(({ commits }) => commits)),
      roundTrips: middle(costs.map(({ roundTrips }) => roundTrips)),
    }
  }

  test.each([
    ["in a session of its own", { session: null, stream: false }],
    ["in a session that goes on", { session: "budget", stream: false }],
    ["whose answer is streamed", { session: "stream", stream: true }],
  ])("%s costs two commits and at most ten round trips", async (_which, asked) => {
    for (let done = 0; done < WARM_UP_TURNS; done += 1) await turn(asked)
    const { commits, roundTrips } = await costOf(asked)
    // No fewer: the message is stored before the work begins, and the reply before it is told.
    expect(commits).toBe(MAX_COMMITS)
    expect(roundTrips).toBeLessThanOrEqual(MAX_ROUND_TRIPS)
  })
})
