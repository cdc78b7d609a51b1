/**
 * Question: may this principal do this, now, with these arguments?
 * Fails closed by: what no rule allows is asked or refused; a fault in judging is a refusal; only the closure handed back can run the call.
 * Known limits: it judges what a call declares; egress, path and memory gates judge what it then does.
 * Source: OWASP "Least privilege"; the levels are listed in README, "How much it may do by itself".
 */
import type { LabelName } from "../event.ts"
import { hasEffect, reachesOwnerOnly, type Capability, type Effect } from "./capability.ts"
import { type Ceiling, judgeCeiling } from "./ceiling.ts"
import { judgeFlow } from "./flow.ts"

/** How much runs without asking. No level lifts the flow gate. */
export type ApprovalLevel = "supervised" | "read-only" | "trusted"

export type AuthorizeInput = {
  principal: string
  tool: string
  effect: Effect
  needs: readonly Capability[]
  /** The owner can take it back, from a record that is kept. */
  reversible: boolean
  labels: readonly LabelName[]
  /** null: every tool. */
  allowedTools: readonly string[] | null
  level: ApprovalLevel
  /** What a sub-turn may do at most; null: the call is of no sub-turn. */
  ceiling: Pick<Ceiling, "kind" | "tools"> | null
  /** The owner has said yes to this exact call, or to this tool and destination: what would be asked may run. */
  consented: boolean
}
export type AuthorizeVerdict =
  | { verdict: "allow" }
  | { verdict: "ask" | "deny"; gate: "authority" | "flow"; why: string }

/** The judgement alone: pure, so that tests can run through every combination. */
export function judgeAuthority({
  tool,
  effect,
  needs,
  reversible,
  labels,
  allowedTools,
  level,
  ceiling,
  consented,
}: AuthorizeInput): AuthorizeVerdict {
  if (allowedTools && !allowedTools.includes(tool))
    return { verdict: "deny", gate: "authority", why: `This agent is not allowed to use ${tool}` }
  const above = ceiling && judgeCeiling(ceiling, { tool, effect, needs })
  if (above) return { verdict: "deny", gate: "authority", why: above }
  if (level === "read-only" && hasEffect(effect))
    return {
      verdict: "deny",
      gate: "authority",
      why: "The approval level is read-only: nothing may be changed or sent",
    }
  if (consented || reachesOwnerOnly(effect, needs)) return { verdict: "allow" }
  const ownMemory = needs.length > 0 && needs.every((need) => need.kind === "memory")
  const flow = judgeFlow({ labels, effect, reversible, grantedEvenUntrusted: false })
  if (flow.verdict === "ask") return { verdict: "ask", gate: "flow", why: flow.why }
  if (!hasEffect(effect)) return { verdict: "allow" }
  if (effect === "write-local" && (ownMemory || level === "trusted")) return { verdict: "allow" }
  return { verdict: "ask", gate: "authority", why: `${tool} ${describeEffect(effect)}, and no grant covers it` }
}

function describeEffect(effect: Effect): string {
  const words: Record<Effect, string> = {
    read: "reads",
    "read-private": "reads private data",
    "write-local": "changes files of the project",
    send: "sends something out",
    exec: "runs a program",
    spend: "spends money",
  }
  return words[effect]
}

export type Authorized<Body> =
  | { verdict: "allow"; /** Hands out the body once; a second call throws. */ open: () => Body }
  | { verdict: "ask" | "deny"; gate: "authority" | "flow"; why: string }

/** A call, and whose tool it is by its card: where somebody else, or another version, has the name by now, nothing runs. */
export type CallToAuthorize = AuthorizeInput & { provider: string }

/** `take` is the only way to a tool's body, and only this gate holds it. */
export function createAuthorize<Body>({ take }: { take: (tool: string, provider: string) => Body | undefined }) {
  return function authorize(input: CallToAuthorize): Authorized<Body> {
    const judged = judgeAuthority(input)
    if (judged.verdict !== "allow") return judged
    let body = take(input.tool, input.provider)
    if (body === undefined) return { verdict: "deny", gate: "authority", why: `${input.tool} is gone` }
    return {
      verdict: "allow",
      open() {
        if (body === undefined) throw new Error("An authorization was used twice")
        const once = body
        body = undefined
        return once
      },
    }
  }
}
