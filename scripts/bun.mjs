/** `node scripts/bun.mjs SCRIPT.ts ARGS…`: sets the project up if need be and runs one of its scripts with the pinned Bun. */
import { become, bunEnvironment, ensureBun, ensurePackages, fail } from "./setup.mjs"

try {
  const bun = await ensureBun()
  await ensurePackages(bun)
  become(bun, ["--no-env-file", ...process.argv.slice(2)], bunEnvironment(bun))
} catch (error) {
  fail(error)
}
