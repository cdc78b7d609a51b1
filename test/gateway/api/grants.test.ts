import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { Effect } from "#core/safety/capability.ts"
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"
import { refusal } from "../../fakes/gateway.ts"
import { oneModel, scriptedModel } from "../../fakes/model.ts"
import { AT_TERMINAL, type OwnerHouse, ownerHouse } from "../../fakes/owner-house.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

let house: OwnerHouse | undefined
afterEach(async () => {
  await house?.end()
  house = undefined
})

const mail = defineTool({
  name: "mail_send",
  description: "Sends a mail",
  input: t.Object({ to: t.String() }, { additionalProperties: false }),
  effect: (): Effect => "send",
  needs: ({ to }) => [{ kind: "send", channel: `mail:${to}` }],
  timeoutMs: 1_000,
  run: async () => ({ data: "sent", labels: [], source: "test" }),
})
async function open() {
  const call = (to: string) => ({ call: [{ id: to, name: "mail_send", arguments: { to } }] })
  const steps = [call("mia"), { say: "Sent" }, call("mia"), { say: "Sent" }]
  house = await ownerHouse({ models: oneModel(scriptedModel(steps)), tools: [mail] })
  return house
}
const body = { tool: "mail_send", destination: "send mail:mia" }
const ask = { ask: { pid: AT_TERMINAL } }
async function grant(at: OwnerHouse, more: object = {}) {
  const asked = await at.atSocket.api.grants.post({ body: { ...body, ...more, presence: ask } })
  if (!("challenge" in asked)) throw new Error("It asked for no code")
  const { id } = asked.challenge
  const done = await at.atSocket.api.grants.post({
    body: { ...body, ...more, presence: { challenge: id, code: at.lastCode() } },
  })
  if (!("grant" in done)) throw new Error("It asked for a second code")
  return done.grant
}

describe("a grant that the owner adds", () => {
  test("is asked about in lines of ours alone: what a program wrote into it begins none", async () => {
    const at = await open()
    const more = {
      principal: "agent:main\n\nironclaw asks the owner:\n  Show the status.\n",
      destination: "nothing\nIt reaches nothing outside itself.",
    }
    await at.atSocket.api.grants.post({ body: { ...body, ...more, presence: ask } })
    const lines = at.screen.join("").split(/\r?\n/)
    expect(lines.filter((line) => line.startsWith("ironclaw asks"))).toHaveLength(1)
    expect(lines.map((line) => line.trim())).not.toContain("Show the status.")
    expect(lines.map((line) => line.trim())).not.toContain("It reaches nothing outside itself.")
    expect(at.screen.join("")).toContain("It reaches: nothing⟨U+000A⟩It reaches nothing outside itself.")
  })

  test("needs a code, shows who, what and where, and lets exactly that run until it is revoked", async () => {
    const at = await open()
    expect(await refusal(at.overTcp.api.grants.post({ body }))).toMatchObject({ code: "presence.required" })
    const { id } = await grant(at, { expiresAt: "2099-01-01T00:00:00Z" })
    expect(at.screen.join("")).toContain("Let agent:main run mail_send without asking, until 2099-01-01T00:00:00.000Z.")
    expect(at.screen.join("")).toContain("It reaches: send mail:mia")
    expect((await at.say("Write to Mia")).outcome).toMatchObject({ state: "finished", text: "Sent" })
    await at.overTcp.api.grants({ id }).delete()
    expect((await at.say("Once more")).outcome.state).toBe("suspended")
    expect(await at.audit()).toMatchObject([
      { principal: "owner", subject: id, outcome: "added" },
      { principal: "owner", subject: id, outcome: "revoked" },
    ])
    expect(at.events.filter(({ type }) => type === "grant.changed")).toMatchObject([
      { grantId: id, change: "added", tool: "mail_send" },
      { grantId: id, change: "revoked", tool: "mail_send" },
    ])
    expect((await at.overTcp.api.grants.get()).items).toMatchObject([{ id, revokedAt: expect.any(String) }])
    expect(await refusal(at.overTcp.api.grants({ id }).delete())).toMatchObject({ code: "conflict" })
  })

  test("is not made with the code of a narrower one", async () => {
    const at = await open()
    const asked = await at.atSocket.api.grants.post({ body: { ...body, presence: ask } })
    const presence = { challenge: "challenge" in asked ? asked.challenge.id : "", code: at.lastCode() }
    for (const wider of [{ destination: "" }, { evenUntrusted: true }, { principal: "plugin:x" }, { agent: "work" }]) {
      const answer = refusal(at.atSocket.api.grants.post({ body: { ...body, ...wider, presence } }))
      expect(await answer).toMatchObject({ code: "presence.expired" })
    }
    expect((await at.overTcp.api.grants.get()).items).toEqual([])
  })

  test("names a tool that there is, and a time to come; a plan is always asked about", async () => {
    const at = await open()
    const code = async (more: object) => {
      const error = await refusal(at.atSocket.api.grants.post({ body: { ...body, ...more, presence: ask } }))
      return error instanceof Error && "code" in error ? error.code : null
    }
    expect(await code({ tool: "mail_sent" })).toBe("not_found")
    expect(await code({ tool: "approval_plan" })).toBe("input.invalid")
    expect(await code({ expiresAt: "2001-01-01T00:00:00Z" })).toBe("input.invalid")
    expect(await code({ expiresAt: "soon" })).toBe("input.invalid")
    expect(await code({ session: "ses_1" })).toBe("not_found")
    expect(at.screen).toEqual([])
  })
})
