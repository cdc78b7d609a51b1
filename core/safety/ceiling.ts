/**
 * Question: is this more than a sub-turn, or a turn for a guest, may do?
 * Fails closed by: a reader uses the tools listed here and nothing else, and none of them with an effect; no sub-turn starts another one,
 * asks the owner, or writes to anybody, whatever it was given.
 * Known limits: within its ceiling a helper is judged like any turn; a page can have a reader tell its host what stands in the task, so
 * a task from which more than words for a search could be learnt has to be marked private.
 * Source: Meta's "Agents Rule of Two" (2025): who reads what anybody wrote has neither private data nor a hand on the world.
 */
import type { JobId } from "../id.ts"
import type { Capability, Effect } from "./capability.ts"
import { hasEffect } from "./capability.ts"
import type { LabelName } from "../event.ts"
import type { Fields } from "./endorse.ts"

export type SubTurnKind = "reader" | "helper"

/** Set by the turn that starts it, stored with it, and never to be widened. */
export type Ceiling = {
  /** A guest is no sub-turn: somebody else than the owner is answered, or where others read along. */
  kind: SubTurnKind | "guest"
  tools: readonly string[]
  /** Whole URLs of its task that stand in what the owner wrote. Nothing else of the task is the owner's word. */
  ownerUrls: readonly string[]
  /** A reader may ask any host: its task holds nothing private, and no text from outside had a hand in what it is told to look for. */
  fetches: boolean
  /** The values that its answer has to be; null: words. */
  returns: Fields | null
  /** Where the conversation happens that it works for: the owner's hooks for that place hold for it too. */
  channel: string
  /** The job whose limit on money it counts against: of the turn that it works for. */
  budgetJobId: JobId
}

/** No memory, nothing private, no effect: what anybody may be told of, and what only looks at what is there. */
export const READER_TOOLS: readonly string[] = ["http_request", "json_query", "result_read", "time_now", "web_fetch"]
/** They start turns, ask the owner, or speak to people: that is for the turn that the owner talks with. */
const MAIN_TURN_ONLY: readonly string[] = ["agent_spawn", "approval_plan", "message_send"]

/** What a turn may do whose answer others than the owner read: what a reader may, without asking any host by its own choice. */
export function guestCeiling({ channel, budgetJobId }: Pick<Ceiling, "channel" | "budgetJobId">): Ceiling {
  return { kind: "guest", tools: READER_TOOLS, ownerUrls: [], fetches: false, returns: null, channel, budgetJobId }
}

/** Whether a reader with a task of these labels may ask any host. A page that could word its task would have it carry out what it likes. */
export function mayFetch(kind: SubTurnKind, task: readonly LabelName[]): boolean {
  return kind === "reader" && !task.includes("private") && !task.includes("untrusted")
}

/** The names among `asked` (null: all) that a sub-turn may have of those that its parent has. */
export function narrowTools({
  kind,
  parent,
  asked,
}: {
  kind: SubTurnKind
  parent: readonly string[]
  asked: readonly string[] | null
}): string[] {
  return parent.filter(
    (name) =>
      !MAIN_TURN_ONLY.includes(name) &&
      (kind === "helper" || READER_TOOLS.includes(name)) &&
      (asked === null || asked.includes(name)),
  )
}

/** Why a sub-turn may not make this call, or null. */
export function judgeCeiling(
  { kind, tools }: Pick<Ceiling, "kind" | "tools">,
  { tool, effect, needs }: { tool: string; effect: Effect; needs: readonly Capability[] },
): string | null {
  if (!tools.includes(tool) || MAIN_TURN_ONLY.includes(tool)) return `This ${kind} is not allowed to use ${tool}`
  if (kind !== "helper" && !READER_TOOLS.includes(tool)) return `A ${kind} is not allowed to use ${tool}`
  if (kind === "guest" && hasEffect(effect))
    return "Nothing is changed or sent for a guest, and no host is asked that a text chose"
  if (kind === "reader" && hasEffect(effect))
    return "A reader changes and sends nothing; where its task holds private data, or text from outside had a hand in it, it asks only for addresses that the owner wrote"
  return needs.some((need) => need.kind === "send") ? `A ${kind} writes to nobody` : null
}
