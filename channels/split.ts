/** A reply that is longer than its channel takes at once, in pieces: between paragraphs, else lines, else sentences, else words. */
const CUTS = [/\n\s*\n/g, /\n/g, /[.!?;。！？]\s/g, /\s/g]
/** A cut earlier than this leaves pieces that are too small; the next kind of cut is tried. */
const LEAST_SHARE = 0.4

/** `most`: UTF-16 units in a piece. Nothing is lost but blanks at the cuts; a fence of code that is cut is closed and opened again. */
export function splitText(text: string, most: number): string[] {
  const pieces: string[] = []
  let rest = text.trim()
  let opened = "" // the fence that the last piece left open
  while (opened.length + rest.length > most) {
    const room = most - opened.length - CLOSING_ROOM
    const end = cutOf(rest, room)
    const piece = opened + rest.slice(0, end).trimEnd()
    const fence = openFenceOf(piece)
    pieces.push(fence === null ? piece : `${piece}\n\`\`\``)
    opened = fence === null ? "" : `${fence}\n`
    rest = fence === null ? rest.slice(end).trimStart() : rest.slice(end).replace(/^\n/, "")
  }
  if (rest !== "") pieces.push(opened + rest)
  return pieces
}

/** A line break and three backticks. */
const CLOSING_ROOM = 4

function cutOf(text: string, room: number): number {
  for (const cut of CUTS) {
    let last = 0
    for (const { index, 0: found } of text.slice(0, room).matchAll(cut)) last = index + found.length
    if (last >= room * LEAST_SHARE) return last
  }
  // Never half a surrogate pair.
  const code = text.charCodeAt(room - 1)
  return code >= 0xd800 && code <= 0xdbff ? room - 1 : room
}

/** The line that opened a fence which is not closed, at most as long as a language's name; null: none is. */
function openFenceOf(text: string): string | null {
  const fences = [...text.matchAll(/^```[^\n`]{0,20}/gm)].map(([line]) => line)
  return fences.length % 2 === 1 ? (fences.at(-1) ?? null) : null
}
