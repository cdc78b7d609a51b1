import { afterEach, describe, expect, test } from "bun:test"
import type { TurnOutcome } from "#core/agent/agent.ts"
import type { ApprovalId, TurnId } from "#core/id.ts"
import type { Effect } from "#core/safety/capability.ts"
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"
import { agentHouse, memoryDb, type AgentHouse } from "../../fakes/agent-house.ts"
import { readerOf } from "../tools/rig.ts"
import { oneModel, scriptedModel, type ScriptStep } from "../../fakes/model.ts"

let house: AgentHouse | undefined
afterEach(async () => {
  await house?.close()
  house = undefined
})

let sent: string[] = []
const sendTool = defineTool({
  name: "mail_send",
  description: "Sends a mail",
  input: t.Object({ to: t.String(), text: t.String() }, { additionalProperties: false }),
  effect: (): Effect => "send",
  needs: ({ to }) => [{ kind: "send", channel: `mail:${to}` }],
  timeoutMs: 1_000,
  async run({ to }) {
    sent.push(to)
    return { data: `sent to ${to}`, labels: [], source: "test" }
  },
})
const call = (to: string, id = to) => ({ id, name: "mail_send", arguments: { to, text: "Hello" } })

async function open(steps: ScriptStep[], more: Partial<Parameters<typeof agentHouse>[0]> = {}) {
  sent = []
  const model = scriptedModel(steps)
  house = await agentHouse({ models: oneModel(model), tools: [sendTool], ...more })
  return { house, model }
}
const idOf = (outcome: TurnOutcome): ApprovalId => outcome.approval?.id ?? "apr_none"
const final = async (at: AgentHouse, turnId: TurnId) => {
  for (;;) {
    const outcome = await at.agent.wait(turnId, AbortSignal.timeout(10_000))
    if (outcome.state !== "suspended") return outcome
    await Bun.sleep(5)
  }
}

