/** Whole turns: from the message at /v1/chat/completions to the stored reply, one at a time and sixteen at once. */
import { atLeast, atMost, type Bench, type Figure, median, quantile, told } from "./figure.ts"
import { type House, openHouse } from "./house.ts"
import { cpuSeconds } from "./processes.ts"

/** What a service does once it runs: the first turns compile the code and plan the statements. */
const WARM_UP_TURNS = 400
const ROUNDS = 5
const SINGLE_TURNS = 200
const MANY_TURNS = 600
const LANES = 16

export const turns: Bench = async ({ postgres, tell }) => {
  const figures: Figure[] = []
  {
    await using house = await openHouse({ databaseUrl: null })
    const { singleMs, perSecond, cpuMs } = await measure(house, (round) => tell(`turns, embedded, round ${round}`))
    figures.push(
      atMost("turn, one at a time, p50", quantile(singleMs, 0.5), { value: 10, unit: "ms" }),
      atMost("turn, one at a time, p95", quantile(singleMs, 0.95), { value: 25, unit: "ms" }),
      atLeast(`turns, ${LANES} at once`, perSecond, { value: 120, unit: "/s" }),
      told("processor time of a turn", cpuMs, "ms"),
    )
  }
  const server = await postgres()
  if ("reason" in server) {
    tell(`turns on Postgres were not measured: ${server.reason}`)
    return figures
  }
  await using house = await openHouse({ databaseUrl: server.url })
  const { singleMs, perSecond, cpuMs } = await measure(house, (round) => tell(`turns, Postgres, round ${round}`))
  figures.push(
    told("Postgres: turn, one at a time, p50", quantile(singleMs, 0.5), "ms"),
    told("Postgres: turn, one at a time, p95", quantile(singleMs, 0.95), "ms"),
    atLeast(`Postgres: turns, ${LANES} at once`, perSecond, { value: 300, unit: "/s" }),
    told("Postgres: our processor time of a turn", cpuMs, "ms"),
  )
  return figures
}

/** Rounds of both kinds by turns, and their median, so that a busy moment of the machine does not decide. */
async function measure(house: House, tellRound: (round: number) => void) {
  await house.send({ turns: WARM_UP_TURNS, lanes: LANES })
  const singles: number[][] = []
  const perSecond: number[] = []
  const cpuMs: number[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    tellRound(round)
    singles.push((await house.send({ turns: SINGLE_TURNS })).timesMs)
    const before = cpuSeconds(house.pid)
    perSecond.push((await house.send({ turns: MANY_TURNS, lanes: LANES })).turnsPerSecond)
    cpuMs.push(((cpuSeconds(house.pid) - before) * 1000) / MANY_TURNS)
  }
  // The middle one of the rounds, whole: its p95 belongs to its p50.
  const singleMs = singles.toSorted((a, b) => median(a) - median(b))[Math.floor(ROUNDS / 2)] ?? []
  return { singleMs, perSecond: median(perSecond), cpuMs: median(cpuMs) }
}
