/** What a turn costs in a session of a thousand turns, against sessions of ten, measured by turns. */
import { atMost, type Bench, median, told } from "./figure.ts"
import { openHouse } from "./house.ts"
import { cpuSeconds } from "./processes.ts"

const SHORT_TURNS = 10
const LONG_TURNS = 1_000
const ROUNDS = 12
/** Turns measured in each round: few, so that a short session stays short. */
const MEASURED_TURNS = 6

export const longSession: Bench = async ({ tell }) => {
  await using house = await openHouse({ databaseUrl: null })
  tell(`long-session: ${LONG_TURNS} turns in one session`)
  await house.send({ turns: LONG_TURNS, session: "long" })
  const short = { timesMs: [] as number[], cpuMs: [] as number[] }
  const long = { timesMs: [] as number[], cpuMs: [] as number[] }
  const measure = async (into: typeof short, session: string) => {
    const before = cpuSeconds(house.pid)
    const { timesMs } = await house.send({ turns: MEASURED_TURNS, session })
    into.cpuMs.push(((cpuSeconds(house.pid) - before) * 1000) / MEASURED_TURNS)
    into.timesMs.push(...timesMs)
  }
  for (let round = 1; round <= ROUNDS; round += 1) {
    tell(`long-session: round ${round}`)
    const session = `short ${round}`
    await house.send({ turns: SHORT_TURNS, session })
    await measure(short, session)
    await measure(long, "long")
  }
  return [
    told(`turn in a session of ${SHORT_TURNS}`, median(short.timesMs), "ms"),
    told(`turn in a session of ${LONG_TURNS}`, median(long.timesMs), "ms"),
    told("the same in processor time", median(long.cpuMs) / median(short.cpuMs), "×"),
    atMost(`turn in a session of ${LONG_TURNS} against ${SHORT_TURNS}`, median(long.timesMs) / median(short.timesMs), {
      value: 2,
      unit: "×",
    }),
  ]
}