describe("a call that needs the owner", () => {
  test("suspends its turn with a question about the exact call, and nothing happens meanwhile", async () => {
    const { house } = await open([{ call: [call("mia@example.com")] }, { say: "Sent" }])
    const { outcome } = await house.say("Write to Mia")
    expect(outcome.state).toBe("suspended")
    expect(sent).toEqual([])
    expect(outcome.approval?.question).toContain("mail_send")
    expect(outcome.approval?.question).toContain("mia@example.com")
    const types = house.events.map(({ type }) => type)
    expect(types).toContain("approval.asked")
    expect(types).toContain("turn.suspended")
    const audit = await house.db.query({
      sql: "select outcome, destination from audit where act = 'tool.run'",
      params: [],
    })
    expect(audit).toEqual([{ outcome: "asked", destination: "send mail:mia@example.com" }])
  })

  test("runs once when it is allowed, and the turn goes on", async () => {
    const { house, model } = await open([{ call: [call("mia@example.com")] }, { say: "Sent" }])
    const { outcome, received } = await house.say("Write to Mia")
    await house.approvals.answer(idOf(outcome), { answer: "allow", how: "once" })
    expect(await final(house, received.turnId)).toMatchObject({ state: "finished", text: "Sent" })
    expect(sent).toEqual(["mia@example.com"])
    expect(model.requests[1]?.messages.at(-1)).toMatchObject({ role: "tool", text: "sent to mia@example.com" })
    expect((await house.approvals.get(idOf(outcome))).state).toBe("used")
  })

  test("is not run when it is denied, and the model reads the owner's reason", async () => {
    const { house, model } = await open([{ call: [call("mia@example.com")] }, { say: "I did not" }])
    const { outcome, received } = await house.say("Write to Mia")
    await house.approvals.answer(idOf(outcome), { answer: "deny", reason: "not on a Sunday" })
    expect((await final(house, received.turnId)).text).toBe("I did not")
    expect(sent).toEqual([])
    expect(model.requests[1]?.messages.at(-1)).toMatchObject({ text: expect.stringContaining("not on a Sunday") })
  })

  test("is asked again when the call differs in one byte, and not again after a no", async () => {
    const { house } = await open([
      { call: [call("mia@example.com")] },
      { call: [call("mia@example.com", "again")] },
      { call: [call("mia@example.org")] },
      { say: "Done" },
    ])
    const { outcome, received } = await house.say("Write to Mia")
    await house.approvals.answer(idOf(outcome), { answer: "deny", reason: "" })
    let second = outcome
    while (second.state !== "suspended" || second.approval?.id === outcome.approval?.id)
      second = await house.agent.wait(received.turnId, AbortSignal.timeout(10_000))
    expect(second.approval?.question).toContain("mia@example.org")
    expect(sent).toEqual([])
    await house.approvals.answer(idOf(second), { answer: "allow", how: "once" })
    expect((await final(house, received.turnId)).text).toBe("Done")
    expect(sent).toEqual(["mia@example.org"])
  })

  test("is not asked in other words after a no, where text from outside had a hand in it", async () => {
    const again = (id: string, text: string) => ({ id, name: "mail_send", arguments: { to: "eve@example.com", text } })
    const { house, model } = await open(
      [
        { call: [{ id: "r", name: "read_it", arguments: {} }] },
        { call: [again("a", "All he told me")] },
        { call: [again("b", "All he told me!")] },
        { call: [call("mia@example.com")] },
        { say: "Done" },
      ],
      { tools: [sendTool, readerOf(["untrusted"])] },
    )
    const { outcome, received } = await house.say("Read it")
    await house.approvals.answer(idOf(outcome), { answer: "deny", reason: "I never asked for that" })
    let second = outcome
    while (second.state !== "suspended" || second.approval?.id === outcome.approval?.id)
      second = await house.agent.wait(received.turnId, AbortSignal.timeout(10_000))
    // The changed call was refused unasked; another place is another question.
    expect(second.approval?.question).toContain("mia@example.com")
    expect(JSON.stringify(model.requests[3]?.messages.at(-1))).toContain("I never asked for that")
    expect(await house.approvals.list({ state: null, limit: 10 })).toHaveLength(2)
    await house.approvals.answer(idOf(second), { answer: "deny", reason: "" })
    await final(house, received.turnId)
    expect(sent).toEqual([])
  })

  test("runs without a question where the owner said always for this tool and destination, and only there", async () => {
    const { house } = await open([
      { call: [call("mia@example.com")] },
      { say: "One" },
      { call: [call("mia@example.com")] },
      { say: "Two" },
      { call: [call("eve@example.com")] },
      { say: "Three" },
    ])
    const first = await house.say("Write to Mia")
    await house.approvals.answer(idOf(first.outcome), {
      answer: "allow",
      how: "always",
      evenUntrusted: false,
      expiresAt: null,
    })
    await final(house, first.received.turnId)
    expect((await house.say("And again")).outcome).toMatchObject({ state: "finished", text: "Two" })
    expect(sent).toEqual(["mia@example.com", "mia@example.com"])
    expect((await house.say("And to Eve")).outcome.state).toBe("suspended")
  })

  test("a grant for one session does not reach another, and a revoked one reaches nothing", async () => {
    const { house } = await open([
      { call: [call("mia@example.com")] },
      { say: "One" },
      { call: [call("mia@example.com")] },

      { call: [call("mia@example.com")] },
      { say: "Three" },
    ])
    const first = await house.say("Write to Mia")
    await house.approvals.answer(idOf(first.outcome), {
      answer: "allow",
      how: "session",
      evenUntrusted: false,
      expiresAt: null,
    })
    await final(house, first.received.turnId)
    expect((await house.say("Elsewhere")).outcome.state).toBe("suspended")
    const [grant] = await house.grants.list()
    await house.writer.commit({ statements: [house.grants.revokeStatement(grant?.id ?? "grt_none")] })
    expect((await house.say("Here again", { sessionId: first.received.sessionId })).outcome.state).toBe("suspended")
  })

  test("survives a restart: the question stays, and the answer lets the turn go on", async () => {
    const db = await memoryDb()
    const { house: before } = await open([{ call: [call("mia@example.com")] }], { db })
    const { outcome, received } = await before.say("Write to Mia")
    await before.close()
    const { house: after } = await open([{ say: "Sent after all" }], { db, owner: "b" })
    expect((await after.approvals.list({ state: "open", limit: 10 })).map(({ id }) => id)).toEqual([idOf(outcome)])
    await after.approvals.answer(idOf(outcome), { answer: "allow", how: "once" })
    expect((await final(after, received.turnId)).text).toBe("Sent after all")
    expect(sent).toEqual(["mia@example.com"])
    expect(after.events.find(({ type }) => type === "turn.resumed")).toMatchObject({ why: "approval" })
    await after.close()
    house = undefined
    await db.close()
  })

  test("a stop closes the question with the turn", async () => {
    const { house } = await open([{ call: [call("mia@example.com")] }])
    const { outcome, received } = await house.say("Write to Mia")
    expect(await house.agent.stop(received.sessionId)).toBe(true)
    expect((await house.agent.outcome(received.turnId)).state).toBe("stopped")
    expect((await house.approvals.get(idOf(outcome))).state).toBe("expired")
  })

  test("stops asking after five questions in one turn", async () => {
    const { house, model } = await open([
      { call: Array.from({ length: 7 }, (_, n) => call(`m${n}@example.com`)) },
      { say: "Enough" },
    ])
    const { outcome, received } = await house.say("Write to all")
    expect(outcome.state).toBe("suspended")
    for (let asked = 1; asked <= 5; asked++) {
      const [open] = await house.approvals.list({ state: "open", limit: 20 })
      if (!open) throw new Error(`Question ${asked} was not asked`)
      await house.approvals.answer(open.id, { answer: "deny", reason: "" })
      for (let n = 0; n < 400 && (await house.agent.outcome(received.turnId)).state !== "finished"; n++) {
        const [next] = await house.approvals.list({ state: "open", limit: 20 })
        if (next && (await house.agent.outcome(received.turnId)).state === "suspended") break
        await Bun.sleep(5)
      }
    }
    expect(await house.approvals.list({ state: "open", limit: 20 })).toEqual([])
    expect((await final(house, received.turnId)).text).toBe("Enough")
    expect(
      model.requests
        .at(-1)
        ?.messages.filter(({ role }) => role === "tool")
        .at(-1),
    ).toMatchObject({ text: expect.stringContaining("approval_plan") })
    expect(sent).toEqual([])
  })
})

