import { describe, expect, test } from "bun:test"
import { newId } from "#core/id.ts"
import { judgeSender } from "#core/safety/sender.ts"

describe("the sender gate", () => {
  test("lets in who is known by an id", () => {
    expect(judgeSender({ personId: newId("per") })).toEqual({ verdict: "allow" })
  })

  test("gives nothing to who is not", () => {
    expect(judgeSender({ personId: null })).toEqual({ verdict: "deny", why: "This assistant does not know you" })
  })
})
