/** The composition root: from a home and its configuration to an assistant. The only file that calls every create…(). */
import { AsyncLocalStorage } from "node:async_hooks"
import { createAgent, type Agent } from "#core/agent/agent.ts"
import { createCommands, type CommandDeps } from "#core/agent/commands.ts"
import { createInbox } from "#core/agent/inbox.ts"
import { createLive } from "#core/agent/live.ts"
import { noSkills } from "#core/agent/prompt.ts"
import { resumeStatements } from "#core/agent/turn-rows.ts"
import { createTurnKind } from "#core/agent/turn.ts"
import { limitError } from "#core/agent/turn-ending.ts"
import { createDirectory } from "#core/agent/directory.ts"
import { createAuditBuffer } from "#core/audit.ts"
import type { Clock } from "#core/clock.ts"
import { describeConfig, configSchema, type Config, type LoadConfigOptions, type LoadedConfig } from "#core/config.ts"
import { setConfigValue, unsetConfigValue } from "#core/config-edit.ts"
import { watchConfig } from "#core/config-watch.ts"
import { finishReplacement } from "#core/db/backup-swap.ts"
import { lastSeq, readEvents } from "#core/db/events.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { createWriter } from "#core/db/writer.ts"
import { createEventBus } from "#core/event.ts"
import { localToken } from "#core/home-socket.ts"
import { noHooks } from "#core/hooks.ts"
import type { PersonId } from "#core/id.ts"
import { createJobRunner, type JobRunner } from "#core/jobs/runner.ts"
import { createModels } from "#core/llm/models.ts"
import { createKeyFor } from "#core/llm/settings.ts"
import { createUsage } from "#core/llm/usage.ts"
import type { RootLog } from "#core/log.ts"
import { createMemory } from "#core/memory/memory.ts"
import { memoryTools } from "#core/memory/tools.ts"
import { createApprovals } from "#core/safety/approvals.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import { createAuthorize } from "#core/safety/authorize.ts"
import { createEgress, defaultLimits, systemNetwork } from "#core/safety/egress.ts"
import { createGrants } from "#core/safety/grants.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import { createRedactor } from "#core/safety/redactor.ts"
import { resealAuthority } from "#core/safety/reseal.ts"
import { systemKeychain } from "#core/secrets/keychain.ts"
import { ENVIRONMENT_NAME, openMasterKey } from "#core/secrets/master-key.ts"
import { createVault } from "#core/secrets/vault.ts"
import { createSessionStore } from "#core/session/store.ts"
import { sessionTools } from "#core/session/tools.ts"
import { fileReadTools } from "#core/tools/file-read.ts"
import { createRegistry } from "#core/tools/registry.ts"
import { createPipeline } from "#core/tools/run.ts"
import { timeTools } from "#core/tools/time.ts"
import { createGateway, type Gateway } from "#gateway/server.ts"
import { createCompaction } from "./lib/compaction.ts"
import { databaseOf, leaseOwnerOf, limitsOf, llmSettingsOf, projectOf, timeZoneOf } from "./lib/from-config.ts"
import { type Actor, cleanseWith, egressAudit, modelFetch, scans, toolFetch } from "./lib/outbound.ts"
import { createBackups } from "./lib/backups.ts"
import { createHealth } from "./lib/health.ts"
import { secretValuesOf } from "./lib/secret-values.ts"
import { version } from "./lib/version.ts"

export type AppDeps = {
  setting: LoadConfigOptions
  loaded: LoadedConfig
  clock: Clock
  log: RootLog
  /**
   * `service`: takes up what was left behind, runs what is queued, follows the configuration files.
   * `verb`: only what is asked for, for as long as a command takes.
   */
  as: "service" | "verb"
  /** This process has the home's lock, so every earlier process of this home is dead and what it had claimed is free. */
  holdsHome: boolean
}

export type App = {
  config: () => Config
  handle: Gateway["handle"]
  /** Serves the same app there too; returns the address as people write it. */
  listen(where: Parameters<Gateway["listen"]>[0]): Promise<string>
  close(): Promise<void>
}

