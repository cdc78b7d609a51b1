/** The first day: from a fresh clone to the first answer, from an installed program through the set-up to it, and what is asked often. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { verbTable } from "#cmd/lib/verb-table.ts"
import { binary, environmentOf, type Environment } from "#test/fakes/binary.ts"
import { startService } from "#test/fakes/service.ts"
import { atMost, type Bench, median, quantile } from "./figure.ts"
import { makeHome, removeHome } from "./house.ts"

const root = join(import.meta.dir, "../..")
const ROUNDS = 9
const SETUPS = 3
/** What a person takes for at once. */
const AT_ONCE = { value: 60, unit: "ms" }

export const firstDay: Bench = async ({ tell }) => {
  tell("firstday: npm start on a fresh clone")
  const clone = await secondsOfClone()
  const setupSeconds: number[] = []
  for (let round = 1; round <= SETUPS; round += 1) {
    tell(`firstday: onboarding ${round}`)
    setupSeconds.push(await secondsOfSetup())
  }
  const home = makeHome()
  try {
    const ms = async (args: readonly string[], rounds = ROUNDS) => {
      const measured: number[] = []
      for (let round = 0; round < rounds; round += 1) measured.push((await secondsOf(args, home)) * 1_000)
      return median(measured)
    }
    tell("firstday: --help of every verb")
    const helps: { verb: string; ms: number }[] = []
    for (const verb of Object.keys(verbTable)) helps.push({ verb, ms: await ms([verb, "--help"]) })
    const slowest = helps.toSorted((a, b) => b.ms - a.ms)[0]
    tell("firstday: status and doctor")
    const without = await ms(["status"])
    const service = await startService({ home, env: { LLM_BACKEND: "demo" } })
    try {
      return [
        atMost("npm start, fresh clone, to the answer", clone, { value: 60, unit: "s" }),
        atMost("onboarding by flags, to the answer", median(setupSeconds), { value: 5, unit: "s" }),
        atMost(
          "--help, median of the verbs",
          quantile(
            helps.map((help) => help.ms),
            0.5,
          ),
          AT_ONCE,
        ),
        atMost(`--help, slowest (${slowest?.verb})`, slowest?.ms ?? Number.NaN, AT_ONCE),
        atMost("status, nothing runs", without, AT_ONCE),
        atMost("status of a service", await ms(["status"]), AT_ONCE),
        atMost("doctor", (await ms(["doctor"], 3)) / 1_000, { value: 5, unit: "s" }),
      ]
    } finally {
      await service.stop()
    }
  } finally {
    removeHome(home)
  }
}

/** With the packages that this machine has in its caches, as after a first try. */
async function secondsOfClone(): Promise<number> {
  const home = makeHome()
  const folder = join(home, "clone")
  try {
    await run(["git", "clone", "--quiet", root, folder], { cwd: home, env: process.env })
    const env = { ...process.env, IRONCLAW_HOME: join(home, ".ironclaw"), LLM_BACKEND: "demo" }
    return await run(["npm", "start", "--silent", "--", "-m", "hello"], { cwd: folder, env })
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

async function secondsOfSetup(): Promise<number> {
  const home = makeHome()
  try {
    const setUp = await secondsOf(["onboard", "--non-interactive", "--model", "demo"], home)
    return setUp + (await secondsOf(["run", "-m", "hello"], home))
  } finally {
    removeHome(home)
  }
}

function secondsOf(args: readonly string[], home: string): Promise<number> {
  return run([binary, ...args], { cwd: home, env: environmentOf(home) })
}

type Options = { cwd: string; env: Environment | NodeJS.ProcessEnv }

async function run(command: string[], { cwd, env }: Options): Promise<number> {
  const startMs = performance.now()
  const child = Bun.spawn(command, { cwd, env: { ...env }, stdin: "ignore", stdout: "ignore", stderr: "pipe" })
  const words = await child.stderr.text()
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")} failed:\n${words}`)
  return (performance.now() - startMs) / 1_000
}
