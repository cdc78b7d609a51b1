/** What the host does for a plugin during one call of one of its tools: each function is one thing that its owner granted. */
import { AppError } from "#core/errors.ts"
import type { LabelName } from "#core/event.ts"
import type { Log } from "#core/log.ts"
import { isAlwaysOn, isPromptFile, judgeMemoryPath } from "#core/memory/path.ts"
import type { Memory } from "#core/memory/memory.ts"
import { visibleText } from "#core/safety/approval-question.ts"
import { hasEffect } from "#core/safety/capability.ts"
import { joinLabels } from "#core/safety/labels.ts"
import { judgeShape, type Static, t, type TSchema } from "#core/schema.ts"
import type { ToolContext } from "#core/tools/tool.ts"
import { type HostFunction, type HostFunctions, HostRefusal } from "./child/guest.ts"
import { guestHttp, reachesHosts } from "./guest-http.ts"
import type { Logins } from "./logins.ts"
import type { PluginPins } from "./pins.ts"
import { type PluginPin, pluginPrincipal } from "./plugin.ts"

export type HostFunctionDeps = {
  memory: Pick<Memory, "read" | "write">
  pins: Pick<PluginPins, "countRequest">
  logins: Pick<Logins, "valueFor" | "prepare" | "renew">
  log: Log
}

const strict = { additionalProperties: false } as const
const MemoryRead = t.Object({ path: t.String({ maxLength: 200 }) }, strict)
const MemoryWrite = t.Object({ path: t.String({ maxLength: 200 }), content: t.String() }, strict)
const SecretExists = t.Object({ name: t.String({ maxLength: 100 }) }, strict)
const ToolInvoke = t.Object({ alias: t.String({ maxLength: 100 }), arguments: t.Unknown() }, strict)

export type Hosted = {
  host: HostFunctions
  /** The labels of all that it was given. */
  labels: () => LabelName[]
  /** The gate that refused it something last; null where none did. */
  gate: () => string | null
  /** What its owner can do where a host did not take their secret; null where none refused one. */
  advice: () => string | null
}

export function hostFor(pin: PluginPin, context: ToolContext, deps: HostFunctionDeps): Hosted {
  const { manifest } = pin
  const { secrets, workspace, tool_invoke: invoke } = manifest.capabilities ?? {}
  const gathered: (readonly LabelName[])[] = [["untrusted"]]
  let gate: string | null = null
  let advice: string | null = null
  const isReading = !hasEffect(context.effect)

  function pathOf(path: string): string {
    const judged = judgeMemoryPath(path)
    if (!judged.ok) throw new HostRefusal(`This is no path of memory: ${judged.why}`)
    if (!workspace?.allowed_prefixes.some((prefix) => judged.path.startsWith(prefix)))
      throw new HostRefusal("This plugin was granted no such folder of memory")
    return judged.path
  }

  const sendRequest = guestHttp(pin, {
    fetch: context.fetch,
    pins: deps.pins,
    logins: deps.logins,
    onRefused: () => {
      gate = "egress"
    },
    onAdvice: (words) => {
      advice = words
    },
  })

  const functions: Partial<Record<string, HostFunction>> = {}
  if (workspace && workspace.allowed_prefixes.length > 0) {
    functions["memory_read"] = async (payload) => {
      const path = pathOf(take(MemoryRead, payload).path)
      try {
        const { content, labels } = await deps.memory.read(context.agentId, path)
        gathered.push(labels, ["private"])
        return content
      } catch (error) {
        if (error instanceof AppError && error.code === "not_found") return null
        throw asRefusal(error)
      }
    }
    if (!isReading)
      functions["memory_write"] = async (payload) => {
        const asked = take(MemoryWrite, payload)
        const path = pathOf(asked.path)
        // What shapes the agent is for its owner to write.
        if (isPromptFile(path) || isAlwaysOn(path)) throw new HostRefusal("This document is the owner's to write")
        const labels = joinLabels([context.labels, ...gathered])
        const source = pluginPrincipal(pin)
        try {
          const { version } = await deps.memory.write({
            agentId: context.agentId,
            path,
            content: asked.content,
            labels,
            source,
            mode: "replace",
          })
          return { version }
        } catch (error) {
          throw asRefusal(error)
        }
      }
  }
  if (secrets && secrets.allowed_names.length > 0) functions["secret_exists"] = secretExists(pin, deps.logins)
  const aliases = invoke?.aliases ?? {}
  if (Object.keys(aliases).length > 0 && !isReading)
    functions["tool_invoke"] = async (payload) => {
      const asked = take(ToolInvoke, payload)
      const tool = Object.hasOwn(aliases, asked.alias) ? aliases[asked.alias] : undefined
      if (tool === undefined) throw new HostRefusal("This plugin was granted no tool under this alias")
      const outcome = await context.invoke({ tool, arguments: asked.arguments })
      if (outcome.state === "asked") throw new HostRefusal("The owner would have to be asked")
      gathered.push(outcome.labels)
      if (outcome.state !== "done") throw new HostRefusal(outcome.text)
      return outcome.text
    }

  return {
    host: {
      functions,
      ...(reachesHosts(pin) ? { http: sendRequest } : {}),
      log: guestLog(pin, deps.log),
    },
    labels: () => joinLabels(gathered),
    gate: () => gate,
    advice: () => advice,
  }
}

/** Whether the owner has set a secret that this plugin may ask after; never what it is. */
export function secretExists(pin: PluginPin, logins: Pick<Logins, "valueFor">): HostFunction {
  const allowed = pin.manifest.capabilities?.secrets?.allowed_names ?? []
  return async (payload) => {
    const { name } = take(SecretExists, payload)
    if (!allowed.includes(name)) throw new HostRefusal("This plugin may not ask after this secret")
    return logins.valueFor(pin)(name) !== null
  }
}

export function guestLog({ name }: PluginPin, log: Log): HostFunctions["log"] {
  return (level, line) => log[level]("A plugin says", { plugin: name, line: visibleText(line) })
}

export function take<S extends TSchema>(schema: S, payload: unknown): Static<S> {
  const shape = judgeShape(schema, payload)
  if (shape.ok) return shape.value
  throw new HostRefusal(
    `It was asked for with: ${shape.problems.map(({ path, message }) => `${path} ${message}`).join("; ")}`,
  )
}

function asRefusal(error: unknown): unknown {
  return error instanceof AppError ? new HostRefusal(error.message) : error
}
