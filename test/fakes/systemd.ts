/** A systemd manager of a user's own, in a mount namespace in which /run says that the machine was started by systemd. */
import { existsSync } from "node:fs"
import { type Environment, environmentOf } from "./binary.ts"
import type { Json } from "./service.ts"

/** Why none can be had here; null where one can be tried. */
export const noSystemd =
  process.platform !== "linux" || process.getuid?.() !== 0
    ? "not root on Linux"
    : !existsSync("/lib/systemd/systemd") || Bun.which("systemctl") === null || Bun.which("unshare") === null
      ? "no systemd"
      : null
if (noSystemd !== null) console.log(`systemd: skipped, ${noSystemd}`)

export type Said = { text(part: string): string; json(part: string): Json }

/** Runs a shell script beside the manager, and gives what it said after each line `== part`; null where no manager could be started. */
export async function inSystemd(
  script: string,
  { home, env, beside }: { home: string; env: Environment; beside?: () => Promise<void> },
): Promise<Said | null> {
  const whole = `
    mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/user && chmod 700 /run/user || exit 97
    export XDG_RUNTIME_DIR=/run/user
    /lib/systemd/systemd --user >manager.log 2>&1 &
    manager=$!
    trap 'kill $manager; wait $manager' EXIT
    for n in $(seq 100); do systemctl --user show-environment >/dev/null 2>&1 && break; sleep 0.1; done
    systemctl --user show-environment >/dev/null 2>&1 || exit 98
    ${script}
    exit 0
  `
  const child = Bun.spawn(["unshare", "-m", "--propagation", "private", "sh", "-c", whole], {
    cwd: home,
    env: environmentOf(home, env),
    stdout: "pipe",
    stderr: "pipe",
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), beside?.()])
  const status = await child.exited
  if (status === 97 || status === 98) {
    console.log(`systemd: no manager could be started here (${status})`)
    return null
  }
  if (status !== 0) throw new Error(`The script ended with ${status}:\n${stdout}${stderr}`)
  const parts = new Map(
    stdout.split(/^== /m).map((part): [string, string] => {
      const at = part.indexOf("\n")
      return [part.slice(0, at), part.slice(at + 1).trim()]
    }),
  )
  const text = (part: string) => parts.get(part) ?? ""
  return { text, json: (part) => JSON.parse(text(part)) }
}
