import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createGateway, type Gateway, type Listener } from "#gateway/server.ts"
import { bodyOf, gatewayHouse, OWNER_TOKEN } from "../fakes/gateway.ts"

let gateway: Gateway
let listener: Listener
beforeAll(async () => {
  gateway = createGateway(gatewayHouse().deps)
  listener = await gateway.listen({ host: "127.0.0.1", port: 0 })
})
afterAll(() => gateway.close())

const headers = { authorization: `Bearer ${OWNER_TOKEN}`, "content-type": "application/json" }
async function ask(method: string, path: string, body?: unknown) {
  const answer = await fetch(listener.address + path, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const { error } = await bodyOf<{ error?: { code: string } }>(answer)
  return { status: answer.status, code: error?.code }
}
const refused = { status: 403, code: "presence.required" }

describe("with the owner's token alone, over TCP", () => {
  test("no backup is made, and none is written where the caller says", async () => {
    expect(await ask("POST", "/api/backups", { passphrase: "mine", output: "/tmp/evil.bak" })).toEqual(refused)
  })

  test("no update is fetched into the home", async () => {
    expect(await ask("POST", "/api/update/download", { file: "1.2.3/ironclaw.gz", maxBytes: 1 })).toEqual(refused)
  })

  test("no secret is set, deleted or sealed anew", async () => {
    expect(await ask("PUT", "/api/secrets/OPENAI_API_KEY", { value: "sk-other" })).toEqual(refused)
    expect(await ask("DELETE", "/api/secrets/OPENAI_API_KEY", {})).toEqual(refused)
    expect(await ask("POST", "/api/secrets/rotate-master-key", {})).toEqual(refused)
  })

  test("no model that is not set up is asked, with a key of this house or another", async () => {
    const candidate = { backend: "openai", baseUrl: "http://127.0.0.1:1/v1" }
    expect(await ask("POST", "/api/models/available", candidate)).toEqual(refused)
    expect(await ask("POST", "/api/models/test", { candidate: { ...candidate, model: "x" } })).toEqual(refused)
  })

  test.each([
    "approvals.level",
    "gateway.host",
    "database.url",
    "limits.day_usd",
    "project.folder",
    "model.base_url",
    "update.url",
    "update.keys",
  ])("%s cannot be changed", async (key) => {
    expect(await ask("PUT", `/api/config/${key}`, { value: "trusted" })).toEqual(refused)
    expect(await ask("PUT", `/api/config/${key}`, { value: null })).toEqual(refused)
  })

  test("what makes nothing less safe can be: the name, the time zone, the level of the log", async () => {
    expect((await ask("PUT", "/api/config/agent.name", { value: "Ada" })).status).toBe(200)
  })
})
