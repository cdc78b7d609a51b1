/** Backup and restore, on every engine that this run has and from each to each: what comes back, what must not, and what refuses. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { type BackupRequest, writeBackup } from "#core/db/backup.ts"
import { readBackupHeader } from "#core/db/backup-file.ts"
import { proveBackup } from "#core/db/backup-read.ts"
import { isEmptyDatabase, loadBackup } from "#core/db/backup-restore.ts"
import { backupTables, emptiedTables, quoted } from "#core/db/backup-tables.ts"
import type { Db, Row } from "#core/db/db.ts"
import { createWriter } from "#core/db/writer.ts"
import { AppError } from "#core/errors.ts"
import { newId } from "#core/id.ts"
import { engines, openMemoryDb } from "./memory.ts"

const passphrase = "seven wet owls under a bridge"
const folder = mkdtempSync(join(tmpdir(), "ironclaw-backup-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const signal = new AbortController().signal
let files = 0

function backup(db: Db, given: Partial<BackupRequest> = {}) {
  const contents = { masterKey: "00", config: "[agent]\n", plugins: ["weather"], skills: [] }
  const path = join(folder, `${(files += 1)}.icb`)
  return writeBackup({
    db,
    clock: systemClock,
    path,
    passphrase,
    version: "0.1.0",
    contents,
    onProgress() {},
    signal,
    ...given,
  })
}
const restore = (db: Db, path: string, finish: () => Promise<void> = async () => {}) =>
  loadBackup({ db, clock: systemClock, path, passphrase, signal, onProgress() {}, finish })
const prove = (path: string, words = passphrase) => proveBackup({ path, passphrase: words, signal, onProgress() {} })
const codeOf = async (work: Promise<unknown>) =>
  work.then(() => "done").catch((error: unknown) => (error instanceof AppError ? error.code : String(error)))

/** Every row of every table as text, so that one byte more or less shows. */
async function contentsOf(db: Db): Promise<Record<string, Row[]>> {
  const found: Record<string, Row[]> = {}
  for (const { name, columns, needs } of backupTables) {
    if (needs === "vector" && !db.hasVector) continue
    const values = columns.map((column) => `${quoted(column.name)}::text`).join(", ")
    found[name] = await db.query({
      sql: `select row(${values})::text as row from ${quoted(name)} order by 1`,
      params: [],
    })
  }
  return found
}

const sessionId = newId("ses")
const suspended = { turn: newId("trn"), job: newId("job"), approval: newId("apr") }

