/** Which whole URLs the owner wrote: a request to one of them was their choice, not a model's and not a page's. */

/** Characters that could belong to a URL; a URL that ends before one of these is not the one that was written. */
const URL_CHARACTER = /[\p{L}\p{N}\p{M}\-._~:/?#@!$&*+,;=%'()[\]]/u
/** What may follow a URL in a sentence: closing marks, and then something that no URL goes on with. */
const AFTER = /^[.,;:!?…)\]}>'"»”’*_`。，、]*(?=$|[\s<>"{}|\\^`])/u

const MAX_CLOSING = 64 // nobody closes more than a few brackets; what comes later does not matter

/** Byte for byte, scheme, path and query included: what a text could add to an address would carry data out. */
export function ownerUrlsOf(texts: readonly string[]): (url: string) => boolean {
  return (url) => formsOf(url).some((form) => texts.some((text) => standsIn(text, form)))
}

/** What may be a whole URL in a text, in each reading of where it ends: a mark behind one is rarely a part of it. */
export function urlsIn(text: string): string[] {
  const found = new Set<string>()
  for (const [run] of text.matchAll(/https:\/\/[^\s<>"{}|\\^`]+/gu)) {
    let url = run
    for (let cut = 0; cut < MAX_CLOSING && url !== ""; cut++) {
      found.add(url)
      if (!/[.,;:!?…)\]'»”’*_。，、]$/u.test(url)) break
      url = url.slice(0, -1)
    }
  }
  return [...found]
}

/** `https://example.com` and `https://example.com/` are the same request. */
function formsOf(url: string): string[] {
  const bare = /^(https:\/\/[^/?#]+)\/?$/.exec(url)?.[1]
  return bare === undefined ? [url] : [`${bare}/`, bare]
}

function standsIn(text: string, url: string): boolean {
  for (let at = text.indexOf(url); at !== -1; at = text.indexOf(url, at + 1)) {
    // Opening brackets and quotes come before a URL, and are characters of one too.
    const before = text[at - 1] ?? " "
    const after = text.slice(at + url.length, at + url.length + MAX_CLOSING)
    if ((!URL_CHARACTER.test(before) || "(['".includes(before)) && AFTER.test(after)) return true
  }
  return false
}
