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
