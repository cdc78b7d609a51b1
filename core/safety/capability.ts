/** What code asks to be able to do, and what a call does to the world. */

/**
 * Declared per call and enforced during it. `write-local` is the agent's own memory or project; `send` reaches someone, or a host that
 * a text chose. Everything from `write-local` up is an effect: never run again by itself.
 */
export type Effect = "read" | "read-private" | "write-local" | "send" | "exec" | "spend"

export type Capability =
  | { kind: "http"; host: string; path?: string; methods: string[] }
  | { kind: "memory"; path: string; write: boolean }
  | { kind: "file"; path: string; write: boolean }
  | { kind: "tool"; name: string }
  | { kind: "send"; channel: string }

/** Whether a call changes something, so that it may run at most once. */
export function hasEffect(effect: Effect): boolean {
  return effect !== "read" && effect !== "read-private"
}

/** Whether a call takes something in that is the owner's own: by what it does, or by a document or file that it is given to read. */
export function readsPrivate(effect: Effect, needs: readonly Capability[]): boolean {
  return (
    effect === "read-private" || needs.some((need) => (need.kind === "memory" || need.kind === "file") && !need.write)
  )
}

/** The owner's own address: what only they read. */
export const OWNER_CHANNEL = "owner"

/** Whether all that a call reaches is the owner's own place: like a reply to them, that is no way out. */
export function reachesOwnerOnly(effect: Effect, needs: readonly Capability[]): boolean {
  return (
    effect === "send" &&
    needs.length > 0 &&
    needs.every((need) => need.kind === "send" && need.channel === OWNER_CHANNEL)
  )
}

/** Whether a call reaches beyond the agent's own memory and project: the W of the flow gate. */
export function reachesOut(effect: Effect): boolean {
  return effect === "send" || effect === "exec" || effect === "spend"
}