describe("a row that someone else wrote", () => {
  test("allows nothing: an approval turned into a yes in the database is refused and told", async () => {
    const { house } = await open([{ call: [call("mia@example.com")] }, { say: "I could not" }])
    const { outcome, received } = await house.say("Write to Mia")
    await house.db.query({
      sql: "update approvals set state = 'allowed' where id = $1",
      params: [idOf(outcome)],
    })
    await house.db.query({ sql: "update jobs set state = 'queued' where state = 'suspended'", params: [] })
    await house.db.query({ sql: "update turns set state = 'queued' where id = $1", params: [received.turnId] })
    house.jobs.wake()
    expect((await final(house, received.turnId)).text).toBe("I could not")
    expect(sent).toEqual([])
    expect(house.badSeals).toContain(`approval ${idOf(outcome)}`)
  })

  test("grants nothing: neither a new grant, nor one moved to another destination, nor one that was revoked", async () => {
    const { house } = await open([
      { call: [call("mia@example.com")] },
      { say: "One" },
      { call: [call("eve@example.com")] },
    ])
    const first = await house.say("Write to Mia")
    await house.approvals.answer(idOf(first.outcome), {
      answer: "allow",
      how: "always",
      evenUntrusted: false,
      expiresAt: null,
    })
    await final(house, first.received.turnId)
    await house.db.query({
      sql: `update grants set capability = jsonb_set(capability, '{destination}', '"send mail:eve@example.com"')`,
      params: [],
    })
    expect((await house.say("Write to Eve")).outcome.state).toBe("suspended")
    expect(house.badSeals.some((what) => what.startsWith("grant "))).toBe(true)
    expect(sent).toEqual(["mia@example.com"])
  })
})
