/** What an engine in a child is: code that was loaded, and calls of it, each in an instance of its own. */
import type { FailureReason } from "./guest.ts"

export type LogLevel = "debug" | "info" | "warn" | "error"

/** The way to the parent during a call; asking waits without an event loop, so that guests may call it as any function. */
export type HostDoor = {
  ask(header: AskHeader, body?: Uint8Array): Answer
  log(level: LogLevel, line: string): void
}

export type AskHeader =
  | { name: "http"; method: string; url: string; headers: Record<string, string> }
  | { name: string; payload: string }
/** Status and headers are those of an HTTP response. */
export type Answer =
  | { header: { status?: number; headers?: Readonly<Record<string, string>> }; body: Uint8Array<ArrayBuffer> }
  | { refused: string }

export type EngineCall = {
  name: string
  input: Uint8Array<ArrayBuffer>
  config: Readonly<Record<string, string>>
  fuel: bigint
  /** Bytes that the guest may hold, in its memory and in the host's blocks each. */
  maxMemoryBytes: number
  maxOutputBytes: number
  door: HostDoor
}

/** `memoryBytes`: what the instance held at its end, and leaves to the collector. */
export type EngineOutcome = { fuel: bigint; memoryBytes: number } & (
  | { ok: true; output: Uint8Array }
  | { ok: false; reason: FailureReason; words: string }
)

export type Engine = { call(call: EngineCall): Promise<EngineOutcome> }

/** Ends the guest from within a host function: the reason is ours, not the guest's. */
export class GuestStop extends Error {
  readonly reason: FailureReason
  constructor(reason: FailureReason, words: string) {
    super(words)
    this.reason = reason
  }
}

/** What a guest threw, as a failure. `leftFuel` below zero: it was the meter that stopped it. */
export function failureOf(error: unknown, leftFuel: bigint): { ok: false; reason: FailureReason; words: string } {
  if (leftFuel < 0n) return { ok: false, reason: "fuel", words: "It used up its fuel: it may be in an endless loop" }
  if (error instanceof GuestStop) return { ok: false, reason: error.reason, words: error.message }
  return { ok: false, reason: "trap", words: error instanceof Error ? error.message : String(error) }
}

/** The least that clocks of guests tell apart: too coarse to time what other processes do. */
const CLOCK_STEP_MS = 100

export function coarseNowMs(now: () => number): number {
  return Math.floor(now() / CLOCK_STEP_MS) * CLOCK_STEP_MS
}
