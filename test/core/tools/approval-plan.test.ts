import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { ApprovalId, TurnId } from "#core/id.ts"
import type { Approvals } from "#core/safety/approvals.ts"
import type { ApprovalLevel } from "#core/safety/authorize.ts"
import type { Effect } from "#core/safety/capability.ts"
import type { Writer } from "#core/db/db.ts"
import { t } from "#core/schema.ts"
import { approvalPlanTools } from "#core/tools/approval-plan.ts"
import { createRegistry } from "#core/tools/registry.ts"
import { defineTool } from "#core/tools/tool.ts"
import { type AgentHouse, agentHouse } from "../../fakes/agent-house.ts"
import { refusal } from "../../fakes/gateway.ts"
import { oneModel, scriptedModel, type ScriptStep } from "../../fakes/model.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

let house: AgentHouse | undefined
afterEach(async () => {
  await house?.close()
  house = undefined
})

let sent: string[] = []
const mail = defineTool({
  name: "mail_send",
  description: "Sends a mail",
  input: t.Object({ to: t.String(), text: t.String() }, { additionalProperties: false }),
  effect: (): Effect => "send",
  needs: ({ to }) => [{ kind: "send", channel: `mail:${to}` }],
  timeoutMs: 1_000,
  async run({ to }) {
    sent.push(to)
    return { data: "sent", labels: [], source: "test" }
  },
})
/** Like tools whose effect depends on arguments that were judged before: given others, it throws. */
const post = defineTool({
  name: "note_post",
  description: "Posts a note",
  input: t.Object({ headers: t.Record(t.String(), t.String()) }, { additionalProperties: false }),
  effect: ({ headers }): Effect => (Object.keys(headers).length > 0 ? "send" : "read"),
  needs: () => [],
  timeoutMs: 1_000,
  run: async () => ({ data: "posted", labels: [], source: "test" }),
})
const mails = (...names: string[]) => names.map((to) => ({ tool: "mail_send", arguments: { text: "Hello", to } }))
const plan = (calls: object[], why = "Invitations") => ({
  id: "plan",
  name: "approval_plan",
  arguments: { why, calls },
})
// Another order of the keys is the same call.
const call = (to: string, id = to) => ({ id, name: "mail_send", arguments: { to, text: "Hello" } })

async function open(steps: ScriptStep[], { level = "supervised" }: { level?: ApprovalLevel } = {}) {
  sent = []
  const parts: { approvals?: Approvals; writer?: Writer } = {}
  const there = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error("The house is not open yet")
    return part
  }
  const plans = approvalPlanTools({
    registry: () => createRegistry([mail, post, ...plans]).registry,
    approvals: () => there(parts.approvals),
    writer: { commit: (unit) => there(parts.writer).commit(unit) },
  })
  const model = scriptedModel(steps)
  const opened = await agentHouse({ models: oneModel(model), tools: [mail, post, ...plans], level })
  Object.assign(parts, { approvals: opened.approvals, writer: opened.writer })
  house = opened
  const toolResults = () =>
    model.requests.at(-1)?.messages.flatMap((one) => (one.role === "tool" ? [one.text] : [])) ?? []
  return { house: opened, toolResults }
}
async function next(at: AgentHouse, turnId: TurnId, before?: ApprovalId) {
  for (;;) {
    const outcome = await at.agent.wait(turnId, AbortSignal.timeout(10_000))
    if (outcome.state !== "suspended" || outcome.approval?.id !== before) return outcome
    await Bun.sleep(5)
  }
}