/** A house that was lived in: odd texts, every kind of value, something under way, a chain of audit rows. */
async function fill(db: Db): Promise<void> {
  const writer = createWriter({ db, publish() {}, clock: systemClock })
  const owner = { agentId: "main", labels: [], source: "owner" }
  const odd = `quotes "'\\ {} tab\t line\nend, emoji 🧑‍🚀, ${"x".repeat(200_000)}`
  const statements = [
    {
      sql: "insert into sessions (id, agent_id, channel, peer, title, labels, source) values ($1, 'main', 'terminal', 'owner', $2, $3, 'a,b')",
      params: [sessionId, odd.slice(0, 80), ["untrusted", "private"]],
    },
    {
      sql: "insert into turns (id, session_id, agent_id, job_id, state) values ($1, $2, 'main', $3, 'suspended')",
      params: [suspended.turn, sessionId, suspended.job],
    },
    {
      sql: "insert into jobs (id, agent_id, kind, state, payload, session_id, lease_owner) values ($1, 'main', 'turn', 'suspended', '{}', $2, 'me')",
      params: [suspended.job, sessionId],
    },
    {
      sql: "insert into approvals (id, agent_id, session_id, turn_id, call_id, principal, tool, fingerprint, question, state, expires_at) values ($1, 'main', $2, $3, 'c', 'p', 't', 'f', 'q', 'open', now())",
      params: [suspended.approval, sessionId, suspended.turn],
    },
    {
      sql: "insert into calls (id, turn_id, session_id, agent_id, principal, tool, arguments, fingerprint, effect, state) values ('call_1', $1, $2, 'main', 'p', 't', 'null'::jsonb, 'f', 'send', 'started')",
      params: [suspended.turn, sessionId],
    },
    {
      sql: "insert into messages (id, session_id, agent_id, role, text, parts, created_at) select 'msg_' || n, $1, 'main', 'person', case when n < 4 then $2 else '' end || n, case when n = 1 then '[{\"type\":\"image\",\"n\":1.50}]'::jsonb end, '2001-02-03 04:05:06.789+05' from generate_series(1, 250) n",
      params: [sessionId, odd],
    },
    { sql: "delete from messages where id = 'msg_250'", params: [] },
    {
      sql: "insert into documents (id, agent_id, path, content) values ('doc_1', 'main', 'notes/a.md', $1)",
      params: [odd],
    },
    {
      sql: "insert into chunks (id, document_id, agent_id, ordinal, content, labels) values ('chk_1', 'doc_1', 'main', 0, 'allergic to walnuts', '{}')",
      params: [],
    },
    {
      sql: "insert into secrets (name, version, key_id, nonce, ciphertext) values ('A_KEY', 3, 'k', $1, $2)",
      params: [new Uint8Array([0, 255, 92]), new Uint8Array(0)],
    },
    { sql: "insert into tokens (id, name, hash, scopes) values ('tok_1', 'phone', 'h', '{chat}')", params: [] },
    {
      sql: "insert into grants (id, agent_id, principal, capability) values ('grt_1', 'main', 'p', '{\"kind\":\"http\"}')",
      params: [],
    },
  ]
  await writer.commit({
    statements,
    events: [{ type: "config.changed", keys: ["a"], restartNeeded: false, ...owner, labels: [] }],
  })
  for (let n = 0; n < 5; n++) {
    const row = {
      agentId: "main",
      act: "egress",
      principal: "p",
      subject: odd.slice(0, 50),
      outcome: "done",
      verdicts: { a: "é" },
      secretNames: ["A,B", 'C"'],
    } as const
    await writer.commit({
      statements: [],
      audit: [{ ...row, verdicts: { ...row.verdicts }, secretNames: [...row.secretNames] }],
    })
  }
}

test("every table of the schema is in a backup, but for those that are left out on purpose", () => {
  const held = new Set(backupTables.map(({ name }) => name))
  expect(emptiedTables.filter((name) => !held.has(name))).toEqual(["tokens"])
})

