/** What goes out: the egress gate's fetch as models and tools get it, and the audit row of each request. */
import type { AsyncLocalStorage } from "node:async_hooks"
import type { Config } from "#core/config.ts"
import type { NewAudit } from "#core/db/schema.ts"
import type { LabelName } from "#core/event.ts"
import type { SessionId, TurnId } from "#core/id.ts"
import type { FetchFor } from "#core/llm/wire.ts"
import type {
  Egress,
  EgressCaller,
  EgressCredential,
  EgressDeps,
  EgressFetch,
  EgressRecord,
} from "#core/safety/egress.ts"
import type { HostRule, LocalEndpoint } from "#core/safety/hosts.ts"
import { findLeaks } from "#core/safety/leaks.ts"
import { hasEffect } from "#core/safety/capability.ts"
import { judgeInjection } from "#core/safety/injection.ts"
import { isUntrusted } from "#core/safety/labels.ts"
import { createValueFinder, type RedactorDeps } from "#core/safety/redactor.ts"
import type { FetchFrom } from "#sandbox/download.ts"
import type { Cleansed } from "#core/tools/cleanse-result.ts"
import type { PipelineDeps } from "#core/tools/run.ts"
import { endpointsOf } from "#sandbox/plugin-config.ts"
import { type PluginPin, pluginPrincipal } from "#sandbox/plugin.ts"

/** The turn in whose name a model is called. */
export type Actor = { agentId: string; sessionId: SessionId; turnId: TurnId }

/** The model layer has its own, shorter waits, which know the vendor; these only end what it forgot. */
const MODEL_CAPS: NonNullable<EgressCaller["caps"]> = {
  firstByteMs: 600_000,
  idleMs: 600_000,
  totalMs: null,
  maxRequestBytes: 64 * 1024 * 1024, // eight images and a full context
  maxResponseBytes: 64 * 1024 * 1024,
  maxInFlight: 512,
}

