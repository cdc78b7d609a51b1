import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { Proof } from "#core/safety/presence.ts"
import { refusal } from "../../fakes/gateway.ts"
import { oneModel, scriptedModel } from "../../fakes/model.ts"
import { AT_TERMINAL, type OwnerHouse, otherThan, ownerHouse } from "../../fakes/owner-house.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

let house: OwnerHouse | undefined
afterEach(async () => {
  await house?.end()
  house = undefined
})
async function open({ acted = true } = {}) {
  const did: string[] = []
  const at = await ownerHouse({
    models: oneModel(scriptedModel([{ say: "Hello" }])),
    given: {
      hasActed: async () => acted,
      secrets: {
        list: async () => [],
        judge: async ({ name }) => ({ name, version: 2 }),
        set: async ({ name, value }) => {
          did.push(`set ${name} ${value}`)
          return { name, version: 3 }
        },
        delete: async (name) => void did.push(`delete ${name}`),
        async rotateMaster() {
          did.push("rotate")
          return { keyId: "00", source: "file", secrets: 1 }
        },
      },
    },
  })
  house = at
  const { secrets } = at.atSocket.api
  const changes = {
    set: (proof: { presence?: Proof }, value = "sk-mine") =>
      secrets({ name: "A_KEY" }).put({ body: { value, ...proof } }),
    delete: (proof: { presence?: Proof }) => secrets({ name: "A_KEY" }).delete({ body: proof }),
    rotate: (proof: { presence?: Proof }) => secrets["rotate-master-key"].post({ body: proof }),
  }
  const codeFor = async (asked: Promise<object>): Promise<{ presence: { challenge: string; code: string } }> => {
    const answer = await asked
    const challenge: unknown = Reflect.get(answer, "challenge")
    const id: unknown = typeof challenge === "object" && challenge !== null ? Reflect.get(challenge, "id") : null
    if (typeof id !== "string") throw new Error("It asked for no code")
    return { presence: { challenge: id, code: at.lastCode() } }
  }
  return { at, did, changes, codeFor }
}
const ask = { presence: { ask: { pid: AT_TERMINAL } } }

describe("once somebody has talked with the assistant", () => {
  for (const [name, words, done] of [
    ["set", "Replace version 2 of the secret A_KEY.", "set A_KEY sk-mine"],
    ["delete", "Delete the secret A_KEY, for good.", "delete A_KEY"],
    ["rotate", "Seal every secret under a new master key.", "rotate"],
  ] as const) {
    test(`to ${name} takes the code that stands on the owner's terminal`, async () => {
      const { at, did, changes, codeFor } = await open()
      const change = changes[name]
      expect(await refusal(change({}))).toMatchObject({ code: "presence.required" })
      expect(await refusal(change({ presence: { ask: { pid: 1 } } }))).toMatchObject({ code: "presence.no_terminal" })
      const proof = await codeFor(change(ask))
      expect(at.screen.join("")).toContain(words)
      expect(at.screen.join("")).not.toContain("sk-mine")
      const wrong = { presence: { ...proof.presence, code: otherThan(proof.presence.code) } }
      expect(await refusal(change(wrong))).toMatchObject({ code: "presence.wrong_code" })
      expect(did).toEqual([])
      await change(proof)
      expect(did).toEqual([done])
      expect(await refusal(change(proof))).toMatchObject({ code: "presence.expired" })
    })
  }

  test("a code is for one value alone", async () => {
    const { did, changes, codeFor } = await open()
    const proof = await codeFor(changes.set(ask))
    expect(await refusal(changes.set(proof, "sk-theirs"))).toMatchObject({ code: "presence.expired" })
    expect(did).toEqual([])
  })
})

test("before that a script sets it up, on the machine itself", async () => {
  const { at, did, changes } = await open({ acted: false })
  await changes.set({})
  await changes.rotate({})
  await changes.delete({})
  expect(did).toEqual(["set A_KEY sk-mine", "rotate", "delete A_KEY"])
  const far = at.overTcp.api.secrets({ name: "A_KEY" }).put({ body: { value: "sk-theirs" } })
  expect(await refusal(far)).toMatchObject({ code: "presence.required" })
  expect(did).toHaveLength(3)
})
