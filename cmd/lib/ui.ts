/**
 * What the commands say and how: the only file of cmd that writes to the terminal. Colours, spinners and fitted tables only where a
 * person looks on; pipes get plain, whole text; `--json` gets exactly one document on stdout and nothing else there.
 */
import { type Cancel, systemClock } from "#core/clock.ts"
import { processEnvironment } from "#core/config.ts"
import { AppError, type ErrorBody } from "#core/errors.ts"
import type { LogMirror } from "#core/log.ts"
import { redactLeaks } from "#core/safety/leaks.ts"

/** Where text goes; tests hand in their own. */
export type Terminal = { write(text: string): void; readonly isTTY: boolean; readonly columns: number }
export type Style = Readonly<Record<"bold" | "dim" | "red" | "green" | "yellow" | "cyan", (text: string) => string>>
export type Column<T> = {
  title: string
  value: (row: T) => string
  align?: "left" | "right"
  /** May be cut where the terminal is too narrow. */
  shrinks?: boolean
}
export type Progress = { update(text: string): void; stop(): void }

export type Ui = {
  readonly json: boolean
  /** A person reads stdout and can be asked on stdin. */
  readonly interactive: boolean
  /** Columns of the terminal; 80 where there is none. */
  readonly width: number
  /** Styles for stdout; they do nothing where colours are off. */
  readonly style: Style
  /** A line of our own words on stdout; nothing with --json. Data in it goes through {@link visible} first. */
  print(line?: string): void
  /** Somebody's text on stdout: byte for byte into a pipe, without control characters on a terminal. */
  content(text: string): void
  /** A piece of such a text, while it grows: nothing is added between two of them. */
  piece(text: string): void
  table<T>(rows: readonly T[], columns: readonly Column<T>[], whenEmpty: string): void
  /** A remark on stderr, dimmed. */
  note(line: string): void
  /** A warning on stderr. */
  warn(line: string): void
  /** Where -v shows the log: stderr. */
  readonly logMirror: LogMirror
  /** A spinner with words on stderr, on a terminal only. */
  progress(text: string): Progress
  /** The one document of --json. Throws when there was one already. */
  document(data: unknown): void
  /** Says what went wrong, as --json or on stderr, and gives the exit status. */
  fail(error: unknown): number
}

export type UiDeps = {
  json: boolean
  /** What lies behind an error is shown too. */
  verbose: boolean
  out: Terminal
  err: Terminal
  stdinIsTTY: boolean
  env: Readonly<Record<string, string | undefined>>
}

/** The ui of this process. `plain`: as on a terminal that can do nothing but lines. */
export function terminalUi({ json, verbose, plain = false }: { json: boolean; verbose: boolean; plain?: boolean }): Ui {
  return createUi({
    json,
    verbose,
    out: terminalOf(process.stdout),
    err: terminalOf(process.stderr),
    stdinIsTTY: process.stdin.isTTY === true,
    env: plain ? { ...processEnvironment(), TERM: "dumb" } : processEnvironment(),
  })
}

/** The last thing before the exit: resolves when everything written is with the reader, who would else get a pipe that is cut short. */
export async function drainTerminal(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    // A reader that went away (`| head`) is no fault: nobody is left to read.
    await new Promise<void>((resolve) => {
      stream.once("error", () => resolve())
      // An empty write is answered before what waits in front of it is with a slow reader (Bun 1.4.5); the end is not.
      stream.end(() => resolve())
    })
  }
}

/** Stdin to its end, for text that is piped in. Null where stdin is a terminal. */
export async function readStdin(): Promise<string | null> {
  return process.stdin.isTTY ? null : Bun.stdin.text()
}

/** Exit statuses, as INTERFACES promises them. */
export const exitStatus = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const

export function createUi({ json, verbose, out, err, stdinIsTTY, env }: UiDeps): Ui {
  const outStyle = createStyle(hasColours(out, env))
  const errStyle = createStyle(hasColours(err, env))
  const moves = err.isTTY && !env["CI"] && env["TERM"] !== "dumb" && !json
  let documents = 0
  let spinning: Progress | null = null

  const say = (line: string) => {
    spinning?.stop()
    err.write(`${line}\n`)
  }
  const ui: Ui = {
    json,
    interactive: out.isTTY && stdinIsTTY && !json,
    width: out.isTTY ? out.columns : 80,
    style: outStyle,
    print(line = "") {
      if (json) return
      spinning?.stop()
      out.write(`${line}\n`)
    },
    content(text) {
      ui.piece(text)
      if (!json && out.isTTY && !text.endsWith("\n")) out.write("\n")
    },
    piece(text) {
      if (json) return
      spinning?.stop()
      out.write(out.isTTY ? visible(text) : text)
    },
    table(rows, columns, whenEmpty) {
      if (json) return
      if (rows.length === 0) return ui.print(outStyle.dim(whenEmpty))
      for (const line of tableLines(rows, columns, { width: out.isTTY ? out.columns : null, style: outStyle }))
        ui.print(line)
    },
    logMirror: {
      write(text) {
        spinning?.stop()
        err.write(text)
      },
      colours: hasColours(err, env),
    },
    note: (line) => say(errStyle.dim(line)),
    warn: (line) => say(`${errStyle.yellow("Warning:")} ${line}`),
    progress(text) {
      spinning?.stop()
      if (!moves) return { update() {}, stop() {} }
      spinning = createSpinner(err, errStyle, text, () => {
        spinning = null
      })
      return spinning
    },
    document(data) {
      if (documents > 0) throw new Error("--json prints exactly one document")
      documents++
      spinning?.stop()
      out.write(`${JSON.stringify({ ok: true, data: data ?? null })}\n`)
    },
    fail(error) {
      spinning?.stop()
      const body = bodyOf(error)
      if (json && documents === 0) {
        documents++
        out.write(`${JSON.stringify({ ok: false, error: body })}\n`)
      } else {
        say(`${errStyle.red("Error:")} ${visible(body.message)}`)
        if (body.hint) say(errStyle.dim(visible(body.hint)))
      }
      if (verbose) for (const line of detailsOf(error)) say(errStyle.dim(line))
      return body.code.startsWith("usage.") ? exitStatus.usage : exitStatus.failed
    },
  }
  return ui
}

