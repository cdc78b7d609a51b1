/** Windows' task scheduler: a task at the user's logon. Written from Microsoft's documentation of schtasks; never run. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { AppError } from "#core/errors.ts"
import type { InitDeps, InitSystem } from "./init-system.ts"
import { WINDOWS_TASK, windowsTask } from "./service-unit.ts"

export function createWindowsTasks({ home, program, env, run }: InitDeps): InitSystem {
  async function schtasks(...words: string[]): Promise<string> {
    const { status, stdout, stderr } = await run(["schtasks.exe", ...words])
    if (status === 0) return stdout
    throw new AppError("service.failed", `schtasks ${words.join(" ")} ended with ${status}: ${stderr.trim()}`)
  }
  const start = async () => void (await schtasks("/Run", "/TN", WINDOWS_TASK))
  const stop = async () => void (await schtasks("/End", "/TN", WINDOWS_TASK))

  return {
    name: "windows",
    unit: `task "${WINDOWS_TASK}"`,
    async install() {
      const folder = mkdtempSync(join(home.folder("run"), "task-"))
      try {
        const file = join(folder, "task.xml")
        const user = [env["USERDOMAIN"], env["USERNAME"]].filter((part) => part !== undefined).join("\\")
        writeFileSync(file, windowsTask({ program, home: home.root, user }))
        await schtasks("/Create", "/TN", WINDOWS_TASK, "/XML", file, "/F")
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
      return { remarks: [] }
    },
    async uninstall() {
      await schtasks("/Delete", "/TN", WINDOWS_TASK, "/F")
    },
    start,
    stop,
    async restart() {
      await stop()
      await start()
    },
    async state() {
      const { status, stdout } = await run(["schtasks.exe", "/Query", "/TN", WINDOWS_TASK, "/FO", "CSV", "/NH"])
      return {
        installed: status === 0,
        enabled: status === 0,
        // The word is the system's language's; the service's own lock says for sure.
        running: /running/i.test(stdout),
        pid: null,
        restarts: null,
        why: "",
      }
    },
  }
}
