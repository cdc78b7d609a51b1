/** What is different in a turn that works for another one, or answers a guest: what it is told, and which answer it may end with. */
import guestText from "../prompts/guest.md" with { type: "text" }
import helperText from "../prompts/helper.md" with { type: "text" }
import readerText from "../prompts/reader.md" with { type: "text" }
import type { Ceiling } from "../safety/ceiling.ts"
import { describeField, type Fields, readValues } from "../safety/endorse.ts"
import type { SystemPrompt } from "./prompt.ts"

/** A reader is told nothing of the owner: no document, no skill. What it never held no page can ask it for. */
export function readerPrompt({
  agentName,
  today,
  returns,
}: {
  agentName: string
  today: string
  returns: Ceiling["returns"]
}): SystemPrompt {
  const text = [readerText.trim().replaceAll("{{name}}", agentName), `Today is ${today}.`, ...formOf(returns)]
  return { parts: [{ text: text.join("\n\n"), cache: false }], labels: [] }
}

/** As little as a reader: who asks is not the owner, or is not alone. */
export function guestPrompt({ agentName, today }: { agentName: string; today: string }): SystemPrompt {
  const text = [guestText.trim().replaceAll("{{name}}", agentName), `Today is ${today}.`]
  return { parts: [{ text: text.join("\n\n"), cache: true }], labels: [] }
}

/** A helper is told what the assistant is told, and that it is one. */
export function helperPrompt(main: SystemPrompt, returns: Ceiling["returns"]): SystemPrompt {
  const text = [helperText.trim(), ...formOf(returns)].join("\n\n")
  return { ...main, parts: [...main.parts, { text, cache: false }] }
}

function formOf(returns: Fields | null): string[] {
  if (!returns) return []
  const fields = Object.entries(returns).map(([name, field]) => `- ${name}: ${describeField(field)}`)
  return [
    `Your last message must be one JSON object with exactly these fields, and nothing else:\n${fields.join("\n")}`,
  ]
}

/** What to tell a sub-turn whose answer has not the form that was asked for; null: it has, or none was. */
export function correctionOf(ceiling: Ceiling | null, answer: string): string | null {
  if (!ceiling?.returns) return null
  const read = readValues(answer, ceiling.returns)
  return read.ok
    ? null
    : `Your answer cannot be taken: ${read.problem}. Answer once more, with the JSON object alone: ${Object.keys(ceiling.returns).join(", ")}.`
}
