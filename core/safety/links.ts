/**
 * Question: may this become something that a click, or a mere look, sends somewhere?
 * Fails closed by: only what is recognised as allowed stays a link; what is too long or too odd to judge is broken.
 * Known limits: a person can still read an address, copy it and go there. Addresses of mail stay links, and so do paths within the place
 * where the reply is shown. A bare `host.tld` without a path is left: it carries next to nothing. Summaries and tool results are data,
 * not replies, and are shown as such. Attributes of unlisted HTML tags inside of code pass.
 * Source: CommonMark 0.31, GFM's autolinks (section 6.9), the URL standard; published leaks by Markdown images in chat clients
 * (Rehberger, "EmbraceTheRed", 2023 on; EchoLeak, CVE-2025-32711).
 *
 * What applies when. Always, whoever wrote the text: an image becomes text, for it is fetched without a click; `javascript:`, `data:` and
 * their like are no links; definitions of links are text, because an image may use them. Where text from outside had a hand in the reply
 * (`untrusted`), an address is a link only where the owner wrote it, byte for byte, or it is a page that was fetched for this very turn:
 * an injected order leaks by an address that the owner clicks. That holds in code too: terminals make links of what stands in it, and
 * `hxxps://` can be read and mended by a person. In a clean turn nobody but the model's own vendor could have planted an address, and
 * they were sent the conversation anyway; there plain `https` links stay, so that "where are the docs?" is answered with a link.
 *
 * The result depends on the text alone, never on the pieces in which it came, and a second pass changes nothing.
 */
import { createMarkdownWatch } from "./markdown-watch.ts"
import {
  ADDRESS_END,
  AUTHORITY,
  CLOSING,
  DANGEROUS_TAGS,
  HELD,
  INSIDE_NAME,
  INSIDE_WORD,
  isSafeRelative,
  LOOKAHEAD,
  SELF_CONTAINED_TAGS,
  TRIGGER,
  UNTRUSTED_TRIGGER,
} from "./link-forms.ts"

/** A text that comes in pieces, and what may be shown of it so far; `end` gives the rest. */
export type TextFilter = { push(text: string): string; end(): string }

export type LinkSetting = {
  /** Text from outside had a hand in this reply. */
  untrusted: boolean
  /** Whether this whole address may be a link all the same: byte for byte the owner's, or that of a page fetched in this turn. */
  mayLink: (url: string) => boolean
}

/** CommonMark reads no deeper brackets in a destination than this. */
const MAX_DEPTH = 32

/** `take` characters of the text become `out`; null: more of the text has to be seen. */
type Step = { take: number; out: string } | null

/** A whole text at once. */
export function defangLinks(text: string, setting: LinkSetting): string {
  const gate = createLinkGate(setting)
  return gate.push(text) + gate.end()
}