for (const from of engines()) {
  describe(`a backup of ${from.name}`, () => {
    let source: Db
    let path: string
    beforeAll(async () => {
      source = await from.open()
      await fill(source)
      path = (await backup(source)).path
    })
    afterAll(() => source.close())

    test("is a file of the owner alone, says without its passphrase only when and by what it was made, and holds no text of the house", async () => {
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(Object.keys(await readBackupHeader(path)).toSorted()).toEqual([
        "check",
        "chunkBytes",
        "createdAt",
        "kdf",
        "lanes",
        "memoryKib",
        "passes",
        "salt",
        "version",
      ])
      expect(readFileSync(path).includes("walnuts")).toBeFalse()
      expect(await prove(path)).toMatchObject({ config: "[agent]\n", plugins: ["weather"], database: source.kind })
    })

    for (const to of engines()) {
      test(`comes back in ${to.name} as it was, numbers and chain included, without tokens and with nothing under way`, async () => {
        const db = await to.open()
        try {
          expect(await isEmptyDatabase(db)).toBeTrue()
          const loaded = await restore(db, path)
          expect(loaded).toMatchObject({ auditIntact: true, ended: { turns: 1, jobs: 1, approvals: 1 }, grants: 1 })
          expect(await isEmptyDatabase(db)).toBeFalse()
          const [before, after] = [await contentsOf(source), await contentsOf(db)]
          const changed = ["approvals", "turns", "jobs", "calls", "audit", "chunk_embeddings"]
          for (const name of Object.keys(before).filter((each) => !changed.includes(each)))
            expect([name, after[name]]).toEqual([name, before[name]])
          expect(after["audit"]).toHaveLength(6)
          expect(after["audit"]).toEqual(expect.arrayContaining(before["audit"] ?? []))
          expect(
            await db.query({ sql: "select state, answered_at is not null as answered from approvals", params: [] }),
          ).toEqual([{ state: "expired", answered: true }])
          expect(await db.query({ sql: "select state, lease_owner from jobs", params: [] })).toEqual([
            { state: "cancelled", lease_owner: null },
          ])
          expect(
            await db.query({ sql: "select state from turns union all select state from calls", params: [] }),
          ).toEqual([{ state: "stopped" }, { state: "unknown" }])
          expect(await db.query({ sql: "select id from tokens", params: [] })).toEqual([])
          expect(
            await db.query({ sql: "select id from chunks where words @@ to_tsquery('walnut')", params: [] }),
          ).toEqual([{ id: "chk_1" }])

          // Life goes on: the next message, event and audit row follow those before, deleted ones counted.
          const writer = createWriter({ db, publish() {}, clock: systemClock })
          const insert = {
            sql: "insert into messages (id, session_id, agent_id, role, text) values ('msg_new', $1, 'main', 'person', 'x') returning position",
            params: [sessionId],
          }
          const next = await writer.commit({
            statements: [insert],
            events: [
              { type: "config.changed", keys: [], restartNeeded: false, agentId: "main", labels: [], source: "owner" },
            ],
            audit: [{ agentId: "main", act: "egress", principal: "p", subject: "s", outcome: "done" }],
          })
          expect(next.rows[0]).toEqual([{ position: 251 }])
          expect(next.events[0]?.seq).toBe(2)
          const chain =
            "select bool_and(hash = audit_hash(a) and prev_hash = before) as fits, count(*)::int as n from (select a, a.hash, a.prev_hash, lag(a.hash, 1, '') over (order by a.seq) as before from audit a) x"
          expect(await db.query({ sql: chain, params: [] })).toEqual([{ fits: true, n: 7 }])
          const refused = await db.query({ sql: "delete from audit", params: [] }).catch((error: unknown) => error)
          expect(refused).toBeInstanceOf(AppError)
        } finally {
          await db.close()
        }
      })
    }

    test("takes the place of what was there, the audit log included, or of nothing at all", async () => {
      const before = await contentsOf(source)
      const failing = restore(source, path, async () => {
        throw new AppError("conflict", "Something at the very end")
      })
      expect(await codeOf(failing)).toBe("conflict")
      expect(await contentsOf(source)).toEqual(before)
      await source.query({ sql: "update sessions set title = 'changed since'", params: [] })
      expect(await restore(source, path)).toMatchObject({ auditIntact: true })
      const after = await contentsOf(source)
      expect(after["sessions"]).toEqual(before["sessions"])
      expect(after["audit"]).toHaveLength(6)
      expect(await codeOf(source.query({ sql: "truncate audit", params: [] }))).toBe("db.permission_denied")
    })
  })
}

