/** A small source tree for one test, written to the temp folder from a table of paths and texts. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

export type TestTree = Disposable & { readonly root: string }

export function makeTree(files: Readonly<Record<string, string>>): TestTree {
  const root = mkdtempSync(join(tmpdir(), "ironclaw-tree-"))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}