export function createLinkGate({ untrusted, mayLink }: LinkSetting): TextFilter {
  const trigger = new RegExp(untrusted ? UNTRUSTED_TRIGGER : TRIGGER)
  const watch = createMarkdownWatch()
  /** What was not judged yet, behind the one character before it. */
  let held = "\n"
  let isLast = false
  /** An allowed address ended where `](` begins: what follows must not become a part of it. */
  let endedAtLink = false

  function run(): string {
    let out = ""
    let at = 1
    const pass = (to: number) => {
      const raw = held.slice(at, to)
      watch.feed(raw)
      out += raw
      at = to
    }
    for (;;) {
      const settled = isLast ? held.length : settledEnd(held, at)
      trigger.lastIndex = at
      const found = trigger.exec(held)
      if (!found || found.index >= settled) {
        if (settled > at) pass(settled)
        break
      }
      pass(found.index)
      const step = judge(found)
      if (!step) break
      watch.feed(held.slice(at, at + step.take))
      out += step.out
      at += step.take
    }
    held = held.slice(at - 1)
    return out
  }

  function judge({ 0: match, index, groups = {} }: RegExpExecArray): Step {
    if (match === "](") return judgeLink(index)
    if (match === "]:") return judgeDefinition(index)
    if (match === "<") return judgeAngle(index)
    if (match === "&") return { take: 1, out: watch.inCode ? "&" : "&amp;" }
    if (groups["scheme"] !== undefined) return judgeAddress(index, groups["scheme"])
    if (groups["www"] !== undefined)
      return /[a-z0-9]/i.test(held[index - 1] ?? "") ? keep(index, index + 4) : judgeAddress(index, null)
    if (groups["host"] !== undefined) return judgeHost(index, groups["host"])
    // A scheme that needs no slashes.
    if (INSIDE_WORD.test(held[index - 1] ?? "")) return keep(index, index + match.length)
    return { take: match.length, out: `${match.slice(0, -1)}[:]` }
  }

  const keep = (from: number, to: number): Step => ({ take: to - from, out: held.slice(from, to) })

  /** `](` and what it leads to. Broken by a space: then no reader of Markdown makes a link of it. */
  function judgeLink(index: number): Step {
    const mustBeAllowed = endedAtLink
    const destination = destinationAt(index + 2)
    if (!destination) return null
    endedAtLink = false
    const { text, end } = destination
    const isAllowed =
      text !== null &&
      !watch.inImage &&
      (isAbsolute(text) ? mayBeLink(text) : !mustBeAllowed && (isSafeRelative(text) || isPlainMail(text)))
    return isAllowed ? keep(index, end) : { take: 2, out: "] (" }
  }

  function mayBeLink(url: string): boolean {
    if (!/^https?:\/\/[^\s\\]+$/i.test(url)) return false
    return !untrusted || mayLink(url)
  }

  /** The destination of an inline link, as CommonMark reads it; `text` null where it is too long. Null: not all of it is here. */
  function destinationAt(start: number): { text: string | null; end: number } | null {
    let at = start
    while (" \t\r\n".includes(held[at] ?? "x")) at += 1
    const isBracketed = held[at] === "<"
    let depth = 0
    const from = isBracketed ? at + 1 : at
    for (let end = from; ; end++) {
      if (end - start > HELD) return { text: null, end }
      const character = held[end]
      if (character === undefined && !isLast) return null
      if (character === undefined || character === "\n") return { text: held.slice(from, end), end }
      if (isBracketed) {
        if (character === ">") return { text: held.slice(from, end), end: end + 1 }
        continue
      }
      if (character <= " ") return { text: held.slice(from, end), end }
      if (character === "(" && ++depth > MAX_DEPTH) return { text: null, end }
      if (character === ")" && depth-- === 0) return { text: held.slice(from, end), end }
    }
  }

  /** `[label]: address`, from which links and images elsewhere in the text get theirs. */
  function judgeDefinition(index: number): Step {
    const after = held.slice(index + 2, index + 2 + LOOKAHEAD)
    const isCut = after.length < LOOKAHEAD
    if (!isLast && isCut && /^[ \t]*(?:(?:\r\n?|\n)[ \t>]*)?[a-z0-9+.\\/-]*$/i.test(after)) return null
    const leads = /^[ \t]*(?:(?:\r\n?|\n)[ \t>]*)?(?:<|&|\\|\/[\\/]|[a-z][a-z0-9+.-]+:)/i.test(after)
    return leads || (!isCut && after.trim() === "") ? { take: 2, out: "] :" } : keep(index, index + 2)
  }

  /** `<`: an address between angle brackets, or HTML. */
  function judgeAngle(index: number): Step {
    const rest = held.slice(index, index + LOOKAHEAD)
    const [head = "", name = ""] = /^<\/?([a-z][a-z0-9+.:-]*)/i.exec(rest) ?? []
    if (!isLast && rest.length < LOOKAHEAD && (head === rest || rest.length < 3)) return null
    const broken: Step = { take: 1, out: "< " }
    const kept: Step = { take: 1, out: "<" }
    if (head === "") return untrusted && !watch.inCode && /^<(?:!(?:--|\[|[a-z])|\?)/i.test(rest) ? broken : kept
    if (head.startsWith("</")) return kept
    const next = rest[head.length] ?? ""
    const isDangerous = DANGEROUS_TAGS.has(name.toLowerCase())
    const hasAttributes = /[\s/]/.test(next)
    if ((isDangerous && hasAttributes) || SELF_CONTAINED_TAGS.has(name.toLowerCase()))
      return untrusted || !watch.inCode ? broken : kept
    if (watch.inCode) return kept
    if (/^<[a-z][a-z0-9+.-]+:/i.test(rest)) {
      const end = held.slice(index + 1, index + HELD).search(/[\s<>]/)
      if (end === -1 && !isLast && held.length - index < HELD) return null
      const url = held.slice(index + 1, index + 1 + end)
      if (end === -1 || held[index + 1 + end] !== ">") return broken
      return mayBeLink(url) || isPlainMail(url) ? keep(index, index + end + 2) : broken
    }
    return untrusted && hasAttributes ? broken : kept
  }

  /** An address with a scheme (`null`: with `www.`), from its beginning to the next blank. */
  function judgeAddress(index: number, scheme: string | null): Step {
    if (scheme !== null && /^hxxps?$/i.test(scheme)) return keep(index, index + scheme.length + 1)
    const end = addressEnd(index)
    if (end === null) return null
    const isKnownScheme = scheme === null || /^https?$/i.test(scheme)
    const allowed = isKnownScheme && end - index < HELD ? allowedLength(index, end) : 0
    if (allowed > 0) {
      endedAtLink = held.startsWith("](", end)
      return keep(index, index + allowed)
    }
    const prefix = scheme === null ? "" : (/^[\\/]+/.exec(held.slice(index + scheme.length + 1, end))?.[0] ?? "")
    const from = scheme === null ? index : index + scheme.length + 1 + prefix.length
    const [host = ""] = AUTHORITY.exec(held.slice(from, end)) ?? []
    // `https://https://…`: what looks like its host begins another one, and is judged by itself.
    const goesOn = /^:[\\/]{2}/.test(held.slice(from + host.length, end))
    if (goesOn && scheme === null) return { take: 4, out: `${host.slice(0, 3)}[.]` }
    const authority = goesOn ? "" : host
    const spelled =
      scheme === null
        ? ""
        : isKnownScheme
          ? `${scheme.replace(/tt/i, (tt) => (tt === "TT" ? "XX" : "xx"))}:`
          : `${scheme}[:]`
    return { take: from + authority.length - index, out: spelled + prefix + withoutDots(authority) }
  }

  /** `host.tld/path` without a scheme: some clients make links of those too. Code is not read that way. */
  function judgeHost(index: number, host: string): Step {
    const slashes = held.startsWith("//", index) ? 2 : 0
    const hostEnd = index + slashes + host.length
    const next = held[hostEnd] ?? ""
    const carries = /[/?#]/.test(next) || /^:\d/.test(held.slice(hostEnd, hostEnd + 2)) || host.split(".").length > 2
    const isPart = slashes === 0 && INSIDE_NAME.test(held[index - 1] ?? "")
    if (isPart || watch.inCode || !carries || next === "(") return keep(index, hostEnd)
    const end = addressEnd(index)
    if (end === null) return null
    const allowed = end - index < HELD ? allowedLength(index, end) : 0
    if (allowed > 0) {
      endedAtLink = held.startsWith("](", end)
      return keep(index, index + allowed)
    }
    return { take: hostEnd - index, out: held.slice(index, index + slashes) + withoutDots(host) }
  }

  /** Where an address ends for the most generous reader, at most {@link HELD} characters on. Null: its end is not here. */
  function addressEnd(index: number): number | null {
    const found = held.slice(index, index + HELD).search(ADDRESS_END)
    if (found !== -1) return index + found
    return isLast || held.length - index >= HELD ? Math.min(held.length, index + HELD) : null
  }

  /**
   * How much of it is an allowed address; the marks that close a sentence, a bracket or a quote behind it are not a part. At most four,
   * or they would be a way to write something. A bracket that begins `](` counts: it stays one when that is broken.
   */
  function allowedLength(start: number, end: number): number {
    const last = held[end] === "]" ? end + 1 : end
    for (let at = last; at > last - 5 && at > start; at--) {
      if (at <= end && mayLink(held.slice(start, at))) return at - start
      if (!CLOSING.includes(held[at - 1] ?? "x")) return 0
    }
    return 0
  }

  return {
    push(text) {
      held += text
      return run()
    },
    end() {
      isLast = true
      const rest = run()
      held = "\n"
      return rest
    },
  }
}

/** Up to here nothing that is still to come changes what is found: words of ASCII are looked at whole, or as far as anything reaches. */
function settledEnd(text: string, from: number): number {
  let end = text.length
  const least = Math.max(from, text.length - LOOKAHEAD)
  while (end > least && text.charCodeAt(end - 1) > 32 && text.charCodeAt(end - 1) < 127) end -= 1
  return end
}

function isAbsolute(destination: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/i.test(destination) && !/^mailto:/i.test(destination)
}

/** An address of mail that carries no text of its own. */
function isPlainMail(destination: string): boolean {
  return /^(?:mailto:)?[\w.+-]+@[\w.-]+$/i.test(destination)
}

/** A last dot stays: what `]` then stood before would get a meaning. */
function withoutDots(host: string): string {
  return host.replace(/\.(?=[^.])/g, "[.]")
}
