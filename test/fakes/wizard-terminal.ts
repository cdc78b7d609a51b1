/** The compiled program at a terminal of its own, driven as a person would: wait for words, press keys. */
import { binary, environmentOf, type Environment, until } from "./binary.ts"

export const ENTER = "\r"
export const DOWN = "\u001b[B"
export const CTRL_C = "\u0003"

export type Driven = {
  status: number
  /** All that was written, escape sequences included. */
  raw: string
  /** Without them. */
  shown: string
}

/**
 * `turns`: the words that are waited for, and the keys that are pressed then. What was shown before an earlier turn does not count.
 * `killAt`: words at which it is killed, after the turns, with no chance to tidy up.
 */
export async function drive(
  args: readonly string[],
  {
    home,
    env = {},
    columns = 100,
    turns,
    killAt,
  }: {
    home: string
    env?: Environment
    columns?: number
    turns: readonly (readonly [words: string, keys: string])[]
    killAt?: string
  },
): Promise<Driven> {
  let raw = ""
  const decoder = new TextDecoder()
  const child = Bun.spawn([binary, ...args], {
    cwd: home,
    env: environmentOf(home, { TERM: "xterm-256color", ...env }),
    terminal: {
      cols: columns,
      rows: 50,
      data: (_terminal, bytes) => void (raw += decoder.decode(bytes, { stream: true })),
    },
  })
  let from = 0
  for (const [words, keys] of killAt === undefined ? turns : [...turns, [killAt, ""] as const]) {
    await until(
      `the terminal shows "${words}"`,
      () => {
        const shown = Bun.stripANSI(raw.slice(from))
        if (shown.includes(words)) return true
        if (child.exitCode !== null)
          throw new Error(`It ended with ${child.exitCode} before "${words}":\n${Bun.stripANSI(raw)}`)
        return false
      },
      30_000,
    ).catch((error: unknown) => {
      child.kill("SIGKILL")
      throw new Error(`${String(error)}\n${Bun.stripANSI(raw.slice(from))}`)
    })
    from = raw.length
    child.terminal?.write(keys)
  }
  if (killAt !== undefined) child.kill("SIGKILL")
  const status = await child.exited
  return { status, raw, shown: Bun.stripANSI(raw) }
}
