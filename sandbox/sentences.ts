/** What a plugin asks for, as its owner reads it before saying yes; and what is different from what they said yes to. */
import { visibleText } from "#core/safety/approval-question.ts"
import { canonicalJson } from "#core/safety/fingerprint.ts"
import { channelSentences } from "./channel-manifest.ts"
import { limitsOf, ratesOf } from "./limits.ts"
import { type Auth } from "./manifest-auth.ts"
import { hookSentences } from "./manifest-hooks.ts"
import { type CredentialLocation, placeholderOf } from "./manifest-http.ts"
import { declaredEffect, type Manifest } from "./manifest.ts"
import type { PluginTool } from "./plugin.ts"
import { settingsOf } from "./plugin-config.ts"

type Asked = { manifest: Manifest; tools: readonly PluginTool[] }

/** For an owner to read: tools that do the same are in one line. */
export function sentencesFor(asked: Asked): string[] {
  return [...reachOf(asked), ...offersOf(asked)]
}

/** For a comparison: each tool has a line of its own. */
function linesFor({ manifest, tools }: Asked): string[] {
  return [...reachOf({ manifest }), ...tools.flatMap((tool) => offersOf({ manifest, tools: [tool] }))]
}

function reachOf({ manifest }: Pick<Asked, "manifest">): string[] {
  const { channel, http, secrets, workspace, tool_invoke: invoke } = manifest.capabilities ?? {}
  const credentials = Object.values(http?.credentials ?? {})
  const reach = [
    ...(channel ? channelSentences(manifest.name, channel) : []),
    ...(http?.allowlist ?? []).map(({ host, path_prefix: prefix, methods }) => {
      const below = prefix === undefined || prefix === "/" ? "" : ` below ${prefix}`
      return `send ${methods ? listed(methods) : "requests of every method"} to ${hostWords(host)}${below}`
    }),
    ...credentials.flatMap(({ secret_name: name, location, host_patterns: hosts }) =>
      hosts.map(
        (host) =>
          `have your ${name} put into its requests to ${hostWords(host)}, ${placeOf(location)}; it never sees the value`,
      ),
    ),
    ...settingsOf(manifest, {}).flatMap(({ key, isEndpoint }) =>
      isEndpoint ? [`reach the address that you set as its ${key}, in your own network too, and no other there`] : [],
    ),
    ...(manifest.auth ? loginSentences(manifest.auth) : []),
    ...(workspace?.allowed_prefixes ?? []).map((prefix) => `read and change what is remembered under ${prefix}`),
    ...(secrets?.allowed_names ?? []).map((name) => `know whether you have set ${name}`),
    ...Object.values(invoke?.aliases ?? {}).map((tool) => `call the tool ${tool}, where nobody would have to be asked`),
  ]
  const { memoryMb, timeoutMs, maxRequests, maxToolCalls } = limitsOf(manifest)
  const { perMinute, perHour } = ratesOf(manifest)
  return [
    ...(reach.length > 0 ? reach : ["reach nothing outside itself"]),
    ...(http ? [`send at most ${perMinute} requests a minute and ${perHour} an hour`] : []),
    `use up to ${memoryMb} MB of memory and ${timeoutMs / 1_000} s in a call`,
    ...(manifest.limits?.requestsPerCall === undefined ? [] : [`send up to ${maxRequests} requests in a call`]),
    ...(manifest.limits?.toolCallsPerCall === undefined
      ? []
      : [`call other tools up to ${maxToolCalls} times in a call`]),
    ...hookSentences(manifest.hooks ?? []),
  ]
}

const shownOrder = ["read", "read-private", "send", null] as const

function offersOf({ manifest, tools }: Asked): string[] {
  return shownOrder.flatMap((effect) => {
    const names = tools.filter((tool) => effectOf(manifest, tool) === effect).map(({ name }) => name)
    if (names.length === 0) return []
    return [`offer the tool${names.length > 1 ? "s" : ""} ${listed(names)}, ${effectWords(effect, names.length > 1)}`]
  })
}

function effectOf(manifest: Manifest, { name, destructive }: PluginTool) {
  return destructive ? null : declaredEffect(manifest, name)
}

function effectWords(effect: ReturnType<typeof effectOf>, areMany: boolean): string {
  const reads = areMany ? "only read" : "only reads"
  switch (effect) {
    case "read":
      return `which ${reads}, without asking: GET and HEAD, nothing else`
    case "read-private":
      return `which ${reads}, and may read what is private, without asking: GET and HEAD, nothing else`
    case "send":
      return `which may send: you are asked before ${areMany ? "each" : "it"} runs`
    case null:
      return `which may do all of this: you are asked before ${areMany ? "each" : "it"} runs`
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
    case "query_param":
      return `as the query parameter ${location.name}`
    case "url_path":
      return `in their path, at {${placeholderOf(location)}}`
  }
}

function hostWords(host: string): string {
  return host.startsWith("*.") ? `every host below ${host.slice(2)}` : host
}

function loginSentences({ secret_name: secret, oauth, provider, validation_endpoint: check }: Auth): string[] {
  const hostOf = (url: string) => new URL(url).hostname
  if (oauth)
    return [
      `have you log in to ${provider ?? secret} at ${hostOf(oauth.authorization_url)}, with these rights: ${oauth.scopes.join(" ")}`,
      `have the tokens of this login fetched and renewed at ${hostOf(oauth.token_url)}, as your own client there`,
    ]
  return check ? [`have your ${secret} tried at ${hostOf(check.url)} when you set it`] : []
}

/** One line for each difference. Whatever a new version asks for beyond the old one, or describes otherwise, is in here. */
export function differences(before: Asked, after: Asked): string[] {
  const old = linesFor(before)
  const now = linesFor(after)
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
    ...(isSame(before.manifest.config, after.manifest.config) ? [] : ["~ its settings"]),
    ...(isSame(before.manifest.secrets, after.manifest.secrets) ? [] : ["~ what it says of the secrets that you set"]),
    // What a sentence shows already is said once.
    ...(isSame(before.manifest.auth, after.manifest.auth) || now.some((line) => isOfLogin(line) && !old.includes(line))
      ? []
      : ["~ how you log in for it"]),
  ]
}

/** A publisher's signature never ends: whoever keeps an old version with a hole can send it again. */
export function olderChange({ before, now }: { before: string; now: string }): string[] {
  const isOrdered = [before, now].every((version) => /^\d+\.\d+\.\d+/.test(version))
  return isOrdered && Bun.semver.order(now, before) < 0
    ? [`~ its version, which is older (${now}) than the one that you granted (${before})`]
    : []
}

/** What is signed by nobody, or by somebody else, is another's until the owner says otherwise. */
export function publisherChange({ before, now }: { before: string | null; now: string | null }): string[] {
  if (before === null || before === now) return []
  return [
    now === null
      ? `~ it is not signed by the publisher whose key you gave (${before})`
      : `~ it is signed with another key (${now}) than you gave (${before})`,
  ]
}

function isSame(a: unknown, b: unknown): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null)
}

function isOfLogin(line: string): boolean {
  return line.startsWith("have you log in") || line.startsWith("have the tokens of this login")
}

function listed(words: readonly string[]): string {
  return words.length === 1 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`
}
