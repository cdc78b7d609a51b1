/**
 * Direction: a folder imports only what stands below it, and inside core a part only what comes before it. Type-only and dynamic
 * imports count. There is no list of exceptions: what would point upward is passed in as a function.
 */
import { existsSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { type Problem, importsOf, isProduct, readText, report, sourceFiles } from "./tree.ts"

/** Which top folders each may import, itself aside. scripts and test may import all; nobody imports them. */
const folders: Record<string, readonly string[]> = {
  core: [],
  sandbox: ["core"],
  skills: ["core"],
  channels: ["core", "sandbox"],
  gateway: ["core", "sandbox", "skills", "channels"],
  cmd: ["core", "sandbox", "skills", "channels", "gateway"],
  scripts: ["core", "sandbox", "skills", "channels", "gateway", "cmd", "test"],
  test: ["core", "sandbox", "skills", "channels", "gateway", "cmd", "scripts"],
}

/** Parts of core, low to high. Those of one row stand side by side. `prompts` is text only. */
const coreOrder: readonly (readonly string[])[] = [
  [
    "schema",
    "errors",
    "id",
    "clock",
    "event",
    "config",
    "home",
    "log",
    "guard",
    "nearest",
    "text",
    "release",
    "prompts",
  ],
  ["db"],
  ["audit"],
  ["secrets"],
  ["safety"],
  ["llm"],
  ["session"],
  ["memory"],
  ["hooks"],
  ["tools"],
  ["jobs"],
  ["agent"],
  ["routines"],
]

/** Where each package may be imported: a folder ("core/") or one file. A package that is in no row has no home yet. */
const homes: readonly (readonly [name: RegExp, places: readonly string[]])[] = [
  [/^@sinclair\/typebox$/, ["core/schema.ts"]],
  [/^(drizzle-orm|postgres|pgvector|@electric-sql\/.+|@noble\/.+|@ai-sdk\/.+|re2js|json-p3)$/, ["core/"]],
  [/^(htmlparser2|@mdream\/js)$/, ["sandbox/parse/"]],
  [/^@decimalturn\/toml-patch$/, ["core/"]],
  [/^(@extism\/extism|quickjs-wasi|assemblyscript|@modelcontextprotocol\/.+|oauth4webapi)$/, ["sandbox/"]],
  // What guests call our SDK.
  [/^ironclaw$/, ["sandbox/tools/", "channels/"]],
  [/^(elysia|@elysiajs\/.+)$/, ["gateway/"]],
  [/^(citty|@clack\/prompts)$/, ["cmd/"]],
]

/** Modules of the runtime that open connections or start programs: where a gate judges what they do, and the database, which law 2 exempts. */
const guardedModules: readonly (readonly [module: RegExp, places: readonly string[]])[] = [
  [/^node:(net|tls|dns|dns\/promises|dgram|http|https|http2)$/, ["core/guard.ts", "core/safety/", "core/db/"]],
  [/^node:(child_process|cluster|worker_threads|inspector|vm)$/, ["core/guard.ts", "sandbox/"]],
]

/** Problems of one file, given its text; `root` is where the files it names are looked for. */
export function judgeImports(root: string, file: string, text: string): Problem[] {
  const { imports, problems } = importsOf(file, text)
  for (const { specifier, line, dynamic } of imports) {
    const message = judgeImport(root, file, specifier, dynamic)
    if (message !== null) problems.push({ file, line, message })
  }
  return problems
}

function judgeImport(root: string, file: string, specifier: string, dynamic: boolean): string | null {
  const folder = topOf(file)
  if (specifier === "")
    return dynamic ? "A dynamic import takes a literal, so that it can be judged here" : "An import without a name"
  if (specifier.startsWith("#")) return judgeAcross(file, folder, specifier)
  if (!specifier.startsWith(".")) return isProduct(file) ? judgePackage(file, specifier) : null
  const target = normalize(join(dirname(file), specifier)).replaceAll("\\", "/")
  // A package's file that its exports do not offer, such as a .wasm to embed, is still that package's.
  if (target.startsWith("node_modules/")) return isProduct(file) ? judgePackage(file, target.slice(13)) : null
  if (target.startsWith("..")) return `"${specifier}" leaves the project`
  if (!existsSync(join(root, target)))
    return `"${specifier}" is not there: imports carry their extension, and there are no index files`
  const targetFolder = topOf(target)
  if (targetFolder === folder) return judgeOrder(file, target)
  // Root files, such as package.json, belong to nobody.
  if (!target.includes("/")) return null
  return `"${specifier}" crosses folders: write #${target}, so that the line shows its layer`
}

function judgeAcross(file: string, folder: string, specifier: string): string | null {
  const target = specifier.slice(1)
  const targetFolder = topOf(target)
  // Tests reach their fakes from deep down.
  if (targetFolder === folder && folder === "test") return null
  if (targetFolder === folder) return `"${specifier}" is in the same folder: import it by a relative path`
  const allowed = folders[folder] ?? []
  if (allowed.includes(targetFolder)) return null
  return `${folder} may import ${allowed.length > 0 ? allowed.join(", ") : "nothing but itself"}; "${specifier}" points upward (${file})`
}

function judgeOrder(file: string, target: string): string | null {
  if (topOf(file) !== "core") return null
  const from = rankOf(file)
  const to = rankOf(target)
  if (from === null) return `"${partOf(file)}" has no place in core's order: give it one in scripts/layers.ts`
  if (to === null) return `"${partOf(target)}" has no place in core's order: give it one in scripts/layers.ts`
  if (to <= from) return null
  if (partOf(file) === partOf(target))
    return "A subject's tools stand at the level of tools: move what is shared out of them"
  return `${partOf(file)} stands below ${partOf(target)} in core: pass in what is needed as a function`
}

function judgePackage(file: string, specifier: string): string | null {
  if (specifier === "bun" || specifier.startsWith("bun:") || specifier.startsWith("node:")) {
    const guarded = guardedModules.find(([pattern]) => pattern.test(specifier))
    if (!guarded || isAt(file, guarded[1])) return null
    return `"${specifier}" can reach outside: only ${guarded[1].join(", ")} may import it`
  }
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")
  const home = homes.find(([pattern]) => pattern.test(name))
  if (!home) return `The package "${name}" has no home: say in scripts/layers.ts who may import it`
  return isAt(file, home[1]) ? null : `Only ${home[1].join(", ")} may import "${name}"`
}

function isAt(file: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith("/") ? file.startsWith(place) : file === place))
}

function topOf(file: string): string {
  return file.split("/")[0] ?? ""
}

/** The part of core that a file belongs to: `core/db/open.ts` to db, `core/home-lock.ts` to home. */
function partOf(file: string): string {
  const [, name = "", ...rest] = file.split("/")
  return rest.length > 0 ? name : (name.split(/[-.]/)[0] ?? "")
}

/** A subject's `tools.ts` lives beside its subject but stands at the level of tools, whose type it needs: nobody below may import it. */
function rankOf(file: string): number | null {
  const rank = coreOrder.findIndex((parts) => parts.includes(partOf(file)))
  if (rank === -1) return null
  const isToolFile = /^core\/[^/]+\/tools(\.ts|-[^/]*|\/.*)$/.test(file)
  return isToolFile
    ? Math.max(
        rank,
        coreOrder.findIndex((parts) => parts.includes("tools")),
      )
    : rank
}

export function checkLayers(root: string): Problem[] {
  return sourceFiles(root).flatMap((file) => judgeImports(root, file, readText(root, file)))
}

if (import.meta.main) report("layers", checkLayers(join(import.meta.dir, "..")))
