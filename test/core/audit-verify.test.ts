import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { verifyAudit, type AuditProof } from "#core/audit-verify.ts"
import type { SealedHead } from "#core/audit-head.ts"
import type { Db, Writer } from "#core/db/db.ts"
import type { NewAudit } from "#core/db/schema.ts"
import { createWriter } from "#core/db/writer.ts"
import { engines } from "./db/memory.ts"

const plain: NewAudit = {
  agentId: "main",
  act: "tool.run",
  principal: "builtin",
  subject: "time_now",
  outcome: "done",
  labels: [],
  source: "owner",
}
/** Everything that a text can hold and a format can trip over. */
const awkward: NewAudit = {
  ...plain,
  subject: 'a "quoted", (bracketed) \\back\\slashed\\ name',
  preview: "tab\t line\n return\r bell\u0007 delete\u007f \u2028 é 日本 🦀 {} NULL",
  verdicts: { zz: 'deny: "no"', a: "allow", "b,c": "line\nbreak" },
  secretNames: ["PLAIN", "with space", 'with "quote"', "back\\slash", "NULL", "", "a,b"],
  labels: ["untrusted", "private"],
  destination: "",
  bytesOut: 9_007_199_254_740_991,
  source: "owner, page",
}

for (const engine of engines()) {
  describe(`audit verify on ${engine.name}`, () => {
    let db: Db
    let writer: Writer
    let last = { seq: 0, hash: "" }

    beforeEach(async () => {
      db = await engine.open()
      writer = createWriter({ db, publish() {}, onAudit: (link) => (last = link) })
      await writer.commit({ statements: [], audit: [plain, awkward] })
      await writer.commit({ statements: [], audit: [plain, plain, awkward] })
      await writer.commit({ statements: [], audit: [plain] })
    })
    afterEach(() => db.close())

    const verify = (head: SealedHead = { state: "none" }): Promise<AuditProof> =>
      verifyAudit({ db, head: { read: () => head } }, { signal: new AbortController().signal })
    /** As whoever owns the database can: past the triggers. */
    const tamper = (...changes: string[]) =>
      db.batch(
        ["alter table audit disable trigger user", ...changes, "alter table audit enable trigger user"].map((sql) => ({
          sql,
          params: [],
        })),
      )
    const sealed = (link = last): SealedHead => ({ state: "sealed", link, at: "2026-01-15T12:00:00.000Z" })
    const found = ({ problems }: AuditProof) => problems.map(({ kind, seq }) => `${kind} ${seq}`)

    test("computes the hashes that the database made, byte for byte, whatever the texts hold", async () => {
      expect(await verify()).toEqual({ ok: true, rows: 6, last, head: "none", sealedTo: 0, problems: [], count: 0 })
      expect(last.seq).toBe(6)
    })

    test("finds nothing in an empty chain", async () => {
      const empty = await engine.open()
      try {
        const proof = await verifyAudit(
          { db: empty, head: { read: () => ({ state: "none" }) } },
          { signal: new AbortController().signal },
        )
        expect(proof).toMatchObject({ ok: true, rows: 0, last: null })
      } finally {
        await empty.close()
      }
    })

    test("says that the sealed head was reached", async () => {
      expect(await verify(sealed())).toMatchObject({ ok: true, head: "sealed", sealedTo: 6 })
    })

    for (const change of [
      "outcome = 'refused'",
      "preview = preview || ' '",
      "session_id = 'ses_1'",
      "verdicts = '{}'",
      "secret_names = '{other}'",
      "labels = '{private}'",
      "bytes_out = bytes_out - 1",
      "at = at + interval '1 millisecond'",
      "at = 'infinity'",
      "destination = 'https://elsewhere'",
    ]) {
      test(`finds a row where ${change.split(" = ")[0]} was changed: ${change}`, async () => {
        await tamper(`update audit set ${change} where seq = 2`)
        expect(found(await verify())).toEqual(["changed 2"])
      })
    }

    test("finds a row that was changed and given a right hash of its own", async () => {
      await tamper(
        "update audit set outcome = 'refused' where seq = 3",
        "update audit set hash = audit_hash(audit) where seq = 3",
      )
      expect(found(await verify())).toEqual(["unlinked 4"])
    })

    test("finds rows that are missing in the middle and says which", async () => {
      await tamper("delete from audit where seq in (3, 4)")
      const proof = await verify()
      expect(proof.problems).toEqual([{ kind: "missing", seq: 3, what: "Rows 3 to 4 are missing" }])
    })

    test("finds that the first rows were taken away", async () => {
      await tamper("delete from audit where seq < 3")
      expect(found(await verify())).toEqual(["missing 1"])
    })

    test("finds rows that were put in another order", async () => {
      await tamper(
        "update audit set seq = -1 where seq = 2",
        "update audit set seq = 2 where seq = 3",
        "update audit set seq = 3 where seq = -1",
      )
      expect(found(await verify())).toEqual(["unlinked 2", "changed 2", "unlinked 3", "changed 3", "unlinked 4"])
    })

    test("finds a gap that was closed by numbering the rest anew", async () => {
      await tamper("delete from audit where seq = 3", "update audit set seq = seq - 1 where seq > 3")
      expect(found(await verify())).toEqual(["unlinked 3", "changed 3", "changed 4", "changed 5"])
    })

    test("finds a forged row that was put in behind the last one without its hash", async () => {
      await tamper(`insert into audit select 7, at, agent_id, act, principal, 'forged', outcome, session_id, turn_id, arguments_hash,
        preview, verdicts, destination, secret_names, bytes_out, bytes_in, duration_ms, labels, source, hash, 'abc' from audit where seq = 6`)
      expect(found(await verify(sealed()))).toEqual(["changed 7"])
    })

    test("finds by the sealed head that the end was cut off, where the chain alone is whole", async () => {
      await tamper("delete from audit where seq > 4")
      expect(await verify()).toMatchObject({ ok: true, rows: 4 })
      const proof = await verify(sealed())
      expect(found(proof)).toEqual(["truncated 5"])
      expect(proof.problems[0]?.what).toBe("The chain ends at row 4, and row 6 was sealed at 2026-01-15T12:00:00.000Z")
    })

    test("finds by the sealed head that the whole chain was made anew", async () => {
      await tamper(
        'create temp table kept as select jsonb_agg(to_jsonb(audit) || \'{"outcome": "refused"}\' order by seq) as rows from audit',
        "delete from audit",
        "insert into audit select chained.* from kept, audit_chain(kept.rows) as chained",
      )
      expect(await verify()).toMatchObject({ ok: true, rows: 6 })
      expect(found(await verify(sealed()))).toEqual(["rewritten 6"])
    })

    test("finds a head that somebody else wrote", async () => {
      expect(found(await verify({ state: "forged" }))).toEqual(["head 6"])
    })

    test("does not ask the function in the database that made the hashes", async () => {
      await db.batch([
        {
          sql: "create or replace function audit_hash(entry audit) returns text language sql stable as $$ select entry.hash $$",
          params: [],
        },
      ])
      await tamper("update audit set outcome = 'refused' where seq = 2")
      expect(found(await verify())).toEqual(["changed 2"])
    })

    test("goes over page after page", async () => {
      await writer.commit({ statements: [], audit: Array.from({ length: 10_001 }, () => plain) })
      expect(await verify(sealed())).toMatchObject({ ok: true, rows: 10_007, sealedTo: 10_007 })
    })
  })
}
