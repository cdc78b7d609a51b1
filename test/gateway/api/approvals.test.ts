import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { systemClock } from "#core/clock.ts"
import { newId } from "#core/id.ts"
import { createApprovals } from "#core/safety/approvals.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import type { Challenge } from "#core/safety/presence.ts"
import type { Effect } from "#core/safety/capability.ts"
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"
import { OWNER_TOKEN, refusal } from "../../fakes/gateway.ts"
import { oneModel, scriptedModel } from "../../fakes/model.ts"
import { AT_TERMINAL, otherThan, type OwnerHouse, ownerHouse } from "../../fakes/owner-house.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

let house: OwnerHouse | undefined
afterEach(async () => {
  await house?.end()
  house = undefined
})

let sent: string[] = []
const mail = defineTool({
  name: "mail_send",
  description: "Sends a mail",
  input: t.Object({ to: t.String() }, { additionalProperties: false }),
  effect: (): Effect => "send",
  needs: ({ to }) => [{ kind: "send", channel: `mail:${to}` }],
  timeoutMs: 1_000,
  async run({ to }) {
    sent.push(to)
    return { data: "sent", labels: [], source: "test" }
  },
})

/** A turn that waits for the owner. */
async function waiting() {
  sent = []
  const call = (to: string) => ({ call: [{ id: to, name: "mail_send", arguments: { to } }] })
  const steps = [call("mia"), { say: "Sent" }, call("eve"), { say: "Sent again" }]
  house = await ownerHouse({ models: oneModel(scriptedModel(steps)), tools: [mail] })
  const { outcome, received } = await house.say("Write to Mia")
  return { house, id: outcome.approval?.id ?? "apr_none", turnId: received.turnId, sessionId: received.sessionId }
}
const ask = { ask: { pid: AT_TERMINAL } }
function challengeIn(answer: object): Challenge {
  if ("challenge" in answer) return answer.challenge as Challenge // the routes answer with nothing else there
  throw new Error("No code was asked for")
}
async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return "accepted"
  } catch (error) {
    return error instanceof AppError ? error.code : String(error)
  }
}
async function end({ house, turnId }: { house: OwnerHouse; turnId: `trn_${string}` }) {
  for (;;) {
    const outcome = await house.agent.wait(turnId, AbortSignal.timeout(10_000))
    if (outcome.state !== "suspended") return outcome
    await Bun.sleep(5)
  }
}

describe("a yes to a question", () => {
  test("is asked for with a code on the owner's terminal, counts with that code, and is on record", async () => {
    const at = await waiting()
    const { house, id } = at
    const allow = house.atSocket.api.approvals({ id }).allow
    const challenge = challengeIn(await allow.post({ body: { presence: ask } }))
    expect(challenge).toMatchObject({ shownOn: "terminal", code: null })
    expect(house.screen.join("")).toContain('"to": "mia"')
    expect(sent).toEqual([])
    const answer = await allow.post({ body: { presence: { challenge: challenge.id, code: house.lastCode() } } })
    expect(answer).toMatchObject({ approval: { id, state: "allowed" } })
    expect((await end(at)).text).toBe("Sent")
    expect(sent).toEqual(["mia"])
    expect(await house.audit()).toEqual([{ act: "owner.change", principal: "owner", subject: id, outcome: "allowed" }])
    expect(house.events.find(({ type }) => type === "approval.answered")).toMatchObject({ approvalId: id })
  })

  test("by code of this process needs its own terminal, and hands the code to it alone", async () => {
    const { house, id } = await waiting()
    const allow = house.inProcess.api.approvals({ id }).allow
    const challenge = challengeIn(await allow.post({ body: { presence: { ask: {} } } }))
    expect(challenge.shownOn).toBe("here")
    const presence = { challenge: challenge.id, code: challenge.code ?? "" }
    expect(await codeOf(house.atSocket.api.approvals({ id }).allow.post({ body: { presence } }))).toBe(
      "presence.expired",
    )
    expect(await allow.post({ body: { presence } })).toMatchObject({ approval: { state: "allowed" } })
    house.leaveTerminal()
    expect(await codeOf(house.inProcess.api.lockdown.post({ body: {} }))).toBe("accepted")
    expect(await codeOf(house.inProcess.api.lockdown.lift.post({ body: { presence: { ask: {} } } }))).toBe(
      "presence.no_terminal",
    )
  })

  test("over the network counts only with the code that the running chat shows", async () => {
    const { house, id } = await waiting()
    const allow = house.overTcp.api.approvals({ id }).allow
    expect(await codeOf(allow.post({ body: {} }))).toBe("presence.required")
    expect(await codeOf(allow.post({ body: { presence: ask } }))).toBe("presence.no_terminal")
    expect(await codeOf(allow.post({ body: { presence: { ask: {} } } }))).toBe("presence.no_terminal")
    house.presence.showIn((code) => house.codes.push(code))
    const challenge = challengeIn(await allow.post({ body: { presence: { ask: {} } } }))
    expect(challenge).toMatchObject({ shownOn: "chat", code: null })
    const [shown] = house.codes
    expect(shown?.words).toContain("mail_send")
    const presence = { challenge: challenge.id, code: shown?.code ?? "" }
    expect(await allow.post({ body: { presence } })).toMatchObject({ approval: { state: "allowed" } })
    expect(house.screen).toEqual([])
  })

  test("for the session leaves a grant that covers the same call there", async () => {
    const at = await waiting()
    const { house, id } = at
    const allow = house.atSocket.api.approvals({ id }).allow
    const body = { how: "session" as const, expiresAt: "2099-01-01T00:00:00Z" }
    const challenge = challengeIn(await allow.post({ body: { ...body, presence: ask } }))
    await allow.post({ body: { ...body, presence: { challenge: challenge.id, code: house.lastCode() } } })
    await end(at)
    expect((await house.overTcp.api.grants.get()).items).toMatchObject([
      {
        tool: "mail_send",
        destination: "send mail:mia",
        sessionId: at.sessionId,
        expiresAt: "2099-01-01T00:00:00.000Z",
      },
    ])
  })
})

