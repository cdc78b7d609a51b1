/**
 * What the assistant says, on its way out: the house's own secrets are taken out of it, then its addresses are judged (links.ts). The
 * same for text as it comes and for whole texts, so that what was told in pieces is, joined, what is stored. Nothing that merely looks
 * like a secret is touched: the reply goes to the owner, who may have asked for a new password.
 */
import { isUntrusted } from "./labels.ts"
import type { LabelName } from "../event.ts"
import { createLinkGate, defangLinks, type TextFilter } from "./links.ts"
import { createValueRedactor, type RedactorDeps } from "./redactor.ts"

export type ReplySetting = {
  /** Of all that the reply was made from. */
  labels: readonly LabelName[]
  /** Whether this whole address may be a link in spite of untrusted text. */
  mayLink: (url: string) => boolean
}

export type ReplyGate = {
  /** For one text that comes in pieces. */
  stream(setting: ReplySetting): TextFilter
  /** Whoever changes a reply afterwards passes it through here again: a second time changes nothing. */
  whole(text: string, setting: ReplySetting): string
}

export function createReplyGate(deps: Pick<RedactorDeps, "secretValues">): ReplyGate {
  const values = createValueRedactor(deps)
  const linkSetting = ({ labels, mayLink }: ReplySetting) => ({ untrusted: isUntrusted(labels), mayLink })
  return {
    stream(setting) {
      const secrets = values.stream()
      const links = createLinkGate(linkSetting(setting))
      return {
        push: (text) => links.push(secrets.push(text)),
        end: () => links.push(secrets.end()) + links.end(),
      }
    },
    whole: (text, setting) => defangLinks(values.whole(text), linkSetting(setting)),
  }
}
