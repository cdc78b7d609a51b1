/** plugin.json: what a plugin is and what it asks for. One that is wrong is refused with everything that is wrong with it. */
import { judgeMemoryPath } from "#core/memory/path.ts"
import type { Effect } from "#core/safety/capability.ts"
import { int, judgeShape, type Static, t } from "#core/schema.ts"
import { ChannelCapability, channelProblems } from "./channel-manifest.ts"
import { Auth, problemsOfAuth, Secrets } from "./manifest-auth.ts"
import { Hooks, problemsOfHooks } from "./manifest-hooks.ts"
import { Http, problemsOfHttp, SecretName } from "./manifest-http.ts"
import { problemsOfConfig } from "./plugin-config.ts"

const strict = { additionalProperties: false } as const
const MIB = 1024 * 1024
const text = (maxLength: number, description: string) => t.String({ minLength: 1, maxLength, description })
const Capabilities = t.Object(
  {
    channel: t.Optional(ChannelCapability),
    http: t.Optional(Http),
    secrets: t.Optional(t.Object({ allowed_names: t.Array(SecretName, { maxItems: 20 }) }, strict)),
    tool_invoke: t.Optional(
      t.Object(
        {
          aliases: t.Record(
            t.String({ pattern: "^[a-z][a-z0-9_]{0,39}$" }),
            t.String({ pattern: "^[a-zA-Z][a-zA-Z0-9_-]{0,63}$" }),
            { maxProperties: 20, additionalProperties: false },
          ),
        },
        strict,
      ),
    ),
    workspace: t.Optional(
      t.Object({ allowed_prefixes: t.Array(text(100, "A folder of memory"), { maxItems: 10 }) }, strict),
    ),
  },
  strict,
)

/** What can be asked for at most; the owner may give less (`plugins.max_…` of the configuration). */
const Limits = t.Object(
  {
    memoryMb: t.Optional(int({ minimum: 1, maximum: 256 })),
    timeoutMs: t.Optional(int({ minimum: 1, maximum: 60_000 })),
    fuel: t.Optional(int({ minimum: 1, maximum: 20_000_000_000 })),
    requestsPerMinute: t.Optional(int({ minimum: 1, maximum: 10_000 })),
    requestsPerHour: t.Optional(int({ minimum: 1, maximum: 100_000 })),
    requestsPerCall: t.Optional(int({ minimum: 0, maximum: 500 })),
    toolCallsPerCall: t.Optional(int({ minimum: 0, maximum: 100 })),
    inputBytes: t.Optional(int({ minimum: 1_024, maximum: 8 * MIB })),
    outputBytes: t.Optional(int({ minimum: 1_024, maximum: 16 * MIB })),
  },
  strict,
)

/** Spending and running programs are not for a plugin; what is not declared counts as the worst. */
const declarableEffects = ["read", "read-private", "send"] as const satisfies readonly Effect[]

export const NAME = "^[a-z][a-z0-9-]{0,39}$"
const Manifest = t.Object(
  {
    name: t.String({ pattern: NAME }),
    version: t.String({ pattern: "^[0-9A-Za-z][0-9A-Za-z.+-]{0,39}$" }),
    kind: t.Optional(t.Union([t.Literal("tool"), t.Literal("channel")])),
    // On one line: it stands in the question to the owner, and may not look like another line of it.
    description: t.Optional(t.String({ maxLength: 300, pattern: "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]*$" })),
    entry: t.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\\.(wasm|js|ts)$" }),
    sha256: t.Optional(t.String({ pattern: "^[0-9a-f]{64}$" })),
    capabilities: t.Optional(Capabilities),
    effects: t.Optional(
      t.Record(
        t.String({ pattern: "^[a-zA-Z][a-zA-Z0-9_-]{0,63}$" }),
        t.Union(declarableEffects.map((one) => t.Literal(one))),
        {
          maxProperties: 50,
          additionalProperties: false,
          description: "What its tools do, by name; held to it while they run",
        },
      ),
    ),
    limits: t.Optional(Limits),
    config: t.Optional(
      t.Record(t.String(), t.Unknown(), { description: "JSON Schema of what its owner can set: see plugin-config.ts" }),
    ),
    secrets: t.Optional(Secrets),
    auth: t.Optional(Auth),
    hooks: t.Optional(Hooks),
    homepage: t.Optional(t.String({ maxLength: 300, pattern: "^https://" })),
    license: t.Optional(t.String({ maxLength: 100 })),
  },
  strict,
)
export type Manifest = Static<typeof Manifest>

