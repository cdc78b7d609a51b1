/**
 * The composition root: from a home and its configuration to an assistant. The only file that calls every create…(), and one file for
 * that reason: it is read top to bottom to see what is made of what.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import { agentSpawnTools } from "#core/agent/agent-spawn.ts"
import { createAgent, type Agent } from "#core/agent/agent.ts"
import { createCommands, type CommandDeps } from "#core/agent/commands.ts"
import { createLeftCalls } from "#core/agent/left-calls.ts"
import { createInbox } from "#core/agent/inbox.ts"
import { createLive } from "#core/agent/live.ts"
import { noSkills } from "#core/agent/prompt.ts"
import { resumeStatements } from "#core/agent/turn-rows.ts"
import { createTurnKind } from "#core/agent/turn.ts"
import { limitError } from "#core/agent/turn-ending.ts"
import { createDirectory } from "#core/agent/directory.ts"
import { createAuditBuffer } from "#core/audit.ts"
import { type AuditHead, createAuditHead } from "#core/audit-head.ts"
import { egressOf, hasActed, listAudit } from "#core/audit-read.ts"
import { verifyAudit } from "#core/audit-verify.ts"
import type { Clock } from "#core/clock.ts"
import {
  describeConfig,
  configSchema,
  type Config,
  isConfigKey,
  loadConfig,
  type LoadConfigOptions,
  type LoadedConfig,
} from "#core/config.ts"
import { type ConfigChange, judgedValue, setConfigValue, unsetConfigValue } from "#core/config-edit.ts"
import { watchConfig } from "#core/config-watch.ts"
import { finishReplacement } from "#core/db/backup-swap.ts"
import type { Db } from "#core/db/db.ts"
import { lastSeq, readEvents } from "#core/db/events.ts"
import { openDb } from "#core/db/open.ts"
import { loadSnapshot } from "#core/db/snapshot.ts"
import { vacuum } from "#core/db/vacuum.ts"
import { createWriter } from "#core/db/writer.ts"
import { createEventBus } from "#core/event.ts"
import type { LockHolder } from "#core/home-lock.ts"
import { localToken } from "#core/home-socket.ts"
import { createHookChain } from "#core/hooks/chain.ts"
import { createHookDesk } from "#core/hooks/desk.ts"
import type { PluggedHooks } from "#core/hooks/plugged.ts"
import { tellEnd, withSessionHooks } from "#core/hooks/sessions.ts"
import { createHookStore, resealHooks } from "#core/hooks/store.ts"
import { createJobRunner, type JobRunner } from "#core/jobs/runner.ts"
import { createCandidates } from "#core/llm/candidates.ts"
import { createModels, type ModelsDeps } from "#core/llm/models.ts"
import { createKeyFor } from "#core/llm/settings.ts"
import { createUsage } from "#core/llm/usage.ts"
import type { RootLog } from "#core/log.ts"
import { releasePins } from "#core/release.ts"
import { createMemory } from "#core/memory/memory.ts"
import { memoryTools } from "#core/memory/tools.ts"
import { createApprovals } from "#core/safety/approvals.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import { createAuthorize } from "#core/safety/authorize.ts"
import { createEgress, defaultLimits, systemNetwork } from "#core/safety/egress.ts"
import { createGrantChanges } from "#core/safety/grant-changes.ts"
import { createGrants } from "#core/safety/grants.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import { createLockdown } from "#core/safety/lockdown.ts"
import { createPresence, type Presence } from "#core/safety/presence.ts"
import { systemTerminals } from "#core/safety/presence-terminal.ts"
import { holdsFolders } from "#core/safety/path-steps.ts"
import { createRedactor } from "#core/safety/redactor.ts"
import { createRefusals } from "#core/safety/refusals.ts"
import { createReplyGate } from "#core/safety/reply.ts"
import { resealAuthority } from "#core/safety/reseal.ts"
import { createSecretFinder } from "#core/safety/secret-window.ts"
import { createTokens } from "#core/safety/tokens.ts"
import type { KeyLock } from "#core/secrets/key-lock.ts"
import { systemKeychain } from "#core/secrets/keychain.ts"
import { ENVIRONMENT_NAME, openMasterKey } from "#core/secrets/master-key.ts"
import { BACKUP_SECRET, createVault } from "#core/secrets/vault.ts"
import { createPeople, resealPeople } from "#core/session/person.ts"
import { createSessionStore } from "#core/session/store.ts"
import { sessionTools } from "#core/session/tools.ts"
import { createFileChanges } from "#core/tools/file-changes.ts"
import { fileFindTools } from "#core/tools/file-find.ts"
import { fileReadTools } from "#core/tools/file-read.ts"
import { fileUndoTools } from "#core/tools/file-undo.ts"
import { fileWriteTools } from "#core/tools/file-write.ts"
import { httpTools } from "#core/tools/http-request.ts"
import { jsonTools } from "#core/tools/json-query.ts"
import { createRegistry } from "#core/tools/registry.ts"
import { approvalPlanTools } from "#core/tools/approval-plan.ts"
import { messageTools } from "#core/tools/message-send.ts"
import { createOwnerCalls } from "#core/tools/owner-call.ts"
import { createPipeline } from "#core/tools/run.ts"
import { timeTools } from "#core/tools/time.ts"
import { toolSearchTools } from "#core/tools/tool-search.ts"
import { webTools } from "#core/tools/web-fetch.ts"
import { createPluginAuth } from "#sandbox/auth.ts"
import { createLoginDesk } from "#sandbox/login-desk.ts"
import { createLoginFlows } from "#sandbox/login-flow.ts"
import { createLoginRows, resealLogins } from "#sandbox/login-rows.ts"
import { createLogins, refreshNameOf } from "#sandbox/logins.ts"
import { createOAuthWire } from "#sandbox/oauth.ts"
import { createTokenCheck } from "#sandbox/token-check.ts"
import { capPins, capSandbox } from "#sandbox/caps.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { bundledTools, createBundled } from "#sandbox/bundled.ts"
import { createInstalledFolder } from "#sandbox/installed.ts"
import { createReadPage } from "#sandbox/parser.ts"
import { createPluginPins, resealPlugins } from "#sandbox/pins.ts"
import { createPlugins } from "#sandbox/plugins.ts"
import { watchPlugins } from "#sandbox/watch.ts"
import { bundledChannels } from "#channels/bundled.ts"
import { createChannels } from "#channels/channels.ts"
import { createPairing } from "#channels/pairing.ts"
import { createReceipts } from "#channels/receipts.ts"
import { listenForLogin } from "#gateway/login-callback.ts"
import { createGateway, type Gateway } from "#gateway/server.ts"
import { createConfigRecord } from "./lib/config-record.ts"
import { createCompaction } from "./lib/compaction.ts"
import {
  databaseOf,
  leaseOwnerOf,
  limitsOf,
  llmSettingsOf,
  pluginCapsOf,
  projectOf,
  timeZoneOf,
} from "./lib/from-config.ts"
import {
  type Actor,
  channelFetch,
  cleanseWith,
  egressAudit,
  modelFetch,
  pluginSourceFetch,
  releaseFetch,
  scansFor,
  toolFetch,
} from "./lib/outbound.ts"
import { BACKUP_LOOK_MS, createBackupSchedule } from "./lib/backup-schedule.ts"
import { createBackups } from "./lib/backups.ts"
import { createExamination } from "./lib/examination.ts"
import { examinePlugins } from "./lib/examine-plugins.ts"
import { createOpened } from "./lib/opened.ts"
import { createReleases } from "./lib/releases.ts"
import { createHealth, type Health } from "./lib/health.ts"
import { sandboxChildCommand } from "./lib/own-command.ts"
import { ownProcesses } from "./lib/own-processes.ts"
import { stopWork } from "./lib/stop-work.ts"
import { secretValuesOf } from "./lib/secret-values.ts"
import { startUpkeep } from "./lib/upkeep.ts"
import { version } from "./lib/version.ts"

const DAY_MS = 24 * 3_600_000
const CARRIED_MS = 3_000
/** A question is open for a day: a minute more or less is nothing, and one query a minute costs nothing. */
const EXPIRE_EVERY_MS = 60_000

