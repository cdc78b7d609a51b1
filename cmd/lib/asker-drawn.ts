/** The wizard's questions as @clack/prompts draws them, within the terminal's width. */
import { autocomplete, intro, isCancel, log, multiselect, password, select, text } from "@clack/prompts"
import { AppError } from "#core/errors.ts"
import type { Asker } from "./asker.ts"
import { plainLines } from "./markdown.ts"
import { type Ui, visible } from "./ui.ts"

/** More than these are searched by typing; up to here a list is read at a glance. */
const MAX_LISTED = 12
const SHOWN_AT_ONCE = 8
/** The guide at the left of every line. */
const GUIDE_CELLS = 4

export function createDrawnAsker({ ui, signal }: { ui: Ui; signal: AbortSignal }): Asker {
  const lines = (line: string) => plainLines(visible(line), Math.max(20, ui.width - GUIDE_CELLS)).join("\n")
  return {
    someone: true,
    begin: (title) => intro(ui.style.bold(title)),
    heading: (title) => log.message(ui.style.bold(visible(title)), { symbol: ui.style.cyan("●") }),
    async choose<T extends string>({
      message,
      choices,
      initial,
    }: {
      message: string
      choices: readonly { value: T; label: string; hint?: string }[]
      initial?: T
    }): Promise<T> {
      const options = choices.map(({ value, label, hint }) => ({
        value: value as string,
        label: visible(label),
        ...(hint === undefined ? {} : { hint: visible(hint) }),
      }))
      const given = { message, options, signal, ...(initial === undefined ? {} : { initialValue: initial as string }) }
      const answer = await (options.length > MAX_LISTED
        ? autocomplete({ ...given, maxItems: SHOWN_AT_ONCE, placeholder: "Type to search" })
        : select({ ...given, showInstructions: false }))
      const taken = kept(answer)
      const chosen = choices.find(({ value }) => value === taken)
      if (chosen) return chosen.value
      throw new AppError("internal", "A list gave what was not in it")
    },
    async several<T extends string>({
      message,
      choices,
    }: {
      message: string
      choices: readonly { value: T; label: string; hint?: string }[]
    }): Promise<T[]> {
      const options = choices.map(({ value, label, hint }) => ({
        value: value as string,
        label: visible(label),
        ...(hint === undefined ? {} : { hint: visible(hint) }),
      }))
      const how = "space chooses, Enter goes on"
      const taken = await multiselect({ message: `${message} (${how})`, options, required: false, signal })
      if (isCancel(taken)) throw new AppError("usage.interrupted", "Interrupted")
      return choices.filter(({ value }) => taken.includes(value)).map(({ value }) => value)
    },
    async text({ message, initial, judge = () => null }) {
      const answer = await text({
        message,
        signal,
        ...(initial === undefined ? {} : { placeholder: initial, defaultValue: initial }),
        validate: (typed) => judge((typed ?? "").trim() || (initial ?? "")) ?? undefined,
      })
      return kept(answer).trim() || (initial ?? "")
    },
    async hidden({ message, judge = () => null }) {
      return kept(
        await password({
          message,
          signal,
          validate: (typed = "") => (typed.trim() === "" ? "It is empty" : (judge(typed.trim()) ?? undefined)),
        }),
      ).trim()
    },
    say: (line) => log.message(lines(line)),
    done: (line) => log.step(lines(line)),
    warn: (line) => log.warn(lines(line)),
    async working(what, work) {
      const progress = ui.progress(what)
      try {
        return await work()
      } finally {
        progress.stop()
      }
    },
  }
}

function kept(answer: string | symbol): string {
  if (!isCancel(answer) && typeof answer === "string") return answer
  throw new AppError("usage.interrupted", "Interrupted")
}
