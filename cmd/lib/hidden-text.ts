/** Text that must not be seen: asked for without echo on a terminal, or read from stdin; never an argument, which others can list. */
import { AppError } from "#core/errors.ts"
import { readStdin, type Ui } from "./ui.ts"

/** Asks for it, and once more where a slip of the hand would cost it. Throws `usage.interrupted` where the person leaves. */
export async function askHidden({
  message,
  again,
  judge,
  signal,
}: {
  message: string
  again?: string
  judge: (text: string) => void
  signal: AbortSignal
}): Promise<string> {
  const first = await ask(message, judge, signal)
  if (again === undefined) return first
  const second = await ask(again, () => {}, signal)
  if (first === second) return first
  throw new AppError("usage.wrong", "The two are not the same", { hint: "Try again; nothing was changed." })
}

/** Whether a person can be asked: the prompt is drawn on stderr, so that stdout stays for data. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true
}

/** Stdin without its last line break, as `echo` and editors leave one. Throws `usage.wrong` where there is nothing to read. */
export async function hiddenFromStdin(what: string): Promise<string> {
  const text = (await readStdin())?.replace(/\r?\n$/, "")
  if (text) return text
  throw new AppError("usage.wrong", `${what} is not there to read`, {
    hint: "Pipe it in, or run the command on a terminal to be asked for it.",
  })
}

/** From stdin where that is not a terminal, else asked for. */
export async function readHidden({
  what,
  again,
  judge,
  signal,
}: {
  what: string
  again?: string
  judge: (text: string) => void
  signal: AbortSignal
}): Promise<string> {
  if (process.stdin.isTTY !== true) return hiddenFromStdin(what)
  return askHidden({ message: what, ...(again === undefined ? {} : { again }), judge, signal })
}

/** The passphrase of a backup: from stdin where the flag says so, else asked for. */
export async function readPassphrase({
  fromStdin,
  again,
  judge,
  ui,
  signal,
}: {
  fromStdin: boolean
  again?: string
  judge: (text: string) => void
  ui: Ui
  signal: AbortSignal
}): Promise<string> {
  if (fromStdin) return hiddenFromStdin("The passphrase")
  if (!canAsk() || ui.json) {
    throw new AppError("usage.wrong", "There is nobody to ask for the passphrase", {
      hint: "Pipe it in with --passphrase-stdin: `… --passphrase-stdin < file`.",
    })
  }
  return askHidden({ message: "Recovery passphrase", ...(again === undefined ? {} : { again }), judge, signal })
}

async function ask(message: string, judge: (text: string) => void, signal: AbortSignal): Promise<string> {
  const { password } = await import("@clack/prompts") // heavy, and few commands come here
  const answer = await password({
    message,
    output: process.stderr,
    signal,
    validate(text = "") {
      try {
        if (text === "") return "It is empty"
        judge(text)
        return undefined
      } catch (error) {
        if (error instanceof AppError) return error.message
        throw error
      }
    },
  })
  if (typeof answer === "string") return answer
  throw new AppError("usage.interrupted", "Interrupted")
}
