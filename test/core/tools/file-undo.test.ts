import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Db } from "#core/db/db.ts"
import { createWriter } from "#core/db/writer.ts"
import type { LabelName } from "#core/event.ts"
import type { ApprovalLevel } from "#core/safety/authorize.ts"
import { openJail, type Jail } from "#core/safety/paths.ts"
import { createFileChanges } from "#core/tools/file-changes.ts"
import { fileUndoTools } from "#core/tools/file-undo.ts"
import { fileWriteTools } from "#core/tools/file-write.ts"
import { memoryDb } from "#test/fakes/agent-house.ts"
import { readerOf, toolRig } from "./rig.ts"

let base: string
let root: string
let project: Jail
let db: Db
let rig: Awaited<ReturnType<typeof toolRig>>

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), "ironclaw-undo-"))
  root = join(base, "project")
  mkdirSync(root)
  project = openJail({ root, closed: [] })
  db = await memoryDb()
})
afterEach(async () => {
  await rig.close()
  await db.close()
  project.close()
  rmSync(base, { recursive: true, force: true })
})

async function open(level: ApprovalLevel, labels: LabelName[] = ["untrusted"], more: { spawns?: boolean } = {}) {
  const changes = createFileChanges({ db, writer: createWriter({ db, publish: () => {} }) })
  const tools = [
    ...fileWriteTools({ project, keepChange: changes.keep }),
    ...fileUndoTools({ project, changes }),
    readerOf(labels),
  ]
  rig = await toolRig({ tools, level, db, ...more })
  return rig
}
const write = (path: string, content: string) => ({ name: "file_write", arguments: { path, content } })
const undo = (path?: string) => ({ name: "file_undo", arguments: path === undefined ? {} : { path } })
const read = { name: "read_it", arguments: {} }
const file = (path: string) => readFileSync(join(root, path), "utf8")

describe("file_undo", () => {
  test("takes back what a helper of the conversation changed", async () => {
    const { play } = await open("trusted", [], { spawns: true })
    const helper = { id: "h", name: "agent_spawn", arguments: { task: "Write a.md", kind: "helper" } }
    const { sessionId } = await play("Write", [
      { call: [helper] },
      { call: [{ id: "w", ...write("a.md", "one") }] },
      { say: "Written" },
      { say: "Good" },
    ])
    expect(file("a.md")).toBe("one")
    const { last } = await play("Undo", [{ call: [{ id: "u", ...undo() }] }, { say: "Undone" }], sessionId)
    expect(last?.text).toBe('{"path":"a.md","restored":"removed again"}')
  })

  test("takes changes back one by one, the last one first, and removes what was new", async () => {
    const { ask } = await open("trusted")
    writeFileSync(join(root, "a.md"), "zero")
    const { sessionId } = await ask("Write", [write("a.md", "one"), write("./a.md", "two"), write("new/b.md", "b")])
    expect(file("a.md")).toBe("two")
    const { results } = await ask("Undo", [undo("./a.md"), undo(), undo(), undo()], sessionId)
    expect(results.map(({ text }) => text)).toEqual([
      '{"path":"a.md","restored":"as it was before"}',
      '{"path":"new/b.md","restored":"removed again"}',
      '{"path":"a.md","restored":"as it was before"}',
      "There is no change of this conversation left to take back",
    ])
    expect(file("a.md")).toBe("zero")
    expect(existsSync(join(root, "new/b.md"))).toBe(false)
  })

  test("leaves alone what was changed since, and what another session did", async () => {
    const { ask } = await open("trusted")
    const { sessionId } = await ask("Write", [write("a.md", "one")])
    expect((await ask("Undo", [undo()])).last?.text).toContain("no change of this conversation")
    writeFileSync(join(root, "a.md"), "by hand")
    expect((await ask("Undo", [undo()], sessionId)).last?.text).toContain("was changed since")
    expect(file("a.md")).toBe("by hand")
  })

  test("takes no account of a change that was refused by the disk", async () => {
    const { ask } = await open("trusted")
    mkdirSync(join(root, "folder"))
    const { results, sessionId } = await ask("Write", [write("a.md", "one"), write("folder", "x")])
    expect(results[1]?.text).toContain("folder")
    expect((await ask("Undo", [undo()], sessionId)).last?.text).toContain('"path":"a.md"')
  })

  test("goes with its session", async () => {
    const { ask, house } = await open("trusted")
    const { sessionId } = await ask("Write", [write("a.md", "one")])
    const count = () => db.query({ sql: "select count(*)::int as n from file_changes", params: [] })
    expect(await count()).toEqual([{ n: 1 }])
    await house.sessions.delete(sessionId)
    expect(await count()).toEqual([{ n: 0 }])
  })
})

describe("the levels", () => {
  test("supervised asks before a file of the project is written, and writes it once allowed", async () => {
    const { ask, house, audit } = await open("supervised")
    const { outcome } = await ask("Write", [write("a.md", "one")])
    expect(outcome.state).toBe("suspended")
    expect(existsSync(join(root, "a.md"))).toBe(false)
    const id = outcome.approval?.id
    if (!id) throw new Error("nothing was asked")
    await house.approvals.answer(id, { answer: "allow", how: "once" })
    await house.agent.wait(outcome.turnId, AbortSignal.timeout(10_000))
    expect(file("a.md")).toBe("one")
    expect((await audit()).at(-1)).toMatchObject({ outcome: "done", destination: "file write a.md" })
  })

  test("trusted writes without asking, also where text from outside had a hand: it can be undone", async () => {
    const { ask } = await open("trusted", ["untrusted", "private"])
    const { outcome, sessionId } = await ask("Read and write", [read, write("a.md", "one")])
    expect(outcome.state).toBe("finished")
    expect(file("a.md")).toBe("one")
    const [kept] = await db.query({ sql: "select labels, path from file_changes", params: [] })
    expect(kept).toMatchObject({ labels: ["untrusted", "private"], path: "a.md" })
    await ask("Undo", [undo()], sessionId)
    expect(existsSync(join(root, "a.md"))).toBe(false)
  })

  test("read-only refuses, and the record says so", async () => {
    const { ask, audit, finished } = await open("read-only")
    const { outcome, last } = await ask("Write", [write("a.md", "one")])
    expect(outcome.state).toBe("finished")
    expect(last?.text).toContain("read-only")
    expect(await audit()).toMatchObject([{ outcome: "refused" }])
    expect(finished()).toMatchObject([{ tool: "file_write", outcome: "refused" }])
    expect(existsSync(join(root, "a.md"))).toBe(false)
  })
})
