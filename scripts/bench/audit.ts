/** Verifying the audit chain, rows a second, against the database that is built in and against a server. */
import { verifyAudit } from "#core/audit-verify.ts"
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import type { NewAudit } from "#core/db/schema.ts"
import { createWriter } from "#core/db/writer.ts"
import { atLeast, type Bench, type Figure } from "./figure.ts"

/** A busy year; large enough that opening and the first page count for nothing. */
const ROWS = 100_000
const ROWS_A_COMMIT = 2_000
const TARGET = { value: 100_000, unit: "rows/s" }
/** The rate is that of the machine when nothing else takes its cores. */
const RUNS = 3

export const audit: Bench = async ({ postgres, tell }) => {
  const figures = [await measure("built in", await open({ kind: "embedded", dir: "memory" }), tell)]
  const server = await postgres()
  if ("reason" in server) tell(`audit: no server (${server.reason})`)
  else figures.push(await measure("Postgres", await open({ kind: "postgres", url: server.url, poolSize: 4 }), tell))
  return figures
}

function open(config: Parameters<typeof openDb>[0]["config"]): Promise<Db> {
  return openDb({ config, clock: systemClock, onWarning() {}, loadSnapshot })
}

async function measure(name: string, db: Db, tell: (words: string) => void): Promise<Figure> {
  try {
    tell(`audit: ${ROWS} rows, ${name}`)
    const writer = createWriter({ db, publish() {} })
    for (let made = 0; made < ROWS; made += ROWS_A_COMMIT) {
      await writer.commit({ statements: [], audit: Array.from({ length: ROWS_A_COMMIT }, (_, at) => rowOf(made + at)) })
    }
    let best = 0
    for (let run = 0; run < RUNS; run++) {
      const before = performance.now()
      const { ok, rows } = await verifyAudit(
        { db, head: { read: () => ({ state: "none" }) } },
        { signal: new AbortController().signal },
      )
      if (!ok || rows < ROWS) throw new Error(`The chain of ${rows} rows was not found whole`)
      best = Math.max(best, (rows * 1_000) / (performance.now() - before))
    }
    return atLeast(`audit verify, ${name}`, best, TARGET)
  } finally {
    await db.close()
  }
}

/** As a tool call leaves them: some 700 bytes. */
function rowOf(at: number): NewAudit {
  return {
    agentId: "main",
    act: "tool.run",
    principal: "builtin:http",
    subject: "http_request",
    outcome: "done",
    argumentsHash: "5b".repeat(32),
    preview: `{"url":"https://example.com/items/${at}","method":"GET"} and what else fits into a preview of a call`,
    verdicts: { shape: "allow", authority: "allow", flow: "allow", leak: "allow", injection: "allow" },
    destination: "https://example.com:443",
    secretNames: ["EXAMPLE_KEY"],
    bytesOut: 512,
    bytesIn: at,
    durationMs: 12,
    labels: ["untrusted"],
    source: "https://example.com",
  }
}
