/** What an address looks like to whoever makes links of text, and which HTML leads or fetches: the tables of links.ts. */

/** Characters that are held back at most while an address or a destination may still go on. Longer ones are no links: nobody reads them. */
export const HELD = 2_048
/** Longer than any beginning by which something is recognised: a host of nine labels of 63 characters. */
export const LOOKAHEAD = 640

/**
 * What ends an address for all: GFM, linkify-it and terminals go on over quotes, brackets and letters beyond ASCII. What `](` ends is
 * judged again there.
 */
export const ADDRESS_END = /[\t\n\f\r <]|\]\(/
/** A host and who it is asked by, and no more, so that nothing is skipped in which something else may begin. */
export const AUTHORITY = /^[\p{L}\p{N}\p{M}._@%~-]{0,255}/u
/** May stand behind an address without being a part of it. */
export const CLOSING = ".,;:!?…)]}>'\"»”’*_`~|。，、"

const GENERIC =
  "com|net|org|edu|gov|mil|int|info|biz|pro|dev|app|xyz|top|site|online|shop|store|tech|cloud|link|click|live|club|space|website|page|blog|news|wiki|work|world|zone|host|fun|icu|vip|run|systems|network|email|agency|digital|today|life|zip|mov"
/** Endings of two letters that are no country's but a file's. */
const FILES = "js|ts|cs|db|hs|kt|vb|go|rb|ex|mm|md(?![/?#:])"
const HOST = String.raw`(?<host>(?:[a-z0-9][a-z0-9-]{0,62}\.){1,8}(?:${GENERIC}|(?!${FILES})[a-z]{2}))(?![a-z0-9_-]|\.[a-z0-9])`

const ANYWHERE = String.raw`\]\(|\]:|<(?=[a-z/!?])`
/**
 * One thing at a time, the most telling first. Nothing in it reaches over a blank. What must not stand before it is looked at afterwards:
 * a pattern that looks back took up to three times as long (Bun 1.4.5, 2026-11-27).
 */
const FROM_OUTSIDE = [
  String.raw`(?<scheme>[a-z][a-z0-9+-]{1,63}):(?=[\\/]{2})`,
  String.raw`(?:(?:javascript|vbscript):(?=[^\s])|data:(?=[a-z]+\/[a-z]|[,;])|file:(?=\/)|(?:mailto|xmpp):(?=[^\s?<>]{0,200}\?))`,
  String.raw`(?<www>www\.)(?=[a-z0-9\u0080-\uffff])`,
  String.raw`(?:\/\/)?${HOST}`,
  String.raw`&(?=#|(?:colon|sol|period|bsol|tab|newline|commat|num|quest);)`,
].join("|")

/** Not before a scheme that needs no slashes, nor before a bare host: there it is a part of something else. */
export const INSIDE_WORD = /[\p{L}\p{N}\p{M}.\]/@%~_-]/u
export const INSIDE_NAME = /[a-z0-9@_/-]/i

export const TRIGGER = new RegExp(ANYWHERE, "gi")
export const UNTRUSTED_TRIGGER = new RegExp(`${ANYWHERE}|${FROM_OUTSIDE}`, "gi")

/** HTML that fetches, leads away or sends, by its attributes. */
export const DANGEROUS_TAGS: ReadonlySet<string> = new Set(
  "a area applet audio background base bgsound body button embed form frame iframe image img input isindex link math meta object picture portal script source style svg table td th track use video".split(
    " ",
  ),
)
/** HTML whose content does so. */
export const SELF_CONTAINED_TAGS: ReadonlySet<string> = new Set(["script", "style", "svg"])

/** A path, query or fragment at the place where the reply is shown; no scheme, no host, and nothing that a reader would decode into one. */
export function isSafeRelative(destination: string): boolean {
  return /^(?:[^\\:&\u0000-\u0020]*)$/.test(destination) && !destination.startsWith("//")
}
