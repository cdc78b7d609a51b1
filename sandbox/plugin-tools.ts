/** A plugin's tools as Tools like all others: what the owner agreed to says what they are called, take, do and reach. */
import type { Capability, Effect } from "#core/safety/capability.ts"
import { hasEffect } from "#core/safety/capability.ts"
import { judgeShape, type Static, t } from "#core/schema.ts"
import { readForeignSchema } from "#core/tools/foreign-schema.ts"
import type { Tool, ToolContext, ToolResult } from "#core/tools/tool.ts"
import type { GuestCode, Sandbox } from "./child/guest.ts"
import { hostFor, type HostFunctionDeps } from "./host-functions.ts"
import { limitsOf } from "./limits.ts"
import { declaredEffect } from "./manifest.ts"
import { endpointsOf, guestConfig, missingSettings } from "./plugin-config.ts"
import { type PluginPin, pluginPrincipal, type PluginTool } from "./plugin.ts"

export type PluginToolDeps = HostFunctionDeps & { sandbox: Pick<Sandbox, "call"> }

/** A guest's own time and that of all it asks for. */
const MAX_CALL_MS = 120_000
const MAX_WORDS = 2_000

const Answer = t.Object({
  content: t.Array(t.Object({ type: t.String({ maxLength: 40 }), text: t.Optional(t.String()) }), { maxItems: 1_000 }),
  isError: t.Optional(t.Boolean()),
  structuredContent: t.Optional(t.Record(t.String(), t.Unknown())),
})

export function pluginToolsOf(pin: PluginPin, code: GuestCode, deps: PluginToolDeps): Tool[] {
  return pin.tools.flatMap((tool) => {
    const read = readForeignSchema(tool.inputSchema)
    // It was read when the owner agreed; a version of ours that reads less leaves the tool out.
    return read.ok ? [toolOf({ pin, tool, code, input: read.schema, deps })] : []
  })
}

function toolOf({
  pin,
  tool,
  code,
  input,
  deps,
}: {
  pin: PluginPin
  tool: PluginTool
  code: GuestCode
  input: Tool["input"]
  deps: PluginToolDeps
}): Tool {
  const effect = effectOf(pin, tool)
  const needs = needsOf(pin, effect)
  return {
    name: tool.name,
    provider: pluginPrincipal(pin),
    description: tool.description,
    input,
    effect: () => effect,
    needs: () => needs,
    timeoutMs: MAX_CALL_MS,
    run: (given, context) => runTool({ pin, name: tool.name, given, code, context, deps }),
  }
}

/** What is not declared, or is said to do harm, counts as the worst. */
export function effectOf({ manifest }: Pick<PluginPin, "manifest">, { name, destructive }: PluginTool): Effect {
  return (destructive ? null : declaredEffect(manifest, name)) ?? "exec"
}

function needsOf({ manifest, config }: PluginPin, effect: Effect): Capability[] {
  const { http, workspace, tool_invoke: invoke } = manifest.capabilities ?? {}
  const mayChange = hasEffect(effect)
  const { rules, local } = endpointsOf(manifest, config)
  // One of the owner's own network is written whole: no rule for a name covers it, and the gate has it from the plugin's row.
  const ownersAddresses = [
    ...rules.map(({ host }) => host),
    ...local.map(({ scheme, host, port }) => `${scheme}://${host}:${port}`),
  ]
  const all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
  return [
    ...(http?.allowlist ?? []).flatMap(({ host, path_prefix: path, methods = all }): Capability[] => {
      const usable = mayChange ? [...methods] : methods.filter((method) => method === "GET" || method === "HEAD")
      return usable.length === 0
        ? []
        : [{ kind: "http", host, methods: usable, ...(path === undefined ? {} : { path }) }]
    }),
    ...ownersAddresses.map((host): Capability => ({ kind: "http", host, methods: mayChange ? all : ["GET", "HEAD"] })),
    ...(workspace?.allowed_prefixes ?? []).flatMap((path): Capability[] => [
      { kind: "memory", path, write: false },
      ...(mayChange ? [{ kind: "memory" as const, path, write: true }] : []),
    ]),
    ...(mayChange ? Object.values(invoke?.aliases ?? {}).map((name): Capability => ({ kind: "tool", name })) : []),
  ]
}

async function runTool({
  pin,
  name,
  given,
  code,
  context,
  deps,
}: {
  pin: PluginPin
  name: string
  given: unknown
  code: GuestCode
  context: ToolContext
  deps: PluginToolDeps
}): Promise<ToolResult> {
  const unset = missingSettings(pin.manifest, pin.config)
  if (unset.length > 0)
    return {
      failed: `The plugin ${pin.name} needs a setting first: ask the owner to run \`ironclaw tool config ${pin.name} ${unset[0] ?? ""} VALUE\``,
    }
  const { host, labels, gate, advice } = hostFor(pin, context, deps)
  const outcome = await deps.sandbox.call({
    pluginId: pin.name,
    code,
    name: "call",
    input: new TextEncoder().encode(JSON.stringify({ params: { name, arguments: given } })),
    config: guestConfig(pin.manifest, pin.config),
    limits: limitsOf(pin.manifest),
    host,
    signal: context.signal,
    isNested: context.isNested,
  })
  const source = `plugin:${pin.name}`
  const failed = (words: string): ToolResult => {
    const by = gate()
    return { failed: words.slice(0, MAX_WORDS), labels: labels(), source, ...(by === null ? {} : { gate: by }) }
  }
  if (!outcome.ok) {
    context.signal.throwIfAborted()
    return failed(`The plugin ${pin.name} failed (${outcome.reason}): ${outcome.words}`)
  }
  const answer = answerIn(outcome.output)
  if (typeof answer === "string") return failed(`The plugin ${pin.name} answered ${answer}`)
  const text = answer.content
    .map((part) => (part.type === "text" ? (part.text ?? "") : `[${part.type} is not shown]`))
    .join("\n")
  if (answer.isError === true) {
    // Some plugins say it themselves.
    const hint = text.includes("ironclaw tool auth") ? null : advice()
    const words = text || "The plugin says that it failed, and not why"
    return failed(hint === null ? words : `${words.slice(0, MAX_WORDS - hint.length - 3)} (${hint})`)
  }
  return { data: answer.structuredContent ?? text, labels: labels(), source }
}

function answerIn(output: Uint8Array): Static<typeof Answer> | string {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(output))
  } catch {
    return "with what is no JSON"
  }
  const shape = judgeShape(Answer, value)
  return shape.ok ? shape.value : "in another form than a tool's: content of typed parts"
}
