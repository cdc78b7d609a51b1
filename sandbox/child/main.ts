/**
 * The child: locks itself, then waits on its standard input for code and calls, without an event loop. Everything it prints is a frame;
 * its parent believes none of it. It ends when its input does.
 */
import { readSync, writeSync } from "node:fs"
import { type Answer, type AskHeader, type Engine, type HostDoor, failureOf, type LogLevel } from "./engine.ts"
import { encodeFrame, type Frame, type FrameKind, readFrame } from "./frames.ts"
import { createScripts, type ScriptEngine } from "./js-engine.ts"
import { lockChild } from "./lock.ts"
import { type Call, type Load, MAX_LOG_LINE, MAX_LOG_LINES, MAX_WORDS } from "./messages.ts"
import { loadWasm } from "./wasm-engine.ts"

const INPUT = 0
const OUTPUT = 1
/** Words, kept from growing without an end. */
const short = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text).toWellFormed()

export async function runChild(argv: readonly string[]): Promise<number> {
  const [first, second] = argv
  if (first === "--probe" || first === "--victim" || first === "--mark")
    return runProbe(first, { about: second ?? "", argv })
  // Of ours, so it is loaded while files can be read; what it is to parse comes later.
  const parsers = argv.includes("--parser") ? (await import("../parse/engine.ts")).createParsers() : null
  const lock = argv.includes("--unlocked") ? { parts: [], missing: ["not tried"] } : lockChild()
  send("ready", lock)
  let scripts: ScriptEngine | null = null
  let engine: Engine | null = parsers
  for (;;) {
    const frame = receive()
    if (frame === null) return 0
    if (frame.kind === "load") {
      // Written by our parent, in our own program: of the type that it says.
      const load = frame.header as Load
      try {
        if (load.part === "engine") scripts = await createScripts(frame.body, load)
        else if (load.part === "wasm") engine = loadWasm(frame.body)
        else engine = loadScript(scripts, frame.body)
        send("loaded", {})
      } catch (error) {
        fail(error)
      }
    } else if (frame.kind === "call" && engine !== null) await answer(engine, frame)
    else return 1
  }
}

/** The roles of `lock-proof.ts`. */
async function runProbe(
  role: "--probe" | "--victim" | "--mark",
  { about, argv }: { about: string; argv: readonly string[] },
) {
  const { beVictim, leaveMark, prepareProbe } = await import("./probe.ts")
  if (role === "--mark") leaveMark(about)
  else if (role === "--victim") {
    const secret = beVictim(about)
    // Until its parent lets go of it; the secret stays where it is.
    while (receive() !== null) secret.fill(0)
  } else {
    const probe = prepareProbe(JSON.parse(about) as Parameters<typeof prepareProbe>[0])
    if (!argv.includes("--unlocked")) lockChild()
    probe()
  }
  return 0
}

function loadScript(scripts: ScriptEngine | null, source: Uint8Array): Engine {
  if (scripts === null) throw new Error("There is no engine for scripts")
  return scripts.load(new TextDecoder().decode(source))
}

async function answer(engine: Engine, { header, body }: Frame): Promise<void> {
  // As above: our parent's.
  const call = header as Call
  const outcome = await engine.call({
    name: call.name,
    input: body,
    config: call.config,
    fuel: BigInt(call.fuel),
    maxMemoryBytes: call.maxMemoryBytes,
    maxOutputBytes: call.maxOutputBytes,
    door: createDoor(),
  })
  const fuel = String(outcome.fuel)
  if (outcome.ok) send("done", { fuel }, outcome.output)
  else send("failed", { reason: outcome.reason, words: short(outcome.words, MAX_WORDS), fuel })
  sweep(outcome.memoryBytes)
}

let sinceSweepBytes = 0
/** Memories of finished instances are let go before they add up, not when the collector next thinks of it: our parent watches how large we are. */
const SWEEP_BYTES = 64 * 1024 * 1024
function sweep(memoryBytes: number): void {
  sinceSweepBytes += memoryBytes
  if (sinceSweepBytes < SWEEP_BYTES) return
  sinceSweepBytes = 0
  Bun.gc(true)
}

function createDoor(): HostDoor {
  let lines = 0
  return {
    ask(header: AskHeader, body?: Uint8Array): Answer {
      if ("payload" in header) send("ask", { name: header.name }, new TextEncoder().encode(header.payload))
      else send("ask", header, body)
      const frame = receive()
      if (frame?.kind === "answer") return { header: frame.header as Record<string, never>, body: frame.body }
      if (frame?.kind === "refusal") return { refused: String((frame.header as { words: unknown }).words) }
      // Our parent is gone, or has no more to say to us.
      process.exit(1)
    },
    log(level: LogLevel, line: string) {
      if (++lines <= MAX_LOG_LINES) send("log", { level, line: short(line, MAX_LOG_LINE) })
    },
  }
}

function fail(error: unknown): void {
  const { words } = failureOf(error, 0n)
  send("failed", { reason: "code", words: short(words, MAX_WORDS), fuel: "0" })
}

function receive(): Frame | null {
  return readFrame((into) => readSync(INPUT, into))
}

function send(kind: FrameKind, header: unknown, body?: Uint8Array): void {
  const bytes = encodeFrame(kind, header, body)
  for (let at = 0; at < bytes.length;) at += writeSync(OUTPUT, bytes, at)
}
