/** What a tool gave back, as the model and the record get it: bounded, cleansed, with the labels of all that had a hand in it. */
import { preview, type LabelName } from "../event.ts"
import { type Capability, type Effect, hasEffect } from "../safety/capability.ts"
import { joinLabels, joinSources } from "../safety/labels.ts"
import type { CallRequest } from "./run.ts"
import type { ToolResult } from "./tool.ts"

/** A result is stored whole up to here; the model sees its head and tail, and can read the rest by handle. */
export const MAX_RESULT_CHARACTERS = 4 * 1024 * 1024
/** In characters: more than any key that is redacted, in any encoding of it. */
const LONGEST_SECRET = 64 * 1024
/** Of the reason in a gate's verdict: the row's preview is as long. */
const MAX_WHY = 200

export type Cleansed = { text: string; labels: LabelName[]; verdicts: Record<string, string> }
/** A call that was ended before it was done, and why. */
export type CutOff = { cutOff: string }

/** Cut after it was cleansed: what would be half a secret at the cut is none that anybody finds. */
function bounded(whole: string, cleanse: (text: string) => Cleansed): Cleansed {
  if (whole.length <= MAX_RESULT_CHARACTERS) return cleanse(whole)
  const clean = cleanse(whole.slice(0, MAX_RESULT_CHARACTERS + LONGEST_SECRET))
  // Half a secret at the end of what was looked at is within its last characters, however much was taken out before it.
  const end = Math.max(0, Math.min(MAX_RESULT_CHARACTERS, clean.text.length - LONGEST_SECRET))
  return {
    ...clean,
    text: `${clean.text.slice(0, end).toWellFormed()}\n[cut: the result had ${whole.length} characters]`,
  }
}

/** A call that has run, and what it gave back. */
export type RanCall = {
  request: CallRequest
  result: ToolResult | CutOff
  effect: Effect
  needs: readonly Capability[]
  verdicts: Record<string, string>
  cleanse: (text: string, labels: readonly LabelName[]) => Cleansed
}

/**
 * Where the result cannot be judged nobody sees it; but the call has run, so neither the record nor the model may be told that nothing
 * happened.
 */
export function judgeResult(ran: RanCall, onFault: (error: unknown) => void): ReturnType<typeof cleanseResult> {
  try {
    return cleanseResult(ran)
  } catch (error) {
    onFault(error)
    return withheldResult(ran)
  }
}

function cleanseResult({ request, result, effect, needs, verdicts, cleanse }: RanCall) {
  const outside = needs.some(({ kind }) => kind === "http" || kind === "tool")
  // What was cut off while it may already have had its effect is not known to have failed.
  const unknown = "cutOff" in result && hasEffect(effect)
  const failed = !("data" in result)
  const whole = failed
    ? "cutOff" in result
      ? `${result.cutOff}.${unknown ? " Nobody knows whether it took effect; check before you repeat it." : ""}`
      : result.failed
    : typeof result.data === "string"
      ? result.data
      : (JSON.stringify(result.data) ?? "null")
  // A result that says nothing of its labels is as untrusted as the outside, and so is the failure of a call that reached there.
  const own = ("labels" in result ? result.labels : undefined) ?? (failed && !outside ? [] : ["untrusted" as const])
  const clean = bounded(whole, (text) => cleanse(text, joinLabels([own, request.labels])))
  const deniedBy = "gate" in result && result.gate !== undefined ? result.gate : null
  const denied = deniedBy === null ? {} : { [deniedBy]: `deny: ${preview(clean.text, MAX_WHY)}` }
  return {
    state: unknown ? ("unknown" as const) : failed ? ("failed" as const) : ("done" as const),
    text: clean.text,
    labels: clean.labels,
    source: joinSources([("source" in result ? result.source : undefined) ?? `tool:${request.tool}`, request.source]),
    verdicts: { ...verdicts, ...denied, ...clean.verdicts },
    effect,
  }
}

/** In place of a result that no gate could judge. None of it is told, so only the call itself has a hand in these words. */
function withheldResult({ request, result, effect, verdicts }: RanCall): ReturnType<typeof cleanseResult> {
  const unknown = "cutOff" in result && hasEffect(effect)
  const did =
    "data" in result ? "The call was run" : unknown ? "Nobody knows whether the call took effect" : "The call failed"
  return {
    state: unknown ? "unknown" : "data" in result ? "done" : "failed",
    text: `${did}, and what it gave back is withheld: a check of it failed inside. Do not repeat what has an effect. The log holds the details.`,
    labels: joinLabels([request.labels, ["untrusted"]]),
    source: joinSources([`tool:${request.tool}`, request.source]),
    verdicts: { ...verdicts, result: "deny: a gate threw" },
    effect,
  }
}
