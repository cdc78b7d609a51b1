/**
 * Question: may this person talk to this agent?
 * Fails closed by: who is not known by an immutable id is a stranger, and a stranger gets nothing.
 * Known limits: whether the sender is who the channel says is the channel's to prove before this is asked.
 * Source: the sender checks that failed elsewhere were keyed on display names, and treated an empty list as everybody.
 */
import type { PersonId } from "../id.ts"

export type SenderVerdict = { verdict: "allow" } | { verdict: "deny"; why: string }

export function judgeSender({ personId }: { personId: PersonId | null }): SenderVerdict {
  return personId === null ? { verdict: "deny", why: "This assistant does not know you" } : { verdict: "allow" }
}
