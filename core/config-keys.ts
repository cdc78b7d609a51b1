/** Every configuration key: what it is for, what it accepts, its default, the environment names that set it, and whether a change is picked up live. */
import {
  absolutePathProblem,
  databaseUrlProblem,
  hostProblem,
  httpUrlProblem,
  ipProblem,
  modelIdProblem,
  originProblem,
  publicUrlProblem,
  releaseKeyProblem,
  releaseUrlProblem,
  timeZoneProblem,
  urlHoldsSecret,
} from "./config-problems.ts"
import { choice, list, money, text, whole, type KeySpec } from "./config-spec.ts"

export const configKeys = {
  "agent.name": text({
    about: "What the assistant calls itself.",
    initial: "ironclaw",
    live: true,
    env: ["AGENT_NAME"],
    maxLength: 64,
  }),
  "agent.max_iterations": whole({
    about: "How many times in one turn the model may call tools before it must answer.",
    initial: 50,
    minimum: 1,
    maximum: 500,
    live: true,
  }),
  "agent.turn_timeout_seconds": whole({
    about: "How long one turn may work before it is stopped; waiting for an approval does not count.",
    initial: 1_800,
    minimum: 10,
    maximum: 86_400,
    live: true,
  }),
  "agent.time_zone": text({
    about: "The time zone in which the assistant tells time, such as Europe/Vienna; unset means the machine's.",
    initial: null,
    live: true,
    problem: timeZoneProblem,
  }),

  "gateway.host": text({
    about: "The address the gateway listens on; anything but loopback lets other machines call it.",
    initial: "127.0.0.1",
    env: ["GATEWAY_HOST"],
  }),
  "gateway.port": whole({
    about: "The port the gateway listens on; 0 takes any free one.",
    initial: 3_000,
    minimum: 0,
    maximum: 65_535,
    env: ["GATEWAY_PORT"],
  }),
  "gateway.allowed_hosts": list({
    about: "Host names besides the loopback ones by which clients may call the gateway, for use behind a proxy.",
    initial: [],
    live: true,
    problem: hostProblem,
  }),
  "gateway.allowed_origins": list({
    about: "Web origins besides the gateway's own whose pages may call it, such as https://claw.example.org.",
    initial: [],
    live: true,
    problem: originProblem,
  }),
  "gateway.trusted_proxies": list({
    about:
      "IP addresses of proxies that may connect where the gateway listens beyond loopback; all others are turned away.",
    initial: [],
    live: true,
    problem: ipProblem,
  }),
  "gateway.tls_cert_file": text({
    about: "A PEM file with the certificate chain with which the gateway speaks https; needs gateway.tls_key_file too.",
    initial: null,
    problem: absolutePathProblem,
  }),
  "gateway.tls_key_file": text({
    about: "A PEM file with the private key of gateway.tls_cert_file.",
    initial: null,
    problem: absolutePathProblem,
  }),

  "gateway.public_url": text({
    about:
      "The https address by which your browser reaches the gateway, where a proxy is before it; a login then ends there. Its host belongs into gateway.allowed_hosts too.",
    initial: null,
    live: true,
    problem: publicUrlProblem,
  }),

  "database.kind": choice(["embedded", "postgres"], {
    about:
      "The built-in database in the home, or your own PostgreSQL server, which is the default when database.url is set.",
    initial: "embedded",
  }),
  "database.url": text({
    about:
      "Where your PostgreSQL server is, without a password: postgres://user@host:5432/name. With a password it belongs into DATABASE_URL.",
    initial: null,
    env: ["DATABASE_URL"],
    problem: databaseUrlProblem,
    holdsSecret: urlHoldsSecret,
  }),
  "database.pool_size": whole({
    about: "How many connections to your PostgreSQL server are kept open at most.",
    initial: 10,
    minimum: 1,
    maximum: 200,
    env: ["DATABASE_POOL_SIZE"],
  }),
  "database.ca_file": text({
    about: "A PEM file with the certificate authority that signed your PostgreSQL server's certificate.",
    initial: null,
    problem: absolutePathProblem,
  }),

  "model.backend": text({
    about:
      "Whose models are used: openai, anthropic, gemini, ollama, openai_compatible and others, or demo; unset means whoever's key is in the environment.",
    initial: null,
    live: true,
    env: ["LLM_BACKEND"],
    pattern: "^[a-z0-9][a-z0-9_-]*$",
    maxLength: 64,
  }),
  "model.base_url": text({
    about: "The address of the model's API, where it is not the vendor's own.",
    initial: null,
    live: true,
    env: [
      { name: "OPENAI_BASE_URL", backend: "openai" },
      { name: "ANTHROPIC_BASE_URL", backend: "anthropic" },
      { name: "OLLAMA_BASE_URL", backend: "ollama" },
      "LLM_BASE_URL",
    ],
    problem: httpUrlProblem,
    holdsSecret: urlHoldsSecret,
  }),
  "model.name": text({
    about: "The model that answers, as its vendor names it; unset means the backend's default.",
    initial: null,
    live: true,
    env: [
      { name: "OPENAI_MODEL", backend: "openai" },
      { name: "ANTHROPIC_MODEL", backend: "anthropic" },
      { name: "OLLAMA_MODEL", backend: "ollama" },
      "LLM_MODEL",
    ],
    maxLength: 256,
  }),
  "model.fallbacks": list({
    about: "Models that are tried in this order when the first one fails, as vendor/model.",
    initial: [],
    live: true,
    problem: modelIdProblem,
  }),
  "model.thinking": choice(["off", "low", "medium", "high"], {
    about: "How much the model thinks before it answers, where it can.",
    initial: "off",
    live: true,
  }),
  "model.context_tokens": whole({
    about:
      "How many tokens the model's window holds, where it runs on your own server; unset means what the catalogue says.",
    initial: null,
    minimum: 1_024,
    maximum: 10_000_000,
    live: true,
  }),
  "model.local_endpoints": list({
    about:
      "Addresses of model servers in your own network that may be called, such as http://127.0.0.1:11434; the public internet needs no entry.",
    initial: [],
    live: true,
    problem: originProblem,
  }),

  "limits.hour_usd": money({
    about: "What all models together may cost in an hour, in US dollars, or none.",
    initial: "none",
    live: true,
  }),
  "limits.day_usd": money({
    about: "What all models together may cost in a day, in US dollars, or none.",
    initial: 10,
    live: true,
  }),
  "limits.agent_day_usd": money({
    about: "What one agent may cost in a day, in US dollars, or none.",
    initial: "none",
    live: true,
  }),
  "limits.job_usd": money({
    about: "What one job, and so one turn, may cost, in US dollars, or none.",
    initial: "none",
    live: true,
  }),

  "encryption.passphrase_file": text({
    about:
      "A file, readable by you alone, with the passphrase that opens the master key, for a service that cannot ask; unset means that it is asked for.",
    initial: null,
    live: true, // looked at when the key is opened, and at no other time
    env: ["IRONCLAW_KEY_PASSPHRASE_FILE"],
    problem: absolutePathProblem,
  }),

  "project.folder": text({
    about: "The folder whose files the assistant may read, and with trusted approvals change; unset means none.",
    initial: null,
    live: true,
    problem: absolutePathProblem,
  }),
  "approvals.level": choice(["supervised", "read-only", "trusted"], {
    about:
      "What runs without asking: supervised asks for all that has an effect, read-only refuses it, trusted lets the project be changed.",
    initial: "supervised",
    live: true,
  }),

  "plugins.max_memory_mb": whole({
    about: "How much memory one call of a plugin may use, in MB, whatever the plugin asks for.",
    initial: 256,
    minimum: 1,
    maximum: 256,
    live: true,
  }),
  "plugins.max_seconds": whole({
    about:
      "How long one call of a plugin may compute, in seconds, whatever the plugin asks for; waiting for the host does not count.",
    initial: 60,
    minimum: 1,
    maximum: 60,
    live: true,
  }),
  "plugins.max_requests_per_call": whole({
    about: "How many requests one call of a plugin may send, whatever the plugin asks for.",
    initial: 500,
    minimum: 0,
    maximum: 500,
    live: true,
  }),
  "plugins.max_tool_calls_per_call": whole({
    about: "How many other tools one call of a plugin may call, whatever the plugin asks for.",
    initial: 100,
    minimum: 0,
    maximum: 100,
    live: true,
  }),
  "plugins.max_requests_per_minute": whole({
    about: "How many requests one plugin may send in a minute, whatever it asks for.",
    initial: 10_000,
    minimum: 1,
    maximum: 10_000,
    live: true,
  }),
  "plugins.max_requests_per_hour": whole({
    about: "How many requests one plugin may send in an hour, whatever it asks for.",
    initial: 100_000,
    minimum: 1,
    maximum: 100_000,
    live: true,
  }),

  "backup.every": choice(["never", "daily", "weekly", "monthly"], {
    about:
      "How often the service backs itself up, into the backups folder; it begins once `ironclaw secret set BACKUP_PASSPHRASE` has said what opens them.",
    initial: "daily",
    live: true,
  }),
  "backup.keep": whole({
    about: "How many of the backups that the service made by itself are kept; others are never deleted.",
    initial: 7,
    minimum: 1,
    maximum: 1_000,
    live: true,
  }),

  "update.url": text({
    about:
      "Where releases are, such as https://example.org/ironclaw; unset means where this build's makers put them. Asked only when you run update.",
    initial: null,
    live: true,
    env: ["IRONCLAW_RELEASE_URL"],
    problem: releaseUrlProblem,
    holdsSecret: urlHoldsSecret,
  }),
  "update.keys": list({
    about:
      "Public keys, besides those of this build's makers, whose signature makes a release good: 32 bytes of ed25519 in base64 each. Whoever holds one can replace this program.",
    initial: [],
    live: true,
    problem: releaseKeyProblem,
  }),

  "log.level": choice(["debug", "info", "warn", "error"], {
    about: "How much is logged.",
    initial: "info",
    live: true,
  }),
  "log.max_bytes": whole({
    about: "The size at which a log file is set aside.",
    initial: 10_485_760,
    minimum: 65_536,
    maximum: 1_073_741_824,
    live: true,
  }),
  "log.files": whole({
    about: "How many log files that were set aside are kept.",
    initial: 5,
    minimum: 0,
    maximum: 100,
    live: true,
  }),
} as const

