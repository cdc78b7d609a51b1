/**
 * What the doctor knows before it judges. Everything here may be missing, for the doctor is called when something is broken: each fact is
 * a value or the reason why there is none, and nothing is made or changed on the way.
 */
import { accessSync, constants, existsSync } from "node:fs"
import { join } from "node:path"
import type { AuditProof } from "#core/audit-verify.ts"
import type { Clock } from "#core/clock.ts"
import { type LoadedConfig, loadConfig } from "#core/config.ts"
import { AppError, type ErrorBody } from "#core/errors.ts"
import { steeringNames } from "#core/guard.ts"
import { homeLocked, readLock, type SeenHolder } from "#core/home-lock.ts"
import { findSocket } from "#core/home-socket.ts"
import { type Home, judgePrivateFolder } from "#core/home.ts"
import type { Client } from "#gateway/client.ts"
import type { Examination } from "#gateway/deps.ts"
import { connect } from "../lib/connect.ts"
import { findInitSystem, type InitSystem, type ServiceState } from "../lib/init-system.ts"
import { findKeyLock } from "../lib/key-passphrase.ts"
import { seeSetting } from "../lib/setting.ts"
import type { Ui } from "../lib/ui.ts"
import type { GlobalFlags } from "../lib/verb.ts"

/** A fact, or why there is none: "" where it is not worth a word (there is nothing to look at yet). */
export type Known<T> = { ok: true; value: T } | { ok: false; error: ErrorBody | null }

export type Probe = { model: string; ok: boolean; durationMs: number; why: string }

export type Facts = {
  clock: Clock
  env: Readonly<Record<string, string | undefined>>
  /** Names that the guard took out of this process's environment at its start. */
  steering: readonly string[]
  home: Home
  /** Null where nothing is there yet. */
  homeProblem: AppError | null
  homeExists: boolean
  config: Known<LoadedConfig>
  lock: SeenHolder | null
  supervisor: SeenHolder | null
  /** A socket that nobody can be listening on. */
  deadSocket: string | null
  examination: Known<Examination>
  audit: Known<AuditProof>
  /** Null where nobody asked for it: a real request costs something. */
  probe: Known<Probe> | null
  service: { init: InitSystem; state: ServiceState } | null
  /** Takes the vault's values out of a text; null where the vault could not be asked. */
  redactByVault: ((text: string) => Promise<string>) | null
}

/** Verifying takes ten seconds for a million acts: the doctor looks at so much as fits, and says so. */
const AUDIT_WITHIN_MS = 1_500
/** A vendor that needs longer for one word is no pleasure to talk to. */
const PROBE_WITHIN_MS = 30_000
/** Whoever serves answers in milliseconds; a database that hangs is a finding. */
const EXAMINE_WITHIN_MS = 3_000
/** A command that holds the home is done sooner, a start on a slow machine too. */
const CONNECT_WITHIN_MS = 3_000

export type FactsDeps = { flags: GlobalFlags; ui: Ui; signal: AbortSignal; clock: Clock; probe: boolean }

