/**
 * Question: may this guest use more time, memory, output or requests?
 * Fails closed by: a child that is late, too large, or says anything that does not belong where it says it is killed, and never used again.
 * Known limits: how large a child is can be seen on Linux alone; elsewhere the caps of the engines hold. A parent that does nothing but
 * compute is late with its deadlines too.
 * Source: ARCHITECTURE 7; kill times and the cost of a call were measured (2026-11).
 */
import type { Subprocess } from "bun"
import { readFileSync } from "node:fs"
import type { Clock } from "#core/clock.ts"
import { claimPass } from "#core/guard.ts"
import { judgeShape, type Static, type TSchema } from "#core/schema.ts"
import { createFrameReader, encodeFrame, type Frame, FrameFault, type FrameKind, MAX_HEADER_BYTES } from "./frames.ts"
import { type FailureReason, type GuestCall, type GuestUsage, HostRefusal } from "./guest.ts"
import { type AskedOfHost, type HostAnswer, hostAnswer } from "./host-answer.ts"
import {
  Ask,
  type Call,
  Done,
  Failed,
  type Load,
  LogLine,
  MAX_LOG_LINES,
  MAX_WORDS,
  Nothing,
  Ready,
} from "./messages.ts"

const pass = claimPass("sandbox-child")

/** Program and arguments that start a child. */
export type ChildCommand = readonly string[]
export type ChildKind = "wasm" | "js" | "parser"
/** A call as a child hears it, which knows neither whose code it has nor who asks. */
export type ChildCall = Omit<GuestCall, "pluginId" | "code">

/** Its own start takes some 10 ms, some 100 on a busy machine. */
const START_TIMEOUT_MS = 10_000
/** Compiling the largest module that the meter lets through. */
const LOAD_TIMEOUT_MS = 20_000
/** What the runtime and its compilers may take, besides what a guest may: several times what an idle child has, so that no honest one meets it. */
const OWN_MEMORY_BYTES = 256 * 1024 * 1024
/** A guest that fills memory at full speed gets some hundred MB further between two looks. */
const WATCH_EVERY_MS = 100
const PAGE_BYTES = 4_096
/** Questions that cost nothing but a look-up are bounded too. */
const MAX_ASKS = 1_000
/** Bytes of a request that a guest sends. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024

/** How a conversation with a child ended badly; the child is dead by then. */
export class ChildFault extends Error {
  readonly reason: FailureReason
  constructor(reason: FailureReason, words: string) {
    super(words)
    this.reason = reason
  }
}

export type CallResult = { usage: Omit<GuestUsage, "waitedMs"> } & (
  | { ok: true; output: Uint8Array }
  | { ok: false; reason: FailureReason; words: string }
)

export type Child = {
  readonly pid: number
  readonly kind: ChildKind
  /** False from the moment in which it ended, or was told to. */
  isAlive(): boolean
  /** What it says of its lock. Rejects with a ChildFault, as the next does. */
  ready(): Promise<Ready>
  load(load: Load, body: Uint8Array): Promise<{ ok: true } | { ok: false; words: string }>
  /** One at a time. Never throws. */
  call(call: ChildCall): Promise<CallResult>
  kill(): void
  exited: Promise<unknown>
}

export type ChildDeps = { command: ChildCommand; kind: ChildKind; clock: Clock; isLocked: boolean }