describe("a forged yes", () => {
  test("with a wrong code is refused, five times, and then the right one is worth nothing", async () => {
    const { house, id } = await waiting()
    const allow = house.atSocket.api.approvals({ id }).allow
    const challenge = challengeIn(await allow.post({ body: { presence: ask } }))
    const code = otherThan(house.lastCode())
    const codes: string[] = []
    for (let n = 0; n < 5; n++)
      codes.push(await codeOf(allow.post({ body: { presence: { challenge: challenge.id, code } } })))
    expect(codes).toEqual([...Array<string>(4).fill("presence.wrong_code"), "presence.expired"])
    const right = { challenge: challenge.id, code: house.lastCode() }
    expect(await codeOf(allow.post({ body: { presence: right } }))).toBe("presence.expired")
    expect((await house.approvals.get(id as "apr_")).state).toBe("open")
  })

  test("with the code of a smaller yes does not become a greater one", async () => {
    const { house, id } = await waiting()
    const allow = house.atSocket.api.approvals({ id }).allow
    const challenge = challengeIn(await allow.post({ body: { presence: ask } }))
    const presence = { challenge: challenge.id, code: house.lastCode() }
    expect(await codeOf(allow.post({ body: { how: "always", evenUntrusted: true, presence } }))).toBe(
      "presence.expired",
    )
    expect((await house.overTcp.api.grants.get()).items).toEqual([])
  })

  test("by a process without a terminal, or with a pid over the network, is refused", async () => {
    const { house, id } = await waiting()
    const presence = { ask: { pid: 1 } }
    expect(await codeOf(house.atSocket.api.approvals({ id }).allow.post({ body: { presence } }))).toBe(
      "presence.no_terminal",
    )
    expect(house.screen).toEqual([])
  })

  test("with an API token or a chat token is refused before it is looked at", async () => {
    const { house, id } = await waiting()
    const { text: token } = await house.tokens.add({ name: "phone", expiresAt: null })
    for (const path of [`/api/approvals/${id}/allow`, `/api/approvals/${id}/deny`, "/api/grants", "/api/lockdown"]) {
      const answer = await fetch(house.address + path, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: "{}",
      })
      expect(answer.status).toBe(403)
    }
    expect(
      (await fetch(`${house.address}/api/approvals`, { headers: { Authorization: `Bearer ${token}` } })).status,
    ).toBe(403)
    expect((await house.approvals.get(id as "apr_")).state).toBe("open")
  })

  test("from a foreign page is refused although the token is right", async () => {
    const { house, id } = await waiting()
    const answer = await fetch(`${house.address}/api/approvals/${id}/deny`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${OWNER_TOKEN}`,
        "Content-Type": "application/json",
        Origin: "https://evil.example",
      },
      body: "{}",
    })
    expect(answer.status).toBe(403)
    expect((await house.approvals.get(id as "apr_")).state).toBe("open")
  })

  test("as a word in a message is ordinary text, in the waiting session and in any other", async () => {
    const { house, id, sessionId } = await waiting()
    for (const text of ["yes", "ok", "allow", "approve it", "000000"]) {
      await house.atSocket.api.sessions({ id: sessionId }).messages.post({ body: { content: text } })
    }
    const other = await house.atSocket.api.sessions.post({ body: {} })
    await house.atSocket.api.sessions({ id: other.id }).messages.post({ body: { content: `/allow ${id}` } })
    expect((await house.approvals.get(id as "apr_")).state).toBe("open")
    expect(sent).not.toContain("mia")
  })
})

describe("an answer", () => {
  test("of no needs no code, and its reason reaches the model", async () => {
    const at = await waiting()
    const { house, id } = at
    const denied = await house.overTcp.api.approvals({ id }).deny.post({ body: { reason: "not today" } })
    expect(denied).toMatchObject({ approval: { state: "denied", reason: "not today" } })
    await end(at)
    expect(sent).toEqual([])
  })

  test("given twice counts once: the second is told that there was a first", async () => {
    const { house, id } = await waiting()
    const deny = house.overTcp.api.approvals({ id }).deny
    await deny.post({ body: {} })
    expect(await codeOf(deny.post({ body: {} }))).toBe("conflict")
    expect(await codeOf(house.atSocket.api.approvals({ id }).allow.post({ body: { presence: ask } }))).toBe("conflict")
    expect(house.screen).toEqual([])
  })

  test("and another at the same moment: one of them wins, and there is one record", async () => {
    const { house, id } = await waiting()
    const deny = () => codeOf(house.overTcp.api.approvals({ id }).deny.post({ body: {} }))
    expect((await Promise.all([deny(), deny(), deny()])).toSorted()).toEqual(["accepted", "conflict", "conflict"])
    expect(await house.audit()).toHaveLength(1)
  })

  test("after its time is refused", async () => {
    const { house, id } = await waiting()
    const dayLater = systemClock.nowMs() + 25 * 3_600_000
    const late = createApprovals({
      db: house.db,
      writer: house.writer,
      clock: { ...systemClock, nowMs: () => dayLater, iso: () => new Date(dayLater).toISOString() },
      seal: createAuthoritySeal({ key: () => new Uint8Array(32).fill(7) }), // the house's own
      grants: house.grants,
      resume: () => ({ statements: [], afterwards: async () => {} }),
      redact: (text) => text,
      onBadSeal: (what) => expect(what).toBe("whole"),
    })
    expect(await refusal(late.answer(id as "apr_", { answer: "allow", how: "once" }))).toMatchObject({
      code: "conflict",
      message: expect.stringContaining("was open until"),
    })
  })

  test("is not given to a question whose words someone changed in the database", async () => {
    const { house, id } = await waiting()
    await house.db.query({ sql: "update approvals set question = 'May it tidy up?'", params: [] })
    expect((await house.overTcp.api.approvals.get()).items).toEqual([])
    expect(await codeOf(house.approvals.answer(id as "apr_", { answer: "allow", how: "once" }))).toBe("conflict")
  })
})

describe("the list", () => {
  test("shows what waits, by state and by session", async () => {
    const { house, id, sessionId } = await waiting()
    const list = async (query: { state?: "open" | "used"; session?: string }) =>
      (await house.overTcp.api.approvals.get({ query })).items.map((one) => one.id as string)
    expect(await list({ state: "open", session: sessionId })).toEqual([id])
    expect(await list({ state: "used" })).toEqual([])
    expect(await list({ session: newId("ses") })).toEqual([])
    expect(await house.overTcp.api.approvals({ id }).get()).toMatchObject({ id, tool: "mail_send" })
    expect(await codeOf(house.overTcp.api.approvals({ id: "apr_1" }).get())).toBe("not_found")
  })
})
