/**
 * `bun scripts/bench/run.ts [NAME…]`: measures the built program and prints each figure beside what is asked of it. Fails where one is
 * not kept. Times and rates depend on the machine and on what else it does: the load is printed, and figures of a busy one say little.
 */
import { loadavg } from "node:os"
import { createServerDatabase } from "#test/core/db/memory.ts"
import { startPostgres } from "../postgres.ts"
import { audit } from "./audit.ts"
import { corpus } from "./corpus.ts"
import { type Bench, type Figure, isKept, table } from "./figure.ts"
import { firstDay } from "./first-day.ts"
import { idle } from "./idle.ts"
import { longSession } from "./long-session.ts"
import { memory } from "./memory.ts"
import { meter } from "./meter.ts"
import { pages } from "./pages.ts"
import { pipeline } from "./pipeline.ts"
import { plugins } from "./plugins.ts"
import { safety } from "./safety.ts"
import { sandbox } from "./sandbox.ts"
import { start } from "./start.ts"
import { turns } from "./turns.ts"
import { version } from "./version.ts"

const benches: Record<string, Bench> = {
  version,
  start,
  firstday: firstDay,
  idle,
  turns,
  memory,
  "long-session": longSession,
  audit,
  pipeline,
  safety,
  sandbox,
  plugins,
  meter,
  corpus,
  pages,
}

async function main(): Promise<void> {
  const asked = process.argv.slice(2)
  const unknown = asked.find((name) => !Object.hasOwn(benches, name))
  if (unknown !== undefined) {
    console.error(`There is no bench called "${unknown}". There are: ${Object.keys(benches).join(", ")}`)
    process.exitCode = 2
    return
  }
  const tell = (words: string) => console.error(words)
  let started: ReturnType<typeof startPostgres> | undefined
  // Durable, as in earnest: the rows are at the disk before an answer is.
  const server = () => (started ??= startPostgres({ durable: true }))
  // A database for each asking: one belongs to one home, whose key seals it.
  const postgres = async () => {
    const outcome = await server()
    return "reason" in outcome ? outcome : { url: (await createServerDatabase(outcome.postgres.url)).url }
  }
  const figures: Figure[] = []
  console.log(`Load of the machine before: ${shownLoad()}`)
  try {
    for (const [name, bench] of Object.entries(benches)) {
      if (asked.length > 0 && !asked.includes(name)) continue
      try {
        figures.push(...(await bench({ tell, postgres })))
      } catch (error) {
        console.error(`${name} could not be measured:`, error)
        process.exitCode = 1
      }
    }
  } finally {
    const outcome = await started
    if (outcome && "postgres" in outcome) await outcome.postgres.stop()
  }
  console.log(`Load of the machine after: ${shownLoad()}\n\n${table(figures)}`)
  if (!figures.every(isKept)) process.exitCode = 1
}

/** Of the last minute and of the last five; what we measure is part of it. */
function shownLoad(): string {
  return loadavg()
    .slice(0, 2)
    .map((load) => load.toFixed(1))
    .join(", ")
}

await main()