export function startChild({ command, kind, clock, isLocked }: ChildDeps): Child {
  const child = spawnChild({ command, kind, isLocked })
  let fault: ChildFault | null = null
  let maxFrameBytes = MAX_HEADER_BYTES
  let waiting: ((frame: Frame | ChildFault) => void) | null = null
  let queue: Frame[] = []
  /** Whether it was asked for anything: it has nothing to say of itself. */
  let isAsked = true

  function end(reason: FailureReason, words: string): ChildFault {
    fault ??= new ChildFault(reason, words)
    child.kill("SIGKILL")
    queue = []
    waiting?.(fault)
    waiting = null
    return fault
  }

  function take(frame: Frame): void {
    if (waiting) {
      const give = waiting
      waiting = null
      give(frame)
    } else if (!isAsked) end("protocol", "It spoke without being asked")
    else if (queue.length <= MAX_LOG_LINES) queue.push(frame)
    else end("protocol", "It sent more than it was asked for")
  }

  void listen()
  async function listen(): Promise<void> {
    const reader = createFrameReader({ maxBytes: () => maxFrameBytes })
    try {
      for await (const chunk of child.stdout) {
        if (fault) return
        for (const frame of reader.push(chunk)) take(frame)
      }
    } catch (error) {
      end("protocol", error instanceof FrameFault ? `It sent ${error.message}` : "Its output could not be read")
      return
    }
    await child.exited
    end("crashed", `Its process ended by itself (${child.signalCode ?? `status ${child.exitCode}`})`)
  }

  function send(kind: FrameKind, header: unknown, body?: Uint8Array): void {
    // It is gone: whoever waits for its answer hears that from the end of its output. A part that was still to be written says so later,
    // and said to nobody it would be a fault of this process.
    const gone = () => {}
    try {
      Promise.resolve(child.stdin.write(encodeFrame(kind, header, body))).catch(gone)
      Promise.resolve(child.stdin.flush()).catch(gone)
    } catch {
      gone()
    }
  }

  /** What it may answer: everything that it sends before and after belongs nowhere, and what a later question is answered with is not its to choose. */
  async function asking<T>(work: () => Promise<T>): Promise<T> {
    isAsked = true
    try {
      return await work()
    } finally {
      isAsked = false
      if (queue.length > 0) end("protocol", "It sent more than it was asked for")
    }
  }

  /** The next frame; a ChildFault where `ms` pass first. */
  function next(ms: number): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const early = queue.shift()
      if (fault) return reject(fault)
      if (early) return resolve(early)
      const cancel = clock.after(ms, () => end("deadline", "It was not done in its time"))
      waiting = (got) => {
        cancel()
        if (got instanceof ChildFault) reject(got)
        else resolve(got)
      }
    })
  }

  function headerOf<S extends TSchema>(schema: S, { header }: Frame): Static<S> {
    const shape = judgeShape(schema, header)
    if (!shape.ok) throw end("protocol", "It sent a header that is none")
    return shape.value
  }

  function surprised(frame: Frame): ChildFault {
    return end("protocol", `It sent "${frame.kind}" where that has no place`)
  }

  async function converse(call: ChildCall, usage: CallResult["usage"]): Promise<CallResult> {
    let leftMs = call.limits.timeoutMs
    // Made for the first question: most calls ask none, and to abort one costs as much as the rest of a call.
    let ended: AbortController | null = null
    const request: Call = {
      name: call.name,
      config: call.config,
      fuel: String(call.limits.fuel),
      maxMemoryBytes: call.limits.memoryMb * 1024 * 1024,
      maxOutputBytes: call.limits.maxOutputBytes,
    }
    let asks = 0
    let lines = 0
    try {
      send("call", request, call.input)
      for (;;) {
        const fromMs = clock.monotonicMs()
        const frame = await next(Math.max(0, leftMs)).finally(() => {
          usage.ranMs += clock.monotonicMs() - fromMs
          leftMs -= clock.monotonicMs() - fromMs
        })
        if (frame.kind === "done") {
          usage.fuel = Number(headerOf(Done, frame).fuel)
          if (frame.body.length > call.limits.maxOutputBytes)
            throw end("protocol", "Its output is larger than it may be")
          return { ok: true, output: frame.body, usage }
        }
        if (frame.kind === "failed") {
          const { reason, words, fuel } = headerOf(Failed, frame)
          usage.fuel = Number(fuel)
          return { ok: false, reason, words, usage }
        }
        if (frame.kind === "log") {
          if (++lines > MAX_LOG_LINES) throw end("protocol", "It logged more than it may")
          const { level, line } = headerOf(LogLine, frame)
          call.host.log(level, line)
        } else if (frame.kind === "ask") {
          if (++asks > MAX_ASKS) throw end("quota", `It asked the host for more than ${MAX_ASKS} things`)
          // Nothing may come before it has its answer.
          if (queue.length > 0) throw end("protocol", "It spoke out of turn")
          const asked = { call, usage, ask: headerOf(Ask, frame), body: frame.body }
          const hostFromMs = clock.monotonicMs()
          ended ??= new AbortController()
          const answer = await answerTo(asked, ended.signal)
          usage.hostMs += clock.monotonicMs() - hostFromMs
          if (answer instanceof ChildFault) throw answer
          if ("refused" in answer) send("refusal", { words: answer.refused.slice(0, MAX_WORDS) })
          else send("answer", answer.header, answer.body)
        } else throw surprised(frame)
      }
    } finally {
      ended?.abort()
    }
  }

  /** Gives up on a host function that does not heed its signal, and when the child ends meanwhile. */
  async function answerTo(asked: Omit<AskedOfHost, "signal">, ended: AbortSignal): Promise<HostAnswer | ChildFault> {
    const timeout = new AbortController()
    const { hostTimeoutMs } = asked.call.limits
    const late = Promise.withResolvers<HostAnswer>()
    const cancel = clock.after(hostTimeoutMs, () => {
      late.resolve({ refused: `The host took more than ${hostTimeoutMs} ms for this` })
      timeout.abort()
    })
    const gone = Promise.withResolvers<ChildFault>()
    waiting = (got) => gone.resolve(got instanceof ChildFault ? got : end("protocol", "It spoke out of turn"))
    try {
      const signal = AbortSignal.any([asked.call.signal, ended, timeout.signal])
      return await Promise.race([hostAnswer({ ...asked, signal }), late.promise, gone.promise])
    } catch (error) {
      if (error instanceof HostRefusal) return { refused: error.message }
      return end("host", "The host could not do what it was asked for")
    } finally {
      cancel()
      waiting = null
    }
  }

  return {
    pid: child.pid,
    kind,
    isAlive: () => fault === null,
    exited: child.exited,
    kill: () => void end("cancelled", "It was stopped"),
    ready: () =>
      asking(async () => {
        const frame = await next(START_TIMEOUT_MS)
        if (frame.kind !== "ready") throw surprised(frame)
        return headerOf(Ready, frame)
      }),
    load: (load, body) =>
      asking(async () => {
        maxFrameBytes = MAX_HEADER_BYTES
        send("load", load, body)
        const frame = await next(LOAD_TIMEOUT_MS)
        if (frame.kind === "failed") return { ok: false, words: headerOf(Failed, frame).words }
        if (frame.kind !== "loaded") throw surprised(frame)
        headerOf(Nothing, frame)
        return { ok: true }
      }),
    async call(call) {
      const usage = { ranMs: 0, hostMs: 0, fuel: null, requests: 0, toolCalls: 0 }
      maxFrameBytes = MAX_HEADER_BYTES + Math.max(MAX_REQUEST_BYTES, call.limits.maxOutputBytes)
      const onAbort = () => void end("cancelled", "The call was cancelled")
      call.signal.addEventListener("abort", onAbort, { once: true })
      const unwatch = watchMemory({
        pid: child.pid,
        clock,
        maxBytes: OWN_MEMORY_BYTES + call.limits.memoryMb * 1024 * 1024,
        end,
      })
      try {
        if (call.signal.aborted) onAbort()
        return await asking(() => converse(call, usage))
      } catch (error) {
        const { reason, message } = error instanceof ChildFault ? error : end("crashed", "Its answer could not be read")
        return { ok: false, reason, words: message, usage }
      } finally {
        unwatch()
        call.signal.removeEventListener("abort", onAbort)
      }
    },
  }
}

