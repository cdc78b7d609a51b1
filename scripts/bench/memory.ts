/** Memory after many turns: what a service keeps of each turn is in the database, not in the process. */
import { atMost, type Bench, told } from "./figure.ts"
import { openHouse } from "./house.ts"
import { pssMib } from "./processes.ts"

const FEW_TURNS = 1_000
const MANY_TURNS = 10_000
const LANES = 16
/** Long enough for garbage to be collected and its pages to be given back, as after any busy hour. */
const SETTLE_MS = 10_000

export const memory: Bench = async ({ tell }) => {
  await using house = await openHouse({ databaseUrl: null })
  const after = async (turns: number) => {
    tell(`memory: ${turns} turns`)
    await house.send({ turns, lanes: LANES })
    await Bun.sleep(SETTLE_MS)
    return pssMib(house.pid)
  }
  const few = await after(FEW_TURNS)
  const many = await after(MANY_TURNS - FEW_TURNS)
  return [
    told(`memory after ${FEW_TURNS} turns`, few, "MiB"),
    told(`memory after ${MANY_TURNS} turns`, many, "MiB"),
    atMost(`memory after ${MANY_TURNS} turns against ${FEW_TURNS}`, many / few, { value: 1.3, unit: "×" }),
  ]
}
