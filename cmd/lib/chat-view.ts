/** What a chat shows, whatever it is shown on, and the lines that both ways of showing share. */
import type { TurnOutcome } from "#core/agent/agent.ts"
import type { ErrorBody } from "#core/errors.ts"
import type { ToolEnd } from "#core/event.ts"
import { cleanText, plainLines } from "./markdown.ts"
import type { Style } from "./ui.ts"

export type ToolCallStart = { callId: string; tool: string; preview: string }
export type ToolCallEnd = ToolCallStart & { outcome: ToolEnd; durationMs: number }

export type ChatView = {
  /** What a person said, as it becomes part of the conversation. */
  person(text: string): void
  /** Our own words, or a command's answer, as they are. */
  say(text: string): void
  /** A remark, dimmed. */
  note(text: string): void
  warn(text: string): void
  /** What the owner is asked: whole, for good, below all that was said before it. */
  question(text: string): void
  /** How to answer, as long as an answer is waited for. */
  asking(how: string | null): void
  problem(error: Pick<ErrorBody, "message" | "hint">): void
  /** Text and thoughts of the running turn, as they arrive. */
  text(part: string): void
  thinking(part: string): void
  toolStarted(call: ToolCallStart): void
  toolFinished(call: ToolCallEnd): void
  /** The turn's text so far is not to be: it is told anew. */
  discard(): void
  /** No more of this turn comes; `line` sums it up. */
  endTurn(line: string): void
  /** A turn runs; null: none does. */
  running(what: string | null): void
  queued(texts: readonly string[]): void
  connection(state: "connected" | "lost"): void
}

/** A turn's last line: model, tokens, cost, time. */
export function turnLine(
  outcome: Pick<TurnOutcome, "model" | "usage" | "state" | "finishReason">,
  durationMs: number | null,
): string {
  const { inputTokens, outputTokens, costUsdMicros } = outcome.usage
  const count = (tokens: number) => tokens.toLocaleString("en")
  return [
    ...(outcome.state === "stopped" ? ["stopped"] : []),
    ...(outcome.finishReason === "length" ? ["cut off at the model's length limit"] : []),
    ...(outcome.finishReason === "filter" ? ["cut off by the vendor's filter"] : []),
    outcome.model ?? "no model",
    ...(inputTokens + outputTokens > 0 ? [`${count(inputTokens)} in, ${count(outputTokens)} out`] : []),
    ...(costUsdMicros > 0 ? [`$${(costUsdMicros / 1e6).toFixed(4)}`] : []),
    ...(durationMs === null ? [] : [durationText(durationMs)]),
  ].join(" · ")
}

export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
}

const ENDS: Readonly<Record<ToolEnd, string>> = {
  done: "done",
  refused: "refused",
  failed: "failed",
  unknown: "outcome unknown",
}

/** `· time_now {"zone":"UTC"} … done 12 ms`; what was refused or failed says why. */
export function toolLines(
  { tool, preview: call, end }: ToolCallStart & { end: ToolCallEnd | null },
  { width, style }: { width: number; style: Style },
): string[] {
  const state = end === null ? "…" : `… ${ENDS[end.outcome]} ${durationText(end.durationMs)}`
  const room = Math.max(8, width - Bun.stringWidth(tool) - Bun.stringWidth(state) - 4)
  const shown = plainLines(call.replace(/\s+/g, " "), room)
  const cut = shown.length > 1 ? `${shown[0]?.slice(0, -1) ?? ""}…` : (shown[0] ?? "")
  const lines = plainLines(`· ${tool} ${cut === "{}" || cut === "" ? "" : `${cut} `}${state}`, width).map(style.dim)
  if (end === null || end.outcome === "done") return lines
  const colour = end.outcome === "refused" ? style.yellow : style.red
  return [...lines, ...plainLines(end.preview, Math.max(8, width - 2)).map((line) => colour(`  ${line}`))]
}

/** Our own words as they are, and what they quote; what stands in two columns keeps the second one where it wraps. */
export function spokenLines(text: string, width: number): string[] {
  return cleanText(text)
    .split("\n")
    .flatMap((line) => {
      const left = /^\S.*?\s{2,}(?=\S)/.exec(line)?.[0] ?? ""
      if (left === "" || left.length > width / 2) return plainLines(line, width)
      const indent = " ".repeat(left.length)
      return plainLines(line.slice(left.length), width - left.length).map(
        (part, at) => (at === 0 ? left : indent) + part,
      )
    })
}

export const PROMPT = "> "

/** Lines of a message that are shown again: who sent more of them has them, and scrolls past them each time. */
const MAX_SAID_LINES = 20

/** What a person said, behind the prompt they said it at. */
export function personLines(text: string, { width, style }: { width: number; style: Style }): string[] {
  const lines = plainLines(text.trimEnd(), Math.max(8, width - PROMPT.length))
  const kept = lines.length > MAX_SAID_LINES + 1 ? lines.slice(0, MAX_SAID_LINES) : lines
  const indent = " ".repeat(PROMPT.length)
  return [
    ...kept.map((line, at) => style.cyan(at === 0 ? PROMPT : indent) + style.bold(line)),
    ...(kept.length < lines.length ? [style.dim(`${indent}… and ${lines.length - kept.length} more lines`)] : []),
  ]
}
