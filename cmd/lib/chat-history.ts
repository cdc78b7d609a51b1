/** What was typed before, kept in the home for the next chat: one JSON string a line, 0600, bounded, without what looks like a secret. */
import { closeSync, constants, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { readPrivateFile, writePrivateFile } from "#core/home-file.ts"
import type { Home } from "#core/home.ts"
import { redactLeaks } from "#core/safety/leaks.ts"

export type History = {
  /** Oldest first; grows with {@link add}. */
  readonly entries: readonly string[]
  /** In the file when it returns, so that a kill loses nothing. Never throws: a chat goes on without its history. */
  add(text: string): void
}

/** As many as anybody scrolls back through. */
const KEPT = 1_000
/** The file may grow to this many lines before it is written anew. */
const MAX_LINES = 2 * KEPT
/** Longer ones are documents that were pasted, and stand in the conversation. */
const MAX_CHARACTERS = 10_000

/** `onProblem` is told once what keeps the history from being read or written. */
export function openHistory({ home, onProblem }: { home: Home; onProblem: (error: unknown) => void }): History {
  const path = join(home.root, "chat-history")
  const entries: string[] = []
  let works = true
  const attempt = (work: () => void) => {
    if (!works) return
    try {
      work()
    } catch (error) {
      works = false
      onProblem(error)
    }
  }
  attempt(() => {
    const lines = (readPrivateFile(path) ?? "").split("\n").filter((line) => line !== "")
    entries.push(...lines.slice(-KEPT).flatMap(readEntry))
    if (lines.length > MAX_LINES) writePrivateFile(path, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""))
  })
  return {
    entries,
    add(text) {
      const entry = redactLeaks(text)
      if (entry.length > MAX_CHARACTERS || entry === entries.at(-1)) return
      entries.push(entry)
      attempt(() => append(path, `${JSON.stringify(entry)}\n`))
    },
  }
}

function readEntry(line: string): string[] {
  try {
    const entry: unknown = JSON.parse(line)
    return typeof entry === "string" ? [entry] : []
  } catch {
    return [] // half a line of a disk that was full: the others are whole
  }
}

function append(path: string, line: string): void {
  const noFollow = constants.O_NOFOLLOW ?? 0 // Windows has no such flag
  const file = openSync(path, constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | noFollow, 0o600)
  try {
    writeSync(file, line)
  } finally {
    closeSync(file)
  }
}
