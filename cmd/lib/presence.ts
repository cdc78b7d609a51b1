/** A change that needs the owner at a terminal: asks for a code, reads it from the terminal itself, and sends the change again with it. */
import { openSync } from "node:fs"
import { createInterface } from "node:readline"
import { ReadStream, WriteStream } from "node:tty"
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

/** The terminal itself, whatever stdin and stdout are: a pipe must not answer for the person. */
function openTerminal() {
  const path = process.platform === "win32" ? null : "/dev/tty"
  try {
    const input = path === null ? process.stdin : new ReadStream(openSync(path, "r"))
    const output = path === null ? process.stderr : new WriteStream(openSync(path, "w"))
    return {
      write: (text: string) => void output.write(text),
      ask(question: string, signal: AbortSignal): Promise<string> {
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
      close() {
        if (path === null) return
        input.destroy()
        output.destroy()
      },
    }
  } catch (cause) {
    throw new AppError("presence.no_terminal", "There is no terminal to type the code on", { cause })
  }
}
