/** The plugins folder, followed: what is dropped, changed and deleted there is heard of, also after the folder itself was made again. */
import { expect, setDefaultTimeout, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { createInstalledFolder } from "#sandbox/installed.ts"
import { watchPlugins } from "#sandbox/watch.ts"
import { until } from "../fakes/until.ts"

setDefaultTimeout(60_000)

test("a folder that is dropped, changed, deleted and made again is taken up each time", async () => {
  const root = mkdtempSync(join(tmpdir(), "ironclaw-watch-"))
  const dir = join(root, "plugins")
  const installed = createInstalledFolder({ dir })
  let names: string[] = []
  const hashes = new Set<string>()
  const watch = watchPlugins({
    dir,
    clock: systemClock,
    signature: installed.signature,
    onChange() {
      const all = installed.scan(() => null)
      names = all.map(({ name }) => name)
      for (const { sha256 } of all) if (sha256 !== null) hashes.add(sha256)
    },
  })
  const drop = (name: string, text: string) => {
    mkdirSync(join(dir, name), { recursive: true })
    writeFileSync(join(dir, name, "plugin.json"), text)
  }
  try {
    drop("one", "{}") // the folder was not there when it began
    await until("the change is heard of", () => names.includes("one"))
    drop("one", "{ }")
    await until("the change is heard of", () => hashes.size === 2)
    rmSync(dir, { recursive: true })
    await until("the change is heard of", () => names.length === 0)
    drop("two", "{}")
    await until("the change is heard of", () => names.includes("two"))
    drop("two", "{  }")
    await until("the change is heard of", () => hashes.size === 3)
    expect(names).toEqual(["two"])
  } finally {
    watch.close()
    rmSync(root, { recursive: true, force: true })
  }
})
