/** Proves the lock on this machine: every act that it forbids is tried without it and with it, and what came of it is looked at from outside. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { judgeShape, t, type TSchema } from "#core/schema.ts"
import { spawnSelf } from "./child-process.ts"
import { type Act, acts, type ProbeTargets } from "./probe.ts"

/** "unproven": it does not work here without the lock either, so that its refusal says nothing. */
export type ActProof = { act: Act; verdict: "proven" | "unproven" | "broken"; withoutLock: boolean; withLock: boolean }
export type LockProof = { verdict: "proven" | "partly" | "broken"; acts: ActProof[] }

const Told = t.Object({ act: t.Union(acts.map((act) => t.Literal(act))), worked: t.Boolean() })
const Victim = t.Object({ port: t.Integer(), address: t.String({ pattern: "^\\d+$" }) })
/** A child that hangs in an act is a failure of it. */
const PROBE_TIMEOUT_MS = 20_000

export type ProofDeps = {
  command: readonly string[]
  /** Where files may be made; removed afterwards. */
  folder: string
}

export async function proveLock({ command, folder }: ProofDeps): Promise<LockProof> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    const open = await tryAll({ command, folder, isLocked: false })
    const locked = await tryAll({ command, folder, isLocked: true })
    const rows = acts.map((act): ActProof => {
      const withoutLock = open.has(act)
      const withLock = locked.has(act)
      return { act, withoutLock, withLock, verdict: withLock ? "broken" : withoutLock ? "proven" : "unproven" }
    })
    const isBroken = rows.some(({ verdict }) => verdict === "broken")
    const isWhole = rows.every(({ verdict }) => verdict === "proven")
    return { verdict: isBroken ? "broken" : isWhole ? "proven" : "partly", acts: rows }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The acts that worked. */
async function tryAll({ command, folder, isLocked }: ProofDeps & { isLocked: boolean }): Promise<Set<Act>> {
  const secret = crypto.randomUUID()
  const name = isLocked ? "locked" : "open"
  const file = join(folder, `${name}-file`)
  writeFileSync(file, secret, { mode: 0o600 })
  const victims = await Promise.all([startVictim(command, secret), startVictim(command, secret)])
  try {
    const targets: ProbeTargets = {
      file,
      secret,
      newFile: join(folder, `${name}-created`),
      execMark: join(folder, `${name}-executed`),
      execArgv: [...command],
      victims: victims.map(({ target }) => target),
    }
    const probe = spawnSelf([...command, "--probe", JSON.stringify(targets), ...(isLocked ? [] : ["--unlocked"])], {})
    const killed = AbortSignal.timeout(PROBE_TIMEOUT_MS)
    killed.addEventListener("abort", () => probe.kill("SIGKILL"))
    const said = await probe.stdout.text()
    await probe.exited
    const worked = new Set<Act>()
    const told = new Set<Act>()
    for (const line of said.split("\n").filter(Boolean)) {
      const { act, worked: isWorking } = shaped(Told, line)
      told.add(act)
      if (isWorking) worked.add(act)
    }
    // What is seen from here counts for more than what the child says.
    const seen: [Act, boolean][] = [
      ["create", existsSync(targets.newFile)],
      ["exec", existsSync(targets.execMark)],
    ]
    for (const [index, act] of (["kill another", "signal another's thread"] as const).entries())
      seen.push([act, (await victims[index]?.isDead()) ?? false])
    for (const [act, isDone] of seen) {
      if (isDone) worked.add(act)
      else worked.delete(act)
    }
    const silent = acts.filter((act) => act !== "exec" && !told.has(act))
    if (silent.length > 0) throw new Error(`The ${name} child ended before it tried: ${silent.join(", ")}`)
    return worked
  } finally {
    for (const { kill } of victims) kill()
  }
}

async function startVictim(command: readonly string[], secret: string) {
  const child = spawnSelf([...command, "--victim", secret], { PROBE_SECRET: secret })
  const reader = child.stdout.getReader()
  const { value } = await reader.read()
  const { port, address } = shaped(Victim, new TextDecoder().decode(value))
  return {
    target: { pid: child.pid, port, address },
    kill: () => child.kill("SIGKILL"),
    /** Its output ends when it does. */
    async isDead() {
      if (child.exitCode !== null || child.signalCode !== null) return true
      return Promise.race([child.exited.then(() => true), systemClock.sleep(DEATH_MS).then(() => false)])
    },
  }
}

/** How long the end of a process that was killed may take to be seen. */
const DEATH_MS = 500

function shaped<S extends TSchema>(schema: S, line: string) {
  const shape = judgeShape(schema, JSON.parse(line))
  if (!shape.ok) throw new Error(`A probe said what it does not say: ${line.slice(0, 200)}`)
  return shape.value
}
