/** Settings and secrets of plugins over HTTP: what takes the owner at the terminal, and what a client over the network cannot do. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { PreparedToken } from "#sandbox/auth.ts"
import { oneModel, scriptedModel } from "../../fakes/model.ts"
import { AT_TERMINAL, type OwnerHouse, otherThan, ownerHouse } from "../../fakes/owner-house.ts"
import { gatewayHouse, refusal } from "../../fakes/gateway.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

let house: OwnerHouse | undefined
afterEach(async () => {
  await house?.end()
  house = undefined
})

const pin = {
  name: "vendor",
  version: "1.0.0",
  sha256: "ab".repeat(32),
  manifest: { name: "vendor", version: "1.0.0", entry: "plugin.ts" },
  tools: [],
  state: "active" as const,
  config: {},
  publisher: null,
  createdAt: "2026-01-15T10:00:00.000Z",
}
const prepared: PreparedToken = {
  pin,
  secret: "vendor_token",
  version: 2,
  triedAt: "api.example.com",
  sharedWith: ["beside"],
}
const shown = { plugin: "vendor", displayName: null, instructions: null, setupUrl: null, triedAt: null, secrets: [] }

async function open() {
  const did: string[] = []
  const { plugins } = gatewayHouse().deps
  const at = await ownerHouse({
    models: oneModel(scriptedModel([{ say: "Hello" }])),
    given: {
      hasActed: async () => true,
      pluginAuth: {
        status: async () => shown,
        prepare: async () => prepared,
        async save(_prepared, { value, unchecked }) {
          did.push(`save ${value}${unchecked ? " unchecked" : ""}`)
          return shown
        },
        async forget() {
          did.push("forget")
          return shown
        },
      },
      plugins: {
        ...plugins,
        prepareConfig: async (name) => ({
          name,
          sha256: pin.sha256,
          values: { base: "http://127.0.0.1:8888" },
          before: {},
        }),
        async configure({ name, values }) {
          did.push(`configure ${JSON.stringify(values)}`)
          return { ...(await plugins.get("vendor").catch(() => null)), name, settings: [] } as never // what the route reads
        },
      },
    },
  })
  house = at
  const plugin = at.atSocket.api.plugins({ name: "vendor" })
  const changes = {
    save: (proof: object) => plugin.auth.put({ body: { value: "a-token-value", ...proof } }),
    forget: (proof: object) => plugin.auth.delete({ body: proof }),
    configure: (proof: object) =>
      plugin.config.patch({ body: { values: { base: "http://127.0.0.1:8888" }, ...proof } }),
  }
  return { at, did, changes }
}

describe("once somebody has talked with the assistant", () => {
  for (const [name, words, done] of [
    ["save", "Replace version 2 of the secret VENDOR_TOKEN, for the plugin vendor.", "save a-token-value"],
    ["forget", "Delete the secret VENDOR_TOKEN, for good.", "forget"],
    ["configure", 'base: "http://127.0.0.1:8888"', 'configure {"base":"http://127.0.0.1:8888"}'],
  ] as const)
    test(`to ${name} takes the code that stands on the owner's terminal`, async () => {
      const { at, did, changes } = await open()
      expect(await refusal(changes[name]({}))).toMatchObject({ code: "presence.required" })
      const answer = await changes[name]({ presence: { ask: { pid: AT_TERMINAL } } })
      const challenge = Reflect.get(answer, "challenge") as { id: string; words: string } // what 202 answers with
      expect(challenge.words).toContain(words)
      expect(challenge.words).not.toContain("a-token-value")
      expect(did).toEqual([])
      const wrong = { challenge: challenge.id, code: otherThan(at.lastCode()) }
      expect(await refusal(changes[name]({ presence: wrong }))).toMatchObject({ code: "presence.wrong_code" })
      await changes[name]({ presence: { challenge: challenge.id, code: at.lastCode() } })
      expect(did).toEqual([done])
    })

  test("no token over the network sets or deletes a secret", async () => {
    const { at, did } = await open()
    const { auth } = at.overTcp.api.plugins({ name: "vendor" })
    for (const sent of [auth.put({ body: { value: "x" } }), auth.delete({ body: {} })])
      expect(await refusal(sent)).toMatchObject({ code: "presence.required" })
    expect(did).toEqual([])
  })

  test("a code that was shown for one value sets no other", async () => {
    const { at, did } = await open()
    const put = at.atSocket.api.plugins({ name: "vendor" }).auth.put
    const answer = await put({ body: { value: "mine", presence: { ask: { pid: AT_TERMINAL } } } })
    const { id } = Reflect.get(answer, "challenge") as { id: string } // what 202 answers with
    const presence = { challenge: id, code: at.lastCode() }
    expect(await refusal(put({ body: { value: "theirs", presence } }))).toMatchObject({ code: "presence.expired" })
    expect(did).toEqual([])
  })
})