/** An address that the owner set is a local-endpoint grant, exact; a public name on 443 is an ordinary rule. */
export function rulesFor(baseUrl: string): { allow: HostRule[]; local: LocalEndpoint[] } {
  const url = new URL(baseUrl)
  const scheme = url.protocol === "https:" ? "https" : "http"
  const isName = !/^[\d.]+$|^\[/.test(url.hostname) && url.hostname !== "localhost"
  if (scheme === "https" && url.port === "" && isName) return { allow: [{ host: url.hostname }], local: [] }
  const port = Number(url.port || (scheme === "https" ? 443 : 80))
  return { allow: [], local: [{ scheme, host: url.hostname, port }] }
}

export function modelFetch({
  egress,
  acting,
  config,
}: {
  egress: Egress
  acting: AsyncLocalStorage<Actor>
  config: () => Config
}): FetchFor {
  const ownEndpoints = () => config().model.local_endpoints.flatMap((origin) => rulesFor(origin).local)
  return ({ vendor, baseUrl, credential }) => {
    const actor = acting.getStore()
    const rules = rulesFor(baseUrl)
    return egress.fetchFor({
      principal: `model:${vendor.name}`,
      purpose: "model",
      agentId: actor?.agentId ?? "main",
      ...(actor ? { sessionId: actor.sessionId, turnId: actor.turnId } : {}),
      allow: rules.allow,
      local: [...rules.local, ...ownEndpoints()],
      caps: MODEL_CAPS,
      credentials: credential ? [{ ...credential, origin: new URL(baseUrl).origin }] : [],
    })
  }
}

/** The release server, at the address that the owner set or this build's makers did: to read, below that path, and nobody else. */
export function releaseFetch(egress: Egress): (baseUrl: string, maxBytes: number) => EgressFetch {
  return (baseUrl, maxBytes) => {
    const { allow, local } = rulesFor(baseUrl)
    const pathPrefix = new URL(baseUrl).pathname.replace(/\/$/, "") || "/"
    return egress.fetchFor({
      principal: "builtin:update",
      purpose: "update",
      agentId: "main",
      allow: allow.map(({ host }) => ({ host, methods: ["GET"], pathPrefix })),
      local,
      // A program of 60 MB on a slow line takes what it takes; a line on which nothing comes for half a minute is broken.
      caps: { maxResponseBytes: maxBytes, totalMs: null },
    })
  }
}

/** A plugin's file, from the host that the owner named or that sent on to: to read there, in the owner's name. */
export function pluginSourceFetch(egress: Egress): FetchFrom {
  return (host, maxBytes) =>
    egress.fetchFor({
      principal: "owner",
      purpose: "plugin.install",
      agentId: "main",
      allow: [{ host, methods: ["GET"] }],
      local: [],
      // 32 MiB on a slow line take what they take; a line on which nothing comes for half a minute is broken.
      caps: { maxResponseBytes: maxBytes, totalMs: null },
    })
}

/** A tool reaches the hosts that its call declared, and only reads there when the call declared no more than reading. */
export function toolFetch(
  egress: Egress,
  /** What the requests of this provider's tools are given on their way out. */
  {
    credentialsFor,
    endpointsFor,
  }: {
    credentialsFor: (provider: string) => EgressCredential[]
    /** Addresses of the owner's own that they let it reach. */
    endpointsFor: (provider: string) => LocalEndpoint[]
  } = { credentialsFor: () => [], endpointsFor: () => [] },
): PipelineDeps["fetchFor"] {
  return ({ request, card, effect, needs }) => {
    // Made anew for each request: a token may be renewed in the middle of a call.
    const fetch = () =>
      egress.fetchFor({
        credentials: card.provider === "builtin" ? [] : credentialsFor(card.provider),
        principal: `${request.principal}/${request.tool}`,
        purpose: `tool:${request.tool}`,
        agentId: request.agentId,
        sessionId: request.sessionId,
        turnId: request.turnId,
        local:
          card.provider === "builtin"
            ? []
            : endpointsFor(card.provider).map((one) =>
                hasEffect(effect) ? one : { ...one, methods: ["GET", "HEAD"] },
              ),
        allow: needs.flatMap((need): HostRule[] => {
          if (need.kind !== "http") return []
          const methods = hasEffect(effect)
            ? need.methods
            : need.methods.filter((method) => method === "GET" || method === "HEAD")
          return [{ host: need.host, methods, ...(need.path === undefined ? {} : { pathPrefix: need.path }) }]
        }),
      })
    return (url, init) => fetch()(url, init)
  }
}

/** A channel reaches the hosts that its plugin was granted, in every call: it carries what people say there and what is answered. */
export function channelFetch(
  egress: Egress,
  { credentialsFor, endpointsFor }: NonNullable<Parameters<typeof toolFetch>[1]>,
): (pin: PluginPin) => EgressFetch {
  return (pin) => {
    const principal = pluginPrincipal(pin)
    const granted = (pin.manifest.capabilities?.http?.allowlist ?? []).map(
      ({ host, path_prefix: pathPrefix, methods }): HostRule => ({
        host,
        ...(methods ? { methods: [...methods] } : {}),
        ...(pathPrefix === undefined ? {} : { pathPrefix }),
      }),
    )
    return egress.fetchFor({
      credentials: credentialsFor(principal),
      principal,
      purpose: `channel:${pin.name}`,
      agentId: "main",
      local: endpointsFor(principal),
      allow: [...granted, ...endpointsOf(pin.manifest, pin.config).rules],
    })
  }
}

/**
 * The owner's own secrets are not for anyone but whom they belong to: what a tool sends is read before it leaves, for the values of this
 * house in whatever way they are written, and for what looks like a secret.
 */
export function scansFor(secretValues: RedactorDeps["secretValues"]): Pick<EgressDeps, "scanRequest" | "scanResponse"> {
  const findValues = createValueFinder(secretValues)
  const secretIn = (text: string): string | null => {
    const [value] = findValues(text)
    if (value) return `It carries the secret ${value.name}`
    const [leak] = findLeaks(text)
    return leak ? `It carries what looks like a secret (${leak.rule})` : null
  }
  return {
    scanRequest: ({ purpose }, { url, headers, body }) => {
      // Models are given redacted text already: what people write by the context, what tools give by the pipeline.
      // A provider of a login is sent what belongs to it by code of ours, at the address that was agreed to (sandbox/oauth.ts).
      if (purpose === "model" || purpose === "login") return { verdict: "allow" }
      const head = [url.href, ...[...headers].map(([name, value]) => `${name}: ${value}`)].join("\n")
      const why = secretIn(head) ?? (body ? secretIn(new TextDecoder().decode(body)) : null)
      return why === null ? { verdict: "allow" } : { verdict: "deny", why }
    },
    // Answers are cleansed where they are read: a tool's result by the pipeline, a model's words by the turn.
    scanResponse: (_caller, _response, body) => body,
  }
}

export function egressAudit(record: EgressRecord): NewAudit {
  return {
    agentId: record.agentId,
    act: "egress",
    principal: record.principal,
    subject: record.host,
    outcome: record.outcome,
    // Ids that the callers above gave.
    sessionId: record.sessionId as SessionId | null,
    turnId: record.turnId as TurnId | null,
    preview:
      `${record.method} ${record.path}${record.status === null ? "" : ` ${record.status}`}${record.why ? `: ${record.why}` : ""}`
        .slice(0, 200)
        .toWellFormed(),
    verdicts: record.verdicts,
    destination: `${record.scheme}://${record.host}:${record.port}`,
    secretNames: record.secretNames,
    bytesOut: record.bytesOut,
    bytesIn: record.bytesIn,
    durationMs: record.durationMs,
    labels: [],
    source: record.purpose,
  }
}

/** What comes back from a tool: secrets are redacted, and what looks like instructions is untrusted whatever it said of itself. */
export function cleanseWith(redact: (text: string) => string) {
  return (text: string, labels: readonly LabelName[]): Cleansed => cleanse(redact(text), { text, labels })
}

function cleanse(clean: string, { text, labels }: { text: string; labels: readonly LabelName[] }): Cleansed {
  const injection = judgeInjection(clean)
  const marked: LabelName[] =
    injection.verdict === "clean" || isUntrusted(labels)
      ? [...labels]
      : ["untrusted", ...labels.filter((label) => label !== "vetted")]
  return {
    text: clean,
    labels: marked,
    verdicts: {
      leak: clean === text ? "allow" : "redacted",
      injection: injection.verdict === "clean" ? "allow" : `${injection.verdict}: ${injection.rules.join(", ")}`,
    },
  }
}
