/** plugin.json: what a plugin is and what it asks for. One that is wrong is refused with everything that is wrong with it. */
import { judgeMemoryPath } from "#core/memory/path.ts"
import type { Effect } from "#core/safety/capability.ts"
import { coversHost, isHostRule } from "#core/safety/hosts.ts"
import { int, judgeShape, type Static, t } from "#core/schema.ts"

const strict = { additionalProperties: false } as const
const text = (maxLength: number, description: string) => t.String({ minLength: 1, maxLength, description })
/** As the vault has them. */
const SecretName = t.String({ pattern: "^[A-Za-z][A-Za-z0-9_]{0,63}$" })
const methodNames = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const

const Location = t.Union([
  t.Object({ type: t.Literal("bearer") }, strict),
  t.Object({ type: t.Literal("basic"), username: t.String({ maxLength: 200, pattern: "^[^:\\x00-\\x1f]*$" }) }, strict),
  t.Object(
    {
      type: t.Literal("header"),
      name: t.String({ pattern: "^[A-Za-z][A-Za-z0-9-]{0,63}$" }),
      prefix: t.Optional(t.String({ maxLength: 40, pattern: "^[\\x20-\\x7e]*$" })),
    },
    strict,
  ),
])

const Http = t.Object(
  {
    allowlist: t.Array(
      t.Object(
        {
          host: text(253, "A name, or *.name"),
          path_prefix: t.Optional(t.String({ pattern: "^/[\\x21-\\x7e]{0,199}$" })),
          methods: t.Optional(
            t.Array(t.Union(methodNames.map((name) => t.Literal(name))), { minItems: 1, maxItems: 7 }),
          ),
        },
        strict,
      ),
      { maxItems: 50 },
    ),
    credentials: t.Optional(
      t.Record(
        t.String({ pattern: "^[a-z][a-z0-9_-]{0,39}$" }),
        t.Object(
          {
            secret_name: SecretName,
            location: Location,
            host_patterns: t.Array(text(253, "A host of the allowlist"), { minItems: 1, maxItems: 20 }),
          },
          strict,
        ),
        { maxProperties: 10, additionalProperties: false },
      ),
    ),
    rate_limit: t.Optional(
      t.Object(
        {
          requests_per_minute: t.Optional(int({ minimum: 1, maximum: 10_000 })),
          requests_per_hour: t.Optional(int({ minimum: 1, maximum: 100_000 })),
        },
        strict,
      ),
    ),
    max_request_bytes: t.Optional(int({ minimum: 0, maximum: 4 * 1024 * 1024 })),
    max_response_bytes: t.Optional(int({ minimum: 1, maximum: 10 * 1024 * 1024 })),
    timeout_secs: t.Optional(int({ minimum: 1, maximum: 60 })),
  },
  strict,
)

const Capabilities = t.Object(
  {
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

/** What the owner's machine gives at most, whatever a manifest asks for. */
const Limits = t.Object(
  {
    memoryMb: t.Optional(int({ minimum: 1, maximum: 256 })),
    timeoutMs: t.Optional(int({ minimum: 1, maximum: 60_000 })),
    fuel: t.Optional(int({ minimum: 1, maximum: 20_000_000_000 })),
    requestsPerMinute: t.Optional(int({ minimum: 1, maximum: 10_000 })),
    requestsPerHour: t.Optional(int({ minimum: 1, maximum: 100_000 })),
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
    kind: t.Optional(t.Literal("tool")),
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
      t.Record(t.String({ pattern: "^[A-Za-z][A-Za-z0-9_.-]{0,63}$" }), t.String({ maxLength: 2_000 }), {
        maxProperties: 50,
        additionalProperties: false,
        description: "What config_get finds",
      }),
    ),
    homepage: t.Optional(t.String({ maxLength: 300, pattern: "^https://" })),
    license: t.Optional(t.String({ maxLength: 100 })),
  },
  strict,
)
export type Manifest = Static<typeof Manifest>
export type CredentialLocation = Static<typeof Location>

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
  if (!shape.ok)
    return {
      ok: false,
      problems: shape.problems.map(({ path, message }) => `plugin.json ${path || "(whole)"}: ${message}`),
    }
  const problems = meaningOf(shape.value)
  return problems.length > 0 ? { ok: false, problems } : { ok: true, manifest: shape.value }
}

function meaningOf({ capabilities = {} }: Manifest): string[] {
  const problems: string[] = []
  const at = (path: string, words: string) => problems.push(`plugin.json /capabilities/${path}: ${words}`)
  const { http, workspace } = capabilities
  for (const [index, { host }] of (http?.allowlist ?? []).entries())
    if (!isHostRule(host)) at(`http/allowlist/${index}/host`, `"${host}" is no public host name`)
  for (const [id, { host_patterns: hosts, location }] of Object.entries(http?.credentials ?? {})) {
    for (const host of hosts) {
      if (host.includes("*") || !isHostRule(host))
        at(
          `http/credentials/${id}/host_patterns`,
          `"${host}" is no whole host name: a secret goes to hosts by their names`,
        )
      else if (!http?.allowlist.some((rule) => coversHost(rule.host, new URL(`https://${host}`).hostname)))
        at(`http/credentials/${id}/host_patterns`, `"${host}" is not in the allowlist`)
    }
    if (
      location.type === "header" &&
      ["host", "content-length", "transfer-encoding", "connection", "cookie"].includes(location.name.toLowerCase())
    )
      at(`http/credentials/${id}/location/name`, `"${location.name}" is no header for a secret`)
  }
  for (const [index, prefix] of (workspace?.allowed_prefixes ?? []).entries()) {
    const judged = judgeMemoryPath(prefix)
    if (!judged.ok) at(`workspace/allowed_prefixes/${index}`, judged.why)
    else if (`${judged.path}/` !== prefix) at(`workspace/allowed_prefixes/${index}`, "a folder is written as `name/`")
  }
  return problems
}
