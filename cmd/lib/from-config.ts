/** What the parts are told of the configuration, each in its own words. */
import { hostname } from "node:os"
import { join } from "node:path"
import type { Config } from "#core/config.ts"
import type { DbConfig } from "#core/db/open.ts"
import { readPostgresUrl } from "#core/db/postgres-url.ts"
import type { Home } from "#core/home.ts"
import { randomToken } from "#core/id.ts"
import type { UsageLimits } from "#core/llm/budget.ts"
import type { LlmSettings } from "#core/llm/settings.ts"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import { allowDatabase } from "#core/guard.ts"
import { openJail, type Jail } from "#core/safety/paths.ts"
import type { PluginCaps } from "#sandbox/caps.ts"

/** Also tells the guard where the database is: its driver opens the connection by itself. */
export function databaseOf(config: Config, home: Home): DbConfig {
  const { kind, url, pool_size: poolSize, ca_file: caFile } = config.database
  if (kind !== "postgres" || url === null) return { kind: "embedded", dir: join(home.folder("db"), "pgdata") }
  return postgresOf({ url, poolSize, caFile })
}

/** The guard lets the driver through to this server from now on. Throws `db.bad_url`. */
export function postgresOf({
  url,
  poolSize,
  caFile,
}: {
  url: string
  poolSize: number
  caFile: string | null
}): DbConfig {
  const tls = caFile === null ? {} : { caFile }
  const target = readPostgresUrl({ url, ...tls })
  allowDatabase(target.socketPath === undefined ? target : { path: target.socketPath })
  return { kind: "postgres", url, poolSize, ...tls }
}

export function llmSettingsOf({ model }: Config): LlmSettings {
  return {
    backend: model.backend,
    baseUrl: model.base_url,
    model: model.name,
    fallbacks: model.fallbacks,
    thinking: model.thinking,
    contextTokens: model.context_tokens,
  }
}

export function limitsOf({ limits }: Config): UsageLimits {
  const micros = (usd: number | "none") => (usd === "none" ? null : Math.round(usd * 1e6))
  return {
    hourUsdMicros: micros(limits.hour_usd),
    dayUsdMicros: micros(limits.day_usd),
    agentDayUsdMicros: micros(limits.agent_day_usd),
    jobUsdMicros: micros(limits.job_usd),
  }
}

export function pluginCapsOf({ plugins }: Config): PluginCaps {
  return {
    memoryMb: plugins.max_memory_mb,
    timeoutMs: plugins.max_seconds * 1_000,
    maxRequests: plugins.max_requests_per_call,
    maxToolCalls: plugins.max_tool_calls_per_call,
    perMinute: plugins.max_requests_per_minute,
    perHour: plugins.max_requests_per_hour,
  }
}

/** The machine's; asking costs 50 µs, and every turn asks. */
let ownTimeZone: string | null = null

export function timeZoneOf({ agent }: Config): string {
  return agent.time_zone ?? (ownTimeZone ??= Intl.DateTimeFormat().resolvedOptions().timeZone)
}

/** The owner's project folder, held open; null where none is named. The home is closed to it even where it lies inside. */
export function projectOf({ project }: Config, home: Home): Jail | null {
  return project.folder === null ? null : openJail({ root: project.folder, closed: [home.root] })
}

/**
 * The name under which this process claims jobs. Claims of a home's lock holders begin alike: the next holder knows that they are dead.
 * Without the lock nobody may conclude that, so such a claim only runs out.
 */
export function leaseOwnerOf(
  home: Home,
  { holdsHome }: { holdsHome: boolean },
): { leaseOwner: string; ownerPrefix: string | null } {
  const home16 = sha256Hex(`${hostname()}\n${home.root}`).slice(0, 16) // enough to tell one owner's homes apart
  const own = `${process.pid}-${randomToken(8)}`
  const ownerPrefix = `home-${home16}:`
  return holdsHome
    ? { leaseOwner: ownerPrefix + own, ownerPrefix }
    : { leaseOwner: `guest-${home16}:${own}`, ownerPrefix: null }
}
