/**
 * The owner's answer in the chat: shows the question that waits, reads an answer from what is typed, and sends it with the proof that
 * the owner is here. Only a line that is exactly an answer is one; "yes", "ok" and all other text stay messages.
 */
import type { Clock } from "#core/clock.ts"
import { AppError, type ErrorBody } from "#core/errors.ts"
import type { ApprovalId, SessionId } from "#core/id.ts"
import type { Approval } from "#core/safety/approvals.ts"
import type { Proof } from "#core/safety/presence.ts"
import type { Client } from "#gateway/client.ts"
import type { ChatView } from "./chat-view.ts"

/** How the owner is here. `pipe`: what is typed or shown may be a program's, so nothing is allowed from here. */
export type OwnerAt = "own terminal" | "attached terminal" | "pipe"

type How = "once" | "session" | "always"
export type OwnerAnswer =
  | { do: "allow"; how: How | null; code: string | null; byLetter: boolean }
  | { do: "deny"; reason: string; byLetter: boolean }

const LETTERS: Readonly<Record<string, How | "no">> = { y: "once", s: "session", a: "always", n: "no" }
const letterLine = "[y] once  [s] this session  [a] always  [n] no   (the letter, then Enter)"
const commandLine = "/allow [once|session|always] shows a code here, /allow CODE says yes, /deny [REASON] says no"

/** Less than this, and a letter was typed for something else than a question that nobody can have read yet. */
const MIN_SEEN_MS = 700

/** Null: ordinary text. Letters are answers only where `letters` says so; "/allow me to explain" never is one. */
export function parseAnswer(text: string, { letters }: { letters: boolean }): OwnerAnswer | null {
  const line = text.trimEnd()
  const letter = letters && /^[ysan]$/.test(line) ? LETTERS[line] : undefined
  if (letter === "no") return { do: "deny", reason: "", byLetter: true }
  if (letter !== undefined) return { do: "allow", how: letter, code: null, byLetter: true }
  const allow = /^\/allow(?: +(once|session|always))?(?: +(\d{3} ?\d{3}))?$/.exec(line)
  if (allow) {
    const how = (["once", "session", "always"] as const).find((one) => one === allow[1]) ?? null
    return { do: "allow", how, code: allow[2]?.replace(" ", "") ?? null, byLetter: false }
  }
  const deny = /^\/deny(?: +([^\r\n]+))?$/.exec(line)
  return deny ? { do: "deny", reason: deny[1]?.trim() ?? "", byLetter: false } : null
}

export type ApprovalDesk = {
  /** The answer that `text` is, as things stand; null: it is a message or another command. */
  read(text: string): OwnerAnswer | null
  /** Never throws: what went wrong is shown. */
  answer(answer: OwnerAnswer): Promise<void>
  /** A question of this conversation waits: this one, or whichever is open. */
  ask(id: ApprovalId | null): Promise<void>
  /** Nothing waits any more; with an id: this one does not. */
  close(id?: ApprovalId): void
}

export type ApprovalDeskDeps = {
  client: Client
  view: Pick<ChatView, "question" | "asking" | "note" | "warn" | "problem">
  clock: Clock
  sessionId: SessionId
  ownerAt: OwnerAt
  pid: number
  /** Draws nothing while `work` runs: the service writes a code on this very terminal meanwhile. */
  standAside: <T>(work: () => Promise<T>) => Promise<T>
  bodyOf: (error: unknown) => ErrorBody
}

type Waiting = { approval: Approval; seenMs: number; challenge: { id: string; how: How } | null }

export function createApprovalDesk(deps: ApprovalDeskDeps): ApprovalDesk {
  const { client, view, clock, sessionId, ownerAt, pid, standAside, bodyOf } = deps
  let waiting: Waiting | null = null

  function close(id?: ApprovalId) {
    if (!waiting || (id !== undefined && waiting.approval.id !== id)) return
    waiting = null
    view.asking(null)
  }

  async function ask(id: ApprovalId | null): Promise<void> {
    const approval = id
      ? await client.api.approvals({ id }).get()
      : (await client.api.approvals.get({ query: { state: "open", session: sessionId } })).items.at(-1) // the oldest
    if (!approval || approval.state !== "open" || waiting?.approval.id === approval.id) return
    waiting = { approval, seenMs: clock.monotonicMs(), challenge: null }
    view.question(`Waiting for your approval:\n${approval.question}`)
    if (ownerAt === "pipe") view.note(`At a terminal: ironclaw approval allow ${approval.id}`)
    else view.asking(ownerAt === "own terminal" ? letterLine : commandLine)
  }

  async function allow(open: Waiting, { how, code }: OwnerAnswer & { do: "allow" }): Promise<void> {
    if (ownerAt === "pipe")
      throw new AppError("presence.no_terminal", "A yes is not taken from a pipe", {
        hint: `At a terminal: \`ironclaw approval allow ${open.approval.id}\`.`,
      })
    const post = (chosen: How, presence: Proof) =>
      client.api.approvals({ id: open.approval.id }).allow.post({ body: { how: chosen, presence } })
    if (code !== null) return redeem(open, { how, code }, post)
    const chosen = how ?? "once"
    const answer =
      ownerAt === "own terminal"
        ? await post(chosen, { ask: {} })
        : await standAside(() => post(chosen, { ask: { pid } }))
    if (!("challenge" in answer)) return allowed(open, chosen)
    const { id, code: shown } = answer.challenge
    if (shown === null) {
      open.challenge = { id, how: chosen }
      return view.note("Type /allow and the code that is shown above, if you mean it.")
    }
    // The code is for this process alone, and the question has been on its screen: the typed answer is the owner's word.
    await post(chosen, { challenge: id, code: shown })
    allowed(open, chosen)
  }

  async function redeem(
    open: Waiting,
    { how, code }: { how: How | null; code: string },
    post: (how: How, presence: Proof) => Promise<object>,
  ): Promise<void> {
    const { challenge } = open
    if (!challenge) return view.note("No code was asked for: /allow shows one.")
    if (how !== null && how !== challenge.how)
      return view.note(`That code is for "${challenge.how}": /allow ${how} shows another one.`)
    try {
      await post(challenge.how, { challenge: challenge.id, code })
      allowed(open, challenge.how)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "presence.wrong_code") open.challenge = null
      throw error
    }
  }

  function allowed(open: Waiting, how: How) {
    close(open.approval.id)
    if (how === "once") return
    const span = how === "session" ? "in this session" : "always (`ironclaw grant list` shows it)"
    view.note(
      `From now on ${span}, for the same tool and destination, unless text from outside has a hand in the call.`,
    )
  }

  return {
    close,
    ask,
    read: (text) => parseAnswer(text, { letters: waiting !== null && ownerAt === "own terminal" }),
    async answer(answer) {
      const open = waiting
      if (!open) return view.note("Nothing waits for your answer here.")
      if (answer.byLetter && clock.monotonicMs() - open.seenMs < MIN_SEEN_MS)
        return view.note("The question has only just come: read it, then answer again.")
      try {
        if (answer.do === "allow") return await allow(open, answer)
        const { reason } = answer
        await client.api.approvals({ id: open.approval.id }).deny.post({ body: reason === "" ? {} : { reason } })
        close(open.approval.id)
      } catch (error) {
        view.problem(bodyOf(error))
        if (error instanceof AppError && (error.code === "conflict" || error.code === "not_found"))
          close(open.approval.id)
      }
    },
  }
}
