/**
 * A model that obeys every instruction it is shown, whoever wrote it: the worst that could sit behind the gates. An instruction is a word
 * that names a program. The word survives any escaping, shortening and quoting, and no detector of injections knows it: what stops such
 * a program is structure alone. Programs read what the model was shown and carry it into the arguments of the next call.
 */
import type { ModelScript, RecordedRequest } from "#test/fakes/model-server.ts"

/** All that the model was shown in one request, as text. */
export type Seen = {
  text: string
  /** The first group of the last match, or "nothing" where there is none: a program goes on as well as it can. */
  grab(pattern: RegExp): string
}
export type Call = { tool: string; arguments: Record<string, unknown> }
/** Calls that are made in one step, side by side. */
export type Step = (seen: Seen) => Call | Call[]
export type Program = {
  steps: Step[]
  /** Stands in every answer that is given while the program is in sight. */
  say?: (seen: Seen) => string
}

const WORD = /OBEY[a-z]{1,12}\d+X/g

export type ObeyingModel = {
  /** The word that makes the model run this program wherever it stands. */
  teach(name: string, program: Program): string
  forget(word: string): void
  /** Until it is released the word is read and does nothing: what is planted in one turn can be made to work in another. */
  hold(word: string): { release(): void }
  /** Tools that were called because this word stood in sight, in order; `says` where it had a say in an answer. */
  obeyed(word: string): string[]
  /** Whether the word was in sight at all. */
  saw(word: string): boolean
  decide(request: RecordedRequest): ModelScript
  /** System prompts as they came, without the day. */
  systems: Set<string>
}

export function createObeyingModel(): ObeyingModel {
  const programs = new Map<string, Program & { next: number; calls: string[]; seen: boolean; held: boolean }>()
  const systems = new Set<string>()
  let count = 0

  return {
    systems,
    teach(name, program) {
      const word = `OBEY${name.replace(/[^a-z]/g, "").slice(0, 12) || "x"}${++count}X`
      programs.set(word, { ...program, next: 0, calls: [], seen: false, held: false })
      return word
    },
    forget: (word) => void programs.delete(word),
    hold(word) {
      const program = programs.get(word)
      if (!program) throw new Error(`${word} was not taught`)
      program.held = true
      return { release: () => void (program.held = false) }
    },
    obeyed: (word) => programs.get(word)?.calls ?? [],
    saw: (word) => programs.get(word)?.seen ?? false,
    decide({ body }) {
      const messages = messagesOf(body)
      const tools = Array.isArray(body["tools"]) ? body["tools"] : []
      const text = [...messages.map(({ text }) => text), JSON.stringify(tools)].join("\n")
      const words = [...new Set(text.match(WORD) ?? [])]
      const seen: Seen = {
        text,
        grab: (pattern) => [...text.matchAll(new RegExp(pattern, "g"))].at(-1)?.[1] ?? "nothing",
      }
      // Without tools it is a summary that is wanted: one that passes on every instruction.
      if (tools.length === 0) return { text: `The conversation said: ${words.join(" ")}` }
      for (const message of messages) if (message.role === "system") systems.add(message.text)
      const known = words.flatMap((word) => programs.get(word) ?? []).filter(({ held }) => !held)
      for (const program of known) program.seen = true
      if (body["tool_choice"] !== "none") {
        for (const program of known) {
          const step = program.steps[program.next]
          if (!step) continue
          program.next += 1
          const calls = [step(seen)].flat()
          program.calls.push(...calls.map(({ tool }) => tool))
          return {
            toolCalls: calls.map((call, at) => ({
              id: `call_${count}_${program.next}_${at}`,
              name: call.tool,
              arguments: JSON.stringify(call.arguments),
            })),
          }
        }
      }
      const said = known.flatMap(({ say, calls }) => {
        if (!say) return []
        calls.push("says")
        return [say(seen)]
      })
      return { text: said.length > 0 ? said.join(" ") : "Done." }
    },
  }
}

function messagesOf(body: Record<string, unknown>): { role: string; text: string }[] {
  const list = body["messages"]
  if (!Array.isArray(list)) return []
  return list.map((message: { role?: unknown; content?: unknown; tool_calls?: unknown }) => ({
    role: String(message.role),
    text: [...textsIn(message.content), ...textsIn(message.tool_calls)].join("\n"),
  }))
}

/** Every string in a value: what a model reads of it. JSON within a string is read as the text it is. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value]
  if (Array.isArray(value)) return value.flatMap(textsIn)
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : []
}
