/**
 * Puts text from outside between marks that the text itself cannot close: the mark carries a nonce, and look-alikes inside are defused.
 * Structure decides elsewhere (the flow gate); this only makes plain to the model what is data.
 */
import { randomToken } from "../id.ts"

/** `source` is host text; anything in it that could end an attribute is dropped. */
export function fence(text: string, source: string, nonce: string = randomToken(6)): string {
  const from = source.replace(/["<>\n\r]/g, " ").slice(0, 200) // 200: as every preview
  const inside = text.replace(/<(\/?)(untrusted)/gi, "<$1\u200B$2")
  return `<untrusted id="${nonce}" from="${from}">\n${inside}\n</untrusted id="${nonce}">`
}
