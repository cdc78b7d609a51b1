/** What is to be known of plugin code before it is installed: whether it may run here at all, what it asks for and what it offers. */
import { meterModule } from "./meter.ts"
import { defaultLimits } from "./child/guest.ts"
import { MAX_SCRIPT_BYTES, wasmLimits } from "./child/program.ts"

export type CodeVerdict = {
  verdict: "accepted" | "refused"
  why: string | null
  /** "module name", or the module alone. */
  imports: string[]
  exports: string[]
  /** Pages of 64 KiB that it begins with; null for scripts. */
  memoryPages: number | null
}

export function checkCode(name: string, bytes: Uint8Array): CodeVerdict {
  const kind = /\.(js|ts)$/.exec(name)?.[1]
  return kind === undefined ? checkModule(bytes) : checkScript(bytes, kind === "ts" ? "ts" : "js")
}

function checkModule(bytes: Uint8Array): CodeVerdict {
  const metered = meterModule(bytes, wasmLimits(defaultLimits.memoryMb))
  if (metered.verdict === "refused") return refused(metered.why)
  return {
    verdict: "accepted",
    why: null,
    imports: metered.imports.map(({ module, name }) => `${module} ${name}`),
    exports: metered.exports.map(({ name }) => name),
    memoryPages: metered.memoryPages,
  }
}

function checkScript(bytes: Uint8Array, loader: "js" | "ts"): CodeVerdict {
  if (bytes.length > MAX_SCRIPT_BYTES) return refused(`It has ${bytes.length} bytes, over ${MAX_SCRIPT_BYTES}`)
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    const { imports, exports } = new Bun.Transpiler({ loader }).scan(text)
    const paths = imports.map(({ path }) => path)
    const foreign = paths.find((path) => path !== "ironclaw")
    if (foreign !== undefined)
      return refused(
        `It imports ${JSON.stringify(foreign.slice(0, 200))}: a plugin is one file, and may import "ironclaw"`,
      )
    return { verdict: "accepted", why: null, imports: paths, exports, memoryPages: null }
  } catch (error) {
    return refused(
      `It cannot be read as ${loader === "ts" ? "TypeScript" : "JavaScript"}: ${error instanceof Error ? error.message : "not UTF-8"}`,
    )
  }
}

function refused(why: string): CodeVerdict {
  return { verdict: "refused", why, imports: [], exports: [], memoryPages: null }
}
