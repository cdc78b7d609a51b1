/** What a compaction would cover, decided without a model: which turns stay whole, and what the summaries are to be made of. */
import type { MessageRow } from "../db/schema.ts"
import type { TurnId } from "../id.ts"
import { estimateTextTokens } from "../llm/tokens.ts"
import { isUntrusted } from "../safety/labels.ts"
import { STANDING_HEADING } from "./standing.ts"
import { headAndTail, MAX_SHOWN_CHARACTERS } from "./shown.ts"

export type CompactionPlan = {
  /** Everything up to this position goes out of sight. */
  coversTo: number
  /** Summaries that stood until now, and the messages of the turns that are covered, in order. */
  trusted: MessageRow[]
  untrusted: MessageRow[]
  coveredTurns: TurnId[]
  messagesBefore: number
  messagesKept: number
}

export type PlanInput = {
  /** As `inSight` gives them. */
  messages: readonly MessageRow[]
  /** Turns at work are kept whole; queued ones are kept and do not hinder, for their messages can be moved behind. */
  atWork: ReadonlySet<TurnId>
  queued: ReadonlySet<TurnId>
  /** Of the finished turns, the last ones stay: up to so many, in up to so many tokens, but always the last. */
  keepTurns: number
  keepTokens: number
}

type Block = { messages: MessageRow[]; first: number; last: number }

/** Null where no whole turn can be covered. A turn is covered whole or not at all, so no call is parted from its result. */
export function planCompaction({ messages, atWork, queued, keepTurns, keepTokens }: PlanInput): CompactionPlan | null {
  const summaries = messages.filter(({ role }) => role === "summary")
  const blocks = blocksOf(messages.filter(({ role, turnId }) => role !== "summary" && !(turnId && queued.has(turnId))))
  let kept = 0
  let tokens = 0
  let cut = blocks.length
  while (cut > 0) {
    const block = blocks[cut - 1]
    if (!block) break
    const working = block.messages.some(({ turnId }) => turnId !== null && atWork.has(turnId))
    if (!working) {
      tokens += tokensShown(block.messages)
      if (kept > 0 && (kept >= keepTurns || tokens > keepTokens)) break
      kept += 1
    }
    cut -= 1
  }
  // A turn at work further back than the last ones takes everything after it along.
  const working = blocks.findIndex(({ messages: of }) => of.some(({ turnId }) => turnId !== null && atWork.has(turnId)))
  const covered = blocks.slice(0, working < 0 ? cut : Math.min(cut, working))
  const last = covered.at(-1)
  if (!last) return null
  const rows = covered.flatMap((block) => block.messages)
  const sources = [...summaries, ...rows]
  return {
    coversTo: last.last,
    trusted: sources.filter(({ labels }) => !isUntrusted(labels)),
    untrusted: sources.filter(({ labels }) => isUntrusted(labels)),
    coveredTurns: [...new Set(rows.flatMap(({ turnId }) => (turnId ? [turnId] : [])))],
    messagesBefore: messages.length,
    messagesKept: messages.length - sources.length,
  }
}

/** Turns whose positions overlap (one was queued while the other ran) are one block: a position between them would split both. */
function blocksOf(messages: readonly MessageRow[]): Block[] {
  const turns = new Map<string, Block>()
  for (const message of messages) {
    const key = message.turnId ?? message.id
    const turn = turns.get(key)
    if (!turn) turns.set(key, { messages: [message], first: message.position, last: message.position })
    else {
      turn.messages.push(message)
      turn.first = Math.min(turn.first, message.position)
      turn.last = Math.max(turn.last, message.position)
    }
  }
  const blocks: Block[] = []
  for (const turn of [...turns.values()].sort((a, b) => a.first - b.first)) {
    const before = blocks.at(-1)
    if (before && turn.first < before.last) {
      before.messages.push(...turn.messages)
      before.last = Math.max(before.last, turn.last)
    } else blocks.push(turn)
  }
  return blocks
}

const IMAGE_TOKENS = 1_600 // the most that a vendor counts for a picture that it scales down itself

function tokensShown(messages: readonly MessageRow[]): number {
  return messages.reduce(
    (sum, { text, toolCalls, parts }) =>
      sum +
      estimateTextTokens(text.slice(0, MAX_SHOWN_CHARACTERS)) +
      (toolCalls ? estimateTextTokens(JSON.stringify(toolCalls)) : 0) +
      (parts?.length ?? 0) * IMAGE_TOKENS,
    0,
  )
}