describe("a plan", () => {
  test("is one question that shows every exact call and where it reaches; allowed, each call runs once without another", async () => {
    const { house } = await open([
      { call: [plan(mails("mia", "eve"))] },
      { call: [call("mia"), call("eve")] },
      { say: "Both sent" },
    ])
    const { outcome, received } = await house.say("Invite Mia and Eve")
    const question = outcome.approval?.question ?? ""
    expect(question).toContain('1. mail_send {"text":"Hello","to":"mia"}  → send mail:mia')
    expect(question).toContain('2. mail_send {"text":"Hello","to":"eve"}  → send mail:eve')
    expect(sent).toEqual([])
    await house.approvals.answer(outcome.approval?.id ?? "apr_", { answer: "allow", how: "once" })
    expect(await next(house, received.turnId, outcome.approval?.id)).toMatchObject({
      state: "finished",
      text: "Both sent",
    })
    expect(sent).toEqual(["mia", "eve"])
    expect(house.events.filter(({ type }) => type === "approval.asked")).toHaveLength(1)
  })

  test("that holds a call of the wrong shape is refused with what is wrong, and the turn goes on", async () => {
    const { house } = await open([
      { call: [plan([{ tool: "note_post", arguments: { headers: null } }])] },
      { say: "I will do otherwise" },
    ])
    const { outcome } = await house.say("Post it")
    expect(outcome).toMatchObject({ state: "finished", text: "I will do otherwise" })
    expect(house.events.filter(({ type }) => type === "tool.finished")).toMatchObject([
      { outcome: "refused", preview: expect.stringContaining("the arguments do not fit note_post") },
    ])
    expect(house.events.map(({ type }) => type)).not.toContain("turn.resumed") // nothing broke on the way
  })

  test("covers nothing but its calls: one more of the same, or one that differs, is asked about", async () => {
    const { house } = await open([
      { call: [plan(mails("mia"))] },
      { call: [call("mia"), call("mia", "again"), call("ada")] },
      { say: "Done" },
    ])
    const { outcome, received } = await house.say("Invite Mia")
    await house.approvals.answer(outcome.approval?.id ?? "apr_", { answer: "allow", how: "once" })
    expect((await next(house, received.turnId, outcome.approval?.id)).state).toBe("suspended")
    expect(sent).toEqual(["mia"])
    const [again] = await house.approvals.list({ state: "open", limit: 10 })
    expect(again?.destination).toBe("send mail:mia")
    await house.approvals.answer(again?.id ?? "apr_", { answer: "deny", reason: "" })
    expect((await next(house, received.turnId, again?.id)).approval?.question).toContain("send mail:ada")
    expect(sent).toEqual(["mia"])
  })

  test("that is denied runs nothing", async () => {
    const { house } = await open([{ call: [plan(mails("mia"))] }, { say: "I did not" }])
    const { outcome, received } = await house.say("Invite Mia")
    await house.approvals.answer(outcome.approval?.id ?? "apr_", { answer: "deny", reason: "" })
    expect((await next(house, received.turnId, outcome.approval?.id)).text).toBe("I did not")
    expect(sent).toEqual([])
    expect(await house.approvals.list({ state: "allowed", limit: 10 })).toEqual([])
  })

  test("does not reach another turn", async () => {
    const { house } = await open([{ call: [plan(mails("mia"))] }, { say: "Later" }, { call: [call("mia")] }])
    const { outcome, received } = await house.say("Invite Mia")
    await house.approvals.answer(outcome.approval?.id ?? "apr_", { answer: "allow", how: "once" })
    expect((await next(house, received.turnId, outcome.approval?.id)).text).toBe("Later")
    expect((await house.say("Now", { sessionId: received.sessionId })).outcome.state).toBe("suspended")
    expect(sent).toEqual([])
  })

  test("is asked about at the level trusted too, refused at read-only, and allowed for later at none", async () => {
    const trusted = await open([{ call: [plan(mails("mia"))] }], { level: "trusted" })
    const { outcome } = await trusted.house.say("Invite Mia")
    expect(outcome.state).toBe("suspended")
    const always = { answer: "allow", how: "always", evenUntrusted: true, expiresAt: null } as const
    expect(await refusal(trusted.house.approvals.answer(outcome.approval?.id ?? "apr_", always))).toMatchObject({
      code: "input.invalid",
    })
    await trusted.house.close()
    const reading = await open([{ call: [plan(mails("mia"))] }, { say: "I may not" }], { level: "read-only" })
    expect((await reading.house.say("Invite Mia")).outcome.text).toBe("I may not")
  })

  test("is the way out after five questions", async () => {
    const { house } = await open([
      { call: Array.from({ length: 6 }, (_, n) => call(`m${n}`)) },
      { call: [plan(mails("p1", "p2"))] },
      { call: [call("p1"), call("p2")] },
      { say: "Done" },
    ])
    const { outcome, received } = await house.say("Write to all")
    let asked = outcome
    let denied = 0
    for (; asked.approval && !asked.approval.question.includes("approval_plan"); denied++) {
      await house.approvals.answer(asked.approval.id, { answer: "deny", reason: "" })
      asked = await next(house, received.turnId, asked.approval.id)
    }
    expect(denied).toBe(5)
    await house.approvals.answer(asked.approval?.id ?? "apr_", { answer: "allow", how: "once" })
    expect((await next(house, received.turnId, asked.approval?.id)).text).toBe("Done")
    expect(sent).toEqual(["p1", "p2"])
  })
})

describe("a plan that could not run", () => {
  test.each<[string, object[], string]>([
    ["names a tool that there is not", [{ tool: "mail_sent", arguments: {} }], 'no tool called "mail_sent"'],
    ["holds arguments that do not fit", [{ tool: "mail_send", arguments: { to: "mia" } }], "do not fit mail_send"],
    ["holds a plan", [{ tool: "approval_plan", arguments: {} }], "cannot hold a plan"],
    [
      "is longer than a person reads",
      [{ tool: "mail_send", arguments: { to: "mia", text: "x".repeat(9_000) } }],
      "ask in parts",
    ],
    ["has more than twenty calls", mails(...Array.from({ length: 21 }, (_, n) => `m${n}`)), "do not fit approval_plan"],
  ])("because it %s is refused before the owner is asked", async (_, calls, why) => {
    const { house, toolResults } = await open([{ call: [plan(calls)] }, { say: "I see" }])
    expect((await house.say("Go")).outcome.text).toBe("I see")
    expect(toolResults().join()).toContain(why)
    expect(house.events.filter(({ type }) => type === "approval.asked")).toEqual([])
  })
})

test("what is hidden in a plan's arguments is shown", async () => {
  const { house } = await open([
    { call: [plan([{ tool: "mail_send", arguments: { to: "mia\u202E", text: "a" } }], 'x"\n2. nothing')] },
  ])
  const question = (await house.say("Go")).outcome.approval?.question ?? ""
  expect(question).toContain("mia⟨U+202E⟩")
  expect(question).not.toContain("\n2. nothing")
})