describe("a backup file", () => {
  let db: Db
  let path: string
  beforeAll(async () => {
    db = await openMemoryDb()
    await fill(db)
    // Random text does not compress, so the file has several chunks.
    for (let n = 0; n < 12; n++) {
      const noise = [1, 2].map(() => crypto.getRandomValues(new Uint8Array(60_000)))
      const text = Buffer.concat(noise).toString("base64")
      await db.query({
        sql: "insert into document_versions (document_id, version, agent_id, content) values ('doc_1', $1, 'main', $2)",
        params: [n, text],
      })
    }
    path = (await backup(db)).path
  })
  afterAll(() => db.close())

  test("is refused with a wrong passphrase, and opened by the same one typed on another keyboard", async () => {
    expect(await codeOf(prove(path, "another long passphrase"))).toBe("backup.passphrase_wrong")
    const composed = (await backup(db, { passphrase: "caf\u00e9 au lait, sept fois" })).path
    expect(await codeOf(prove(composed, "cafe\u0301 au lait, sept fois"))).toBe("done")
  })

  test("is refused wherever it was changed, cut, or put together anew, and then nothing is restored", async () => {
    const whole = readFileSync(path)
    const { chunkBytes } = await readBackupHeader(path)
    const head = 12 + whole.readUInt16BE(10)
    const step = chunkBytes + 16
    expect(whole.length).toBeGreaterThan(head + 3 * step)
    const flipped = (at: number) => Buffer.from(whole).fill((whole[at] ?? 0) ^ 1, at, at + 1)
    const chunk = (n: number) => whole.subarray(head + n * step, head + (n + 1) * step)
    const rest = whole.subarray(head + 2 * step)
    const variants: Record<string, Buffer> = {
      "first chunk": flipped(head + 5),
      "last byte": flipped(whole.length - 1),
      "cut at a chunk": whole.subarray(0, head + 2 * step),
      "cut in a chunk": whole.subarray(0, head + 2 * step + 100),
      "cut to the header": whole.subarray(0, head),
      "two chunks changed places": Buffer.concat([whole.subarray(0, head), chunk(1), chunk(0), rest]),
      "a chunk twice": Buffer.concat([whole.subarray(0, head), chunk(0), chunk(0), chunk(1), rest]),
      "a chunk missing": Buffer.concat([whole.subarray(0, head), chunk(0), rest]),
      "something behind it": Buffer.concat([whole, Buffer.from("more")]),
      "a header of another date": Buffer.concat([
        Buffer.from(
          whole.subarray(0, head).toString("latin1").replace('"version":"0.1.0"', '"version":"0.1.1"'),
          "latin1",
        ),
        whole.subarray(head),
      ]),
    }
    const changed = join(folder, "changed.icb")
    for (const [name, bytes] of Object.entries(variants)) {
      writeFileSync(changed, bytes)
      expect([name, await codeOf(prove(changed))]).toEqual([name, "backup.damaged"])
    }
    const before = await contentsOf(db)
    expect(await codeOf(restore(db, changed))).toBe("backup.damaged")
    expect(await contentsOf(db)).toEqual(before)
  })

  test("of another format, of a newer version, or none at all says so", async () => {
    const whole = readFileSync(path)
    const other = join(folder, "other.icb")
    writeFileSync(other, Buffer.from(whole).fill(9, 9, 10))
    expect(await codeOf(prove(other))).toBe("backup.newer")
    writeFileSync(other, "PK\u0003\u0004 some archive")
    expect(await codeOf(prove(other))).toBe("backup.not_one")
    writeFileSync(other, "")
    expect(await codeOf(prove(other))).toBe("backup.not_one")
    expect(await codeOf(prove(folder))).toBe("backup.not_one")
    expect(await codeOf(prove(join(folder, "nowhere.icb")))).toBe("not_found")
    await db.query({ sql: "insert into migrations (name, sha256) values ('9999_future', '')", params: [] })
    const future = (await backup(db)).path
    await db.query({ sql: "delete from migrations where name = '9999_future'", params: [] })
    expect(await codeOf(prove(future))).toBe("backup.newer")
  })

  test("cannot ask for more memory than a machine has before it is proved", async () => {
    const whole = readFileSync(path)
    const head = 12 + whole.readUInt16BE(10)
    const json = whole.subarray(12, head).toString().replace('"memoryKib":65536', '"memoryKib":99999999')
    const prefix = Buffer.from(whole.subarray(0, 12))
    prefix.writeUInt16BE(json.length, 10)
    const greedy = join(folder, "greedy.icb")
    writeFileSync(greedy, Buffer.concat([prefix, Buffer.from(json), whole.subarray(head)]))
    expect(await codeOf(prove(greedy))).toBe("backup.damaged")
  })

  test("is never written over another file, and leaves nothing where it fails or is stopped", async () => {
    expect(await codeOf(backup(db, { path }))).toBe("backup.exists")
    const stopped = new AbortController()
    const work = backup(db, {
      signal: stopped.signal,
      onProgress: () => stopped.abort(new AppError("usage.interrupted", "Interrupted")),
    })
    expect(await codeOf(work)).toBe("usage.interrupted")
    expect(await codeOf(backup(db, { path: join(folder, "missing/a.icb") }))).toBe("home.not_writable")
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([])
    expect(await db.query({ sql: "select 1 as one", params: [] })).toEqual([{ one: 1 }])
  })
})
