import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { refusal } from "../../fakes/gateway.ts"
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
const ask = { ask: { pid: AT_TERMINAL } }

describe("a setting that makes a difference to safety", () => {
  test("needs a code for exactly this value, over the socket and in this process", async () => {
    const at = await open()
    const key = { key: "approvals.level" }
    for (const client of [at.atSocket, at.inProcess]) {
      for (const value of ["trusted", null])
        expect(await refusal(client.api.config(key).put({ body: { value } }))).toMatchObject({
          code: "presence.required",
        })
    }
    const asked = await at.atSocket.api.config(key).put({ body: { value: "read-only", presence: ask } })
    const presence = { challenge: "challenge" in asked ? asked.challenge.id : "", code: at.lastCode() }
    expect(at.screen.join("")).toContain("Set approvals.level to read-only")
    expect(await refusal(at.atSocket.api.config(key).put({ body: { value: "trusted", presence } }))).toMatchObject({
      code: "presence.expired",
    })
    const again = await at.atSocket.api.config(key).put({ body: { value: "trusted", presence: ask } })
    const right = { challenge: "challenge" in again ? again.challenge.id : "", code: at.lastCode() }
    expect(await at.atSocket.api.config(key).put({ body: { value: "trusted", presence: right } })).toMatchObject({
      key: "approvals.level",
      value: "trusted",
    })
  })

  test("asked for by a process that is at no terminal is not changed", async () => {
    const at = await open()
    const put = at.atSocket.api
      .config({ key: "project.folder" })
      .put({ body: { value: "/", presence: { ask: { pid: 1 } } } })
    expect(await refusal(put)).toMatchObject({ code: "presence.no_terminal" })
    at.leaveTerminal()
    const own = at.inProcess.api.config({ key: "project.folder" }).put({ body: { value: "/", presence: { ask: {} } } })
    expect(await refusal(own)).toMatchObject({ code: "presence.no_terminal" })
  })

  test("is told from the others, which need none", async () => {
    const at = await open()
    for (const key of ["agent.name", "gateway.port", "log.level"])
      expect(await at.atSocket.api.config({ key }).put({ body: { value: "1" } })).toMatchObject({ key })
  })
})

describe("several settings, and the secret that goes with them", () => {
  test("are one question, for exactly these values, and nothing is set before the answer", async () => {
    const at = await open()
    const values = { "model.backend": "openai", "agent.name": "Ada" }
    const secret = { name: "OPENAI_API_KEY", value: "sk-mine" }
    const { config } = at.atSocket.api
    expect(await refusal(config.post({ body: { values, secret } }))).toMatchObject({ code: "presence.required" })
    const asked = await config.post({ body: { values, secret, presence: ask } })
    const screen = at.screen.join("")
    expect(screen).toContain("Set the secret OPENAI_API_KEY")
    expect(screen).toContain("Set model.backend to openai")
    expect(screen).not.toContain("agent.name") // makes nothing less safe
    expect(screen).not.toContain("sk-mine")
    const presence = { challenge: "challenge" in asked ? asked.challenge.id : "", code: at.lastCode() }
    const other = { ...secret, value: "sk-other" }
    expect(await refusal(config.post({ body: { values, secret: other, presence } }))).toMatchObject({
      code: "presence.expired",
    })
    const again = await config.post({ body: { values, secret, presence: ask } })
    const right = { challenge: "challenge" in again ? again.challenge.id : "", code: at.lastCode() }
    const done = await config.post({ body: { values, secret, presence: right } })
    expect("changed" in done && done.changed.map(({ key }) => key)).toEqual(["model.backend", "agent.name"])
  })

  test("of which one cannot be, nothing is asked and nothing is set", async () => {
    const at = await open()
    const values = { "agent.name": "Ada", "limits.day_usd": "much" }
    const refused = await refusal(at.atSocket.api.config.post({ body: { values, presence: ask } }))
    expect(refused).toMatchObject({ code: "config.invalid" })
    expect(at.screen).toEqual([])
  })
})

test("before anybody has talked with the assistant a script sets it up", async () => {
  house = await ownerHouse({
    models: oneModel(scriptedModel([{ say: "Hello" }])),
    given: { hasActed: async () => false },
  })
  const put = house.atSocket.api.config({ key: "approvals.level" }).put({ body: { value: "read-only" } })
  expect(await put).toMatchObject({ key: "approvals.level", value: "read-only" })
})
