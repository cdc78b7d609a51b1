/**
 * Question: does this text carry a secret?
 * Fails closed by: where a scan is needed and throws, its caller refuses (egress) or shows nothing (logs).
 * Known limits: vendors' published formats and values whose name says what they are. What has neither is found only by its exact value,
 * and so is what is reversed or split (known-values.ts). Decoded as views.ts says.
 * Source: leak-patterns.ts and leak-vendors.ts name each vendor's own description of its format.
 */
import { createAnchorSearch, type Found } from "./anchors.ts"
import { type LeakPattern, leakPatterns } from "./leak-patterns.ts"
import { viewsOf } from "./views.ts"

/** `start` and `end` count UTF-16 units of the text scanned; where the secret was encoded, they are of the encoded stretch. */
export type Leak = { rule: string; start: number; end: number }

/** Made with the first text: a command that scans nothing does not pay for the table. */
let prepared: ReturnType<typeof createAnchorSearch<LeakPattern>> | null = null

/** All secrets in `text`, in order, overlapping ones joined. */
export function findLeaks(text: string): Leak[] {
  const found: Leak[] = []
  scan(text, (leak) => void found.push(leak))
  for (const view of viewsOf(text)) {
    scan(view.text, ({ rule, start, end }) => void found.push({ rule, ...view.origin(start, end) }))
  }
  if (found.length < 2) return found
  // The longest first: what a named value lies in knows more of it than its name.
  found.sort((a, b) => a.start - b.start || b.end - a.end)
  const joined: Leak[] = []
  for (const leak of found) {
    const last = joined.at(-1)
    if (last && leak.start < last.end) last.end = Math.max(last.end, leak.end)
    else joined.push({ ...leak })
  }
  return joined
}

/** The text with every secret replaced by `[redacted: rule]`. */
export function redactLeaks(text: string): string {
  const leaks = findLeaks(text)
  if (leaks.length === 0) return text
  let clean = ""
  let from = 0
  for (const { rule, start, end } of leaks) {
    clean += `${text.slice(from, start)}[redacted: ${rule}]`
    from = end
  }
  return clean + text.slice(from)
}

function scan(text: string, onLeak: (leak: Leak) => void): void {
  prepared ??= createAnchorSearch(leakPatterns())
  prepared(text, ({ row: { rule, value: kind }, start, end, match, groups }: Found<LeakPattern>) => {
    if (kind === "password" || kind === "named") {
      const [, quoted, bare] = groups
      const value = quoted ?? bare ?? ""
      if (!isSecretValue(value, kind) || isCalled(text, end))
        return value.length < HEAD || /\d/.test(value) ? false : SURE
      onLeak({
        rule,
        start: end - value.length,
        end: endOfValue(text, end, quoted === undefined ? BARE_END : QUOTED_END),
      })
      return true
    }
    if (kind === "random" && isPlaceholder(match))
      return isPlain(match.slice(0, HEAD)) && match.length >= HEAD ? SURE : false
    if (kind === "jwt" && !isJwt(match)) return false
    if (kind === "url" && isShownPassword(match)) return false
    if (rule === "private-key") onLeak({ rule, start, end: endOfBlock(text, end) })
    else onLeak({ rule, start, end: kind === "random" ? endOfValue(text, end, KEY_END) : end })
    return true
  })
}