type Pipes = Subprocess<"pipe", "pipe", "ignore">

/** With nothing of our environment: no key, no path, no variable that steers a runtime. */
function spawnChild({ command, kind, isLocked }: Omit<ChildDeps, "clock">): Pipes {
  return spawnSelf([...command, ...(kind === "parser" ? ["--parser"] : []), ...(isLocked ? [] : ["--unlocked"])], {})
}

/** A process of this very program, with nothing but `env` in its environment. */
export function spawnSelf(argv: string[], env: Record<string, string>): Pipes {
  return pass(() => Bun.spawn(argv, { env, cwd: "/", stdin: "pipe", stdout: "pipe", stderr: "ignore" }))
}

type Watched = {
  pid: number
  clock: Clock
  maxBytes: number
  end: (reason: FailureReason, words: string) => unknown
}

function watchMemory({ pid, clock, maxBytes, end }: Watched): () => void {
  if (process.platform !== "linux") return () => {}
  const look = () => {
    if (residentBytes(pid) > maxBytes) end("memory", "Its process grew beyond what it may use")
    else cancel = clock.after(WATCH_EVERY_MS, look)
  }
  let cancel = clock.after(WATCH_EVERY_MS, look)
  return () => cancel()
}

function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * PAGE_BYTES
  } catch {
    // It has ended, which is heard elsewhere.
    return 0
  }
}
