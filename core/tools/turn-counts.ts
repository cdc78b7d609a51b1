/** How often something happened in a turn. Counted in the process: a turn that goes on after a restart begins anew, with the steps it has left. */

/** Turns that are counted at a time; what falls out ended long ago. */
const MAX_TURNS = 1_000

/** Counts once more, and says how often it was by now. */
export function createTurnCounts<Turn extends string>(): (turn: Turn) => number {
  const counts = new Map<Turn, number>()
  return (turn) => {
    const count = (counts.get(turn) ?? 0) + 1
    counts.delete(turn) // so that the newest stand last
    counts.set(turn, count)
    for (const oldest of counts.keys()) {
      if (counts.size <= MAX_TURNS) break
      counts.delete(oldest)
    }
    return count
  }
}
