/** The wizard's questions for screen readers and simple terminals: one line after the other, lists by number, nothing drawn over. */
import { createInterface } from "node:readline"
import { Writable } from "node:stream"
import { AppError } from "#core/errors.ts"
import type { Asker } from "./asker.ts"
import { plainLines } from "./markdown.ts"
import { type Ui, visible } from "./ui.ts"

export function createPlainAsker({ ui, signal }: { ui: Ui; signal: AbortSignal }): Asker {
  const say = (line: string) => {
    for (const part of plainLines(visible(line), Math.max(20, ui.width))) ui.print(part)
  }
  /** One that is wrong is asked again, with the reason. */
  async function answer<T>(
    prompt: string,
    { hidden = false, read }: { hidden?: boolean; read: (typed: string) => T | string | null },
  ) {
    for (;;) {
      const typed = (await readLine(prompt, { hidden, signal })).trim()
      const got = read(typed)
      if (typeof got === "object" && got !== null) return got
      say(typeof got === "string" ? `${got}.` : "That is no answer.")
    }
  }
  const asker: Asker = {
    someone: true,
    begin: say,
    heading(title) {
      ui.print()
      say(title)
    },
    async choose({ message, choices, initial }) {
      say(message)
      for (const [at, { label, hint }] of choices.entries()) say(`  ${at + 1}. ${label}${hint ? ` (${hint})` : ""}`)
      const usual = choices.findIndex(({ value }) => value === initial)
      const { value } = await answer(`Number${usual === -1 ? "" : ` [${usual + 1}]`}: `, {
        read: (typed) =>
          choices[typed === "" ? usual : /^\d+$/.test(typed) ? Number(typed) - 1 : -1] ??
          `Type a number from 1 to ${choices.length}`,
      })
      return value
    },
    async several({ message, choices }) {
      say(message)
      for (const [at, { label, hint }] of choices.entries()) say(`  ${at + 1}. ${label}${hint ? ` (${hint})` : ""}`)
      const { chosen } = await answer("Numbers, by commas [none]: ", {
        read(typed) {
          const words = typed.split(/[\s,]+/).filter((word) => word !== "" && word.toLowerCase() !== "none")
          const numbers = words.map((word) => (/^\d+$/.test(word) ? Number(word) : 0))
          const isGood = numbers.every((number) => number >= 1 && number <= choices.length)
          if (!isGood) return `Type numbers from 1 to ${choices.length}, or nothing`
          return { chosen: choices.filter((_, at) => numbers.includes(at + 1)).map(({ value }) => value) }
        },
      })
      return chosen
    },
    async text({ message, initial, judge = () => null }) {
      const { text } = await answer(`${message}${initial ? ` [${visible(initial)}]` : ""}: `, {
        read(typed) {
          const text = typed || (initial ?? "")
          return judge(text) ?? { text }
        },
      })
      return text
    },
    async hidden({ message, judge = () => null }) {
      const { text } = await answer(`${message} (not shown): `, {
        hidden: true,
        read: (typed) => (typed === "" ? "It is empty" : (judge(typed) ?? { text: typed })),
      })
      return text
    },
    say,
    done: say,
    warn: (line) => say(`Warning: ${line}`),
    working(what, work) {
      say(`${what} …`)
      return work()
    },
  }
  return asker
}

/** Throws `usage.interrupted` where the person leaves, or the terminal goes away. */
async function readLine(prompt: string, { hidden, signal }: { hidden: boolean; signal: AbortSignal }): Promise<string> {
  const left = () => new AppError("usage.interrupted", "Interrupted")
  if (signal.aborted) throw left()
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  // Only a line editor of our own leaves the typed characters out; otherwise the terminal edits the line itself, as it always does.
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: hidden })
  const answer = Promise.withResolvers<string>()
  const onAbort = () => answer.reject(left())
  signal.addEventListener("abort", onAbort, { once: true })
  lines.once("line", (line) => answer.resolve(line))
  lines.once("SIGINT", onAbort)
  lines.once("close", onAbort)
  process.stdout.write(prompt) // last: nothing is echoed that is typed as soon as it stands there
  try {
    return await answer.promise
  } finally {
    signal.removeEventListener("abort", onAbort)
    lines.close()
    if (hidden) process.stdout.write("\n")
  }
}
