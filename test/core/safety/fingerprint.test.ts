import { describe, expect, test } from "bun:test"
import { canonicalJson, fingerprint, sha256Hex } from "#core/safety/fingerprint.ts"

const call = { principal: "builtin", tool: "message_send", arguments: { to: "a", text: "b" } }

describe("the fingerprint of a call", () => {
  test("is the same for equal arguments, however their keys are ordered", () => {
    const same = { ...call, arguments: { text: "b", to: "a" } }
    expect(fingerprint(same)).toBe(fingerprint(call))
    expect(canonicalJson({ b: { d: 1, c: [3, { f: 1, e: 2 }] }, a: null })).toBe(
      '{"a":null,"b":{"c":[3,{"e":2,"f":1}],"d":1}}',
    )
  })

  test("differs with every byte of principal, tool and arguments", () => {
    const others = [
      { ...call, principal: "builtin:" },
      { ...call, tool: "message_sen" },
      { ...call, arguments: { to: "a", text: "b " } },
      { ...call, arguments: { to: "a", text: "b", cc: null } },
      { ...call, arguments: ["to", "a"] },
      { ...call, arguments: null },
      { principal: "builtinmessage_send", tool: "", arguments: call.arguments },
    ]
    const all = new Set([call, ...others].map(fingerprint))
    expect(all.size).toBe(others.length + 1)
  })

  test("takes absent arguments for null", () => {
    expect(fingerprint({ ...call, arguments: undefined })).toBe(fingerprint({ ...call, arguments: null }))
  })

  test("is SHA-256, as FIPS 180-4 gives it", () => {
    expect(sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  })
})
