/** The terminal as the chat holds it: raw keys in, frames out, and everything put back as it was, whatever happens. */
import { emitKeypressEvents } from "node:readline"
import { PassThrough } from "node:stream"
import type { Key } from "./chat-editor.ts"

export type ChatTerminal = {
  readonly columns: number
  readonly rows: number
  write(text: string): void
  /** Keys one by one until closed. */
  onKey(listener: (key: Key) => void): void
  onResize(listener: () => void): void
  /** The terminal went away. */
  onEnd(listener: () => void): void
  /** Idempotent. */
  close(): void
}

const PASTE_ON = "\u001b[?2004h"
const RESTORE = "\u001b[?2004l\u001b[?7h\u001b[?25h"

/** Takes stdin and stdout, which must be a terminal. */
export function holdTerminal(): ChatTerminal {
  const { stdin, stdout } = process
  const keys = new PassThrough()
  emitKeypressEvents(keys)
  const undo: (() => void)[] = []
  let isOpen = true
  const close = () => {
    if (!isOpen) return
    isOpen = false
    process.off("exit", close)
    for (const step of undo.reverse()) step()
    stdin.setRawMode(false)
    stdin.pause()
    stdout.write(RESTORE)
  }
  process.on("exit", close)
  stdin.setRawMode(true)
  const onData = (bytes: Buffer) => void keys.write(bytes)
  stdin.on("data", onData)
  stdin.resume()
  undo.push(() => stdin.off("data", onData))
  stdout.write(PASTE_ON)

  return {
    get columns() {
      return stdout.columns || 80
    },
    get rows() {
      return stdout.rows || 24
    },
    write(text) {
      if (isOpen) stdout.write(text)
    },
    onKey(listener) {
      keys.on("keypress", (_, key: Key) => listener(key))
    },
    onResize(listener) {
      stdout.on("resize", listener)
      undo.push(() => stdout.off("resize", listener))
    },
    onEnd(listener) {
      for (const event of ["end", "close", "error"]) {
        stdin.on(event, listener)
        undo.push(() => stdin.off(event, listener))
      }
    },
    close,
  }
}