/** How much of each text goes into a transcript. Tool results go first: what they led to is said in the answers. */
const LEVELS = [
  { tool: 1_000, message: 12_000, call: 400 },
  { tool: 240, message: 4_000, call: 160 },
  { tool: 0, message: 1_200, call: 80 },
  { tool: 0, message: 300, call: 0 },
]

/**
 * The messages as text for the model that summarises, in parts of at most `maxTokens`, shortened as far as needed to make one part of
 * them; only where the shortest form still is too long there are more.
 */
export function transcriptParts(messages: readonly MessageRow[], { maxTokens }: { maxTokens: number }): string[] {
  const tools = new Map(
    messages.flatMap(({ toolCalls }) => (toolCalls ?? []).map(({ callId, name }) => [callId, name])),
  )
  for (const [index, level] of LEVELS.entries()) {
    const entries = messages.map((message) => entryOf(message, { level, tools }))
    const parts = packed(entries, maxTokens)
    if (parts.length <= 1 || index === LEVELS.length - 1) return parts
  }
  return []
}

type EntryContext = { level: (typeof LEVELS)[number]; tools: ReadonlyMap<string, string> }

function entryOf(
  { id, role, text, toolCalls, callId, parts, labels, source, createdAt }: MessageRow,
  { level, tools }: EntryContext,
): string {
  const when = createdAt.slice(0, 16)
  if (role === "summary") return `[Summary of what went before]\n${withoutStanding(text)}`
  if (role === "tool") {
    const head = `[${when} · result of ${(callId && tools.get(callId)) ?? "a tool"} · ${text.length} characters · handle ${id}]`
    return level.tool === 0 ? head : `${head}\n${headAndTail(text, level.tool, id)}`
  }
  const who = role === "model" ? "assistant" : isUntrusted(labels) ? `person (${source || "unknown"})` : "person"
  const calls = (toolCalls ?? []).map(({ name, arguments: args }) => {
    const given = level.call === 0 ? "" : ` ${(JSON.stringify(args) ?? "").slice(0, level.call).toWellFormed()}`
    return `(calls ${name}${given})`
  })
  const images = parts?.length ? [`(${parts.length} image(s))`] : []
  return [`[${when} · ${who}]`, headAndTail(text, level.message, id), ...images, ...calls]
    .filter((line) => line !== "")
    .join("\n")
}

/** An earlier summary without its quotations: those are made anew from the messages themselves. */
export function withoutStanding(text: string): string {
  const at = text.lastIndexOf(STANDING_HEADING)
  return (at < 0 ? text : text.slice(0, at)).trim()
}

function packed(entries: readonly string[], maxTokens: number): string[] {
  const parts: string[] = []
  let part: string[] = []
  let tokens = 0
  for (const entry of entries) {
    const size = estimateTextTokens(entry) + 1
    if (part.length > 0 && tokens + size > maxTokens) {
      parts.push(part.join("\n\n"))
      part = []
      tokens = 0
    }
    part.push(entry)
    tokens += size
  }
  if (part.length > 0) parts.push(part.join("\n\n"))
  return parts
}

/** What stands in for a summary where no model makes one: the first line of each message, the latest whole, and says so. */
export function firstLines(messages: readonly MessageRow[], { maxCharacters }: { maxCharacters: number }): string {
  const earlier = messages
    .filter(({ role }) => role === "summary")
    .map(({ id, text }) => headAndTail(withoutStanding(text), Math.floor(maxCharacters / 2), id))
  const lines = messages
    .filter(({ role, text }) => (role === "person" || role === "model") && text.trim() !== "")
    .map(({ id, role, text }) => {
      const line = text.trim().split("\n", 1)[0] ?? ""
      return `- ${role === "model" ? "Assistant" : "Person"}: ${line.slice(0, 200).toWellFormed()}${line.length < text.trim().length || line.length > 200 ? ` … (${id})` : ""}`
    })
  const head = "(Not written by a model: the first lines of the messages. result_read shows a whole one by its handle.)"
  let left = maxCharacters - head.length
  const shown: string[] = []
  for (const line of lines.toReversed()) {
    left -= line.length + 1
    if (left < 0) break
    shown.unshift(line)
  }
  const missing = lines.length - shown.length
  return [head, ...earlier, ...(missing > 0 ? [`(${missing} earlier messages are not listed.)`] : []), shown.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n")
}
