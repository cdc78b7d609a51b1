/**
 * How often one turn may ask hosts for something while it holds both text from outside and private data. Each such request can carry
 * a few bits out by which address it asks for, so their number is bounded even where every one of them may run.
 */
import type { LabelName } from "../event.ts"
import type { TurnId } from "../id.ts"
import type { Capability } from "../safety/capability.ts"

/** Enough to follow what an owner's question needs; too few to spell a secret in addresses. */
export const MAX_TAINTED_GETS = 10
/** Turns that are counted at a time; what falls out ended long ago. */
const MAX_TURNS = 1_000

export type GetLimit = {
  /** Counts the request, and says why it may not run where it is one too many. */
  judge(call: { turnId: TurnId; labels: readonly LabelName[]; needs: readonly Capability[] }): string | null
}

/** Counted in the process: a turn that goes on after a restart begins anew, with the steps that it has left. */
export function createGetLimit(): GetLimit {
  const counts = new Map<TurnId, number>()
  return {
    judge({ turnId, labels, needs }) {
      if (!labels.includes("untrusted") || !labels.includes("private") || !needs.some(isGet)) return null
      const count = (counts.get(turnId) ?? 0) + 1
      if (count > MAX_TAINTED_GETS)
        return `this turn has read private data and text from outside, and asked hosts ${MAX_TAINTED_GETS} times since`
      counts.delete(turnId) // so that the newest stand last
      counts.set(turnId, count)
      for (const oldest of counts.keys()) {
        if (counts.size <= MAX_TURNS) break
        counts.delete(oldest)
      }
      return null
    },
  }
}

function isGet(need: Capability): boolean {
  return need.kind === "http" && need.methods.every((method) => method === "GET" || method === "HEAD")
}
