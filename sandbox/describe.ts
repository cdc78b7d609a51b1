/**
 * What a plugin says of its tools, and whether they may be offered to a model under these names and in these words. The code that
 * describes itself runs without any host function. A description can still lie about what its tool does; that is why effects and hosts
 * are judged by what the owner granted.
 */
import { foldPath } from "#core/memory/path.ts"
import { viewsOf } from "#core/safety/views.ts"
import { judgeInjection } from "#core/safety/injection.ts"
import { describeProblems, judgeShape, t } from "#core/schema.ts"
import { readForeignSchema } from "#core/tools/foreign-schema.ts"
import type { HostFunctions, Sandbox } from "./child/guest.ts"
import { limitsOf } from "./limits.ts"
import type { Manifest } from "./manifest.ts"
import type { PluginCode, PluginTool } from "./plugin.ts"

export type Described = { ok: true; tools: PluginTool[] } | { ok: false; problems: string[] }

const MAX_DESCRIPTION = 300
const MAX_TOOLS = 50
/** Every request to a model carries the schema of every tool. */
const MAX_SCHEMA_CHARACTERS = 16_000

const Answer = t.Object({
  tools: t.Array(
    t.Object({
      name: t.String({ pattern: "^[a-zA-Z][a-zA-Z0-9_-]{0,63}$" }),
      description: t.Optional(t.String({ maxLength: 10_000 })),
      inputSchema: t.Record(t.String(), t.Unknown()),
      annotations: t.Optional(t.Record(t.String(), t.Unknown())),
    }),
    { maxItems: MAX_TOOLS },
  ),
})

type Describing = {
  sandbox: Pick<Sandbox, "call">
  manifest: Manifest
  code: PluginCode
  /** Names of all other tools. */
  taken: readonly string[]
  signal: AbortSignal
}

/** Runs it without any host function that would do something. */
function ask(
  { sandbox, manifest, code, signal }: Describing,
  { name, functions = {} }: { name: "describe" | "status"; functions?: HostFunctions["functions"] },
) {
  return sandbox.call({
    pluginId: manifest.name,
    code: { ...code, read: async () => code.bytes },
    name,
    input: new TextEncoder().encode("{}"),
    config: {},
    limits: { ...limitsOf(manifest), maxRequests: 0, maxToolCalls: 0 },
    host: { functions, log() {} },
    signal,
  })
}

const nothingThere: HostFunctions["functions"] = {
  memory_read: async () => null,
  memory_list: async () => [],
  secret_exists: async () => false,
}

/** A channel has no tools; that it can say how it is shows that it runs. */
async function describeChannel(describing: Describing): Promise<Described> {
  const outcome = await ask(describing, { name: "status", functions: nothingThere })
  if (!outcome.ok) return { ok: false, problems: [`status() failed (${outcome.reason}): ${outcome.words}`] }
  return { ok: true, tools: [] }
}

export async function describePlugin(describing: Describing): Promise<Described> {
  const { manifest, taken } = describing
  if (manifest.kind === "channel") return describeChannel(describing)
  const outcome = await ask(describing, { name: "describe" })
  if (!outcome.ok) return { ok: false, problems: [`describe() failed (${outcome.reason}): ${outcome.words}`] }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(outcome.output))
  } catch {
    return { ok: false, problems: ["describe() gave what is no JSON"] }
  }
  const shape = judgeShape(Answer, value)
  if (!shape.ok) return { ok: false, problems: [`describe(): ${describeProblems(shape.problems)}`] }
  const tools = shape.value.tools.map(({ name, description, inputSchema, annotations }): PluginTool => ({
    name,
    description: normalized(description ?? ""),
    inputSchema,
    destructive: annotations?.["destructiveHint"] === true || annotations?.["readOnlyHint"] === false,
  }))
  if (tools.length === 0 && !manifest.hooks)
    return {
      ok: false,
      problems: ["describe() gives no tool, and plugin.json asks for no hooks: there is nothing in it"],
    }
  const problems = [...judgeTools(tools, taken), ...unknownEffects(manifest, tools)]
  return problems.length > 0 ? { ok: false, problems } : { ok: true, tools }
}

function judgeTools(tools: readonly PluginTool[], taken: readonly string[]): string[] {
  const problems = createTakenNames(taken).problems(tools)
  const others = new Map(taken.map((name) => [foldName(name), name]))
  for (const { name, description, inputSchema } of tools) {
    if (description === "") problems.push(`${name}: it has no description`)
    const text = JSON.stringify(inputSchema)
    if (text.length > MAX_SCHEMA_CHARACTERS)
      problems.push(`${name}: its inputSchema has more than ${MAX_SCHEMA_CHARACTERS} characters`)
    else {
      const read = readForeignSchema(inputSchema)
      if (!read.ok) problems.push(...read.problems.map((problem) => `${name}: inputSchema ${problem}`))
    }
    if (/\\u0000|[\u0000-\u0008\u202a-\u202e\u2066-\u2069]/.test(text))
      problems.push(`${name}: its inputSchema holds control characters`)
    for (const told of [description, text]) {
      const named = namesIn(told, others)
      if (named !== undefined) problems.push(`${name}: it speaks of the tool ${named}, which is not its own`)
      if (judgeInjection(told).verdict !== "clean")
        problems.push(`${name}: its words read like instructions to the assistant`)
    }
  }
  return [...new Set(problems)]
}

export type TakenNames = {
  /** What is wrong with these, beside those before and each other. */
  problems(tools: readonly Pick<PluginTool, "name">[]): string[]
  add(names: readonly string[]): void
}

/** A name that a person or a model would take for another tool's stands in for it. */
export function createTakenNames(taken: readonly string[]): TakenNames {
  const others = new Map(taken.map((name) => [foldName(name), name]))
  return {
    problems(tools) {
      const own = new Map<string, string>()
      return tools.flatMap(({ name }) => {
        const folded = foldName(name)
        const like = own.get(folded) ?? others.get(folded)
        own.set(folded, name)
        return like === undefined ? [] : [`${name}: a tool is called ${like} already`]
      })
    },
    add(names) {
      for (const name of names) others.set(foldName(name), name)
    },
  }
}

/** An effect for a tool that is not there is a slip of the pen, and would hide that the one meant counts as the worst. */
function unknownEffects({ effects = {} }: Manifest, tools: readonly PluginTool[]): string[] {
  return Object.keys(effects)
    .filter((name) => !tools.some((tool) => tool.name === name))
    .map((name) => `plugin.json /effects/${name}: it has no such tool`)
}

/** Names that are one word are words of any sentence; those of several are somebody's. */
function namesIn(text: string, others: ReadonlyMap<string, string>): string | undefined {
  const words = [text, ...viewsOf(text).map((view) => view.text)].flatMap(
    (view) => view.match(/[\p{L}\p{N}]+(?:[_-][\p{L}\p{N}]+)+/gu) ?? [],
  )
  return words.map((word) => others.get(foldName(word))).find((name) => name !== undefined)
}

/** Equal for names that a person or a model would take for the same. */
function foldName(name: string): string {
  return foldPath(name)
    .replaceAll("-", "_")
    .replaceAll("0", "o")
    .replaceAll(/[1i|]/g, "l")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w")
}

function normalized(text: string): string {
  const plain = text
    .normalize("NFKC")
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim()
  return (plain.length > MAX_DESCRIPTION ? `${plain.slice(0, MAX_DESCRIPTION - 1)}…` : plain).toWellFormed()
}
