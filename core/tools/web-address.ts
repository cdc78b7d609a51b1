/** The URL of a call: judged like the egress gate will judge it, before anybody is asked about a request that could never be made. */
import { t } from "../schema.ts"
import { judgeUrl } from "../safety/hosts.ts"
import type { Capability, Effect } from "../safety/capability.ts"
import type { CallFacts } from "./tool.ts"

export const urlField = t.String({ minLength: 9, maxLength: 8_192, description: "Whole https URL" })

/** Why no request can go there, or null. The gate judges again, with the same function, when it goes. */
export function judgeAddress(url: string, method: string): string | null {
  const target = URL.parse(url)
  if (!target) return "that is no whole URL (https://host/path)"
  const verdict = judgeUrl(url, method, { allow: [{ host: target.hostname }], local: [] })
  return verdict.verdict === "allow" ? null : verdict.why
}

/** Exactly this method on this host; `path` null is all of it. A URL that cannot be parsed never gets so far. */
export function needOf({
  url,
  method,
  path,
}: {
  url: string
  method: string
  path: "exact" | "any"
}): Extract<Capability, { kind: "http" }>[] {
  const target = URL.parse(url)
  if (!target) return []
  return [
    { kind: "http", host: target.hostname, methods: [method], ...(path === "exact" ? { path: target.pathname } : {}) },
  ]
}

/**
 * A host that a model or a text chose hears from us: that is a send, except from a reader, which has nothing to tell. What the owner named
 * as a whole is read for them.
 */
export function effectOf(
  { url, method }: { url: string; method: string },
  { ownerUrls, readsApart }: CallFacts,
): Effect {
  return (method === "GET" || method === "HEAD") && (readsApart || ownerUrls(url)) ? "read" : "send"
}