/** A value is judged by its head, and taken whole. */
const MAX_VALUE = 4_000
const KEY_END = /[^A-Za-z0-9_-]/
const QUOTED_END = /[\s"'`\\]/
const BARE_END = /[\s"'`,;<>(){}\\&]/
function endOfValue(text: string, from: number, ends: RegExp): number {
  const rest = text.slice(from, from + MAX_VALUE).search(ends)
  return rest === -1 ? Math.min(text.length, from + MAX_VALUE) : from + rest
}

/** The pattern looks at as much of a block as proves that it is one; whatever of it comes behind that is as secret. */
const MAX_BLOCK = 1024 * 1024
const BLOCK_END = /---|[^A-Za-z0-9+/=\s\\:,.()"'#-]/
function endOfBlock(text: string, from: number): number {
  if (text.charAt(from - 1) === "-") return from // the line that ends it
  const rest = text.slice(from, from + MAX_BLOCK).search(BLOCK_END)
  return rest === -1 ? Math.min(text.length, from + MAX_BLOCK) : from + rest
}

/**
 * The header says how it is signed or encrypted. One of two parts is a token only with that; where there is a signature too, a header
 * that was cut or changed on the way does not make it harmless.
 */
function isJwt(match: string): boolean {
  const [header = "", payload = "", signature] = match.split(".")
  // The example that the RFC's best known debugger shows, and documentation after it.
  if (Buffer.from(payload, "base64url").includes('"1234567890"')) return false
  try {
    const read: unknown = JSON.parse(Buffer.from(header, "base64url").toString("utf8"))
    return typeof read === "object" && read !== null && ("alg" in read || "typ" in read || "enc" in read)
  } catch {
    return signature !== undefined && !isPlaceholder(signature)
  }
}

/** Enough of a value to tell chance from pattern. No more is looked at, so that padding behind a secret hides nothing. */
const HEAD = 48

/** Were there a secret in the first half of a head, the head would not be plain, or would have a digit: no need to try again there. */
const SURE = HEAD / 2

/** Documentation shows the form of a key with an ordinary filling: a run, an alphabet, a word. */
function isPlaceholder(match: string): boolean {
  const head = match.slice(0, HEAD)
  return isPlain(head) || /example|placeholder|your[_-]|xxxxx|\.\.\.\.|abcdefghij|1234567890|deadbeef/i.test(head)
}

/** Few different characters, or neighbours in the alphabet side by side. */
function isPlain(text: string): boolean {
  let close = 0
  let different = 0
  let low = 0 // a bit for each of the characters 32 to 63, 64 to 95, 96 to 127
  let middle = 0
  let high = 0
  let before = -2
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code - before <= 1 && before - code <= 1) close += 1
    before = code
    const bit = 1 << (code & 31)
    if (code < 64) {
      if ((low & bit) === 0) different += 1
      low |= bit
    } else if (code < 96) {
      if ((middle & bit) === 0) different += 1
      middle |= bit
    } else {
      if ((high & bit) === 0) different += 1
      high |= bit
    }
  }
  return close * 2 > text.length || different < Math.min(8, text.length / 2)
}

/** What documentation writes where a URL has its password. */
function isShownPassword(match: string): boolean {
  const password = match.slice(match.indexOf(":", match.indexOf("://") + 3) + 1, -1)
  return /^(?:[$%{[(].*|\*+|\.+|x+|pass|passw(?:or)?d|passwort|pwd|pw|p|secret|my-?password|your.*|changeme|token|key|user|postgres|root|admin|test)$/i.test(
    password,
  )
}

/** `token = getToken()`: what an opening bracket follows is code. */
function isCalled(text: string, end: number): boolean {
  return "([{<".includes(text.charAt(end) || " ")
}

/** Words that stand where a value would. */
const STAND_IN =
  /^(?:[$%@*#!.<[{=>|~^]|(?:env|secrets?|vars?|config|process|os|self|this|ctx|args?|options|params|req|request|data|settings|user|null|none|true|false|undefined|string|function|await|new|import|https?|file|arn|projects|urn)\b)|example|placeholder|your|change[-_]?me|redacted|dummy|sample|insert|replace|xxx|\*\*\*|\.\.\.|todo|notreal|fake|foobar|[-_](?:key|token|secret|password|here)$|\]\(|:\/\/|\[\d+\]?$/i

function isSecretValue(value: string, kind: "password" | "named"): boolean {
  // From what costs nothing to what costs most: a text may be made of names that no value follows.
  const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((kind) => kind.test(value)).length
  const isMixed = /\d/.test(value) && /[A-Za-z]/.test(value)
  // A password of a person's, where the name says so; anything else must look random.
  if (kind === "password") {
    if (kinds < 2 || (kinds === 2 && (!isMixed || /^[a-z_]+\d{0,2}$/i.test(value)))) return false
  } else if (!isMixed || value.length < LEAST_NAMED) return false
  if (isPlain(value.slice(0, HEAD)) || STAND_IN.test(value)) return false
  return kind === "password" || (!isWords(value) && entropyOf(value.slice(0, HEAD)) >= LEAST_ENTROPY)
}

/** Shorter ones are numbers of things, and seldom keys. */
const LEAST_NAMED = 12
/** Bits a character: 16 random hex digits have 3.2 on average, words and paths of that length less where a digit is asked for too. */
const LEAST_ENTROPY = 3

/** Dotted, dashed or slashed words, as names of things are. */
function isWords(value: string): boolean {
  const parts = value.split(/[._/:=-]+/).filter((part) => part !== "")
  return parts.length > 1 && parts.every((part) => /^(?:[A-Za-z]+|\d{1,4}|[A-Za-z]{2,}\d{1,2}|v\d+)$/.test(part))
}

function entropyOf(text: string): number {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}
