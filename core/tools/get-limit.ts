/**
 * How often one turn may ask hosts for something while it holds both text from outside and private data. Each such request can carry
 * a few bits out by which address it asks for, so their number is bounded even where every one of them may run.
 */
import type { LabelName } from "../event.ts"
import type { JobId, TurnId } from "../id.ts"
import type { Capability } from "../safety/capability.ts"
import { createTurnCounts } from "./turn-counts.ts"

/** Enough to follow what an owner's question needs; too few to spell a secret in addresses. */
export const MAX_TAINTED_GETS = 10

export type GetLimit = {
  /** Counts the request, and says why it may not run where it is one too many. Sub-turns of one turn count as one. */
  judge(call: { by: TurnId | JobId; labels: readonly LabelName[]; needs: readonly Capability[] }): string | null
}

export function createGetLimit(): GetLimit {
  const count = createTurnCounts<TurnId | JobId>()
  return {
    judge({ by, labels, needs }) {
      if (!labels.includes("untrusted") || !labels.includes("private") || !needs.some(isGet)) return null
      return count(by) > MAX_TAINTED_GETS
        ? `this turn has read private data and text from outside, and asked hosts ${MAX_TAINTED_GETS} times since`
        : null
    },
  }
}

function isGet(need: Capability): boolean {
  return need.kind === "http" && need.methods.every((method) => method === "GET" || method === "HEAD")
}
