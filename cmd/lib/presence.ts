/** A change that needs the owner at a terminal: asks for a code, reads it from the terminal itself, and sends the change again with it. */
import { closeSync, constants, openSync, readSync } from "node:fs"
import { createInterface } from "node:readline"
import { WriteStream } from "node:tty"
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Challenge, Proof } from "#core/safety/presence.ts"
import { visible } from "./ui.ts"

type Asked = { readonly challenge: Challenge }

/** Throws `presence.…`, `usage.interrupted`, and what `send` throws. */
export async function withPresence<A extends object>(
  send: (presence: Proof) => Promise<A>,
  signal: AbortSignal,
): Promise<Exclude<A, Asked>> {
  const first = await send({ ask: { pid: process.pid } })
  if (!isChallenge(first)) return done(first)
  const { challenge } = first
  const terminal = openTerminal()
  try {
    if (challenge.code !== null) {
      terminal.write(`${visible(challenge.words)}\n`)
      const answer = await terminal.ask("Do it? [y/N] ", signal)
      if (!/^y(es)?$/i.test(answer.trim())) throw new AppError("presence.declined", "It was not confirmed")
      return done(await send({ challenge: challenge.id, code: challenge.code }))
    }
    for (;;) {
      const code = (await terminal.ask("Code (empty: leave it): ", signal)).replaceAll(/\s/g, "")
      if (code === "") throw new AppError("presence.declined", "No code was given")
      try {
        // What cannot be a code is not worth one of the tries.
        if (/^\d{6}$/.test(code)) return done(await send({ challenge: challenge.id, code }))
        terminal.write("It has six digits.\n")
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== "presence.wrong_code") throw error
        terminal.write(`${visible(error.message)}.\n`)
      }
    }
  } finally {
    terminal.close()
  }
}

function isChallenge(answer: object): answer is Asked {
  return "challenge" in answer
}

function done<A extends object>(answer: A): Exclude<A, Asked> {
  // What has no challenge is one of the other answers.
  if (!isChallenge(answer)) return answer as Exclude<A, Asked>
  throw new AppError("internal", "The service asked for a second code")
}

type Terminal = {
  write(text: string): void
  /** A line; empty where the terminal went away. */
  ask(question: string, signal: AbortSignal): Promise<string>
  close(): void
}

/** The terminal itself, whatever stdin and stdout are: a pipe must not answer for the person. */
function openTerminal(): Terminal {
  try {
    return process.platform === "win32" ? ownTerminal() : deviceTerminal("/dev/tty")
  } catch (cause) {
    throw new AppError("presence.no_terminal", "There is no terminal to type the code on", { cause })
  }
}

/** Between two looks at what was typed: nobody sees it, and it costs nothing. */
const LOOK_MS = 30

/**
 * Looked at instead of waited for: a stream that is closed while it waits still takes the next line, which is then lost to whoever asks
 * next. Not blocking, on a description of its own, so stdin and whoever shares it are not touched.
 */
function deviceTerminal(path: string): Terminal {
  const input = openSync(path, constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK)
  const output = new WriteStream(openSync(path, "w"))
  return {
    write: (text) => void output.write(text),
    async ask(question, signal) {
      output.write(question)
      const typed: Buffer[] = []
      for (;;) {
        signal.throwIfAborted()
        const some = readTyped(input)
        if (some === null) {
          await systemClock.sleep(LOOK_MS, signal)
          continue
        }
        typed.push(some)
        if (some.length === 0) return "" // Ctrl-D, or the terminal went away
        if (some.includes(10)) return Buffer.concat(typed).toString().split("\n", 1)[0] ?? ""
      }
    },
    close() {
      closeSync(input)
      output.destroy()
    },
  }
}

/** Null: nothing yet. */
function readTyped(fd: number): Buffer | null {
  const buffer = Buffer.alloc(4_096) // as much as a terminal holds of one line
  try {
    return buffer.subarray(0, readSync(fd, buffer))
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return null
    return buffer.subarray(0, 0)
  }
}

function ownTerminal(): Terminal {
  const { stdin: input, stderr: output } = process
  return {
    write: (text) => void output.write(text),
    ask(question, signal) {
      const answer = Promise.withResolvers<string>()
      const lines = createInterface({ input, output, terminal: false })
      const onAbort = () => answer.reject(signal.reason)
      signal.addEventListener("abort", onAbort, { once: true })
      output.write(question)
      lines.once("line", (line) => answer.resolve(line))
      lines.once("close", () => answer.resolve("")) // the terminal went away
      return answer.promise.finally(() => {
        signal.removeEventListener("abort", onAbort)
        lines.close()
      })
    },
    close() {},
  }
}
