import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import type { Row } from "#core/db/db.ts"
import { newId } from "#core/id.ts"
import { createLockdown, lockdownText } from "#core/safety/lockdown.ts"
import { mayPassLockdown } from "#gateway/api/lockdown.ts"
import { createApiToken } from "#core/safety/tokens.ts"
import { OWNER_TOKEN, refusal } from "../../fakes/gateway.ts"
import { oneModel, scriptedModel } from "../../fakes/model.ts"
import { AT_TERMINAL, type OwnerHouse, ownerHouse } from "../../fakes/owner-house.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

let house: OwnerHouse | undefined
afterEach(async () => {
  await house?.end()
  house = undefined
})
async function open() {
  house = await ownerHouse({ models: oneModel(scriptedModel([{ say: "Hello" }])) })
  return house
}
const get = (at: OwnerHouse, path: string) =>
  fetch(at.address + path, { headers: { Authorization: `Bearer ${OWNER_TOKEN}` } })
async function lift(at: OwnerHouse) {
  const asked = await at.atSocket.api.lockdown.lift.post({ body: { presence: { ask: { pid: AT_TERMINAL } } } })
  if (!("challenge" in asked)) throw new Error("It asked for no code")
  return at.atSocket.api.lockdown.lift.post({
    body: { presence: { challenge: asked.challenge.id, code: at.lastCode() } },
  })
}

describe("a lockdown", () => {
  test("stops what runs, refuses everything over the network but whether it is alive, and is lifted at a terminal alone", async () => {
    const at = await open()
    expect(await at.overTcp.api.lockdown.post({ body: { reason: "a strange message" } })).toMatchObject({
      active: true,
    })
    expect(at.stopped).toEqual(["stop"])
    for (const path of ["/health", "/ready", "/api/status", "/api/lockdown"])
      expect((await get(at, path)).status).toBe(200)
    for (const path of [
      "/api/sessions",
      "/api/approvals",
      "/api/events",
      "/v1/models",
      "/api/openapi.json",
      "/nothing",
    ])
      expect((await get(at, path)).status).toBe(423)
    expect(await refusal(at.overTcp.api.sessions.post({ body: {} }))).toMatchObject({ code: "lockdown.active" })
    // At the terminal one may look, and changes nothing.
    expect((await at.atSocket.api.sessions.get()).items).toEqual([])
    expect(await refusal(at.atSocket.api.sessions.post({ body: {} }))).toMatchObject({ code: "lockdown.active" })
    expect(await refusal(at.inProcess.api.sessions.post({ body: {} }))).toMatchObject({ code: "lockdown.active" })

    expect(await refusal(at.overTcp.api.lockdown.lift.post({ body: {} }))).toMatchObject({ code: "lockdown.active" })
    expect(await refusal(at.atSocket.api.lockdown.lift.post({ body: {} }))).toMatchObject({ code: "presence.required" })
    const elsewhere = at.atSocket.api.lockdown.lift.post({ body: { presence: { ask: { pid: 1 } } } })
    expect(await refusal(elsewhere)).toMatchObject({ code: "presence.no_terminal" })
    expect(await lift(at)).toMatchObject({ lockdown: { active: false } })
    expect(at.stopped).toEqual(["stop", "go on"])
    expect((await at.overTcp.api.sessions.post({ body: {} })).channel).toBe("api")

    expect(await at.audit()).toMatchObject([
      { principal: "owner", subject: "lockdown", outcome: "locked" },
      { principal: "owner", subject: "lockdown", outcome: "lifted" },
    ])
    expect(at.events.filter(({ type }) => type === "lockdown.changed")).toMatchObject([
      { active: true },
      { active: false },
    ])
  })

  test("survives a restart", async () => {
    const at = await open()
    await at.lockdown.lock("test")
    const after = await at.openLockdown()
    expect(after.state()).toMatchObject({ active: true, reason: "test" })
    expect(() => after.assertOpen()).toThrow("Everything is stopped")
    await after.lift()
    expect((await at.openLockdown()).active).toBe(false)
  })

  test("reaches the other processes on the database, and so does its end", async () => {
    const at = await open()
    const other = await at.openLockdown()
    await other.watch()
    await at.lockdown.lock("")
    const until = async (active: boolean) => {
      for (let n = 0; n < 500 && other.active !== active; n++) await Bun.sleep(10)
      return other.active
    }
    expect(await until(true)).toBe(true)
    await at.lockdown.lift()
    expect(await until(false)).toBe(false)
    await other.close()
  })

  test("whose row was changed by someone else counts as one, and says so", async () => {
    const at = await open()
    await at.lockdown.lock("")
    await at.db.query({
      sql: "update meta set value = replace(value, 'since', 'sense') where key = 'lockdown'",
      params: [],
    })
    expect((await at.openLockdown()).active).toBe(true)
    expect(at.badSeals).toEqual(["the row of the lockdown"])
  })

  test("revokes every API token", async () => {
    const at = await open()
    const { sha256 } = createApiToken()
    await at.db.query({
      sql: "insert into tokens (id, name, hash, scopes, mac) values ($1, 'phone', $2, '{chat}', 'aa')",
      params: [newId("tok"), sha256],
    })
    await at.lockdown.lock("")
    const [row] = await at.db.query({ sql: "select revoked_at, mac from tokens", params: [] })
    expect(row).toMatchObject({ revoked_at: expect.anything(), mac: "" })
  })

  test("that is there already is no fault, and one that is not cannot be lifted", async () => {
    const at = await open()
    expect(await refusal(at.lockdown.lift())).toMatchObject({ code: "conflict" })
    const first = await at.lockdown.lock("one")
    expect(await at.lockdown.lock("two")).toMatchObject({ active: true, since: first.since })
  })
})

