/** What the owner has said, or is to be asked, of a call that may not run by itself. */
import type { Statement } from "../db/db.ts"
import type { NewEvent } from "../event.ts"
import type { Approval, Approvals, AskedCall } from "../safety/approvals.ts"
import type { Grants } from "../safety/grants.ts"
import { isUntrusted } from "../safety/labels.ts"

/**
 * `attended`: somebody can be asked. `grantable`: a standing grant is an answer. It is none to what the owner cannot have thought of as
 * they gave it: that this one call carries a secret.
 */
export type CallToConsent = AskedCall & { attended: boolean; grantable: boolean }

export type Consent =
  | { state: "granted" | "approved"; use: Statement[] }
  /** `unattended`: for want of somebody to ask. */
  | { state: "refused"; unattended?: true; text: string }
  | { state: "asked"; approval: Approval; ask: { statement: Statement; event: NewEvent } | null }

export type ConsentDeps = { grants: Pick<Grants, "covers">; approvals: Pick<Approvals, "standingOf" | "ask"> }

export function createConsent({ grants, approvals }: ConsentDeps) {
  return async function consentTo(call: CallToConsent): Promise<Consent> {
    const isGranted = call.grantable && (await grants.covers({ ...call, untrusted: isUntrusted(call.labels) }))
    if (isGranted) return { state: "granted", use: [] }
    if (!call.attended) {
      return {
        state: "refused",
        unattended: true,
        text: `Refused: the owner would have to be asked (${call.why}), and nobody can be asked from here. Do not try it again. Say in your answer which exact call is left: whoever gave you this task can make it in the conversation with the owner.`,
      }
    }
    const standing = await approvals.standingOf(call)
    switch (standing.state) {
      case "allowed":
        return { state: "approved", use: [standing.use] }
      case "open":
        return { state: "asked", approval: standing.approval, ask: null }
      case "denied": {
        const reason = standing.approval.reason ? ` Their reason: ${standing.approval.reason}` : ""
        return {
          state: "refused",
          text: `The owner said no to this call.${reason} Do not ask again; find another way, or say that it cannot be done.`,
        }
      }
      case "expired":
        return {
          state: "refused",
          text: "The owner did not answer in time. Say what you wanted to do; they can ask you again.",
        }
      case "too many":
        return {
          state: "refused",
          text: "The owner was asked too often in this turn. Put all that is left to do into one approval_plan call, with the exact calls, or stop here and say what is left.",
        }
      case "new": {
        const { approval, ...ask } = approvals.ask(call)
        return { state: "asked", approval, ask }
      }
    }
  }
}
