/** What a service costs that nobody uses: memory of all its processes, and processor time. */
import { atMost, type Bench, type Figure, told } from "./figure.ts"
import { openHouse } from "./house.ts"
import { cpuSeconds, familyOf, pssMib } from "./processes.ts"

/** After the start has settled. */
const SETTLE_MS = 30_000
const WATCH_MS = 60_000

export const idle: Bench = async ({ postgres, tell }) => {
  const figures = await watch("", { databaseUrl: null, maxMib: 260, tell })
  const server = await postgres()
  if ("reason" in server) {
    tell(`idle on Postgres was not measured: ${server.reason}`)
    return figures
  }
  return [...figures, ...(await watch("Postgres: ", { databaseUrl: server.url, maxMib: 110, tell }))]
}

async function watch(
  which: string,
  { databaseUrl, maxMib, tell }: { databaseUrl: string | null; maxMib: number; tell: (words: string) => void },
): Promise<Figure[]> {
  await using house = await openHouse({ databaseUrl })
  tell(`${which}idle: ${(SETTLE_MS + WATCH_MS) / 1000} s of silence`)
  await Bun.sleep(SETTLE_MS)
  const mib = pssMib(house.pid)
  const before = cpuSeconds(house.pid)
  await Bun.sleep(WATCH_MS)
  const share = ((cpuSeconds(house.pid) - before) / (WATCH_MS / 1000)) * 100
  return [
    atMost(`${which}idle memory, all processes (PSS)`, mib, { value: maxMib, unit: "MiB" }),
    atMost(`${which}idle processor time, of a core`, share, { value: 0.5, unit: "%" }),
    told(`${which}processes`, familyOf(house.pid).length, ""),
  ]
}