function terminalOf(stream: NodeJS.WriteStream): Terminal {
  stream.on("error", () => {}) // EPIPE: whoever read us has seen enough
  return {
    write: (text) => void stream.write(text),
    get isTTY() {
      return stream.isTTY === true
    },
    get columns() {
      return stream.columns || 80
    },
  }
}

/** no-color.org: any value that is not empty. */
function hasColours(terminal: Terminal, env: UiDeps["env"]): boolean {
  return terminal.isTTY && !env["NO_COLOR"] && !env["CI"] && env["TERM"] !== "dumb"
}

const codes: Readonly<Record<keyof Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
}

function createStyle(coloured: boolean): Style {
  const wrap =
    ([on, off]: readonly [number, number]) =>
    (text: string) =>
      coloured && text !== "" ? `\u001b[${on}m${text}\u001b[${off}m` : text
  return {
    bold: wrap(codes.bold),
    dim: wrap(codes.dim),
    red: wrap(codes.red),
    green: wrap(codes.green),
    yellow: wrap(codes.yellow),
    cyan: wrap(codes.cyan),
  }
}

/** Control and direction characters spelled out: a terminal obeys them, and titles, replies and pages are written by others. */
export function visible(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
}

const GAP = "  "

/** `width` null: as wide as it needs to be. */
export function tableLines<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  { width, style }: { width: number | null; style: Style },
): string[] {
  const cells = rows.map((row) => columns.map(({ value }) => visible(value(row).replace(/[\r\n\t]+/g, " "))))
  const widths = columns.map(({ title }, at) =>
    Math.max(Bun.stringWidth(title), ...cells.map((line) => Bun.stringWidth(line[at] ?? ""))),
  )
  if (width !== null) shrink(widths, columns, width)
  const line = (texts: readonly string[]) =>
    texts
      .map((text, at) => {
        const own = widths[at] ?? 0
        const cut = truncate(text, own)
        const pad = " ".repeat(Math.max(0, own - Bun.stringWidth(cut)))
        return columns[at]?.align === "right" ? pad + cut : cut + pad
      })
      .join(GAP)
      .trimEnd()
  return [style.bold(line(columns.map(({ title }) => title.toUpperCase()))), ...cells.map(line)]
}

/** Takes from the widest of the columns that may be cut until all fit, or each is at its least. */
function shrink<T>(widths: number[], columns: readonly Column<T>[], width: number): void {
  const LEAST = 8 // enough to tell rows apart
  let over = widths.reduce((sum, own) => sum + own, 0) + GAP.length * (widths.length - 1) - width
  while (over > 0) {
    let widest = -1
    for (const [at, column] of columns.entries()) {
      if (column.shrinks && (widths[at] ?? 0) > LEAST && (widest === -1 || (widths[at] ?? 0) > (widths[widest] ?? 0)))
        widest = at
    }
    if (widest === -1) return
    widths[widest] = (widths[widest] ?? 0) - 1
    over--
  }
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" })

/** The text within so many terminal cells, with an ellipsis where it was cut; never half an emoji. */
export function truncate(text: string, cells: number): string {
  if (Bun.stringWidth(text) <= cells) return text
  let out = ""
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    const own = Bun.stringWidth(segment)
    if (used + own > cells - 1) break
    out += segment
    used += own
  }
  return `${out}…`
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
const FRAME_MS = 80 // twelve frames a second read as motion

function createSpinner(terminal: Terminal, style: Style, first: string, onStop: () => void): Progress {
  let text = first
  let frame = 0
  let stopped = false
  const draw = () => {
    const room = truncate(visible(text).replaceAll("\n", " "), Math.max(8, terminal.columns - 3))
    terminal.write(`\r\u001b[K${style.cyan(FRAMES[frame++ % FRAMES.length] ?? "")} ${room}`)
  }
  let cancel: Cancel
  const turn = () => {
    draw()
    cancel = systemClock.after(FRAME_MS, turn)
  }
  turn()
  return {
    update(next) {
      text = next
    },
    stop() {
      if (stopped) return
      stopped = true
      cancel()
      terminal.write("\r\u001b[K")
      onStop()
    },
  }
}

/** Only an AppError's message may be shown; of anything else the name alone, for the message may hold anything. */
function bodyOf(error: unknown): ErrorBody {
  if (error instanceof AppError) return error.toBody()
  const what = error instanceof Error ? error.name : "an unknown value"
  return new AppError("internal", `Something went wrong inside (${what})`, {
    hint: "Run it again with -v; the log in the home's logs folder holds the details.",
  }).toBody()
}

const MAX_CAUSES = 5 // errors behind errors

/** The stacks of an error and of what caused it, for -v: secrets redacted, nothing that a terminal obeys. */
function detailsOf(error: unknown): string[] {
  const lines: string[] = []
  for (let at = error, depth = 0; at instanceof Error && depth < MAX_CAUSES; at = at.cause, depth++) {
    lines.push(...visible(redactLeaks(at.stack ?? at.message)).split("\n"))
  }
  return lines
}