/** Far above what any tool may take (two minutes): of another process on the same server nothing else is known. */
const LONGEST_CALL_MS = 3_600_000
const SWEEP_EVERY_MS = 600_000

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
  /** The service that had the home before and ended without letting it go; null where its end was orderly. */
  died: LockHolder | null
  /** Opens a master key that is sealed by a passphrase; null where it is not. */
  keyLock: KeyLock | null
}

export type App = {
  config: () => Config
  /** Turns and other jobs at work in this process. */
  turnsRunning: () => number
  handle: Gateway["handle"]
  status: Health["status"]
  /** The chat that holds this terminal shows codes by which the owner proves to be there. */
  showCodes: Presence["showIn"]
  /** What the database was used for since the start. */
  counters: Db["counters"]
  /** Serves the same app there too; returns the address as people write it. */
  listen(where: Parameters<Gateway["listen"]>[0]): Promise<string>
  close(): Promise<void>
}

export async function createApp({ setting, loaded, clock, log, as, holdsHome, died, keyLock }: AppDeps): Promise<App> {
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
  const opened = createOpened()
  opened.add(db.close)
  try {
    let auditHead: AuditHead | null = null // sealed with a key that is opened by way of the writer
    opened.add(() => auditHead?.close())
    const writer = createWriter({ db, publish: bus.publish, clock, onAudit: (last) => auditHead?.note(last) })
    opened.add(writer.drain)
    const keychain = systemKeychain({ place: home.root, clock })
    const environment = loaded.environment.get(ENVIRONMENT_NAME)
    const masterKey = await openMasterKey({ db, clock, home, keychain, environment, lock: keyLock })
    const vault = await createVault({
      db,
      writer,
      clock,
      log,
      home,
      keychain,
      lock: keyLock,
      key: masterKey,
      reseal: [resealAuthority, resealHooks, resealPeople, resealPlugins, resealLogins],
    })
    opened.add(vault.close)
    const secretValues = secretValuesOf(vault, loaded.environment)
    const redact = createRedactor({ leaks: redactLeaks, secretValues })
    const findSecrets = createSecretFinder({ secretValues })
    const reply = createReplyGate({ secretValues })
    log.setRedact(redact)
    const sealedHead = createAuditHead({
      home,
      clock,
      log,
      seal: () => ({ keyId: vault.masterKey().id, hmac: (text) => vault.masterKey().hmac("audit", text) }),
    })
    auditHead = sealedHead
    const auditBuffer = createAuditBuffer({ writer, clock, log })
    opened.add(auditBuffer.flush)

    // Who acts, for the record of what a model call sends out: the turn that is running, where there is one.
    const acting = new AsyncLocalStorage<Actor>()
    const scans = scansFor(secretValues)
    const egress = createEgress({
      ...systemNetwork,
      ...scans,
      clock,
      scanRequest: (caller, request) =>
        lockdown.active
          ? { verdict: "deny", why: "the owner has stopped everything" }
          : scans.scanRequest(caller, request),
      onRequest: (record) => {
        auditBuffer.add(egressAudit(record))
        vault.noteUse(record.secretNames)
      },
      limits: defaultLimits,
    })
    opened.add(egress.close)

    const settings = () => llmSettingsOf(config)
    const shortKeys = new Set<string>()
    const lookup = (name: string) => {
      const value = loaded.environment.get(name) || vault.value(name)
      if (value && value.trim().length < LEAST_KEY_CHARACTERS && !shortKeys.has(name)) {
        shortKeys.add(name)
        log.warn(
          `The key ${name} has fewer than ${LEAST_KEY_CHARACTERS} characters: it cannot be kept out of answers and logs`,
        )
      }
      return value
    }
    const modelDeps: Omit<ModelsDeps, "keyFor"> = {
      settings,
      fetchFor: modelFetch({ egress, acting, config: () => config }),
      clock,
      jitter: randomShare,
      redact,
      onFailure: (failure) => log.warn("A model failed", { ...failure }),
      waits: null,
    }
    const models = createModels({ ...modelDeps, keyFor: createKeyFor({ settings, lookup }) })
    const candidates = createCandidates({
      ...modelDeps,
      lookup,
      addressOf: ({ name }) => (name === "ollama" ? (loaded.environment.get("OLLAMA_BASE_URL") ?? null) : null),
    })
    const usage = createUsage({ db, clock, limits: () => limitsOf(config), timeZone })

    const seal = createAuthoritySeal({ key: () => vault.masterKey().derive("authority") })
    const onBadSeal = (what: string) =>
      log.error("A row of authority was changed by someone else and counts for nothing", { what })
    const hookStore = await createHookStore({
      db,
      writer,
      clock,
      seal,
      onBadSeal,
      onFault: (error) => log.error("The hooks could not be read", { error }),
    })
    // They are made further down, of the tools that there are.
    const plugged: PluggedHooks = {
      current: () => plugins.hooks.current(),
      ask: (hook, how) => plugins.hooks.ask(hook, how),
    }
    const hooks = createHookChain({ store: hookStore, plugged, egress, writer, clock, log, redact })
    opened.add(hooks.endAll)
    opened.add(hooks.drain)
    const sessions = withSessionHooks(createSessionStore({ db, writer, clock }), hooks)
    const memory = createMemory({ db, writer, bus })
    const project = projectOf(config, home)
    const changes = createFileChanges({ db, writer })
    const caps = () => pluginCapsOf(config)
    const sandbox = capSandbox(createSandbox({ command: sandboxChildCommand(), clock, log }), caps)
    opened.add(sandbox.stopAll)
    const openRegistry = createRegistry([
      ...timeTools({ clock, timeZone }),
      ...memoryTools({ memory }),
      ...sessionTools({ db, findSecrets }),
      ...jsonTools(),
      ...httpTools(),
      ...webTools({ readPage: createReadPage({ sandbox }) }),
      ...messageTools({ db, writer, clock, ownerId: () => ownerId, reply, redact }),
      ...toolSearchTools({ registry: () => openRegistry.registry }),
      ...approvalPlanTools({ registry: () => openRegistry.registry, approvals: () => approvals, writer }),
      ...agentSpawnTools({
        db,
        registry: () => openRegistry.registry,
        spawn(sub) {
          lockdown.assertOpen()
          return inbox.spawn(sub)
        },
        agent: () => agent,
        jobs: () => jobs,
      }),
      ...(project ? [...fileReadTools({ project, findSecrets }), ...fileFindTools({ project, findSecrets })] : []),
      ...(project && holdsFolders
        ? [...fileWriteTools({ project, keepChange: changes.keep }), ...fileUndoTools({ project, changes })]
        : []),
    ])
    const { registry, take } = openRegistry
    const pluginPins = capPins(createPluginPins({ db, writer, clock, seal, onBadSeal }), caps)
    const pluginsFolder = createInstalledFolder({ dir: home.paths.plugins })
    const loginWire = createOAuthWire({ egress })
    const checkToken = createTokenCheck({ egress })
    const logins = await createLogins({
      rows: createLoginRows({ db, clock, seal, onBadSeal }),
      vault,
      wire: loginWire,
      clock,
      log,
    })
    const plugins = createPlugins({
      installed: pluginsFolder,
      bundled: createBundled({ ...bundledTools, ...bundledChannels }),
      fetchFrom: pluginSourceFetch(egress),
      pins: pluginPins,
      sandbox,
      registry: openRegistry,
      memory,
      logins,
      log,
    })
    await plugins.refresh()
    const loginDesk = createLoginDesk({
      plugins,
      logins,
      tokens: ({ secretName }) => ({
        access: vault.value(secretName),
        refresh: vault.value(refreshNameOf(secretName)),
      }),
      wire: loginWire,
      check: checkToken,
      flows: createLoginFlows({ clock }),
      listen: listenForLogin,
      publicUrl: () => (as === "service" ? config.gateway.public_url : null), // nobody listens there for a verb
      log,
    })
    const lockdown = await createLockdown({
      db,
      writer,
      clock,
      seal,
      onBadSeal,
      async stop() {
        presence.forgetAll()
        loginDesk.close()
        hooks.endAll()
        tokens.endAll()
        // Children of plugins, those that only wait for work too.
        const plugged = new Set(sandbox.status().children.flatMap(({ pluginId }) => pluginId ?? []))
        const ended = Array.from(plugged, (id) => sandbox.stop(id))
        await Promise.all([stopWork({ db, jobs, egress, gateway, log }), ...ended])
      },
      goOn: () => (as === "service" ? work.start() : Promise.resolve()),
      onFault: (error) => log.error("The lockdown could not be followed", { error }),
    })
    const noteRefusal = createRefusals({ writer, clock, log })
    const tokens = createTokens({ db, writer, clock, seal, onBadSeal })
    const presence = createPresence({
      clock,
      terminals: systemTerminals(() => ownProcesses({ home, holdsHome })),
      ownPid: process.pid,
    })
    const grants = createGrants({ db, clock, seal, onBadSeal })
    const approvals = createApprovals({
      db,
      writer,
      clock,
      seal,
      grants,
      resume: ({ turnId, sessionId }) => ({
        statements: resumeStatements(turnId),
        afterwards: () => jobs.expect(sessionId),
      }),
      redact,
      onBadSeal,
    })
    const pipeline = createPipeline({
      db,
      writer,
      clock,
      log,
      hooks,
      registry,
      authorize: createAuthorize({ take }),
      level: () => (lockdown.active ? "read-only" : config.approvals.level), // a call that began as everything was stopped
      grants,
      approvals,
      fetchFor: toolFetch(egress, plugins),
      cleanse: cleanseWith(redact),
      redact,
    })

    const backupPassphrase = () => vault.value(BACKUP_SECRET)
    const backups = createBackups({
      db,
      writer,
      clock,
      home,
      masterKey: vault.masterKey,
      passphrase: backupPassphrase,
    })
    const backupSchedule = createBackupSchedule({
      db,
      writer,
      clock,
      log,
      home,
      settings: () => config.backup,
      passphrase: backupPassphrase,
      make: backups.createByItself,
    })
    const directory = createDirectory({ db, clock })
    const ownerId = await directory.ownerId()
    const ownerCalls = createOwnerCalls({ db, writer, sessions, registry, pipeline, approvals, ownerId })
    const health = createHealth({
      db,
      clock,
      home,
      models,
      usage,
      timeZone,
      addresses: () => addresses,
      died,
      backups: backupSchedule.describe,
      lockdown: lockdown.state,
      channels: () => channels.examine(),
    })
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
      redact,
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
      reply,
      hooks,
      settings: () => ({
        agentName: config.agent.name,
        timeZone: timeZone(),
        maxIterations: config.agent.max_iterations,
        turnTimeoutMs: config.agent.turn_timeout_seconds * 1_000,
      }),
      acting: (actor, work) => acting.run(actor, work),
      takeEgress: auditBuffer.take,
      keepEgress: (rows) => rows.forEach(auditBuffer.add),
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
    const inbox = createInbox({
      db,
      writer,
      clock,
      jobs,
      live,
      hooks,
      ownerId,
      agent: directory.agent,
      defaultModel: () => models.defaultId,
      redact,
      noteRefusal,
    })
    const receive: Agent["receive"] = async (message) => {
      if (lockdown.active) {
        const { channel, peer } = message.place
        const who = message.personId ?? "stranger"
        noteRefusal({ gate: "lockdown", why: "The owner has stopped everything", who, what: `${channel}:${peer}` })
      }
      lockdown.assertOpen()
      return inbox.receive(message)
    }
    const command = createCommands({
      store: sessions,
      models,
      compact: compaction.asked,
      stop: (sessionId) => agent.stop(sessionId),
      usage: health.usageTotals,
      steer: steerBy(receive),
      left: (session) => tellEnd(hooks, session, "left"),
    })
    const agent: Agent = createAgent({ db, bus, live, jobs, receive, compact: compaction.asked, command })

    const people = createPeople({ db, writer, clock, seal, ownerId, onBadSeal })
    const pairing = createPairing({ db, writer, clock, people, noteRefusal })
    const channels = createChannels({
      db,
      writer,
      clock,
      log,
      bus,
      sandbox,
      plugins,
      pins: pluginPins,
      fetchFor: channelFetch(egress, plugins),
      logins,
      people,
      pairing,
      agent: () => agent,
      noteRefusal,
      reply,
      redact,
      mayRun: () => !lockdown.active,
      isAlone: database.kind === "embedded",
    })

    const configRecord = createConfigRecord({ db, writer, home })
    const changeConfig = (key: string, make: () => Promise<ConfigChange>) =>
      configRecord.change(isConfigKey(key) ? [key] : [], {
        make,
        read: () =>
          loadConfig(setting).then(
            (next) => next.config,
            () => null, // the change itself says what is wrong still
          ),
      })
    const setConfig = (key: string, value: string) =>
      changeConfig(key, () => setConfigValue({ ...setting, key, value }))

    const hookDesk = createHookDesk({ store: hookStore, plugged, chain: hooks, ownerId })
    const doctor = createExamination({
      db,
      clock,
      as,
      died,
      models,
      vault,
      tokens,
      grants,
      hooks: hookDesk,
      plugins: examinePlugins({ plugins, loginDesk }),
      lockdown,
      auditHead: sealedHead,
      backups: backupSchedule.describe,
      channels: channels.examine,
      limits: () => limitsOf(config),
      timeZone,
      redact,
    })
    const gateway = createGateway({
      sessions,
      agent,
      bus,
      readEvents: ({ after, sessionId, limit }) =>
        readEvents(db, { after, limit, ...(sessionId ? { sessionId } : {}) }),
      latestSeq: () => lastSeq(db),
      models,
      candidates,
      setDefaultModel: async (id) => {
        models.get(id)
        return setConfig("model.name", id)
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
      hasActed: () => hasActed(db),
      backups,
      doctor,
      releases: createReleases({
        home,
        url: () => config.update.url ?? releasePins.url,
        fetchFor: releaseFetch(egress),
      }),
      config: {
        list: () => describeConfig(config),
        schema: configSchema,
        judge(key, value) {
          if (value !== null) judgedValue(key, value)
        },
        set: setConfig,
        unset: (key) => changeConfig(key, () => unsetConfigValue({ ...setting, key })),
      },
      audit: {
        list: (query) => listAudit(db, query),
        verify: (options) => verifyAudit({ db, head: sealedHead }, options),
        egress: ({ day }) => egressOf(db, { day, timeZone: timeZone() }),
      },
      approvals,
      grants: createGrantChanges({ grants, writer }),
      hooks: hookDesk,
      plugins,
      pluginAuth: createPluginAuth({ plugins, vault, logins, check: checkToken }),
      loginDesk,
      channels,
      pairing,
      webhookReceipts: createReceipts({ db }),
      ownerCalls: {
        prepare: ownerCalls.prepare,
        run(call, how) {
          lockdown.assertOpen()
          return ownerCalls.run(call, how)
        },
      },
      noteRefusal,
      tokens,
      presence,
      lockdown,
      tools: registry.list,
      agents: directory.agentNames,
      ready: health.ready,
      status: health.status,
      log,
      clock,
      ownerToken: loaded.environment.get("GATEWAY_AUTH_TOKEN") ?? localToken(home),
      ownerId,
      findToken: tokens.find,
      policy: () => ({
        allowedHosts: config.gateway.allowed_hosts,
        allowedOrigins: config.gateway.allowed_origins,
        trustedProxies: config.gateway.trusted_proxies,
      }),
      version,
    })

    opened.add(gateway.close)
    opened.add(loginDesk.close)
    opened.add(sandbox.stopAll) // the gateway waits for what it is answering, and that may wait for a child
    opened.add(async () => {
      const stopped = channels.stop()
      await Promise.race([stopped, clock.sleep(CARRIED_MS)]) // what is just being said is said to its end
      await sandbox.stopAll()
      await stopped
    })
    opened.add(jobs.close)
    opened.add(() => Promise.all([lockdown.close(), hookStore.close(), tokens.close()]))
    const work = startedOnce(() => jobs.start(), jobs.wake)
    if (as === "service") await Promise.all([lockdown.watch(), hookStore.watch(), tokens.watch()])
    if (as === "service") await configRecord.notice(config)
    if (as === "service" && !lockdown.active) await work.start()
    if (as === "service") await approvals.expireDue()
    // Where nobody else uses the database, whatever began before this process did is over.
    const startedAt = new Date(clock.nowMs())
    const leftCalls = createLeftCalls({
      db,
      pipeline,
      log,
      olderThan: () => (database.kind === "embedded" ? startedAt : new Date(clock.nowMs() - LONGEST_CALL_MS)),
    })
    if (as === "service") await channels.start()
    const tasks = [
      { name: "left calls", everyMs: SWEEP_EVERY_MS, firstMs: 0, run: leftCalls.sweep },
      { name: "expire approvals", everyMs: EXPIRE_EVERY_MS, run: approvals.expireDue },
      { name: "tidy channels", everyMs: DAY_MS / 24, run: channels.tidy },
      { name: "vacuum", everyMs: DAY_MS, run: () => vacuum(db) },
      { name: "backup", everyMs: BACKUP_LOOK_MS, run: backupSchedule.runDue },
    ]
    const upkeep = startUpkeep({ clock, log, tasks: as === "service" ? tasks : [] })
    opened.add(upkeep.stop)
    opened.add(backupSchedule.stop)
    const pluginWatch =
      as === "service"
        ? watchPlugins({
            dir: home.paths.plugins,
            clock,
            signature: pluginsFolder.signature,
            onChange: () => void plugins.refresh(),
          })
        : null
    opened.add(() => pluginWatch?.close())
    if (as === "service") opened.add(await pluginPins.listen(() => void plugins.refresh()))
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
              // As the files say it now: what needs a restart is on record before it is in force.
              loadConfig(setting)
                .then((loaded) => configRecord.notice(loaded.config, [{ ...event, labels: [] }]))
                .catch((error: unknown) => log.warn("A change of the configuration was not recorded", { error }))
            },
            onProblem: (error) => log.warn(`The configuration is wrong and was left as it was: ${error.message}`),
          })
    opened.add(() => watch?.close())

    return {
      config: () => config,
      turnsRunning: jobs.running,
      handle: gateway.handle,
      status: health.status,
      counters: db.counters,
      showCodes: presence.showIn,
      async listen(where) {
        const { address } = await gateway.listen(where)
        addresses.push(address)
        return address
      },
      close: opened.closeAll,
    }
  } catch (error) {
    await opened.closeAll().catch((fault: unknown) => log.warn("Not all could be closed again", { error: fault }))
    throw error
  }
}

/** A shorter one stands in ordinary text by chance, so redacting it would take words out of every answer. */
const LEAST_KEY_CHARACTERS = 8

/** Starts once; again is a nudge. */
function startedOnce(start: () => Promise<void>, again: () => void): { start: () => Promise<void> } {
  let started: Promise<void> | null = null
  return {
    start() {
      if (started) again()
      return (started ??= start())
    },
  }
}

function randomShare(): number {
  const [bits = 0] = crypto.getRandomValues(new Uint32Array(1))
  return bits / 2 ** 32
}

function steerBy(receive: Agent["receive"]): CommandDeps["steer"] {
  return async (text, at) => {
    const received = await receive({ ...at, text, mode: "steer" })
    return {
      text: received.state === "running" ? "The running turn was told." : "It is queued.",
      sessionId: received.sessionId,
    }
  }
}
