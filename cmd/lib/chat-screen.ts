/**
 * The lower part of the terminal, which is drawn again and again, under text that is written once and scrolls away like any program's.
 * A frame differs from the one before by few lines, and only those are written, in one piece: nothing flickers.
 */
import type { Cancel, Clock } from "#core/clock.ts"
import type { ChatTerminal } from "./chat-terminal.ts"

/** `lines` must fit the columns, and be fewer than the rows. */
export type Frame = { lines: readonly string[]; row: number; column: number }
export type Size = { columns: number; rows: number }

export type Screen = {
  readonly size: Size
  /** Writes lines above the part that is redrawn, for good. */
  commit(lines: readonly string[]): void
  /** Something changed: draws within a thirtieth of a second. */
  refresh(): void
  /** Draws from nothing on an empty screen. */
  clear(): void
  /** Draws what waits, takes the lower part away and draws nothing while another process writes; what comes meanwhile is drawn after. */
  standAside<T>(work: () => Promise<T>): Promise<T>
  /** Draws what waits, takes the lower part away, and stops drawing. */
  close(): void
}

/** Thirty times a second is as smooth as text gets, and leaves the processor alone. */
const FRAME_MS = 33
/** Synchronised output (mode 2026): terminals that know it show the frame at once; the others ignore it. */
const BEGIN = "\u001b[?2026h\u001b[?25l"
const END = "\u001b[?25h\u001b[?2026l"
/** No automatic line break while frames are drawn: where the terminal finds a character wider than we do, no row is added. */
const NO_BREAK = "\u001b[?7l"
const BREAK = "\u001b[?7h"

export type ScreenDeps = {
  terminal: Pick<ChatTerminal, "columns" | "rows" | "write" | "onResize">
  clock: Clock
  frame: (size: Size) => Frame
}

export function createScreen({ terminal, clock, frame }: ScreenDeps): Screen {
  let shown: Frame = { lines: [], row: 0, column: 0 }
  let waiting: string[] = []
  let timer: Cancel | null = null
  let isOpen = true
  /** How many others write at the moment. */
  let aside = 0
  let drawnAtMs = -FRAME_MS
  const size = (): Size => ({ columns: terminal.columns, rows: terminal.rows })

  function draw(next: Frame) {
    timer = null
    drawnAtMs = clock.monotonicMs()
    const moves = [up(shown.row), "\r"]
    let from = 0
    if (waiting.length > 0) {
      moves.push("\u001b[J", BREAK, ...waiting.map((line) => `${line}\r\n`))
      waiting = []
      shown = { lines: [], row: 0, column: 0 }
    } else while (from < next.lines.length && next.lines[from] === shown.lines[from]) from++
    moves.push(NO_BREAK)
    let row = 0
    for (let at = from; at < next.lines.length; at++) {
      if (next.lines[at] === shown.lines[at]) continue
      moves.push(goTo(row, at, shown.lines.length), `\u001b[2K${next.lines[at]}\r`)
      row = at
    }
    if (next.lines.length < shown.lines.length) {
      moves.push(goTo(row, next.lines.length, shown.lines.length), "\u001b[J")
      row = next.lines.length
    }
    moves.push(BREAK, goTo(row, next.row, Math.max(shown.lines.length, next.lines.length)), "\r", right(next.column))
    shown = next
    terminal.write(BEGIN + moves.join("") + END)
  }

  function refresh() {
    if (!isOpen || aside > 0 || timer) return
    const sinceMs = clock.monotonicMs() - drawnAtMs
    timer = clock.after(Math.max(0, FRAME_MS - sinceMs), () => {
      if (isOpen) draw(frame(size()))
    })
  }

  terminal.onResize(() => {
    // A terminal that got narrower broke our lines: the cursor is further down than it was.
    const { columns } = size()
    const rowsOf = (line: string) => Math.max(1, Math.ceil(Bun.stringWidth(line) / columns))
    const row =
      shown.lines.slice(0, shown.row).reduce((sum, line) => sum + rowsOf(line), 0) + Math.floor(shown.column / columns)
    if (isOpen && aside === 0) terminal.write(`${up(row)}\r\u001b[J`)
    shown = { lines: [], row: 0, column: 0 }
    refresh()
  })

  return {
    get size() {
      return size()
    },
    commit(lines) {
      waiting.push(...lines)
      refresh()
    },
    refresh,
    clear() {
      if (aside > 0) return
      terminal.write("\u001b[H\u001b[2J")
      shown = { lines: [], row: 0, column: 0 }
      refresh()
    },
    async standAside(work) {
      timer?.()
      if (isOpen && aside === 0) draw({ lines: [], row: 0, column: 0 })
      aside += 1
      try {
        return await work()
      } finally {
        aside -= 1
        refresh()
      }
    },
    close() {
      if (!isOpen) return
      timer?.()
      draw({ lines: [], row: 0, column: 0 })
      isOpen = false
    },
  }
}

/** From one row of the frame to another; rows that are not there yet are made by line feeds. */
function goTo(from: number, to: number, existing: number): string {
  if (to <= from) return up(from - to)
  const within = Math.max(0, Math.min(to, existing - 1) - from)
  return (within > 0 ? `\u001b[${within}B` : "") + "\r\n".repeat(to - from - within)
}

function up(rows: number): string {
  return rows > 0 ? `\u001b[${rows}A` : ""
}

function right(columns: number): string {
  return columns > 0 ? `\u001b[${columns}C` : ""
}
