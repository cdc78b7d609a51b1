/**
 * Hooks: the owner's own programs or URLs at six named points, and those of plugins that the owner agreed to. They may rewrite or refuse
 * what passes there; a gate always judges after them, so a hook can narrow what happens and never widen it. Several at one point form a
 * chain: by `position`, then by name, those of plugins last, each given what the one before it made; the first refusal ends it.
 *
 * | point | goes in as `value` | may be rewritten | a refusal |
 * |---|---|---|---|
 * | `message.in` | `{text, images}` of a message whose sender may talk to us, before it is a row | text | the message is not taken: nothing of it is stored but the refusal |
 * | `tool.call` | `{tool, arguments}` as the model wrote them, before their shape is judged | arguments | the call is refused, and the model reads why |
 * | `response.transform` | `{text}`: what the model said in one step, before anybody sees it | text | the turn fails and the text is dropped |
 * | `reply.out` | `{text}`: the same, as it will be stored and delivered | nothing | the turn fails and the text is dropped |
 * | `session.start` | `{why: "created"}`, once the session is a row | nothing | nothing: it is too late, and what it says is ignored |
 * | `session.end` | `{why: "deleted" \| "cleared" \| "left"}`: its rows are gone, it begins anew, or `/new` left it (it can be opened again) | nothing | as above |
 *
 * What a hook makes keeps the labels of what it was given, and it may add some (`labels`); what a URL or a plugin makes is untrusted besides. So a
 * program's rewriting of the owner's message is the owner's word: one that puts in text from outside has to say so.
 *
 * Fails closed: a hook that times out, crashes, answers with what is no answer, is missing, was changed, or whose row has a broken seal
 * is a refusal at the first four points. At the last two, which cannot be undone, the fault is an event and a line of the log.
 */
import type { LabelName } from "./event.ts"
import type { PersonId, SessionId, TurnId } from "./id.ts"

export const judgedPoints = ["message.in", "tool.call", "response.transform", "reply.out"] as const
export const toldPoints = ["session.start", "session.end"] as const
export const hookPoints = [...judgedPoints, ...toldPoints] as const
export type JudgedPoint = (typeof judgedPoints)[number]
export type ToldPoint = (typeof toldPoints)[number]
export type HookPoint = JudgedPoint | ToldPoint

export type HookValues = {
  "message.in": { text: string; images: number }
  "tool.call": { tool: string; arguments: unknown }
  "response.transform": { text: string }
  "reply.out": { text: string }
  "session.start": { why: "created" }
  "session.end": { why: "deleted" | "cleared" | "left" }
}

/** Where it happens: what filters look at, and what a hook is told besides the value. */
export type HookPlace = {
  agentId: string
  channel: string
  sessionId: SessionId | null
  turnId: TurnId | null
  personId: PersonId | null
}

/** What the value is made of. What comes out has at least the labels of what went in. */
export type HookTaint = { labels: readonly LabelName[]; source: string }

export type HookInput<P extends HookPoint> = HookPlace & HookTaint & { value: HookValues[P] }
export type JudgedInput<P extends JudgedPoint> = HookInput<P> & { signal: AbortSignal }

export type HookVerdict<T> =
  /** `ran`: how many hooks were asked. */
  | { verdict: "pass"; value: T; labels: LabelName[]; source: string; ran: number }
  /** `why` names the hook, and says what to do where it is broken. `record`: for the audit row of the act. */
  | { verdict: "refuse"; why: string; labels: LabelName[]; source: string; record: string }

export type Hooks = {
  /** Never throws: a fault is a refusal. Costs nothing where no hook covers the point. */
  judge<P extends JudgedPoint>(point: P, input: JudgedInput<P>): Promise<HookVerdict<HookValues[P]>>
  /** Returns at once; the hooks run behind, those of one session one after the other. */
  tell<P extends ToldPoint>(point: P, input: HookInput<P>): void
  /** Whether any hook would be asked. `tool` null: any tool. */
  covers(point: HookPoint, where: { agentId: string; channel: string; tool: string | null }): boolean
}

/** For a house without hooks. */
export const noHooks: Hooks = {
  judge: async (_point, { value, labels, source }) => ({
    verdict: "pass",
    value,
    labels: [...labels],
    source,
    ran: 0,
  }),
  tell() {},
  covers: () => false,
}

/** What the audit row of an act says of hooks that passed it; nothing where there were none. */
export function hookRecord(ran: number): string | null {
  return ran === 0 ? null : `pass (${ran})`
}
