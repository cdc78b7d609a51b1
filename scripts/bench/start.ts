/** Cold starts to the first good answer of /ready: of a new home, and of one that was used. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { binary, environmentOf, until } from "#test/fakes/binary.ts"
import { atMost, type Bench, median } from "./figure.ts"
import { makeHome, removeHome } from "./house.ts"

const ROUNDS = 5

export const start: Bench = async ({ tell }) => {
  const firstSeconds: number[] = []
  const laterSeconds: number[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    tell(`start: round ${round}`)
    const home = makeHome()
    try {
      firstSeconds.push(await secondsToReady(home))
      laterSeconds.push(await secondsToReady(home))
    } finally {
      removeHome(home)
    }
  }
  return [
    atMost("cold start to /ready, first", median(firstSeconds), { value: 1.5, unit: "s" }),
    atMost("cold start to /ready, existing home", median(laterSeconds), { value: 0.8, unit: "s" }),
  ]
}

/** Asks the 0600 socket, whose place is known before the start: no port to wait for, and no token to read. */
export async function secondsToReady(home: string): Promise<number> {
  const socket = join(home, ".ironclaw/run/ironclaw.sock")
  mkdirSync(home, { recursive: true })
  const startMs = performance.now()
  const child = Bun.spawn([binary, "serve", "--port", "0"], {
    cwd: home,
    // The built-in stand-in is no model that would have to be reached.
    env: environmentOf(home, { LLM_BACKEND: "demo" }),
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  })
  try {
    await until("the service is ready", async () => {
      if (child.exitCode !== null) throw new Error(`serve ended with ${child.exitCode}: ${await child.stderr.text()}`)
      try {
        const answer = await fetch("http://ironclaw/ready", { unix: socket })
        await answer.arrayBuffer()
        return answer.status === 200
      } catch {
        return false // not there yet
      }
    })
    return (performance.now() - startMs) / 1000
  } finally {
    child.kill()
    await child.exited
  }
}
