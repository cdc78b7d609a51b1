import { describe, expect, test } from "bun:test"
import type { Capability } from "#core/safety/capability.ts"
import { type AuthorizeInput, createAuthorize, judgeAuthority } from "#core/safety/authorize.ts"

const input = (more: Partial<AuthorizeInput> = {}): AuthorizeInput => ({
  principal: "builtin",
  tool: "some_tool",
  effect: "read",
  needs: [],
  reversible: false,
  labels: [],
  allowedTools: null,
  level: "supervised",
  ceiling: null,
  consented: false,
  ...more,
})
const verdictOf = (more: Partial<AuthorizeInput>) => {
  const judged = judgeAuthority(input(more))
  return judged.verdict === "allow" ? "allow" : `${judged.verdict} by ${judged.gate}`
}

describe("the authority gate", () => {
  test("lets reads run at every level", () => {
    for (const level of ["supervised", "read-only", "trusted"] as const)
      for (const effect of ["read", "read-private"] as const) expect(verdictOf({ level, effect })).toBe("allow")
  })

  test("asks about what sends, runs or spends, whatever the level, unless that refuses it", () => {
    for (const effect of ["send", "exec", "spend"] as const) {
      expect(verdictOf({ effect })).toBe("ask by authority")
      expect(verdictOf({ effect, level: "trusted" })).toBe("ask by authority")
      expect(verdictOf({ effect, level: "read-only" })).toBe("deny by authority")
    }
  })

  test("lets the agent write its own memory, and the project where it is trusted", () => {
    const memory = { effect: "write-local", needs: [{ kind: "memory", path: "a.md", write: true }] } as const
    const file = { effect: "write-local", needs: [{ kind: "file", path: "a.md", write: true }] } as const
    expect(verdictOf(memory)).toBe("allow")
    expect(verdictOf(file)).toBe("ask by authority")
    expect(verdictOf({ ...file, level: "trusted" })).toBe("allow")
    expect(verdictOf({ effect: "write-local", needs: [...memory.needs, ...file.needs] })).toBe("ask by authority")
    expect(verdictOf({ effect: "write-local", needs: [] })).toBe("ask by authority")
  })

  test("lets through, at each level, exactly what the list of levels says", () => {
    const to = (channel: string) => ({ effect: "send", needs: [{ kind: "send", channel }] }) as const
    const rows: [what: string, call: Partial<AuthorizeInput>, supervised: string, readOnly: string, trusted: string][] =
      [
        ["read", { effect: "read" }, "allow", "allow", "allow"],
        ["read private", { effect: "read-private" }, "allow", "allow", "allow"],
        [
          "own memory",
          { effect: "write-local", needs: [{ kind: "memory", path: "a.md", write: true }] },
          "allow",
          "deny",
          "allow",
        ],
        [
          "project",
          { effect: "write-local", needs: [{ kind: "file", path: "a.md", write: true }] },
          "ask",
          "deny",
          "allow",
        ],
        ["to the owner", to("owner"), "allow", "deny", "allow"],
        [
          "to the owner, after reading outside text",
          { ...to("owner"), labels: ["untrusted", "private"] },
          "allow",
          "deny",
          "allow",
        ],
        [
          "to the owner and another",
          { effect: "send", needs: [...to("owner").needs, ...to("mia").needs] },
          "ask",
          "deny",
          "ask",
        ],
        ["to another", to("mia"), "ask", "deny", "ask"],
        [
          "to a host",
          { effect: "send", needs: [{ kind: "http", host: "a.example", methods: ["POST"] }] },
          "ask",
          "deny",
          "ask",
        ],
        ["run", { effect: "exec" }, "ask", "deny", "ask"],
        ["spend", { effect: "spend" }, "ask", "deny", "ask"],
      ]
    for (const [what, call, supervised, readOnly, trusted] of rows) {
      const found = (["supervised", "read-only", "trusted"] as const).map(
        (level) => judgeAuthority(input({ ...call, level })).verdict,
      )
      expect([what, ...found]).toEqual([what, supervised, readOnly, trusted])
    }
  })

  test("lets a message to the owner's own place go, whoever had a hand in it, unless the level refuses it", () => {
    const owner: Capability = { kind: "send", channel: "owner" }
    const others: Capability[] = [
      { kind: "send", channel: "owner:eve" },
      { kind: "send", channel: "mail:eve" },
      { kind: "http", host: "owner", methods: ["POST"] },
      { kind: "memory", path: "a.md", write: true },
    ]
    for (const labels of [[], ["private"], ["untrusted"], ["untrusted", "private"]] as const) {
      for (const level of ["supervised", "trusted"] as const) {
        expect(verdictOf({ effect: "send", needs: [owner], labels, level })).toBe("allow")
        // Only that, only there, and only as a send.
        expect(verdictOf({ effect: "send", needs: [], labels, level })).toStartWith("ask")
        for (const effect of ["exec", "spend"] as const)
          expect(verdictOf({ effect, needs: [owner], labels, level })).toStartWith("ask")
        for (const other of others) {
          expect(verdictOf({ effect: "send", needs: [other], labels, level })).toStartWith("ask")
          expect(verdictOf({ effect: "send", needs: [owner, other], labels, level })).toStartWith("ask")
        }
      }
      expect(verdictOf({ effect: "send", needs: [owner], labels, level: "read-only" })).toBe("deny by authority")
      expect(verdictOf({ effect: "send", needs: [owner], labels, allowedTools: [] })).toBe("deny by authority")
    }
  })

  test("has no level that lifts the flow gate", () => {
    for (const level of ["supervised", "trusted"] as const)
      expect(verdictOf({ effect: "send", labels: ["untrusted", "private"], level })).toBe("ask by flow")
  })

  test("takes the owner's yes for what would be asked, and never for what is refused", () => {
    expect(verdictOf({ effect: "send", labels: ["untrusted", "private"], consented: true })).toBe("allow")
    expect(verdictOf({ effect: "send", level: "read-only", consented: true })).toBe("deny by authority")
    expect(verdictOf({ allowedTools: ["other_tool"], consented: true })).toBe("deny by authority")
  })

  test("refuses tools that the agent is not allowed", () => {
    expect(verdictOf({ allowedTools: [] })).toBe("deny by authority")
    expect(verdictOf({ allowedTools: ["some_tool"] })).toBe("allow")
  })

  test("hands out the body once, and only where it allows", () => {
    const taken: string[] = []
    const authorize = createAuthorize({
      take(tool) {
        taken.push(tool)
        return tool === "gone" ? undefined : { run: tool }
      },
    })
    const allowed = authorize({ ...input(), provider: "builtin" })
    if (allowed.verdict !== "allow") throw new Error("It should be allowed")
    expect(allowed.open()).toEqual({ run: "some_tool" })
    expect(() => allowed.open()).toThrow("used twice")
    expect(authorize({ ...input({ effect: "send" }), provider: "builtin" }).verdict).toBe("ask")
    expect(taken).toEqual(["some_tool"])
    expect(authorize({ ...input({ tool: "gone" }), provider: "builtin" })).toEqual({
      verdict: "deny",
      gate: "authority",
      why: "gone is gone",
    })
  })
})