/** Gathers the facts and hands them to `work`, while whoever was asked for them can be asked for more. */
export async function withFacts<T>(
  { flags, ui, signal, clock, probe }: FactsDeps,
  work: (facts: Facts) => Promise<T>,
): Promise<T> {
  const setting = seeSetting(flags)
  const { home, env } = setting
  const homeExists = existsSync(home.root)
  const homeProblem = homeExists ? problemOf(home) : null
  const config = await known(() => loadConfig(setting))
  const lock = homeExists ? quietly(() => readLock(home)) : null
  const facts: Facts = {
    clock,
    env,
    steering: steeringNames(),
    home,
    homeExists,
    homeProblem,
    config,
    lock,
    supervisor: homeExists ? quietly(() => readLock(home, "supervisor")) : null,
    // Before this process may make one of its own.
    deadSocket: homeExists && homeProblem === null && lock === null ? quietly(() => findSocket(home)) : null,
    examination: nothingYet,
    audit: nothingYet,
    probe: null,
    service: null,
    redactByVault: null,
  }
  const service = serviceOf(home, env)
  if (homeProblem !== null || !config.ok || !hasDatabase(home, config.value))
    return work({ ...facts, service: await service })
  const loaded = config.value
  if (lock === null && !isWritable(home)) {
    const error = new AppError(
      "home.not_writable",
      `${home.root} cannot be written, so nothing can be opened in it`,
    ).toBody()
    return work({ ...facts, service: await service, examination: { ok: false, error } })
  }
  // A person who types a passphrase takes longer than a connection may.
  const keyLock = lock === null ? await known(() => findKeyLock({ home, loaded, ui, signal })) : nothingYet
  signal.throwIfAborted()
  if (lock === null && !keyLock.ok) return work({ ...facts, service: await service, examination: keyLock })
  const unlock = () => (keyLock.ok ? Promise.resolve(keyLock.value) : findKeyLock({ home, loaded, ui, signal }))
  const connecting = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_WITHIN_MS)])
  // A verb that holds the home ends soon; a service that holds it and does not answer is a finding.
  const connection = await known(() =>
    connect({ setting, loaded, what: "doctor", verbose: flags.verbose, ui, signal: connecting, unlock }),
  )
  signal.throwIfAborted()
  if (!connection.ok) {
    const error = connecting.aborted
      ? homeLocked(
          home,
          quietly(() => readLock(home)),
          ", which does not answer on its socket",
        ).toBody()
      : connection.error
    return work({ ...facts, service: await service, examination: { ok: false, error } })
  }
  const { client, close } = connection.value
  try {
    const examination = await within(EXAMINE_WITHIN_MS, (limit) => client.api.doctor.get({ signal: limit }))
    if (!examination.ok) return await work({ ...facts, service: await service, examination })
    const audit = await within(AUDIT_WITHIN_MS, (limit) => client.api.audit.verify.get({ signal: limit }))
    return await work({
      ...facts,
      service: await service,
      examination,
      audit,
      probe: probe ? await within(PROBE_WITHIN_MS, (limit) => probeModel(client, limit)) : null,
      redactByVault: async (text) => (await client.api.doctor.redact.post({ body: { text }, signal })).text,
    })
  } finally {
    await close()
  }

  async function within<T>(ms: number, ask: (signal: AbortSignal) => Promise<T>): Promise<Known<T>> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ms)])
    const late = Promise.withResolvers<never>()
    late.promise.catch(() => {}) // nobody waits for it where the answer came first
    limit.addEventListener("abort", () =>
      late.reject(new AppError("db.timeout", `It did not answer within ${ms / 1_000} s`)),
    )
    return known(() => Promise.race([ask(limit), late.promise]))
  }
}

const nothingYet = { ok: false, error: null } as const

async function probeModel(client: Client, signal: AbortSignal): Promise<Probe> {
  const { model, ok, durationMs, failure } = await client.api.models.test.post({ body: {}, signal })
  return { model, ok, durationMs, why: failure?.message ?? "" }
}

/** An embedded database that was never made is not made by looking. */
function hasDatabase(home: Home, { config }: LoadedConfig): boolean {
  return config.database.kind === "postgres" || existsSync(join(home.paths.db, "pgdata"))
}

/** A file system that is read-only says so to root as well. */
function isWritable(home: Home): boolean {
  try {
    accessSync(home.root, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function problemOf(home: Home): AppError | null {
  try {
    judgePrivateFolder(home.root)
    return null
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

/** A system that cannot say has nothing to say. */
async function serviceOf(home: Home, env: Facts["env"]): Promise<Facts["service"]> {
  try {
    const init = await findInitSystem({ home, env }, { system: false, account: undefined })
    return init === null ? null : { init, state: await init.state() }
  } catch {
    return null
  }
}

async function known<T>(work: () => Promise<T>): Promise<Known<T>> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    return { ok: false, error: bodyOf(error) }
  }
}

function quietly<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null // a home that cannot be read: its own check says so
  }
}

function bodyOf(error: unknown): ErrorBody {
  if (error instanceof AppError) return error.toBody()
  return new AppError(
    "internal",
    `Something went wrong inside (${error instanceof Error ? error.name : "unknown"})`,
  ).toBody()
}
