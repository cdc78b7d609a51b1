/** Turns stored messages into what the model is sent: fenced, shortened, repaired, in order, within its window. */
import type { LabelName } from "../event.ts"
import type { MessageRow } from "../db/schema.ts"
import type { TurnId } from "../id.ts"
import type { ModelImage, ModelMessage, ModelText } from "../llm/model.ts"
import { estimateTokens } from "../llm/tokens.ts"
import { fence } from "../safety/fence.ts"
import { isUntrusted, joinLabels, joinSources } from "../safety/labels.ts"
import { headAndTail } from "../session/shown.ts"

/** Characters of one text that the model sees; the whole is stored and read by handle. */
const MAX_TOOL_CHARACTERS = 16_000 // about 4,000 tokens: a page
const MAX_MESSAGE_CHARACTERS = 32_000

export type Context = {
  messages: ModelMessage[]
  /** The join of the labels of what is in `messages`, nothing else. */
  labels: LabelName[]
  source: string
  tokens: number
  /** Turns that had to be left out to fit; compaction is due. */
  leftOut: number
}

type Group = {
  turnId: TurnId | null
  messages: ModelMessage[]
  labels: (readonly LabelName[])[]
  sources: string[]
  tokens: number
  /** Summaries: what they hold is nowhere else in sight, the owner's standing instructions above all. */
  kept: boolean
}

/**
 * `rows` oldest first. The turn `current` is never left out, and keeps its untrusted bodies; earlier turns keep handles. `task`: it is a
 * sub-turn, whose message says what to do, whatever it was written from: its labels stay, and its ceiling bounds it. `redact`: a key
 * that a person pastes is theirs to say to us and stays in their message; no model's vendor has to see it. Results are redacted already.
 */
export function buildContext(
  rows: readonly MessageRow[],
  {
    current,
    budgetTokens,
    redact,
    task = false,
  }: { current: TurnId; budgetTokens: number; redact: (text: string) => string; task?: boolean },
): Context {
  const groups: Group[] = []
  const results = new Map<string, MessageRow>()
  for (const row of rows) if (row.role === "tool" && row.callId) results.set(row.callId, row)

  for (const row of rows) {
    if (row.role === "tool") continue // placed behind its call
    const group = groupOf(groups, row)
    const add = (message: ModelMessage, labels: readonly LabelName[], source: string) => {
      group.messages.push(message)
      group.labels.push(labels)
      group.sources.push(source)
      group.tokens += estimateTokens(message)
    }
    if (row.role !== "model") {
      add(
        { role: "user", content: userContent(row, { fenced: !task && isUntrusted(row.labels), redact }) },
        row.labels,
        row.source,
      )
      continue
    }
    const toolCalls = (row.toolCalls ?? []).map(({ callId, name, arguments: args }) => ({
      id: callId,
      name,
      arguments: args,
    }))
    // What a call sent here, maybe from another conversation, is not this one's own words: fenced where text from outside shaped it.
    const isSent = row.callId !== null && isUntrusted(row.labels)
    const text = isSent ? fence(row.text, row.source) : row.text
    if (text || toolCalls.length) add({ role: "assistant", text, toolCalls }, row.labels, row.source)
    for (const { id, name } of toolCalls) {
      const result = results.get(id)
      const shown = result
        ? toolText(result, result.turnId === current)
        : { text: "[no result was recorded]", labels: [], source: "" }
      add(
        { role: "tool", toolCallId: id, toolName: name, text: shown.text, isError: false },
        shown.labels,
        shown.source,
      )
    }
  }

  let tokens = groups.reduce((sum, group) => sum + group.tokens, 0)
  const out = new Set<Group>()
  // Oldest first, in whole turns, so that no result is left without its call.
  for (const group of groups.slice(0, -1)) {
    if (tokens <= budgetTokens) break
    if (group.kept || group.turnId === current) continue
    tokens -= group.tokens
    out.add(group)
  }
  const kept = groups.filter((group) => !out.has(group))
  return {
    messages: kept.flatMap((group) => group.messages),
    labels: joinLabels([[], ...kept.flatMap((group) => group.labels)]),
    source: joinSources(handsOf(kept)),
    tokens,
    leftOut: out.size,
  }
}

/** Where the untrusted texts came from; where there is none, where everything came from. */
function handsOf(groups: readonly Group[]): string[] {
  const all = groups.flatMap(({ sources, labels }) =>
    sources.map((source, at) => ({ source, labels: labels[at] ?? [] })),
  )
  const untrusted = all.filter(({ labels }) => isUntrusted(labels))
  return (untrusted.length > 0 ? untrusted : all).map(({ source }) => source)
}

/** A turn's messages belong together; what a client said went before stands alone, message by message. */
function groupOf(groups: Group[], { turnId, role }: MessageRow): Group {
  const last = groups.at(-1)
  if (last && turnId !== null && last.turnId === turnId) return last
  const group: Group = { turnId, messages: [], labels: [], sources: [], tokens: 0, kept: role === "summary" }
  groups.push(group)
  return group
}

function userContent(
  row: MessageRow,
  { fenced, redact }: { fenced: boolean; redact: (text: string) => string },
): (ModelText | ModelImage)[] {
  const text = headAndTail(redact(row.text), MAX_MESSAGE_CHARACTERS, row.id)
  const headed = row.role === "summary" ? `[Summary of what went before, made by the program]\n${text}` : text
  const shown = fenced ? fence(headed, row.source) : headed
  const images = (row.parts ?? []).map(({ mediaType, base64 }): ModelImage => ({ type: "image", mediaType, base64 }))
  return [...(shown ? [{ type: "text" as const, text: shown }] : []), ...images]
}

/** Text from outside leaves the context when its turn ends: what it steers later must be asked for again. */
function toolText(
  row: MessageRow,
  inCurrentTurn: boolean,
): { text: string; labels: readonly LabelName[]; source: string } {
  if (!isUntrusted(row.labels))
    return { text: headAndTail(row.text, MAX_TOOL_CHARACTERS, row.id), labels: row.labels, source: row.source }
  if (!inCurrentTurn) {
    return {
      // Nothing of it is left, not its length either: whoever wrote it could have chosen that, and these words have no label.
      text: `[text from outside, read in an earlier turn; result_read handle=${row.id} shows it again]`,
      labels: [],
      source: "",
    }
  }
  return {
    text: fence(headAndTail(row.text, MAX_TOOL_CHARACTERS, row.id), row.source),
    labels: row.labels,
    source: row.source,
  }
}
