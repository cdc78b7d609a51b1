import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { newId } from "#core/id.ts"
import { EXPORT_VERSION } from "#core/session/export.ts"
import { openRig, type Rig } from "./rig.ts"
import { engines } from "../db/memory.ts"

describe.each(engines())("on $name", ({ open }) => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig(open)
  }, 30_000) // the first database of a process is made from nothing, on a machine that may be busy
  afterAll(() => rig.close())

  async function sessionWithEverything() {
    const id = await rig.session()
    await rig.store.change(id, { title: "Notes\non ``` fences" })
    const turnId = await rig.beginTurn(id, "finished")
    const callId = newId("call")
    await rig.say(id, { turnId, text: "Hello 😀", parts: [{ type: "image", mediaType: "image/png", base64: "QUJD" }] })
    await rig.say(id, {
      turnId,
      role: "model",
      text: "",
      toolCalls: [{ callId, name: "file_read", arguments: { path: "a" } }],
    })
    await rig.say(id, {
      turnId,
      role: "tool",
      callId,
      text: "```\n# not a heading\n```",
      labels: ["untrusted"],
      source: "file a",
    })
    await rig.turn(id, "taken back", "yes")
    await rig.store.undo(id)
    return { id, turnId, callId }
  }

  test("the JSON export holds every row and can be read back to the same rows", async () => {
    const { id, callId } = await sessionWithEverything()
    const whole = JSON.parse(await rig.store.export(id, "json"))
    expect(whole).toMatchObject({ format: "ironclaw-session", version: EXPORT_VERSION, session: { id } })
    expect(whole.turns.map(({ hidden }: { hidden: unknown }) => hidden)).toEqual([null, "undone"])
    expect(whole.messages).toHaveLength(5)
    expect(whole.messages[0]).toMatchObject({ text: "Hello 😀", parts: [{ base64: "QUJD" }], labels: [] })
    expect(whole.messages[2]).toMatchObject({ callId, labels: ["untrusted"], source: "file a" })
    const { messages } = await rig.store.inSight(id)
    expect(whole.messages.slice(0, 3)).toEqual(JSON.parse(JSON.stringify(messages)))
  })

  test("the Markdown export is for people: who, when, from where, and what is out of sight", async () => {
    const { id } = await sessionWithEverything()
    const text = await rig.store.export(id, "markdown")
    expect(text.startsWith("# Notes on ``` fences\n")).toBe(true)
    expect(text).toContain("## Person\n")
    expect(text).toContain("Calls `file_read`")
    expect(text).toContain("## Tool file_read\n")
    expect(text).toContain("untrusted · from file a")
    expect(text).toContain("1 image(s) not shown")
    expect(text).toMatch(/undone\*\n\ntaken back/)
  })

  test("a tool's result cannot end the block it is shown in", async () => {
    const { id } = await sessionWithEverything()
    const text = await rig.store.export(id, "markdown")
    expect(text).toContain("````\n```\n# not a heading\n```\n````")
  })

  test("originals of compacted and cleared messages are in the export", async () => {
    const id = await rig.session()
    await rig.turn(id, "long ago", "indeed")
    await rig.store.clear(id)
    expect(await rig.store.export(id, "markdown")).toMatch(/cleared\*\n\nlong ago/)
    expect(await rig.store.export(id, "json")).toContain("long ago")
  })
})
