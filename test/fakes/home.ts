/** A home for one test: a private folder under the temp folder, gone when the test is. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export type TestHome = Disposable & { readonly path: string }

/** `using home = makeHome()`; without `using`, call `home[Symbol.dispose]()` in `afterAll`. Mode 0700, as mkdtemp makes it. */
export function makeHome(): TestHome {
  const path = mkdtempSync(join(tmpdir(), "ironclaw-home-"))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