/** Null where nothing is declared of it: that counts as the worst. A tool may be called what every object has. */
export function declaredEffect({ effects = {} }: Manifest, tool: string): (typeof declarableEffects)[number] | null {
  return Object.hasOwn(effects, tool) ? (effects[tool] ?? null) : null
}

export type JudgedManifest = { ok: true; manifest: Manifest } | { ok: false; problems: string[] }

/** A manifest is a page or two; more is none. */
const MAX_MANIFEST_BYTES = 64 * 1024

export function judgeManifest(bytes: Uint8Array): JudgedManifest {
  if (bytes.length > MAX_MANIFEST_BYTES)
    return { ok: false, problems: [`plugin.json has more than ${MAX_MANIFEST_BYTES} bytes`] }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return { ok: false, problems: ["plugin.json is no JSON in UTF-8"] }
  }
  const shape = judgeShape(Manifest, value)
  const problems = [
    ...(shape.ok ? [] : shape.problems.map(({ path, message }) => `plugin.json ${path || "(whole)"}: ${message}`)),
    ...meaningOf(shape.ok ? shape.value : wholeParts(value)),
    ...(shape.ok ? meaningOfChannel(shape.value) : []),
  ]
  return shape.ok && problems.length === 0 ? { ok: true, manifest: shape.value } : { ok: false, problems }
}

type Parts = Pick<Manifest, "capabilities" | "config" | "auth" | "secrets" | "hooks">

/** Of a manifest with mistakes in its shape, what has none: so that all that is wrong is said at once. */
function wholeParts(value: unknown): Parts {
  const { capabilities, config, auth, secrets, hooks } = isRecord(value) ? value : {}
  const own = judgeShape(Capabilities, capabilities ?? {})
  const points = judgeShape(Hooks, hooks)
  const alone = { ...(isRecord(config) ? { config } : {}), ...(points.ok ? { hooks: points.value } : {}) }
  // Where what it may do cannot be read, nothing can be said of how what it asks for fits that.
  if (!own.ok) return alone
  const login = judgeShape(Auth, auth)
  const asked = judgeShape(Secrets, secrets)
  return {
    capabilities: own.value,
    ...alone,
    ...(login.ok ? { auth: login.value } : {}),
    ...(asked.ok ? { secrets: asked.value } : {}),
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function meaningOf({ capabilities = {}, config, auth, secrets, hooks }: Parts): string[] {
  const { http, workspace } = capabilities
  const folders = (workspace?.allowed_prefixes ?? []).flatMap((prefix, index) => {
    const judged = judgeMemoryPath(prefix)
    const words = judged.ok ? (`${judged.path}/` === prefix ? null : "a folder is written as `name/`") : judged.why
    return words === null ? [] : [{ path: `capabilities/workspace/allowed_prefixes/${index}`, words }]
  })
  return [
    ...(http ? problemsOfHttp(http) : []).map(({ path, words }) => ({ path: `capabilities/http/${path}`, words })),
    ...folders,
    ...(config ? problemsOfConfig(config) : []),
    ...(hooks ? problemsOfHooks(hooks) : []),
    ...problemsOfAuth({
      ...(auth ? { auth } : {}),
      ...(secrets ? { secrets } : {}),
      ...(http ? { http } : {}),
      ...(capabilities.channel?.webhook ? { webhookSecret: capabilities.channel.webhook.secret_name } : {}),
    }),
  ].map(({ path, words }) => `plugin.json /${path}: ${words}`)
}

function meaningOfChannel({ name, kind, capabilities = {}, effects, hooks }: Manifest): string[] {
  const forTools = [
    ...(capabilities.tool_invoke ? ["capabilities/tool_invoke"] : []),
    ...(capabilities.workspace ? ["capabilities/workspace"] : []),
    ...(effects ? ["effects"] : []),
    ...(hooks ? ["hooks"] : []),
  ]
  const problems = channelProblems({ name, kind, channel: capabilities.channel, forTools })
  return problems.map(({ path, words }) => `plugin.json /${path}: ${words}`)
}
