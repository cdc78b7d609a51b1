/** Text that comes in pieces, some of them twice: what of a piece is new. */
import type { TurnDelta } from "#core/event.ts"

/** The part of `delta` beyond the `known` characters, or null where nothing of it is new. A gap is passed on as it is. */
export function newPart(delta: TurnDelta, known: number): TurnDelta | null {
  if (delta.offset + delta.text.length <= known) return null
  const overlap = Math.max(0, known - delta.offset)
  return overlap === 0 ? delta : { ...delta, offset: delta.offset + overlap, text: delta.text.slice(overlap) }
}
