import { describe, expect, test } from "bun:test"
import { judgeAuthority } from "#core/safety/authorize.ts"
import type { Effect } from "#core/safety/capability.ts"
import { judgeCeiling, mayFetch, narrowTools, READER_TOOLS } from "#core/safety/ceiling.ts"

const all = ["agent_spawn", "approval_plan", "file_read", "memory_read", "message_send", "note_send", "web_fetch"]
const effects: readonly Effect[] = ["read", "read-private", "write-local", "send", "exec", "spend"]

describe("the ceiling of a sub-turn", () => {
  test("a helper has what its parent has, or less, and nothing that starts turns, asks or writes to people", () => {
    expect(narrowTools({ kind: "helper", parent: all, asked: null })).toEqual([
      "file_read",
      "memory_read",
      "note_send",
      "web_fetch",
    ])
    expect(narrowTools({ kind: "helper", parent: all, asked: ["file_read", "approval_plan", "exec"] })).toEqual([
      "file_read",
    ])
    expect(narrowTools({ kind: "helper", parent: ["web_fetch"], asked: ["file_read"] })).toEqual([])
  })

  test("a reader has the fixed tools that its parent has too", () => {
    expect(narrowTools({ kind: "reader", parent: all, asked: null })).toEqual(["web_fetch"])
    expect(narrowTools({ kind: "reader", parent: ["file_read"], asked: null })).toEqual([])
  })

  test("only a reader with a clean task asks any host", () => {
    expect(mayFetch("reader", [])).toBe(true)
    expect(mayFetch("reader", ["vetted"])).toBe(true)
    expect(mayFetch("reader", ["private"])).toBe(false)
    expect(mayFetch("reader", ["untrusted"])).toBe(false)
    expect(mayFetch("helper", [])).toBe(false)
  })

  test("no reader makes a call with an effect, or one of another tool, whatever its list says", () => {
    for (const tool of READER_TOOLS) {
      for (const effect of effects) {
        const refused = judgeCeiling({ kind: "reader", tools: READER_TOOLS }, { tool, effect, needs: [] })
        expect([tool, effect, refused === null]).toEqual([tool, effect, effect === "read" || effect === "read-private"])
      }
    }
    const wide = { kind: "reader", tools: all } as const
    expect(judgeCeiling(wide, { tool: "memory_read", effect: "read", needs: [] })).toContain("not allowed")
    expect(judgeCeiling({ kind: "reader", tools: [] }, { tool: "web_fetch", effect: "read", needs: [] })).toContain(
      "not allowed",
    )
  })

  test("no helper writes to anybody, by whatever tool, or does what is for the main turn", () => {
    const helper = { kind: "helper", tools: all } as const
    const needs = [{ kind: "send", channel: "owner" }] as const
    expect(judgeCeiling(helper, { tool: "note_send", effect: "send", needs })).toContain("writes to nobody")
    for (const tool of ["agent_spawn", "approval_plan", "message_send"])
      expect(judgeCeiling(helper, { tool, effect: "read", needs: [] })).toContain("not allowed")
    expect(judgeCeiling(helper, { tool: "file_read", effect: "read-private", needs: [] })).toBeNull()
  })

  test("holds at every level and against the owner's own grants", () => {
    for (const level of ["supervised", "read-only", "trusted"] as const) {
      const judged = judgeAuthority({
        principal: "agent:main",
        tool: "http_request",
        effect: "send",
        needs: [{ kind: "http", host: "a.example", methods: ["POST"] }],
        reversible: false,
        labels: [],
        allowedTools: null,
        level,
        ceiling: { kind: "reader", tools: READER_TOOLS },
        consented: true,
      })
      expect(judged).toMatchObject({ verdict: "deny", gate: "authority" })
    }
  })
})
