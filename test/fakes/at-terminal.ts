/** A command at a terminal of its own, with a person who answers what is asked. */

/** `answer` gets all that was shown so far, each time something is asked; what it gives is typed. */
export async function atTerminal(
  argv: readonly string[],
  { env, cwd, answer }: { env: Record<string, string>; cwd: string; answer: (shown: string) => string | null },
): Promise<{ status: number; shown: string }> {
  let shown = ""
  let answered = 0
  const decoder = new TextDecoder()
  const child = Bun.spawn([...argv], {
    env: { ...env, TERM: "dumb" },
    cwd,
    terminal: {
      cols: 200,
      rows: 50,
      data(terminal, bytes) {
        shown += decoder.decode(bytes, { stream: true })
        const asked = shown.match(/leave it\): |\[y\/N\] /g)?.length ?? 0
        if (asked <= answered) return
        answered = asked
        terminal.write(`${answer(shown) ?? ""}\n`)
      },
    },
  })
  return { status: await child.exited, shown }
}

/** The code that stands on the terminal. */
export const codeIn = (shown: string): string | null => /Code: (\d{3} \d{3})/.exec(shown)?.[1] ?? null
