/** Waiting for what happens in its own time: other processes, files, events. */

/** Polls until `look` gives something; throws with `what` when it does not for so long. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  withinMs = 15_000,
): Promise<T> {
  const startedMs = performance.now()
  for (;;) {
    const seen = await look()
    if (seen !== null && seen !== undefined && seen !== false) return seen
    if (performance.now() - startedMs > withinMs) throw new Error(`Not within ${withinMs} ms: ${what}`)
    await Bun.sleep(20)
  }
}
