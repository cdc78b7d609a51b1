/** What the model is told before the conversation: rules, the owner's prompt documents, skills, the day. Stable parts first, for caches. */
import systemText from "../prompts/system.md" with { type: "text" }
import type { LabelName } from "../event.ts"
import { isUntrusted, joinLabels } from "../safety/labels.ts"

/** A document of memory that is always in the prompt, if the owner wrote one: its pieces, each with its own labels. */
export type PromptDocument = { path: string; parts: readonly { content: string; labels: readonly LabelName[] }[] }

/** What this needs of skills; `skills/` gives it. */
export type PromptSkills = (agentId: string) => Promise<{ text: string; labels: LabelName[] }[]>
export const noSkills: PromptSkills = async () => []

/** Characters of each prompt document that the model sees. The rest stays readable by memory_read. */
const DOCUMENT_BUDGET: Record<string, number> = {
  "AGENTS.md": 8_000, // standing instructions: the ones that must not be lost
  "SOUL.md": 4_000,
  "USER.md": 4_000,
  "IDENTITY.md": 2_000,
  "MEMORY.md": 8_000,
}

export type SystemPrompt = { parts: { text: string; cache: boolean }[]; labels: LabelName[] }

export function buildSystemPrompt(input: {
  agentName: string
  documents: readonly PromptDocument[]
  skills: readonly { text: string; labels: LabelName[] }[]
  /** Today in the owner's time zone, as a person would write it. No clock: it would change the prompt with every turn. */
  today: string
}): SystemPrompt {
  const { agentName, documents, skills, today } = input
  // Untrusted pieces are left out: the memory gate keeps such writes away, and this line does not depend on it.
  const trusted = documents
    .filter(({ path }) => path in DOCUMENT_BUDGET)
    .map(({ path, parts }) => ({ path, parts: parts.filter(({ labels }) => !isUntrusted(labels)) }))
    .filter(({ parts }) => parts.length > 0)
  const sections = trusted.map(({ path, parts }) => {
    const content = parts.map((part) => part.content).join("")
    return `# ${path}\n${shorten(content, DOCUMENT_BUDGET[path] ?? 0, path)}`
  })
  const stable = [systemText.trim().replaceAll("{{name}}", agentName), ...sections].join("\n\n")
  const parts = [
    { text: stable, cache: true },
    ...skills.map(({ text }) => ({ text, cache: false })),
    { text: `Today is ${today}.`, cache: false },
  ]
  return {
    parts,
    labels: joinLabels([
      [],
      ...trusted.flatMap(({ parts }) => parts.map(({ labels }) => labels)),
      ...skills.map(({ labels }) => labels),
    ]),
  }
}

function shorten(text: string, max: number, path: string): string {
  if (text.length <= max) return text.trim()
  return `${text.slice(0, max).toWellFormed().trimEnd()}\n[… ${text.length - max} more characters: memory_read ${path}]`
}
