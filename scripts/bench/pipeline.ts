/** One tool call through the whole pipeline, with its rows, events and audit row on the disk; and the gates of it alone. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cleanseWith } from "#cmd/lib/outbound.ts"
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { openDb } from "#core/db/open.ts"
import { turns } from "#core/db/schema.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { createWriter } from "#core/db/writer.ts"
import { noHooks } from "#core/hooks.ts"
import { newId } from "#core/id.ts"
import { silentLog } from "#core/log.ts"
import { createAuthorize, judgeAuthority } from "#core/safety/authorize.ts"
import type { Capability, Effect } from "#core/safety/capability.ts"
import { fingerprint } from "#core/safety/fingerprint.ts"
import { destinationOf } from "#core/safety/grants.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import { judgeShape, t } from "#core/schema.ts"
import { createSessionStore } from "#core/session/store.ts"
import { createRegistry, type OpenRegistry } from "#core/tools/registry.ts"
import { type CallRequest, createPipeline } from "#core/tools/run.ts"
import { defineTool } from "#core/tools/tool.ts"
import { atMost, type Bench, type Figure, median } from "./figure.ts"

const CALLS = 150
/** The first ones compile what the rest run. */
const WARM_UP = 20
const READ = { value: 3, unit: "ms" }
/** Two commits: that it begins, and that it ended. */
const EFFECT = { value: 5, unit: "ms" }
const GATES = { value: 0.1, unit: "ms" }

/** 4 KB of prose, as a page or a note gives them. */
const TEXT = "The kitchen tap drips again; the plumber comes on Tuesday at nine, and wants to see the meter. ".repeat(
  43,
)

const input = t.Object({ note: t.String({ maxLength: 100 }) }, { additionalProperties: false })
function toolOf(name: string, { effect, needs }: { effect: Effect; needs: Capability[] }) {
  const own = { name, description: "Of this bench", input, effect: () => effect, needs: () => needs, timeoutMs: 10_000 }
  return defineTool({ ...own, run: async () => ({ data: TEXT, labels: [], source: "bench" }) })
}
export const benchTools = [
  toolOf("bench_read", { effect: "read", needs: [] }),
  toolOf("bench_write", { effect: "write-local", needs: [{ kind: "memory", path: "bench.md", write: true }] }),
]
const cleanse = cleanseWith(redactLeaks)

export const pipeline: Bench = async ({ postgres, tell }) => {
  const figures = [gatesAlone()]
  const dir = mkdtempSync(join(tmpdir(), "ironclaw-bench-pipeline-"))
  try {
    tell("pipeline: built in")
    figures.push(...(await measure("built in", await open({ kind: "embedded", dir: join(dir, "pgdata") }))))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  const server = await postgres()
  if ("reason" in server) tell(`pipeline: no server (${server.reason})`)
  else {
    tell("pipeline: Postgres")
    figures.push(...(await measure("Postgres", await open({ kind: "postgres", url: server.url, poolSize: 4 }))))
  }
  return figures
}

function open(config: Parameters<typeof openDb>[0]["config"]): Promise<Db> {
  return openDb({ config, clock: systemClock, onWarning() {}, loadSnapshot })
}

/** What judges one call and its result, in the order of the pipeline, on 4 KB. */
function gatesAlone(): Figure {
  const { registry } = createRegistry(benchTools)
  const times = Array.from({ length: CALLS + WARM_UP }, () => {
    const before = performance.now()
    const card = registry.find("bench_write")
    const shape = card && judgeShape(card.input, { note: "one" })
    if (!card || !shape?.ok) throw new Error("The tool of the bench is gone")
    const needs = card.needs(shape.value)
    fingerprint({ principal: "agent:main", tool: card.name, arguments: shape.value })
    destinationOf(needs)
    const effect = card.effect(shape.value, { ownerUrls: () => false, readsApart: false })
    const question = { principal: "agent:main", tool: card.name, effect, needs, reversible: false, labels: [] }
    judgeAuthority({ ...question, allowedTools: null, level: "supervised", ceiling: null, consented: false })
    cleanse(TEXT, [])
    return performance.now() - before
  })
  return atMost("gates alone, 4 KB", median(times.slice(WARM_UP)), GATES)
}

async function measure(name: string, db: Db): Promise<Figure[]> {
  try {
    const timeOf = await callsOn(db, createRegistry(benchTools))
    return [
      atMost(`a tool that reads, ${name}`, await timeOf("bench_read"), READ),
      atMost(`a tool with an effect, ${name}`, await timeOf("bench_write"), EFFECT),
    ]
  } finally {
    await db.close()
  }
}

/** Times calls through a pipeline on this database: the median, in ms. */
export async function callsOn(db: Db, { registry, take }: OpenRegistry): Promise<(tool: string) => Promise<number>> {
  const writer = createWriter({ db, publish() {} })
  const line = createPipeline({
    db,
    writer,
    clock: systemClock,
    log: silentLog,
    hooks: noHooks,
    registry,
    authorize: createAuthorize({ take }),
    level: () => "supervised",
    grants: { covers: async () => false },
    approvals: { standingOf: nothingAsked, ask: nothingAsked },
    fetchFor: () => nothingAsked,
    cleanse,
    redact: redactLeaks,
  })
  const sessions = createSessionStore({ db, writer, clock: systemClock })
  const place = { channel: "bench", peer: "owner", topic: "" }
  const { id: sessionId } = await sessions.create({ agentId: "main", place })
  const turn = { id: newId("trn"), sessionId, agentId: "main", jobId: newId("job"), state: "running" as const }
  await writer.commit({ statements: [db.orm.insert(turns).values(turn).toSQL()] })
  const request = (tool: string): CallRequest => ({
    callId: newId("call"),
    tool,
    arguments: tool.startsWith("bench_") ? { note: "one" } : {},
    principal: "agent:main",
    agentId: "main",
    sessionId,
    turnId: turn.id,
    channel: place.channel,
    personId: null,
    allowedTools: null,
    ceiling: null,
    attended: true,
    isGone: () => false,
    labels: [],
    source: "bench",
    ownerText: [],
    hold: { sql: "select 1", params: [] },
    signal: new AbortController().signal,
  })
  const timeOf = async (tool: string): Promise<number> => {
    const times: number[] = []
    for (let call = 0; call < CALLS + WARM_UP; call++) {
      const before = performance.now()
      const { state } = await line.run(request(tool))
      times.push(performance.now() - before)
      if (state !== "done") throw new Error(`${tool} was ${state}`)
    }
    return median(times.slice(WARM_UP))
  }
  return timeOf
}

function nothingAsked(): never {
  throw new Error("The bench asks nobody and fetches nothing")
}
