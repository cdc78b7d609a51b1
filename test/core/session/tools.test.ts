import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { findLeaks } from "#core/safety/leaks.ts"
import { newId, type MessageId, type SessionId } from "#core/id.ts"
import { judgeShape } from "#core/schema.ts"
import { sessionTools } from "#core/session/tools.ts"
import type { Tool, ToolContext, ToolResult } from "#core/tools/tool.ts"
import { openRig, type Rig } from "./rig.ts"
import { engines } from "../db/memory.ts"

describe.each(engines())("on $name", ({ open }) => {
  let rig: Rig
  let tool: Tool
  beforeAll(async () => {
    rig = await openRig(open)
    const [only] = sessionTools({ db: rig.db, findSecrets: findLeaks })
    if (!only) throw new Error("no tool")
    tool = only
  }, 30_000) // the first database of a process is made from nothing, on a machine that may be busy
  afterAll(() => rig.close())

  function read(
    sessionId: SessionId,
    input: { handle: string; offset?: number; length?: number },
    agentId = "main",
  ): Promise<ToolResult> {
    const context: ToolContext = {
      signal: new AbortController().signal,
      fetch: () => Promise.reject(new Error("this tool fetches nothing")),
      agentId,
      sessionId,
      turnId: newId("trn"),
      effect: "read",
      isNested: false,
      invoke: () => Promise.reject(new Error("this tool calls no other")),
      ownerUrls: () => false,
      principal: `agent:${agentId}`,
      callId: newId("call"),
      personId: null,
      labels: [],
      source: "",
      allowedTools: null,
    }
    expect(judgeShape(tool.input, input).ok).toBe(true)
    return tool.run(input, context)
  }
  const failed = (result: ToolResult) => ("failed" in result ? result.failed : "")

  test("a long text is read piece by piece, with the labels of its row", async () => {
    const id = await rig.session()
    const text = Array.from({ length: 3_000 }, (_, n) => `row ${n}; `).join("")
    const handle = await rig.say(id, { role: "tool", text, labels: ["untrusted", "private"], source: "page x" })
    let got = ""
    let offset: number | null = 0
    while (offset !== null) {
      const result: ToolResult = await read(id, { handle, offset, length: 16_000 })
      if (!("data" in result)) throw new Error(result.failed)
      expect(result).toMatchObject({ labels: ["untrusted", "private"], source: "page x" })
      // The tool's own shape, tested here.
      const data = result.data as { text: string; nextOffset: number | null; totalCharacters: number }
      expect(data.totalCharacters).toBe(text.length)
      got += data.text
      offset = data.nextOffset
    }
    expect(got).toBe(text)
  })

  test("no piece splits a surrogate pair", async () => {
    const id = await rig.session()
    const handle = await rig.say(id, { text: "😀".repeat(50) })
    for (const [offset, length] of [
      [1, 1],
      [0, 1],
      [3, 4],
      [98, 1],
      [99, 1],
    ] as const) {
      const result = await read(id, { handle, offset, length })
      const { text } = ("data" in result ? result.data : {}) as { text: string } // the tool's own shape
      expect(text.isWellFormed()).toBe(true)
      expect(text.length).toBeGreaterThan(0)
    }
  })

  test("another session's message, another agent's, and one that is not there are all the same: not there", async () => {
    const [mine, theirs] = [await rig.session(), await rig.session()]
    const handle = await rig.say(theirs, { text: "private matters" })
    const missing: MessageId = newId("msg")
    const message = `There is no text with the handle ${handle} in this conversation`
    expect(failed(await read(mine, { handle }))).toBe(message)
    expect(failed(await read(theirs, { handle }, "other"))).toBe(message)
    expect(failed(await read(mine, { handle: missing }))).toBe(message.replace(handle, missing))
  })

  test("what the owner cleared or undid cannot be read; what was compacted can", async () => {
    const id = await rig.session()
    const compacted = await rig.say(id, { text: "compacted" })
    await rig.writer.commit({
      statements: [
        { sql: "update sessions set compacted_to = (select max(position) from messages) where id = $1", params: [id] },
      ],
    })
    expect(await read(id, { handle: compacted })).toMatchObject({ data: { text: "compacted" } })
    const turnId = await rig.beginTurn(id, "finished")
    const undone = await rig.say(id, { turnId, text: "undone" })
    await rig.store.undo(id)
    expect(failed(await read(id, { handle: undone }))).toContain("no text")
    await rig.store.clear(id)
    expect(failed(await read(id, { handle: compacted }))).toContain("no text")
  })

  test("an offset past the end says how long the text is", async () => {
    const id = await rig.session()
    const handle = await rig.say(id, { text: "short" })
    expect(failed(await read(id, { handle, offset: 5 }))).toContain("5 characters")
  })

  test("a handle of another kind does not fit the tool's input", () => {
    for (const handle of ["ses_" + "0".repeat(32), "msg_1", "msg_" + "0".repeat(31) + "'", ""])
      expect(judgeShape(tool.input, { handle }).ok).toBe(false)
  })
})
