/** How this very program starts another of itself: the compiled file, or the runtime with the entry's source. */
import { join } from "node:path"

const isCompiled = /\$bunfs|~BUN/.test(import.meta.url)

/** The command of a child that runs foreign code; its name is that in `ironclaw.ts`. */
export function sandboxChildCommand(): readonly string[] {
  return [process.execPath, ...(isCompiled ? [] : [join(import.meta.dir, "../ironclaw.ts")]), "sandbox-child"]
}
