/**
 * Tool calls that a model writes as text. Only where its catalogue row says that it does so, only in a request with nothing untrusted
 * in play, only as the whole message, and only for tools that were offered: else a quoted page could call tools.
 */
import { isStorableJson } from "../db/storable.ts"
import { isRecord } from "./failures.ts"
import type { ToolOffer } from "./model.ts"

export type WrittenCall = { name: string; arguments: unknown }

export type TextCallWatch = {
  /** Takes text as it comes; returns what can be shown now. Holds back all that could still turn out to be a call. */
  push(text: string): string
  /** What was held back: the calls of the whole message, or its text. */
  end(): { calls: WrittenCall[] } | { text: string }
}

const openings = ["<tool_call>", "<function_call>", "[TOOL_CALLS]", "{", "```json"]
const MAX_HELD_CHARACTERS = 100_000 // no call is longer; then it is text
const blocks = /^(?:\s*<(tool_call|function_call)>([\s\S]*?)<\/\1>)+\s*$/
const block = /<(tool_call|function_call)>([\s\S]*?)<\/\1>/g
const fenced = /^```json\s*([\s\S]*?)\s*```$/

/** For requests where text is text. */
export const noTextCalls: TextCallWatch = { push: (text) => text, end: () => ({ text: "" }) }

export function createTextCallWatch(offers: readonly ToolOffer[]): TextCallWatch {
  let held = ""
  let isText = false
  return {
    push(text) {
      if (isText) return text
      held += text
      if (couldBeCall(held)) return ""
      isText = true
      const all = held
      held = ""
      return all
    },
    end() {
      const calls = isText ? null : readCalls(held, offers)
      return calls ? { calls } : { text: held }
    },
  }
}

function couldBeCall(text: string): boolean {
  const start = text.trimStart()
  if (text.length > MAX_HELD_CHARACTERS) return false
  return openings.some((opening) =>
    start.length < opening.length ? opening.startsWith(start) : start.startsWith(opening),
  )
}

function readCalls(message: string, offers: readonly ToolOffer[]): WrittenCall[] | null {
  const text = message.trim()
  const written = blocks.test(text)
    ? [...text.matchAll(block)].map(([, , inner = ""]) => inner)
    : text.startsWith("[TOOL_CALLS]")
      ? [text.slice("[TOOL_CALLS]".length)]
      : [fenced.exec(text)?.[1] ?? text]
  const calls: WrittenCall[] = []
  for (const one of written) {
    const read = readJson(one)
    const values: unknown[] = Array.isArray(read) ? read : [read]
    for (const value of values) {
      const call = readCall(value, offers)
      if (!call) return null // one part that is no call makes the whole message text
      calls.push(call)
    }
  }
  return calls.length > 0 ? calls : null
}

function readCall(value: unknown, offers: readonly ToolOffer[]): WrittenCall | null {
  if (!isRecord(value)) return null
  const call = isRecord(value["function"]) ? value["function"] : value
  const name = call["name"]
  if (typeof name !== "string" || !offers.some((offer) => offer.name === name)) return null
  const given = call["arguments"] ?? call["parameters"] ?? {}
  const args = typeof given === "string" ? readJson(given) : given
  return isRecord(args) && isStorableJson(JSON.stringify(args)) ? { name, arguments: args } : null
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not JSON, so no call
  }
}
