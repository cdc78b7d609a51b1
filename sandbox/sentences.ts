/** What a plugin asks for, as its owner reads it before saying yes; and what is different from what they said yes to. */
import { visibleText } from "#core/safety/approval-question.ts"
import { canonicalJson } from "#core/safety/fingerprint.ts"
import { limitsOf, ratesOf } from "./limits.ts"
import { type CredentialLocation, declaredEffect, type Manifest } from "./manifest.ts"
import type { PluginTool } from "./plugin.ts"

type Asked = { manifest: Manifest; tools: readonly PluginTool[] }

export function sentencesFor({ manifest, tools }: Asked): string[] {
  const { http, secrets, workspace, tool_invoke: invoke } = manifest.capabilities ?? {}
  const credentials = Object.values(http?.credentials ?? {})
  const reach = [
    ...(http?.allowlist ?? []).map(({ host, path_prefix: prefix, methods }) => {
      const below = prefix === undefined || prefix === "/" ? "" : ` below ${prefix}`
      return `send ${methods ? listed(methods) : "requests of every method"} to ${host.startsWith("*.") ? `every host below ${host.slice(2)}` : host}${below}`
    }),
    ...credentials.flatMap(({ secret_name: name, location, host_patterns: hosts }) =>
      hosts.map(
        (host) => `have your ${name} put into its requests to ${host}, ${placeOf(location)}; it never sees the value`,
      ),
    ),
    ...(workspace?.allowed_prefixes ?? []).map((prefix) => `read and change what is remembered under ${prefix}`),
    ...(secrets?.allowed_names ?? []).map((name) => `know whether you have set ${name}`),
    ...Object.values(invoke?.aliases ?? {}).map((tool) => `call the tool ${tool}, where nobody would have to be asked`),
  ]
  const { memoryMb, timeoutMs } = limitsOf(manifest)
  const { perMinute, perHour } = ratesOf(manifest)
  return [
    ...(reach.length > 0 ? reach : ["reach nothing outside itself"]),
    ...(http ? [`send at most ${perMinute} requests a minute and ${perHour} an hour`] : []),
    `use up to ${memoryMb} MB of memory and ${timeoutMs / 1_000} s in a call`,
    ...tools.map((tool) => `offer the tool ${tool.name}, ${effectWords(manifest, tool)}`),
  ]
}

function effectWords(manifest: Manifest, { name, destructive }: PluginTool): string {
  const effect = destructive ? null : declaredEffect(manifest, name)
  switch (effect) {
    case "read":
      return "which only reads, without asking: GET and HEAD, nothing else"
    case "read-private":
      return "which only reads, and may read what is private, without asking: GET and HEAD, nothing else"
    case "send":
      return "which may send: you are asked before it runs"
    case null:
      return "which may do all of this: you are asked before it runs"
  }
}

function placeOf(location: CredentialLocation): string {
  switch (location.type) {
    case "bearer":
      return "as its bearer token"
    case "basic":
      return `as the password of ${JSON.stringify(location.username)}`
    case "header":
      return `as the header ${location.name}`
  }
}

/** One line for each difference. Whatever a new version asks for beyond the old one, or describes otherwise, is in here. */
export function differences(before: Asked, after: Asked): string[] {
  const old = sentencesFor(before)
  const now = sentencesFor(after)
  const toolsBefore = new Map(before.tools.map((tool) => [tool.name, tool]))
  return [
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...after.tools.flatMap((tool) => {
      const former = toolsBefore.get(tool.name)
      if (!former) return []
      return [
        ...(former.description === tool.description
          ? []
          : [`~ ${tool.name} says of itself: ${visibleText(tool.description)}`]),
        ...(canonicalJson(former.inputSchema) === canonicalJson(tool.inputSchema)
          ? []
          : [`~ ${tool.name} takes other arguments`]),
      ]
    }),
    ...(canonicalJson(before.manifest.config ?? {}) === canonicalJson(after.manifest.config ?? {})
      ? []
      : ["~ its settings"]),
  ]
}

function listed(words: readonly string[]): string {
  return words.length === 1 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`
}
