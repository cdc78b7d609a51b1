/** No form of a message goes round the owner's hooks: not as a command, and not to steer a turn. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { filesOf } from "#core/hooks/program.ts"
import { oneModel, scriptedModel } from "../fakes/model.ts"
import { ownerHouse, type OwnerHouse } from "../fakes/owner-house.ts"
import { refusal } from "../fakes/gateway.ts"

setDefaultTimeout(60_000) // the database is made on a machine that may be busy

const folder = mkdtempSync(join(tmpdir(), "ironclaw-round-hooks-"))
const model = scriptedModel([() => ({ say: "Heard." })])
let at: OwnerHouse
beforeAll(async () => {
  at = await ownerHouse({ models: oneModel(model) })
  const path = join(folder, "no.sh")
  writeFileSync(path, `#!/bin/sh\ncat >/dev/null\necho '{"verdict":"refuse","why":"not today"}'\n`)
  chmodSync(path, 0o755)
  const argv = [path]
  const everywhere = { position: 100, tools: null, channels: null, agents: null }
  const form = { kind: "program" as const, argv, files: await filesOf(argv) }
  await at.hookStore.add({ name: "no", point: "message.in", ...everywhere, form })
})
afterAll(async () => {
  await at.end()
  rmSync(folder, { recursive: true })
})

describe("a message that the owner's hook refuses", () => {
  test.each([
    ["as it is", { content: "pineapple" }],
    ["as a command", { content: "/steer pineapple" }],
    ["to steer a turn", { content: "pineapple", mode: "steer" as const }],
    ["as a word that only looks like a command", { content: "/pineapple" }],
  ])("is refused %s, and nothing is kept of it", async (_how, body) => {
    const { id } = await at.overTcp.api.sessions.post({ body: {} })
    expect(await refusal(at.overTcp.api.sessions({ id }).messages.post({ body }))).toMatchObject({
      code: "hook.refused",
    })
    const [kept] = await at.db.query({
      sql: "select count(*)::int as n from messages where session_id = $1",
      params: [id],
    })
    expect(kept).toEqual({ n: 0 })
    const [row] = await at.db.query({
      sql: "select outcome, verdicts from audit where act = 'message.in' and session_id = $1",
      params: [id],
    })
    expect(row).toMatchObject({ outcome: "refused", verdicts: { hooks: expect.stringContaining("not today") } })
    expect(model.requests).toEqual([])
  })
})