export async function createApp({ setting, loaded, clock, log, as, holdsHome }: AppDeps): Promise<App> {
  let config = loaded.config
  const { home } = setting
  const addresses: string[] = []
  const timeZone = () => timeZoneOf(config)
  const bus = createEventBus({ onListenerError: (error) => log.error("A listener of events threw", { error }) })

  const database = databaseOf(config, home)
  if (holdsHome && database.kind === "embedded") finishReplacement(database.dir)
  const db = await openDb({
    config: database,
    clock,
    onWarning: (warning) => log.warn(warning.message, { hint: warning.hint }),
    loadSnapshot,
  })
  try {
    const writer = createWriter({ db, publish: bus.publish, clock })
    const keychain = systemKeychain({ place: home.root, clock })
    const environment = loaded.environment.get(ENVIRONMENT_NAME)
    const masterKey = await openMasterKey({ db, clock, home, keychain, environment })
    const vault = await createVault({ db, writer, clock, log, home, keychain, key: masterKey, reseal: [resealAuthority] })
    const redact = createRedactor({ leaks: redactLeaks, secretValues: secretValuesOf(vault, loaded.environment) })
    log.setRedact(redact)
    const auditBuffer = createAuditBuffer({ writer, clock, log })

    // Who acts, for the record of what a model call sends out: the turn that is running, where there is one.
    const acting = new AsyncLocalStorage<Actor>()
    const egress = createEgress({
      ...systemNetwork,
      ...scans,
      clock,
      onRequest: (record) => {
        auditBuffer.add(egressAudit(record))
        vault.noteUse(record.secretNames)
      },
      limits: defaultLimits,
    })

    const settings = () => llmSettingsOf(config)
    const models = createModels({
      settings,
      keyFor: createKeyFor({ settings, lookup: (name) => loaded.environment.get(name) || vault.value(name) }),
      fetchFor: modelFetch({ egress, acting, config: () => config }),
      clock,
      jitter: randomShare,
      redact,
      onFailure: (failure) => log.warn("A model failed", { ...failure }),
      waits: null,
    })
    const usage = createUsage({ db, clock, limits: () => limitsOf(config), timeZone })

    const sessions = createSessionStore({ db, writer, clock })
    const memory = createMemory({ db, writer, bus })
    const project = projectOf(config, home)
    const { registry, take } = createRegistry([
      ...timeTools({ clock, timeZone }),
      ...memoryTools({ memory }),
      ...sessionTools({ db }),
      ...(project ? fileReadTools({ project }) : []),
    ])
    const seal = createAuthoritySeal({ key: () => vault.masterKey().derive("authority") })
    const onBadSeal = (what: string) =>
      log.error("A row of authority was changed by someone else and counts for nothing", { what })
    const grants = createGrants({ db, clock, seal, onBadSeal })
    const approvals = createApprovals({
      db,
      writer,
      clock,
      seal,
      grants,
      resume: ({ turnId, sessionId }) => ({ statements: resumeStatements(turnId), then: () => jobs.expect(sessionId) }),
      redact,
      onBadSeal,
    })
    const pipeline = createPipeline({
      db,
      writer,
      clock,
      log,
      hooks: noHooks,
      registry,
      authorize: createAuthorize({ take }),
      level: () => config.approvals.level,
      grants,
      approvals,
      fetchFor: toolFetch(egress),
      cleanse: cleanseWith(redact),
      redact,
    })

    const directory = createDirectory({ db, clock })
    const ownerId = await directory.ownerId()
    const health = createHealth({ db, clock, home, models, usage, timeZone, addresses: () => addresses })
    const live = createLive({ db, writer, clock, bus, log })
    const compaction = createCompaction({
      db,
      writer,
      clock,
      log,
      sessions,
      models,
      usage,
      jobs: () => jobs,
      usageRow: (entry) => usage.row(entry),
      isOwner: (personId) => personId === ownerId,
    })
    const turnKind = createTurnKind({
      db,
      writer,
      clock,
      log,
      live,
      inSight: sessions.inSight,
      documents: memory.promptDocuments,
      skills: noSkills,
      models,
      usage,
      registry,
      pipeline,
      settings: () => ({
        agentName: config.agent.name,
        timeZone: timeZone(),
        maxIterations: config.agent.max_iterations,
        turnTimeoutMs: config.agent.turn_timeout_seconds * 1_000,
      }),
      acting: (actor, work) => acting.run(actor, work),
      takeEgress: auditBuffer.take,
      closeApprovals: approvals.closeOf,
      wake: () => jobs.wake(),
      compactNow: compaction.now,
      compactSoon: compaction.soon,
      redact,
    })
    const jobs: JobRunner = createJobRunner({
      db,
      writer,
      clock,
      log,
      ...leaseOwnerOf(home, { holdsHome }),
      kinds: { turn: turnKind, compact: compaction.kind },
    })
    const { receive } = createInbox({
      db,
      writer,
      clock,
      jobs,
      live,
      agent: directory.agent,
      defaultModel: () => models.defaultId,
      redact,
    })
    const command = createCommands({
      store: sessions,
      models,
      compact: compaction.asked,
      stop: (sessionId) => agent.stop(sessionId),
      usage: health.usageTotals,
      steer: (text, at) => steerBy({ receive, ownerId })(text, at),
    })
    const agent: Agent = createAgent({ db, bus, live, jobs, receive, compact: compaction.asked, command })

    const gateway = createGateway({
      sessions,
      agent,
      bus,
      readEvents: ({ after, sessionId, limit }) =>
        readEvents(db, { after, limit, ...(sessionId ? { sessionId } : {}) }),
      latestSeq: () => lastSeq(db),
      models,
      setDefaultModel: async (id) => {
        models.get(id)
        return setConfigValue({ ...setting, key: "model.name", value: id })
      },
      memory,
      usage: {
        summary: usage.summary,
        async check(at) {
          const limited = await usage.judge(at)
          if (limited) throw limitError(limited)
        },
        async record(call) {
          await writer.commit({ statements: [usage.row(call)], audit: [] })
        },
      },
      secrets: vault,
      backups: createBackups({ db, writer, clock, home, masterKey: vault.masterKey }),
      config: {
        list: () => describeConfig(config),
        schema: configSchema,
        set: (key, value) => setConfigValue({ ...setting, key, value }),
        unset: (key) => unsetConfigValue({ ...setting, key }),
      },
      tools: registry.list,
      agents: directory.agentNames,
      ready: health.ready,
      status: health.status,
      log,
      clock,
      ownerToken: loaded.environment.get("GATEWAY_AUTH_TOKEN") ?? localToken(home),
      ownerId,
      findToken: async () => null,
      policy: () => ({
        allowedHosts: config.gateway.allowed_hosts,
        allowedOrigins: config.gateway.allowed_origins,
        trustedProxies: config.gateway.trusted_proxies,
      }),
      version,
    })

    if (as === "service") await jobs.start()
    const watch =
      as === "verb"
        ? null
        : watchConfig({
            ...setting,
            current: config,
            clock,
            onChange({ config: next, changed, restart }) {
              config = next
              if (changed.includes("log.level")) log.setLevel(next.log.level)
              log.setLimits({ maxBytes: next.log.max_bytes, files: next.log.files })
              log.info("The configuration changed", { changed, restart })
              const event = {
                type: "config.changed",
                keys: changed,
                restartNeeded: restart.length > 0,
                agentId: "main",
                labels: [],
                source: "owner",
              } as const
              writer
                .commit({ statements: [], events: [{ ...event, labels: [] }] })
                .catch((error: unknown) => log.warn("A change of the configuration was not recorded", { error }))
            },
            onProblem: (error) => log.warn(`The configuration is wrong and was left as it was: ${error.message}`),
          })

    return {
      config: () => config,
      handle: gateway.handle,
      async listen(where) {
        const { address } = await gateway.listen(where)
        addresses.push(address)
        return address
      },
      async close() {
        watch?.close()
        await jobs.close()
        await gateway.close()
        egress.close()
        await auditBuffer.flush()
        await vault.close()
        await writer.drain()
        await db.close()
      },
    }
  } catch (error) {
    await db.close()
    throw error
  }
}

function randomShare(): number {
  const [bits = 0] = crypto.getRandomValues(new Uint32Array(1))
  return bits / 2 ** 32
}

function steerBy({ receive, ownerId }: { receive: Agent["receive"]; ownerId: PersonId }): CommandDeps["steer"] {
  return async (text, at) => {
    const received = await receive({ ...at, personId: ownerId, text, mode: "steer" })
    return {
      text: received.state === "running" ? "The running turn was told." : "It is queued.",
      sessionId: received.sessionId,
    }
  }
}
