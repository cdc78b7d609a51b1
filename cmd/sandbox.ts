/** `ironclaw sandbox`: what holds foreign code on this machine, the proof of it, and whether a file may run at all. Needs no service. */
import { basename, join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Log } from "#core/log.ts"
import { checkCode } from "#sandbox/check-code.ts"
import type { LockState } from "#sandbox/child/guest.ts"
import { MAX_CHILDREN, MAX_PER_PLUGIN } from "#sandbox/child/pool.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { sandboxChildCommand } from "./lib/own-command.ts"
import { openSetting } from "./lib/setting.ts"
import { visible } from "./lib/ui.ts"
import { defineVerb, defineVerbGroup } from "./lib/verb.ts"

/** What it would say is the answer that is printed. */
const noLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => noLog }
/** The largest file that is read at all; the judges of each kind have bounds of their own. */
const MAX_FILE_BYTES = 64 * 1024 * 1024

const status = defineVerb({
  meta: {
    description: "Starts a child, and says which parts of its lock hold on this machine and which are missing",
    examples: ["ironclaw sandbox status", "ironclaw sandbox status --json"],
  },
  args: {},
  async run({ ui }) {
    const sandbox = createSandbox({ command: sandboxChildCommand(), clock: systemClock, log: noLog })
    try {
      const lock = await sandbox.warm()
      return {
        data: { lock, limits: { childrenPerPlugin: MAX_PER_PLUGIN, children: MAX_CHILDREN } },
        show() {
          ui.print(sentenceOf(lock))
          if ("parts" in lock) for (const part of lock.parts) ui.print(`  on       ${visible(part)}`)
          if ("missing" in lock) for (const part of lock.missing) ui.print(`  missing  ${visible(part)}`)
          ui.print(
            "Always: a process of its own without environment, fuel, caps on memory, a deadline and then SIGKILL",
          )
          ui.print(`At most ${MAX_PER_PLUGIN} children a plugin, ${MAX_CHILDREN} in all`)
        },
      }
    } finally {
      await sandbox.stopAll()
    }
  },
})

function sentenceOf({ state }: LockState): string {
  if (state === "locked") return "Plugins run locked: `ironclaw sandbox test` proves it"
  if (state === "partial") return "Plugins run with a part of the lock alone"
  return "Plugins run UNLOCKED: one that breaks out of WebAssembly could do what you can do"
}

const test = defineVerb({
  meta: {
    description: "Proves the lock: tries what it forbids in a child without it, where it must work, and in one with it",
    examples: ["ironclaw sandbox test"],
  },
  args: {},
  async run({ flags, ui }) {
    if (process.platform !== "linux")
      throw new AppError("sandbox.no_lock", `No lock is made for ${process.platform}: there is nothing to prove`)
    const { proveLock } = await import("#sandbox/child/lock-proof.ts")
    const { home } = openSetting({ flags, ui })
    const folder = join(home.folder("run"), `sandbox-test-${process.pid}`)
    const proof = await proveLock({ command: sandboxChildCommand(), folder })
    const words = {
      proven: "proven",
      unproven: "unproven: does not work here without the lock either",
      broken: "BROKEN",
    }
    return {
      data: proof,
      status: proof.verdict === "broken" ? 1 : 0,
      show() {
        for (const { act, verdict } of proof.acts) ui.print(`${act.padEnd(24)} ${words[verdict]}`)
        if (proof.verdict === "broken")
          ui.print("The lock does not hold on this machine: run no plugin that you do not trust")
        else ui.print("Nothing that was tried works in a locked child")
      },
    }
  },
})

const check = defineVerb({
  meta: {
    description: "Examines plugin code without installing it: one JSON line for each file",
    examples: ["ironclaw sandbox check plugin.wasm", "ironclaw sandbox check plugins/*/plugin.*"],
    rest: "FILE",
  },
  args: {},
  async run({ rest, ui }) {
    if (rest.length === 0) throw new AppError("usage.wrong", "Name the files to examine")
    const answers: unknown[] = []
    for (const path of rest) {
      const answer = { file: path, ...(await checkFile(path)) }
      if (ui.json) answers.push(answer)
      else ui.piece(`${JSON.stringify(answer)}\n`)
    }
    return { data: answers, show() {} }
  },
})

async function checkFile(path: string) {
  const file = Bun.file(path)
  if (!(await file.exists()))
    throw new AppError("not_found", `There is no file ${path}`, {
      hint: "Look where it is: a path is meant from the folder that you are in.",
    })
  if (file.size > MAX_FILE_BYTES)
    throw new AppError("input.too_large", `${path} has ${file.size} bytes; ${MAX_FILE_BYTES} are accepted`)
  return checkCode(basename(path), await file.bytes())
}

export default defineVerbGroup(
  {
    description: "What holds foreign code: the lock, its proof, and a look at code before it is installed",
    examples: ["ironclaw sandbox status", "ironclaw sandbox test", "ironclaw sandbox check plugin.wasm"],
  },
  { status, test, check },
)
