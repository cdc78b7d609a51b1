/**
 * Question: would this let untrusted text steer private data out, or change the world?
 * Fails closed by: an unknown effect counts as reaching out; unattended, what would be asked is refused.
 * Known limits: labels say what a text may have touched, not what it means; a call judged here may still be refused by its level.
 * Source: Meta's "Agents Rule of Two" (2025), DeepMind's CaMeL (2025), Microsoft's FIDES (2025).
 */
import type { LabelName } from "../event.ts"
import { reachesOut, type Effect } from "./capability.ts"

export type FlowInput = {
  /** The join of everything that steered the call and of what it touches. */
  labels: readonly LabelName[]
  effect: Effect
  /** Can the owner take it back from a record we keep? */
  reversible: boolean
  /** A Grant names this tool and this destination "also when untrusted". */
  grantedEvenUntrusted: boolean
}
export type FlowVerdict = { verdict: "allow" } | { verdict: "ask"; why: string }

export function judgeFlow({ labels, effect, reversible, grantedEvenUntrusted }: FlowInput): FlowVerdict {
  const untrusted = labels.includes("untrusted")
  const touchesPrivate = labels.includes("private")
  if (!untrusted || grantedEvenUntrusted) return { verdict: "allow" }
  if (reachesOut(effect) && touchesPrivate)
    return {
      verdict: "ask",
      why: "Text from outside had a hand in this call, private data is within its reach, and it sends or acts outside",
    }
  if (reachesOut(effect) && !reversible)
    return { verdict: "ask", why: "Text from outside had a hand in this call, and it cannot be undone" }
  if (effect === "write-local" && !reversible)
    return {
      verdict: "ask",
      why: "Text from outside had a hand in this change, and there is no record to undo it from",
    }
  return { verdict: "allow" }
}
