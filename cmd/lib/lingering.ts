/** Lingering: whether systemd keeps a user's services while the user is not logged in. Offered, never set silently. */
import { userInfo } from "node:os"
import type { InitSystem } from "./init-system.ts"
import type { Ran } from "./system-tool.ts"
import type { Ui } from "./ui.ts"

/** Gives remarks for the owner. `asked`: their word on the command line; undefined: ask where a person is there. */
export async function offerLingering({
  init,
  asked,
  ui,
  run,
}: {
  init: InitSystem
  asked: boolean | undefined
  ui: Ui
  run: (argv: readonly [string, ...string[]]) => Promise<Ran>
}): Promise<string[]> {
  if (init.name !== "systemd") return []
  const user = userInfo().username
  const shown = await run(["loginctl", "show-user", user, "--property=Linger"])
  if (shown.status === 0 && shown.stdout.includes("Linger=yes")) return []
  const later = "It stops when you log out; `loginctl enable-linger` lets it run on"
  if (asked === false) return [later]
  if (asked === undefined) {
    if (!ui.interactive) return [later]
    const { confirm, isCancel } = await import("@clack/prompts")
    const answer = await confirm({ message: "Let it run while you are not logged in?" })
    if (isCancel(answer) || !answer) return [later]
  }
  const { status, stderr } = await run(["loginctl", "enable-linger", user])
  return status === 0 ? [] : [`Lingering could not be set: ${stderr.trim()}. ${later}`]
}
