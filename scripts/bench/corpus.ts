/**
 * `CORPUS=DIR bun scripts/bench/run.ts corpus`: every module of a folder of WebAssembly files, whose `manifest.jsonl` says what each is:
 * malformed and invalid ones have to be refused, valid ones to load or to be refused in words, hostile ones to be stopped; and the
 * children and this process to be there at the end.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { t, judgeShape } from "#core/schema.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { codeOf, guestCall, quietLog } from "#test/fakes/guest.ts"
import { binaryPath } from "../freshness.mjs"
import { atMost, type Bench, told } from "./figure.ts"

const Line = t.Object({ file: t.String(), expected: t.String() })
const MIB = 1024 * 1024

export const corpus: Bench = async ({ tell }) => {
  const folder = process.env["CORPUS"]
  if (folder === undefined || !existsSync(join(folder, "manifest.jsonl"))) {
    tell("corpus was not measured: CORPUS names no folder with a manifest.jsonl")
    return []
  }
  const lines = readFileSync(join(folder, "manifest.jsonl"), "utf8").trim().split("\n")
  const command = [binaryPath(join(import.meta.dir, "../..")), "sandbox-child"]
  const sandbox = createSandbox({ command, clock: systemClock, log: quietLog })
  const counts = { files: 0, ranBad: 0, hurt: 0, loaded: 0, refusedValid: 0 }
  const words = new Map<string, number>()
  const before = process.memoryUsage().rss
  try {
    for (const line of lines) {
      const shape = judgeShape(Line, JSON.parse(line))
      if (!shape.ok) throw new Error("A line of the manifest is none")
      const { file, expected } = shape.value
      const path = join(folder, file)
      if (!existsSync(path)) continue
      counts.files++
      const code = codeOf("wasm", new Uint8Array(readFileSync(path)))
      const result = await sandbox.call(
        // No module exports this: one that loads ends with "has no function", its start function having run.
        guestCall({ pluginId: "corpus", code, name: "no such export", limits: { timeoutMs: 500 } }),
      )
      const isLoaded = result.ok || result.words.startsWith("It has no function")
      const isBad = expected === "malformed" || expected === "invalid"
      if (isBad && isLoaded) counts.ranBad++
      if (!result.ok && (result.reason === "protocol" || result.reason === "host" || result.reason === "unavailable"))
        counts.hurt++
      if (isBad) continue
      if (isLoaded) counts.loaded++
      else {
        counts.refusedValid++
        const why = result.ok ? "" : `${expected}: ${result.reason}: ${result.words.slice(0, 60)}`
        words.set(why, (words.get(why) ?? 0) + 1)
      }
      await sandbox.stop("corpus")
    }
    // It lives, and serves whoever comes next.
    const { state } = await sandbox.warm()
    tell([...words].map(([why, count]) => `corpus: not run, ${count} × ${why}`).join("\n"))
    return [
      told("corpus: files", counts.files, ""),
      atMost("corpus: malformed or invalid ones that loaded", counts.ranBad, { value: 0, unit: "" }),
      atMost("corpus: files that the host did not expect", counts.hurt + (state === "untried" ? 1 : 0), {
        value: 0,
        unit: "",
      }),
      told("corpus: others that loaded", counts.loaded, ""),
      told("corpus: others that were refused or stopped, see above", counts.refusedValid, ""),
      atMost("corpus: growth of this process", (process.memoryUsage().rss - before) / MIB, { value: 64, unit: "MiB" }),
    ]
  } finally {
    await sandbox.stopAll()
  }
}
