/** The log as people read it: the last lines, filtered, and what is added while they look. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Home } from "#core/home.ts"
import type { LogLevel } from "#core/log.ts"
import { openSetting } from "./setting.ts"
import { type Ui, visible } from "./ui.ts"
import type { ArgValues, Outcome, VerbContext } from "./verb.ts"
import { parseLimit } from "./verbs.ts"

export const logArgs = {
  follow: { type: "boolean", alias: "f", description: "Go on showing what is added" },
  lines: { type: "string", alias: "n", valueHint: "n", default: "50", description: "How many of the last lines" },
  level: {
    type: "string",
    valueHint: "debug|info|warn|error",
    description: "This level and those above it",
  },
  grep: { type: "string", valueHint: "text", description: "Only lines that hold this text, in any case" },
  since: {
    type: "string",
    valueHint: "time",
    description: "Only lines from then on: 2026-11-27T08:00, or 2h, 30m, 1d ago",
  },
} as const

type Line = Readonly<Record<string, unknown>>
type Filter = (line: Line, raw: string) => boolean

const NAME = "ironclaw.log"
/** What a look at the end of a file reads at most: fifty thousand lines. */
const MAX_TAIL_BYTES = 16 * 1024 * 1024
const FOLLOW_EVERY_MS = 250 // as quick as an eye
const ranks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

export async function showLog({ args, flags, ui }: VerbContext<typeof logArgs>): Promise<Outcome | void> {
  const { home } = openSetting({ flags, ui })
  const keep = filterOf(args)
  const most = parseLimit(args.lines)
  if (args.follow && ui.json)
    throw new AppError("usage.wrong", "--json prints one document, and --follow has no end", {
      hint: `The file itself has one JSON object a line: tail -f ${join(home.paths.logs, NAME)}`,
    })
  const lines = lastLines(home, keep, most)
  if (!args.follow)
    return {
      data: { path: join(home.paths.logs, NAME), lines },
      show() {
        for (const line of lines) ui.print(lineText(line, ui))
        if (lines.length === 0) ui.note("No line fits.")
      },
    }
  for (const line of lines) ui.print(lineText(line, ui))
  const stop = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort())
  await follow(join(home.paths.logs, NAME), {
    signal: stop.signal,
    onLine: (raw) => {
      const line = parseLine(raw)
      if (keep(line, raw)) ui.print(lineText(line, ui))
    },
  })
}

/** The last error that was logged since then, in words; "" where there is none. */
export function lastErrorSince(home: Home, since: string): string {
  const [line] = lastLines(home, filterOf({ level: "error", since, grep: undefined }), 1)
  return line
    ? [line["message"], line["error"]]
        .filter((part) => part !== undefined)
        .map(textOf)
        .join(": ")
    : ""
}

/** The last lines of this level and above, oldest first. */
export function logLines(
  home: Home,
  { level, since, most }: { level: LogLevel; since?: string; most: number },
): readonly Line[] {
  return lastLines(home, filterOf({ level, since, grep: undefined }), most)
}

/** The last `most` lines that fit, oldest first, from the set-aside files too where the newest has too few. */
function lastLines(home: Home, keep: Filter, most: number): Line[] {
  const found: Line[] = []
  for (let n = 0; found.length < most; n++) {
    const text = tailOf(join(home.paths.logs, n === 0 ? NAME : `${NAME}.${n}`))
    if (text === null) break
    const raws = text.split("\n").filter((raw) => raw !== "")
    const fitting = raws.map((raw) => ({ raw, line: parseLine(raw) })).filter(({ line, raw }) => keep(line, raw))
    found.unshift(...fitting.slice(-(most - found.length)).map(({ line }) => line))
  }
  return found
}

function tailOf(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat?.isFile()) return null
  const from = Math.max(0, stat.size - MAX_TAIL_BYTES)
  const text = readFrom(path, from, stat.size - from)
  // Cut in mid-line where it does not begin the file.
  return from === 0 ? text : text.slice(text.indexOf("\n") + 1)
}

