/** Who is let in over the API: by the owner at a terminal, who is told whom and what for; never by a token alone. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { Asking, Pairing } from "#channels/pairing.ts"
import { AppError } from "#core/errors.ts"
import { gatewayHouse, refusal } from "../../fakes/gateway.ts"
import { AT_TERMINAL, type OwnerHouse, ownerHouse } from "../../fakes/owner-house.ts"

setDefaultTimeout(30_000) // a database is made, on a machine that may be busy

const asking: Asking = { channel: "chat", externalId: "42\u202e", name: "[approved] Ada", createdAt: "", expiresAt: "" }
const done: string[] = []
const pairing: Pairing = {
  ask: async () => "refused",
  list: async () => ({ asking: [asking], known: [] }),
  async find({ code }) {
    if (code === "ABCD-2345") return asking
    throw new AppError("not_found", "Nobody was told this code")
  },
  approve: async ({ externalId }, as) => void done.push(`${externalId} is ${as}`),
  deny: async ({ externalId }) => void done.push(`${externalId} is denied`),
}

let at: OwnerHouse
beforeAll(async () => {
  at = await ownerHouse({ models: gatewayHouse().models, given: { pairing } })
})
afterAll(() => at.end())
beforeEach(() => {
  done.length = 0
  at.screen.length = 0
})

const body = { channel: "chat", code: "ABCD-2345" }

describe("letting somebody in", () => {
  test("takes the owner at a terminal, who reads whom they let in, and as what", async () => {
    for (const [as, words] of [
      ["known", "as a guest: it answers, and knows and does nothing of yours"],
      ["owner", "YOURSELF"],
    ] as const) {
      const asked = await at.atSocket.api.pairing.approve.post({
        body: { ...body, as, presence: { ask: { pid: AT_TERMINAL } } },
      })
      if (!("challenge" in asked)) throw new Error("It asked for no code")
      const screen = at.screen.join("")
      expect(screen).toContain(words)
      expect(screen).toContain("on chat")
      expect(screen).not.toContain("\u202e")
      const presence = { challenge: asked.challenge.id, code: at.lastCode() }
      expect(await at.atSocket.api.pairing.approve.post({ body: { ...body, as, presence } })).toMatchObject({ as })
      expect(done).toEqual([`${asking.externalId} is ${as}`])
      done.length = 0
      at.screen.length = 0
    }
  })

  test("as a guest is no yes to them as the owner", async () => {
    const asked = await at.atSocket.api.pairing.approve.post({
      body: { ...body, presence: { ask: { pid: AT_TERMINAL } } },
    })
    if (!("challenge" in asked)) throw new Error("It asked for no code")
    const presence = { challenge: asked.challenge.id, code: at.lastCode() }
    const error = await refusal(at.atSocket.api.pairing.approve.post({ body: { ...body, as: "owner", presence } }))
    expect(error).toMatchObject({ code: expect.stringContaining("presence.") })
    expect(done).toEqual([])
  })

  test("is no matter for a token, with or without a right code", async () => {
    for (const code of ["ABCD-2345", "AAAA-AAAA"])
      expect(await refusal(at.overTcp.api.pairing.approve.post({ body: { channel: "chat", code } }))).toMatchObject({
        code: code === "ABCD-2345" ? "presence.required" : "not_found",
      })
    expect(done).toEqual([])
  })
})

test("turning somebody away takes no code", async () => {
  expect(await at.overTcp.api.pairing.deny.post({ body: { channel: "chat", id: "42" } })).toMatchObject({
    denied: true,
  })
  expect(done).toEqual(["42 is denied"])
})

test("the list shows no code", async () => {
  expect(JSON.stringify(await at.overTcp.api.pairing.get())).not.toContain("code")
})
