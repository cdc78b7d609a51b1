/**
 * The log: one JSON object a line, redacted before it is anywhere, in files that are rotated by size. Logging never throws and never
 * waits: lines are written in the background; where the disk refuses them they are counted, and the loss is told once it recovers.
 */
import type { Cancel, Clock } from "./clock.ts"
import { createLogFile } from "./log-file.ts"
import { createLogLine, type LogFields } from "./log-line.ts"

export type LogLevel = "debug" | "info" | "warn" | "error"
export type { LogFields } from "./log-line.ts"

/** What everyone writes to. The message is a sentence without data in it; data goes into the fields, where it can be found again. */
export type Log = {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A log whose lines all carry these fields too. */
  child(fields: LogFields): Log
}

/** The log as its owner has it. */
export type RootLog = Log & {
  setLevel(level: LogLevel): void
  setLimits(limits: { maxBytes: number; files: number }): void
  /** From now on: what is known of secrets grows after the log has begun. */
  setRedact(redact: (text: string) => string): void
  /** Resolves when everything logged so far is in the file, or counted as lost. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** Where `-v` mirrors the log for people. */
export type LogMirror = { write(text: string): void; colours: boolean }

export type LogDeps = {
  /** The folder of the files; must exist. */
  dir: string
  level: LogLevel
  /** Takes secrets out of a text. Gets every string that is logged, one at a time. */
  redact: (text: string) => string
  clock: Clock
  /** Size at which a file is set aside, and how many set-aside files are kept. */
  maxBytes: number
  files: number
  mirror: LogMirror | null
}

const ranks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }
/** Lines that come within this time go to the disk in one write; at a crash at most these are lost. Errors do not wait. */
const FLUSH_AFTER_MS = 100

export function createLog({ dir, level, clock, maxBytes, files, mirror, ...deps }: LogDeps): RootLog {
  let { redact } = deps
  const file = createLogFile({ dir, maxBytes, files, lossLine })
  const makeLine = createLogLine((text) => redact(text))
  let lowest = ranks[level]
  let cancelFlush: Cancel | null = null
  const flushOnExit = () => file.flushSync()
  process.on("exit", flushOnExit)

  /** Made without the redactor, which may be what failed. */
  function lossLine(lost: number, why: string): string {
    return `${JSON.stringify({ lost, why, at: clock.iso(), level: "warn", message: "Log lines were lost" })}\n`
  }

  function write(at: LogLevel, message: string, fields: LogFields): void {
    if (ranks[at] < lowest) return
    try {
      const made = makeLine({ at: clock.iso(), level: at, message, fields })
      mirror?.write(mirror.colours ? coloured(at, made.human) : made.human)
      file.append(made.json)
      if (at === "error") void flushNow()
      else cancelFlush ??= clock.after(FLUSH_AFTER_MS, () => void flushNow())
    } catch {
      // A redactor or a mirror that fails must not take down what wanted to tell something; the line is counted instead.
      file.drop("the line could not be made")
    }
  }

  function flushNow(): Promise<void> {
    cancelFlush?.()
    cancelFlush = null
    return file.flush()
  }

  function logWith(own: LogFields): Log {
    const writer =
      (at: LogLevel) =>
      (message: string, fields: LogFields = {}) =>
        write(at, message, { ...own, ...fields })
    return {
      debug: writer("debug"),
      info: writer("info"),
      warn: writer("warn"),
      error: writer("error"),
      child: (fields) => logWith({ ...own, ...fields }),
    }
  }

  return {
    ...logWith({}),
    setLevel(next) {
      lowest = ranks[next]
    },
    setLimits: (limits) => file.setLimits(limits),
    setRedact(next) {
      redact = next
    },
    flush: flushNow,
    async close() {
      await flushNow()
      file.close()
      process.off("exit", flushOnExit)
    },
  }
}

/** The null object: for commands that keep no log, and for tests. */
export const silentLog: RootLog = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
  setLevel() {},
  setLimits() {},
  setRedact() {},
  flush: async () => {},
  close: async () => {},
}

const colours: Readonly<Record<LogLevel, string>> = {
  debug: "\u001b[2m",
  info: "",
  warn: "\u001b[33m",
  error: "\u001b[31m",
}

function coloured(level: LogLevel, text: string): string {
  const start = colours[level]
  return start === "" ? text : `${start}${text.trimEnd()}\u001b[0m\n`
}
