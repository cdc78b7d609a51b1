/** The vault on a real database: what it keeps, who sees what, and what a change of the master key does. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { createWriter } from "#core/db/writer.ts"
import { AppError } from "#core/errors.ts"
import { openHome } from "#core/home.ts"
import { createHookStore, resealHooks } from "#core/hooks/store.ts"
import { silentLog } from "#core/log.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import { createGrants } from "#core/safety/grants.ts"
import { resealAuthority } from "#core/safety/reseal.ts"
import { newKeyText } from "#core/secrets/key-text.ts"
import type { Keychain } from "#core/secrets/keychain.ts"
import { openMasterKey, type Reseal } from "#core/secrets/master-key.ts"
import { createVault, type Vault } from "#core/secrets/vault.ts"
import { engines } from "../db/memory.ts"
import { makeHome } from "#test/fakes/home.ts"

const keychain: Keychain = {
  read: async () => null,
  works: async () => false,
  write: async () => false,
  delete: async () => false,
}
const codeOf = async (work: Promise<unknown>) =>
  work.then(() => "done").catch((error: unknown) => (error instanceof AppError ? error.code : String(error)))

for (const engine of engines()) {
  describe(`on ${engine.name}`, () => {
    let db: Db
    let vault: Vault
    let place = makeHome()
    const opened: Vault[] = []
    const errors: unknown[] = []
    const log = { ...silentLog, error: (_: string, fields?: object) => void errors.push(fields) }

    async function open(given: { environment?: string; reseal?: readonly Reseal[] } = {}): Promise<Vault> {
      const home = openHome({ env: {}, explicit: place.path })
      const writer = createWriter({ db, publish() {}, clock: systemClock })
      const key = await openMasterKey({
        db,
        clock: systemClock,
        home,
        keychain,
        environment: given.environment,
        lock: null,
      })
      const made = await createVault({
        db,
        writer,
        clock: systemClock,
        log,
        key,
        home,
        keychain,
        lock: null,
        reseal: given.reseal ?? [],
      })
      opened.push(made)
      return made
    }
    const ask = (sql: string) => db.query({ sql, params: [] })

    beforeEach(async () => {
      place = makeHome()
      db = await engine.open()
      errors.length = 0
      vault = await open()
    })
    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close()
      await db.close()
      place[Symbol.dispose]()
    })
    afterAll(() => place[Symbol.dispose]())

    test("a secret is set, used by the gate in any case of its name, replaced and deleted; each change is in the audit log without its value", async () => {
      expect(await vault.set({ name: "openai_api_key", value: "sk-first-value" })).toEqual({
        name: "OPENAI_API_KEY",
        version: 1,
      })
      expect(await vault.set({ name: "OPENAI_API_KEY", value: "sk-second-value", mustExist: true })).toMatchObject({
        version: 2,
      })
      expect(vault.value("OpenAI_API_key")).toBe("sk-second-value")
      expect((await open()).value("OPENAI_API_KEY")).toBe("sk-second-value")
      expect(await vault.list()).toEqual([
        { name: "OPENAI_API_KEY", version: 2, createdAt: expect.any(String), usedAt: null, readable: true },
      ])
      await vault.delete("OPENAI_API_KEY")
      expect(vault.value("OPENAI_API_KEY")).toBeNull()
      expect(vault.values()).toEqual([])
      const rows = await ask("select act, principal, subject, preview from audit order by seq")
      expect(rows.map(({ preview }) => preview)).toEqual(["Set version 1", "Set version 2", "Deleted version 2"])
      expect(rows[0]).toMatchObject({ act: "owner.change", principal: "owner", subject: "secret:OPENAI_API_KEY" })
    })

    test("names and values that are none are refused, and what is not there is not found, with the name that was meant", async () => {
      for (const name of ["", "1KEY", "A-B", "A B", "../x", "ä", "A".repeat(65), "__proto__"])
        expect([name, await codeOf(vault.set({ name, value: "v" }))]).toEqual([name, "input.invalid"])
      for (const value of ["", " \n", "a\0b", "\ud800", "x".repeat(65_537)])
        expect(await codeOf(vault.set({ name: "A", value }))).toBe("input.invalid")
      expect(await codeOf(vault.set({ name: "A", value: "v", mustExist: true }))).toBe("not_found")
      expect(await codeOf(vault.judge({ name: "A-B", value: null, mustExist: false }))).toBe("input.invalid")
      expect(await codeOf(vault.judge({ name: "A", value: "", mustExist: false }))).toBe("input.invalid")
      expect(await codeOf(vault.judge({ name: "A", value: null, mustExist: true }))).toBe("not_found")
      expect(await vault.judge({ name: "a", value: "v", mustExist: false })).toEqual({ name: "A", version: 0 })
      await vault.set({ name: "GITHUB_TOKEN", value: "v" })
      expect(await vault.delete("GITHUB_TOKENS").catch((error: Error) => error.message)).toContain('"GITHUB_TOKEN"')
      expect(await ask("select name from secrets")).toEqual([{ name: "GITHUB_TOKEN" }])
    })

    test("several are set and deleted together with what belongs to them, or not at all", async () => {
      await vault.set({ name: "OLD", value: "an-old-value" })
      const change = (sql: string) =>
        vault.setTogether({
          secrets: [
            { name: "access", value: "access-value" },
            { name: "refresh", value: "refresh-value" },
            { name: "old", value: null },
            { name: "never_there", value: null },
          ],
          also: [{ sql, params: [] }],
          audit: [],
        })
      expect(await codeOf(change("select expect_rows(0, 1, 'Somebody was quicker')"))).toBe("conflict")
      expect(vault.values().map(({ name }) => name)).toEqual(["OLD"])
      await change("select 1")
      expect(vault.values()).toEqual([
        { name: "ACCESS", value: "access-value" },
        { name: "REFRESH", value: "refresh-value" },
      ])
      const other = await open()
      await change("select 1")
      expect(other.value("access")).toBe("access-value")
      await vault.setTogether({ secrets: [{ name: "access", value: "a-newer-value" }], also: [], audit: [] })
      await other.reload()
      expect(other.value("access")).toBe("a-newer-value")
    })

    test("the database holds no value; rows that were swapped, renamed or taken from an earlier version give none, and are named", async () => {
      await vault.set({ name: "A", value: "value-of-a-1" })
      const [former] = await ask("select nonce::text, ciphertext::text from secrets where name = 'A'")
      await vault.set({ name: "A", value: "value-of-a-2" })
      await vault.set({ name: "B", value: "value-of-b-1" })
      expect(
        Buffer.from(JSON.stringify(await ask("select encode(ciphertext, 'escape') as text from secrets"))).includes(
          "value-of",
        ),
      ).toBeFalse()

      await ask(
        "update secrets as s set nonce = o.nonce, ciphertext = o.ciphertext from secrets as o where o.name <> s.name",
      )
      const swapped = await open()
      expect([swapped.value("A"), swapped.value("B"), swapped.values()]).toEqual([null, null, []])
      expect(new Set(errors.map((each) => JSON.stringify(each)))).toEqual(new Set(['{"name":"A"}', '{"name":"B"}']))
      expect((await swapped.list()).map(({ readable }) => readable)).toEqual([false, false])

      await db.query({
        sql: "update secrets set nonce = $1::bytea, ciphertext = $2::bytea where name = 'A'",
        params: [former?.["nonce"], former?.["ciphertext"]],
      })
      expect((await open()).value("A")).toBeNull()
      expect(await codeOf(swapped.set({ name: "A", value: "healed-value" }))).toBe("done")
      expect(swapped.value("A")).toBe("healed-value")
    })

    test("two who set one secret at once never lose a version without a word", async () => {
      const other = await open()
      const results = await Promise.all(
        [vault.set({ name: "A", value: "from one" }), other.set({ name: "A", value: "from two" })].map(codeOf),
      )
      expect(results.toSorted()).toEqual(results.includes("conflict") ? ["conflict", "done"] : ["done", "done"])
      const [row] = await ask("select version from secrets")
      expect(row).toEqual({ version: results.filter((each) => each === "done").length })
    })

    test("that the gate used a secret is written down once an hour at most", async () => {
      await vault.set({ name: "A", value: "some value" })
      const before = db.counters().commits
      for (let n = 0; n < 20; n++) vault.noteUse(["A", "UNKNOWN"])
      for (let n = 0; n < 50 && (await vault.list())[0]?.usedAt === null; n++) await systemClock.sleep(10)
      expect((await vault.list())[0]?.usedAt).toBeString()
      expect(db.counters().commits - before).toBe(1)
    })

    test("a new master key seals everything anew in one commit, grants too; the old one opens nothing and the next start has the new one", async () => {
      const seal = createAuthoritySeal({ key: () => vault.masterKey().derive("authority") })
      const complaints: string[] = []
      const grants = createGrants({ db, clock: systemClock, seal, onBadSeal: (what) => void complaints.push(what) })
      vault = await open({ reseal: [resealAuthority] })
      await vault.set({ name: "A", value: "value-of-a" })
      const made = grants.add({
        agentId: "main",
        principal: "builtin:http",
        tool: "x",
        destination: "",
        evenUntrusted: false,
        sessionId: null,
        expiresAt: null,
      })
      await db.batch([made.statement])
      await ask(
        "insert into grants (id, agent_id, principal, capability, mac) values ('grt_forged', 'main', 'builtin:http', '{}', 'ff')",
      )
      const before = { key: vault.masterKey(), row: (await ask("select ciphertext::text from secrets"))[0] }

      const rotated = await vault.rotateMaster({ key: null })
      expect(rotated).toEqual({ keyId: vault.masterKey().id, source: "file", secrets: 1 })
      expect(rotated.keyId).not.toBe(before.key.id)
      expect((await ask("select ciphertext::text from secrets"))[0]).not.toEqual(before.row)
      expect(vault.value("A")).toBe("value-of-a")
      expect((await open()).value("A")).toBe("value-of-a")
      expect((await grants.list()).map(({ id }) => id)).toEqual([made.grant.id])
      expect(complaints).toEqual(["grant grt_forged"])
      expect(readFileSync(join(place.path, "master.key"), "utf8")).toBe(vault.masterKey().reveal())
      expect(readdirSync(place.path)).toEqual(["master.key"])
      expect(await codeOf(open({ environment: before.key.reveal() }))).toBe("key.wrong")
    })

    test("a new master key seals the owner's hooks anew, and no forged one", async () => {
      const seal = createAuthoritySeal({ key: () => vault.masterKey().derive("authority") })
      vault = await open({ reseal: [resealHooks] })
      const writer = createWriter({ db, publish() {}, clock: systemClock })
      const broken: string[] = []
      const openStore = () =>
        createHookStore({
          db,
          writer,
          clock: systemClock,
          seal,
          onBadSeal: (what) => void broken.push(what),
          onFault: (error) => void broken.push(String(error)),
        })
      const all = { tools: null, channels: null, agents: null, position: 100 }
      const form = { kind: "url" as const, url: "https://api.example.com/", local: false }
      await (await openStore()).add({ name: "mine", point: "message.in", form, ...all })
      await ask(
        "insert into hooks (name, point, position, url) values ('forged', 'message.in', 1, 'https://x.example/')",
      )
      await vault.rotateMaster({ key: null })
      const after = await (await openStore()).current()
      expect(after.hooks.map(({ name }) => name)).toEqual(["mine"])
      expect(after.broken).toEqual(["forged"])
      expect(broken).toEqual(["hook forged"])
    })

    test("a rotation that fails, or comes second, changes nothing", async () => {
      await vault.set({ name: "A", value: "value-of-a" })
      const failing = await open({ reseal: [async () => [{ sql: "select expect_rows(1, 2, 'no')", params: [] }]] })
      const id = failing.masterKey().id
      expect(await codeOf(failing.rotateMaster({ key: null }))).toBe("conflict")
      expect(failing.masterKey().id).toBe(id)
      expect(await open()).toMatchObject({ masterKey: expect.any(Function) })
      const second = await open()
      await vault.rotateMaster({ key: null })
      expect(await codeOf(second.rotateMaster({ key: null }))).not.toBe("done")
      expect(await codeOf(second.set({ name: "B", value: "under the old key" }))).toBe("conflict")
      expect((await open()).value("A")).toBe("value-of-a")
    })

    test("where the key is in the environment the new one is given, and only there", async () => {
      expect(await codeOf(vault.rotateMaster({ key: newKeyText() }))).toBe("input.invalid")
      await ask("delete from meta")
      const [first, next] = [newKeyText(), newKeyText()]
      const held = await open({ environment: first })
      await held.set({ name: "A", value: "value-of-a" })
      expect(await codeOf(held.rotateMaster({ key: null }))).toBe("input.invalid")
      expect(await codeOf(held.rotateMaster({ key: "a".repeat(64) }))).toBe("key.weak")
      expect(await codeOf(held.rotateMaster({ key: first }))).toBe("conflict")
      expect(await held.rotateMaster({ key: next })).toMatchObject({ source: "environment", secrets: 1 })
      expect(await codeOf(open({ environment: first }))).toBe("key.wrong")
      expect((await open({ environment: next })).value("A")).toBe("value-of-a")
    })
  })
}
