/** Foreign code, run: a call in, an outcome out. The one face of the children to the rest of the house. */
import type { Clock } from "#core/clock.ts"
import type { Log } from "#core/log.ts"
import {
  type Child,
  type ChildCall,
  type ChildCommand,
  ChildFault,
  type ChildKind,
  startChild,
} from "./child-process.ts"
import {
  defaultLimits,
  type FailureReason,
  type GuestCode,
  type GuestOutcome,
  type LockState,
  type Sandbox,
} from "./guest.ts"
import type { Ready } from "./messages.ts"
import { createPool, type Owner, type Slot } from "./pool.ts"
import { createProgramSource } from "./program.ts"

/** Of children that lock themselves, before it is taken for the lock's doing: one alone may be ended by anything. */
const MIN_DEATHS = 2

export type SandboxDeps = {
  /** What starts a child of this very program. */
  command: ChildCommand
  clock: Clock
  log: Log
}

export function createSandbox({ command, clock, log }: SandboxDeps): Sandbox {
  const programs = createProgramSource()
  let lock: LockState = { state: "untried" }
  const pool = createPool({ clock, start: startReady })

  const isUntried = () => lock.state === "untried"

  /**
   * A lock that was made for another kernel may end the child that puts it on. Then, and only if two in a row ended so and a child without
   * the lock lives, children go unlocked from here on, and it is told. One that was late, on a machine with much to do, says nothing of it.
   */
  async function startReady(kind: ChildKind): Promise<Child> {
    const isLocked = lock.state !== "unlocked"
    for (let deaths = 0; ;) {
      try {
        return await startOne(kind, isLocked)
      } catch (error) {
        const isDead = error instanceof ChildFault && error.reason === "crashed"
        if (!isDead || !isUntried()) throw error
        if (++deaths < MIN_DEATHS) continue
        const child = await startOne(kind, false)
        if (lock.state !== "unlocked") {
          // Another one locked itself meanwhile: it can be done.
          child.kill()
          throw error
        }
        log.warn("Plugins run without the lock: a child that locks itself does not live", { error: String(error) })
        return child
      }
    }
  }

  async function startOne(kind: ChildKind, isLocked: boolean): Promise<Child> {
    const child = startChild({ command, kind, clock, isLocked })
    try {
      const ready = await child.ready()
      if (kind === "js") {
        const { load, body } = await programs.engine()
        const loaded = await child.load(load, body)
        if (!loaded.ok) throw new ChildFault("crashed", `The engine for scripts does not load: ${loaded.words}`)
      }
      learn(ready, isLocked)
      return child
    } catch (error) {
      child.kill()
      throw error
    }
  }

  function learn({ parts, missing }: Ready, isLocked: boolean): void {
    if (lock.state !== "untried") return
    if (!isLocked)
      lock = { state: "unlocked", parts: [], missing: ["a child that locks itself does not live on this system"] }
    else if (missing.length === 0) lock = { state: "locked", parts }
    else lock = { state: parts.length > 0 ? "partial" : "unlocked", parts, missing }
    if (lock.state !== "locked")
      log.warn("The lock of plugins is not whole on this system", { missing: missing.join("; ") })
  }

  /** Null: the code is in it. */
  async function load(child: Child, { code, memoryMb }: { code: GuestCode; memoryMb: number }): Promise<string | null> {
    const program = await programs.prepare(code, memoryMb)
    if (!program.ok) return program.words
    for (const part of program.parts) {
      const loaded = await child.load(part.load, part.body)
      if (!loaded.ok) return loaded.words
    }
    return null
  }

  /** `code` null: what it needs came with the child. */
  async function serve(call: ChildCall, { owner, kind, code, once }: Served): Promise<GuestOutcome> {
    const fromMs = clock.monotonicMs()
    if (call.input.length > call.limits.maxInputBytes)
      return refused("size", `Its input has ${call.input.length} bytes, over ${call.limits.maxInputBytes}`)
    let got: { slot: Slot; isFresh: boolean }
    try {
      if (call.signal.aborted) return refused("cancelled", "The call was cancelled")
      got = await pool.acquire({ owner, kind, signal: call.signal, isNested: call.isNested ?? false })
    } catch (error) {
      return failedToStart(error, call.signal)
    }
    const { slot, isFresh } = got
    const waitedMs = clock.monotonicMs() - fromMs
    let isWhole = false
    try {
      const wrong = isFresh && code ? await load(slot.child, { code, memoryMb: call.limits.memoryMb }) : null
      if (wrong !== null) return refused("code", wrong)
      const result = await slot.child.call(call)
      isWhole = !once && !(isFresh && !result.ok && result.reason === "code")
      return { ...result, usage: { ...result.usage, waitedMs } }
    } catch (error) {
      return failedToStart(error, call.signal)
    } finally {
      // What it was to be loaded with is not in it, or what it was loaded with is to be forgotten.
      if (!isWhole) slot.isRetired = true
      pool.release(slot)
    }
  }

  return {
    call({ pluginId, code, isHook, ...call }) {
      const version = `${code.kind} ${code.sha256} ${call.limits.memoryMb}`
      const kind = code.kind === "wasm" ? "wasm" : "js"
      return serve(call, { owner: { pluginId, version, isHook: isHook ?? false }, kind, code, once: false })
    },
    parse({ format, about, input, limits, once, signal }) {
      const call: ChildCall = {
        name: format,
        input,
        config: about,
        limits: { ...defaultLimits, ...limits, maxRequests: 0, maxToolCalls: 0 },
        host: { functions: {}, log() {} },
        signal,
      }
      // By format, so that no page has a hand in what comes of a file of another kind.
      return serve(call, { owner: { pluginId: PARSER, version: format }, kind: "parser", code: null, once })
    },
    async warm() {
      try {
        await Promise.all([pool.warm("wasm"), pool.warm("js")])
        return lock
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        log.warn("No child for plugins can be started", { error: why })
        return { state: "unlocked", parts: [], missing: [`no child can be started, so no plugin runs: ${why}`] }
      }
    },
    stop: (pluginId, { sha256, drain = false } = {}) =>
      pool.retire((owner) => owner.pluginId === pluginId && (sha256 === undefined || owner.version.includes(sha256)), {
        drain,
      }),
    stopAll: () => pool.close(),
    status: () => ({
      lock,
      waiting: pool.waiting(),
      children: pool.slots().map(({ child, owner, state, calls }) => ({
        pluginId: owner?.pluginId ?? null,
        kind: child.kind,
        state,
        calls,
        pid: child.pid,
      })),
    }),
  }
}

type Served = { owner: Owner; kind: ChildKind; code: GuestCode | null; once: boolean }

/** In the place of a plugin's name, which it cannot be. */
const PARSER = "(parser)"

const noUsage = { waitedMs: 0, ranMs: 0, hostMs: 0, fuel: null, requests: 0, toolCalls: 0 }

function refused(reason: FailureReason, words: string): GuestOutcome & { ok: false } {
  return { ok: false, reason, words, usage: noUsage }
}

function failedToStart(error: unknown, signal: AbortSignal): GuestOutcome {
  if (signal.aborted) return refused("cancelled", "The call was cancelled")
  if (error instanceof ChildFault)
    return refused(error.reason === "cancelled" ? "cancelled" : "unavailable", error.message)
  return refused("unavailable", error instanceof Error ? error.message : String(error))
}
