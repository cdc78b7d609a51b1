import { afterAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { openDb } from "#core/db/open.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-cmd-audit-"))
const home = join(base, "home")
mkdirSync(home, { mode: 0o700 })
const entry = join(import.meta.dir, "../../cmd/ironclaw.ts")
afterAll(() => rmSync(base, { recursive: true, force: true }))

async function run(...args: readonly string[]) {
  const child = Bun.spawn([process.execPath, entry, "--home", home, ...args], {
    env: { LLM_BACKEND: "demo" },
    cwd: base,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, out, err }
}
async function data(...args: readonly string[]) {
  const { out } = await run(...args, "--json")
  return JSON.parse(out).data
}

// Each command is a process with a database to open: seconds on a busy machine.
const PATIENCE_MS = 60_000

describe("the audit verbs", () => {
  test(
    "record the owner's changes, prove the record, and find where somebody changed it",
    async () => {
      await run("memory", "write", "notes/a.md", "hello")
      await run("memory", "delete", "notes/a.md")
      const { items } = await data("audit", "list", "--act", "owner.change")
      expect(
        items.map(({ subject, preview }: { subject: string; preview: string }) => `${subject}: ${preview}`),
      ).toEqual(["memory: delete notes/a.md", "memory: replace notes/a.md, 5 bytes"])
      expect(await data("audit", "verify")).toMatchObject({ ok: true, rows: 2, head: "sealed", sealedTo: 2 })
      const lines = (await run("audit", "export")).out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      expect(lines.map(({ seq }) => seq)).toEqual([1, 2])
      expect(lines[1].prevHash).toBe(lines[0].hash)
      expect(await data("audit", "egress")).toEqual({ items: [] })

      const db = await openDb({
        config: { kind: "embedded", dir: join(home, "db", "pgdata") },
        clock: systemClock,
        onWarning() {},
        loadSnapshot,
      })
      await db.batch(
        [
          "alter table audit disable trigger user",
          "delete from audit where seq = 2",
          "alter table audit enable trigger user",
        ].map((sql) => ({ sql, params: [] })),
      )
      await db.close()
      const verified = await run("audit", "verify")
      expect(verified.status).toBe(1)
      expect(verified.out).toContain("The chain ends at row 1, and row 2 was sealed at")
    },
    PATIENCE_MS,
  )
})