export type ConfigKey = keyof typeof configKeys
// Object.keys gives exactly the keys of the literal above.
export const configKeyNames = Object.keys(configKeys) as ConfigKey[]

type ValueOf<K extends ConfigKey> = (typeof configKeys)[K] extends KeySpec<infer T> ? T : never
type SectionOf<K> = K extends `${infer S}.${string}` ? S : never

/** The values, by section and name exactly as they stand in config.toml. */
export type ConfigValues = {
  readonly [S in SectionOf<ConfigKey>]: {
    readonly [K in ConfigKey as K extends `${S}.${infer N}` ? N : never]: ValueOf<K>
  }
}

export function isConfigKey(name: string): name is ConfigKey {
  return Object.hasOwn(configKeys, name)
}

export function specOf(key: ConfigKey): KeySpec<unknown> {
  return configKeys[key]
}

/** The environment name that every key has: `IRONCLAW_GATEWAY_PORT`. */
export function envNameOf(key: ConfigKey): string {
  return `IRONCLAW_${key.toUpperCase().replaceAll(".", "_")}`
}

/** Keys that decide what may happen without the owner, who may call, where data goes and what it may cost. */
const safetyKeys =
  /^(?:approvals|gateway|database|encryption|limits|plugins|project|update)\.|^model\.(?:backend|base_url|local_endpoints)$/
/** Of those sections, what does not. */
const harmlessKeys: ReadonlySet<string> = new Set(["gateway.port", "database.pool_size"])

export function isSafetyKey(key: string): boolean {
  return safetyKeys.test(key) && !harmlessKeys.has(key)
}