describe("changes that cross each other", () => {
  /** A lockdown on a database whose answers come when the test says. */
  async function crossing() {
    const row = (reason: string) => [{ value: lockdownText({ since: "2026-11-27T12:00:00Z", reason, mac: "aa" }) }]
    const asked: ((rows: Row[]) => void)[] = []
    const commits: ReturnType<typeof Promise.withResolvers<void>>[] = []
    const did: string[] = []
    let notice = () => {}
    let direct: Row[] | null = [] // answered at once while it is not null
    const lockdown = await createLockdown({
      db: {
        query: async () => direct ?? new Promise<Row[]>((resolve) => asked.push(resolve)),
        async listen(_channel, onNotify) {
          notice = () => onNotify("")
          return async () => {}
        },
      },
      writer: {
        async commit() {
          const commit = Promise.withResolvers<void>()
          commits.push(commit)
          await commit.promise
          return { rows: [], events: [] }
        },
      },
      clock: systemClock,
      seal: { mac: () => "aa", holds: () => true },
      onBadSeal: () => {},
      stop: async () => void did.push("stop"),
      goOn: async () => void did.push("go on"),
      onFault: (error) => void did.push(String(error)),
    })
    await lockdown.watch()
    direct = null
    return { lockdown, did, asked, commits, row, notice: () => notice() }
  }
  const settle = () => Bun.sleep(1)

  test("a stop right after the end of another one is not lost in another process", async () => {
    const { lockdown, did, asked, row, notice } = await crossing()
    notice()
    await settle()
    asked.shift()?.(row("one"))
    await settle()
    expect(lockdown.active).toBe(true)
    notice() // lifted
    notice() // and stopped again, before anybody has read that
    await settle()
    asked.shift()?.([])
    await settle()
    asked.shift()?.(row("two"))
    await settle()
    expect(lockdown.state()).toMatchObject({ active: true, reason: "two" })
    expect(did).toEqual(["stop", "go on", "stop"])
  })

  test("a stop that comes while one is being lifted stays", async () => {
    const { lockdown, did, asked, commits, row, notice } = await crossing()
    notice()
    await settle()
    asked.shift()?.(row("one"))
    await settle()
    const lifting = lockdown.lift()
    const locking = lockdown.lock("two")
    for (const { resolve } of commits) resolve()
    await Promise.all([lifting, locking])
    expect(lockdown.state()).toMatchObject({ active: true, reason: "two" })
    expect(did).not.toContain("go on")
  })

  test("a stop whose row could not be written holds, though others read that there is none", async () => {
    const { lockdown, did, asked, commits, notice } = await crossing()
    const locking = lockdown.lock("one")
    commits[0]?.reject(new Error("The database is away"))
    expect(locking).rejects.toThrow("away")
    await settle()
    notice()
    await settle()
    for (let answer = asked.shift(); answer; answer = asked.shift()) {
      answer([])
      await settle()
    }
    expect(lockdown.active).toBe(true)
    expect(did).toEqual(["stop"])
  })
})

test("what passes a lockdown is listed, and a path that only looks like it does not", () => {
  const may = (method: string, path: string, via: "tcp" | "socket" = "tcp") => mayPassLockdown({ method, path, via })
  expect(may("POST", "/api/lockdown")).toBe(true)
  expect(may("POST", "/api/lockdown/lift")).toBe(false)
  expect(may("POST", "/api/lockdown/lift", "socket")).toBe(true)
  expect(may("POST", "/api/doctor/redact", "socket")).toBe(true)
  expect(may("POST", "/api/doctor/redact")).toBe(false)
  expect(may("GET", "/api/lockdown/", "tcp")).toBe(false)
  expect(may("GET", "/health/../api/sessions")).toBe(false)
  expect(may("HEAD", "/api/sessions", "socket")).toBe(false)
  expect(may("POST", "/api/approvals/apr_1/allow", "socket")).toBe(false)
})
