/** launchd: an agent of the user's session on macOS. Written from Apple's documentation of launchctl and launchd.plist; never run. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join } from "node:path"
import { AppError } from "#core/errors.ts"
import type { InitDeps, InitSystem } from "./init-system.ts"
import { LAUNCHD_LABEL, launchdPlist } from "./service-unit.ts"

export function createLaunchd({ home, program, env, run }: InitDeps): InitSystem {
  const path = join(env["HOME"] || homedir(), "Library/LaunchAgents", `${LAUNCHD_LABEL}.plist`)
  const domain = `gui/${process.getuid?.() ?? 0}`
  const target = `${domain}/${LAUNCHD_LABEL}`

  async function launchctl(...words: string[]): Promise<string> {
    const { status, stdout, stderr } = await run(["launchctl", ...words])
    if (status === 0) return stdout
    throw new AppError("service.failed", `launchctl ${words.join(" ")} ended with ${status}: ${stderr.trim()}`)
  }
  const isLoaded = async () => (await run(["launchctl", "print", target])).status === 0
  const load = async () => {
    if (!(await isLoaded())) await launchctl("bootstrap", domain, path)
  }
  const unload = async () => {
    if (await isLoaded()) await launchctl("bootout", target)
  }

  return {
    name: "launchd",
    unit: path,
    async install() {
      mkdirSync(dirname(path), { recursive: true })
      const wordsFile = join(home.folder("logs"), "service.out")
      writeFileSync(path, launchdPlist({ program, home: home.root, wordsFile }), { mode: 0o644 })
      await launchctl("enable", target)
      return { remarks: [] }
    },
    async uninstall() {
      await unload()
      rmSync(path, { force: true })
    },
    start: load,
    stop: unload,
    async restart() {
      await unload()
      await load()
    },
    async state() {
      const { status, stdout } = await run(["launchctl", "print", target])
      const pid = Number(/^\s*pid = (\d+)/m.exec(stdout)?.[1] ?? 0) || null
      const lastStatus = /^\s*last exit code = (\d+)/m.exec(stdout)?.[1] ?? ""
      return {
        installed: existsSync(path),
        enabled: status === 0,
        running: pid !== null,
        pid,
        restarts: null,
        why: pid === null && lastStatus !== "" && lastStatus !== "0" ? `exit status ${lastStatus}` : "",
      }
    },
  }
}