function readFrom(path: string, from: number, length: number): string {
  const file = openSync(path, "r")
  try {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(file, bytes, 0, length, from)).toString("utf8")
  } finally {
    closeSync(file)
  }
}

/** Reads what is added until the signal aborts; where the file was set aside for a new one, goes on with that from its start. */
async function follow(path: string, { signal, onLine }: { signal: AbortSignal; onLine: (raw: string) => void }) {
  let inode = statSync(path, { throwIfNoEntry: false })?.ino
  let at = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  let rest = Buffer.alloc(0)
  while (!signal.aborted) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat && (stat.ino !== inode || stat.size < at)) {
      inode = stat.ino
      at = 0
    }
    if (stat && stat.size > at) {
      const file = openSync(path, "r")
      try {
        const bytes = Buffer.alloc(Math.min(fstatSync(file).size - at, MAX_TAIL_BYTES))
        const count = readSync(file, bytes, 0, bytes.length, at)
        at += count
        const text = Buffer.concat([rest, bytes.subarray(0, count)])
        const end = text.lastIndexOf(10) // whole lines: a character may be cut at the end
        rest = Buffer.from(text.subarray(end + 1))
        for (const raw of text
          .subarray(0, end + 1)
          .toString("utf8")
          .split("\n"))
          if (raw !== "") onLine(raw)
      } finally {
        closeSync(file)
      }
      continue
    }
    await systemClock.sleep(FOLLOW_EVERY_MS, signal).catch(() => {}) // the loop sees why
  }
}

function filterOf({ level, grep, since }: Pick<ArgValues<typeof logArgs>, "level" | "grep" | "since">): Filter {
  if (level !== undefined && !isLevel(level))
    throw new AppError("usage.wrong", `--level takes ${Object.keys(ranks).join(", ")}, not "${level}"`)
  const least = level === undefined ? 0 : ranks[level]
  const text = grep?.toLowerCase()
  const from = since === undefined ? null : timeOf(since)
  return (line, raw) =>
    (isLevel(line["level"]) ? ranks[line["level"]] : ranks.error) >= least &&
    (text === undefined || raw.toLowerCase().includes(text)) &&
    (from === null || textOf(line["at"]) >= from)
}

/** ISO time of a moment, or of a span before now. */
function timeOf(text: string): string {
  const span = /^(\d+)([smhd])$/.exec(text)
  const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[span?.[2] ?? ""]
  const at = new Date(unitMs === undefined ? text : systemClock.nowMs() - Number(span?.[1]) * unitMs)
  if (!Number.isNaN(at.getTime())) return at.toISOString()
  throw new AppError("usage.wrong", `--since takes a time or a span like 30m, 2h or 1d, not "${text}"`)
}

/** A line that is no JSON was torn by a crash or a full disk: it is shown as it is. */
function parseLine(raw: string): Line {
  try {
    const value: unknown = JSON.parse(raw)
    if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value))
  } catch {
    // Below.
  }
  return { message: raw }
}

function textOf(value: unknown): string {
  if (typeof value === "object" && value !== null && "message" in value) return textOf(value.message) // the file has the rest
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "")
}

function isLevel(value: unknown): value is LogLevel {
  return typeof value === "string" && Object.hasOwn(ranks, value)
}

function lineText({ at, level, message, ...fields }: Line, ui: Ui): string {
  const { dim, red, yellow } = ui.style
  const time = typeof at === "string" ? new Date(at).toLocaleString("sv-SE") : ""
  const name = typeof level === "string" ? level.padEnd(5) : "     "
  const shown = level === "error" ? red(name) : level === "warn" ? yellow(name) : dim(name)
  const tail = Object.entries(fields).map(([key, value]) => ` ${key}=${textOf(value)}`)
  return `${dim(time)} ${shown} ${visible(textOf(message))}${dim(visible(tail.join("").replaceAll("\n", " ⏎ ")))}`
}
