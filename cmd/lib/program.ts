/** The program as a whole: its verbs, its terminal, its exit status. */
import { runCommandLine } from "./run-verb.ts"
import { drainTerminal, terminalUi } from "./ui.ts"
import { verbTable } from "./verb-table.ts"

export async function runProgram(argv: readonly string[]): Promise<number> {
  const status = await runCommandLine(argv, { verbs: verbTable, fallback: "run", makeUi: terminalUi })
  await drainTerminal()
  return status
}
