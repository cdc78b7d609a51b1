/** A verb run from the sources, in a process of its own, with nothing of this one's environment. */
import { join } from "node:path"

export const entry = join(import.meta.dir, "../../cmd/ironclaw.ts")

type How = { cwd: string; stdin?: string; env?: Record<string, string> }

export function startVerb(args: readonly string[], { cwd, stdin = "", env = {} }: How) {
  const child = Bun.spawn([process.execPath, entry, ...args], {
    env,
    cwd,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  })
  void child.stdin.write(stdin)
  void child.stdin.end()
  return child
}

export async function runVerb(args: readonly string[], how: How) {
  const child = startVerb(args, how)
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, out, err }
}
