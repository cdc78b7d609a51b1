/** A backup holds every secret, under a passphrase of the caller's choice: whose words those are decides whether a code is to be typed. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createBackups } from "#cmd/lib/backups.ts"
import { systemClock } from "#core/clock.ts"
import { openHome } from "#core/home.ts"
import type { Proof } from "#core/safety/presence.ts"
import type { BackupFace } from "#gateway/deps.ts"
import { refusal } from "../../fakes/gateway.ts"
import { oneModel, scriptedModel } from "../../fakes/model.ts"
import { AT_TERMINAL, type OwnerHouse, ownerHouse } from "../../fakes/owner-house.ts"

setDefaultTimeout(30_000) // each test makes a database, on a machine that may be busy

const stored = "seven wet owls under a bridge"
const mine = "eight dry cats beside a river"
let base = ""
let house: OwnerHouse | undefined
beforeEach(() => void (base = mkdtempSync(join(tmpdir(), "ironclaw-api-backups-"))))
afterEach(async () => {
  await house?.end()
  house = undefined
  rmSync(base, { recursive: true, force: true })
})

async function open({ acted = true, passphrase = stored }: { acted?: boolean; passphrase?: string | null } = {}) {
  const made: { backups?: BackupFace } = {} // of the house's own database, which is there once the house is
  const late: BackupFace = {
    list: async () => (await made.backups?.list()) ?? [],
    running: () => null,
    needsNoProof: (request) => made.backups?.needsNoProof(request) ?? false,
    judge: (request) => made.backups?.judge(request),
    async create(request) {
      if (!made.backups) throw new Error("There is no house yet")
      return made.backups.create(request)
    },
  }
  const at = await ownerHouse({
    models: oneModel(scriptedModel([{ say: "Hello" }])),
    given: { hasActed: async () => acted, backups: late },
  })
  house = at
  const home = openHome({ env: { IRONCLAW_HOME: join(base, "home") } })
  const masterKey = () => ({ reveal: () => "k".repeat(64) })
  made.backups = createBackups({
    db: at.db,
    writer: at.writer,
    clock: systemClock,
    home,
    masterKey,
    passphrase: () => passphrase,
  })
  const back = (body: { passphrase: string; output?: string; presence?: Proof }) =>
    at.atSocket.api.backups.post({ body })
  return { at, back, files: () => readdirSync(home.folder("backups")) }
}
const ask = { ask: { pid: AT_TERMINAL } }

describe("once somebody has talked with the assistant, a backup", () => {
  test("under a passphrase of the caller's own takes the code that stands on the owner's terminal", async () => {
    const { at, back, files } = await open()
    expect(await refusal(back({ passphrase: mine }))).toMatchObject({ code: "presence.required" })
    expect(await refusal(back({ passphrase: mine, presence: { ask: { pid: 1 } } }))).toMatchObject({
      code: "presence.no_terminal",
    })
    const answer = await back({ passphrase: mine, presence: ask })
    if (!("challenge" in answer)) throw new Error("It asked for no code")
    expect(at.screen.join("")).toContain("every secret")
    expect(at.screen.join("")).not.toContain(mine)
    const presence = { challenge: answer.challenge.id, code: at.lastCode() }
    expect(await refusal(back({ passphrase: `${mine}s`, presence }))).toMatchObject({ code: "presence.expired" })
    expect(files()).toEqual([])
    const again = await back({ passphrase: mine, presence: ask })
    if (!("challenge" in again)) throw new Error("It asked for no code")
    expect(
      await back({ passphrase: mine, presence: { challenge: again.challenge.id, code: at.lastCode() } }),
    ).toMatchObject({ rows: expect.any(Number) })
    expect(files()).toHaveLength(1)
  })

  test("with the passphrase that the owner has set goes into the home without a code, and nowhere else", async () => {
    const { back, files } = await open()
    expect(await back({ passphrase: stored })).toMatchObject({ rows: expect.any(Number) })
    expect(files()).toHaveLength(1)
    const elsewhere = { passphrase: stored, output: join(base, "away.ironclaw-backup") }
    expect(await refusal(back(elsewhere))).toMatchObject({ code: "presence.required" })
    expect(readdirSync(base)).not.toContain("away.ironclaw-backup")
  })

  test("is never made with the empty passphrase where none is set, and a weak one is refused before a code is typed", async () => {
    const { at, back } = await open({ passphrase: null })
    expect(await refusal(back({ passphrase: "", presence: ask }))).toMatchObject({ code: "backup.passphrase_weak" })
    expect(await refusal(back({ passphrase: stored }))).toMatchObject({ code: "presence.required" })
    expect(at.screen).toEqual([])
  })

  test("does not let a caller try out what the owner's passphrase is", async () => {
    const { back } = await open()
    for (let tries = 0; tries < 10; tries++)
      expect(await refusal(back({ passphrase: `${mine} ${tries}` }))).toMatchObject({ code: "presence.required" })
    expect(await refusal(back({ passphrase: stored }))).toMatchObject({ code: "presence.required" })
  })
})

test("before that a script makes one, on the machine itself", async () => {
  const { at, back } = await open({ acted: false, passphrase: null })
  expect(await back({ passphrase: mine, output: join(base, "first.ironclaw-backup") })).toMatchObject({
    path: join(base, "first.ironclaw-backup"),
  })
  expect(await refusal(at.overTcp.api.backups.post({ body: { passphrase: mine } }))).toMatchObject({
    code: "presence.required",
  })
})
