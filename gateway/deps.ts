/** What the gateway is made of: services that know nothing of HTTP, handed in by the composition root. */
import type { Agent } from "#core/agent/agent.ts"
import type { AuditPage, AuditQuery, EgressGroup } from "#core/audit-read.ts"
import type { AuditProof } from "#core/audit-verify.ts"
import type { Clock } from "#core/clock.ts"
import type { ConfigEntry } from "#core/config.ts"
import type { ConfigChange } from "#core/config-edit.ts"
import type { BackupProgress, BackupResult } from "#core/db/backup.ts"
import type { EventBus, StoredEvent } from "#core/event.ts"
import type { HookDesk } from "#core/hooks/desk.ts"
import type { PersonId, SessionId, TurnId } from "#core/id.ts"
import type { Candidates } from "#core/llm/candidates.ts"
import type { ModelId, ModelUsage, Models } from "#core/llm/model.ts"
import type { UsageGroup, UsageQuery } from "#core/llm/usage.ts"
import type { Log } from "#core/log.ts"
import type { Memory } from "#core/memory/memory.ts"
import type { Approvals } from "#core/safety/approvals.ts"
import type { GrantChanges } from "#core/safety/grant-changes.ts"
import type { Lockdown } from "#core/safety/lockdown.ts"
import type { Presence } from "#core/safety/presence.ts"
import type { NoteRefusal } from "#core/safety/refusals.ts"
import type { Tokens } from "#core/safety/tokens.ts"
import type { Vault } from "#core/secrets/vault.ts"
import type { SessionStore } from "#core/session/session.ts"
import type { OwnerCalls } from "#core/tools/owner-call.ts"
import type { ToolCard } from "#core/tools/registry.ts"
import type { PluginAuth } from "#sandbox/auth.ts"
import type { LoginDesk } from "#sandbox/login-desk.ts"
import type { PluginState } from "#sandbox/plugin.ts"
import type { Plugins } from "#sandbox/plugins.ts"
import type { ChannelHealth } from "#channels/channel.ts"
import type { Channels } from "#channels/channels.ts"
import type { Pairing } from "#channels/pairing.ts"
import type { Receipts } from "#channels/receipts.ts"
import type { ClientPolicy, FindToken } from "./auth.ts"

/** Stored events after `after` in the order of `seq`, at most `limit`; of one session where it is named. */
export type ReadEvents = (query: {
  after: number
  sessionId: SessionId | null
  limit: number
}) => Promise<StoredEvent[]>

/** Configuration as the API shows and changes it. Texts are read as on the command line. */
export type ConfigFace = {
  list(): ConfigEntry[]
  /** JSON Schema of every key. */
  schema(): Record<string, unknown>
  /** Whether a change can be: throws what making it would. */
  judge(key: string, value: string | null): void
  /** Throws `config.unknown_key`, `config.invalid`, `config.secret`. */
  set(key: string, value: string): Promise<ConfigChange>
  unset(key: string): Promise<ConfigChange>
}

export type { UsageGroup } from "#core/llm/usage.ts"
export type UsageFace = {
  /** Groups within [since, until), ISO times; the days are the owner's. */
  summary(query: UsageQuery): Promise<UsageGroup[]>
  /** Throws `usage.limited` where the owner's limit is used up. */
  check(at: { agentId: string; sessionId: SessionId | null; turnId: TurnId | null }): Promise<void>
  /** Stores what a model call outside of a turn used. */
  record(call: { agentId: string; purpose: "passthrough" | "test"; model: ModelId; usage: ModelUsage }): Promise<void>
}

/** Can it do its work? Each part says for itself. */
export type Readiness = {
  ready: boolean
  parts: { name: "database" | "model" | "channels"; ok: boolean; detail: string }[]
}

export type ServiceStatus = {
  version: string
  pid: number
  startedAt: string
  home: string
  /** Where the API is reached, as URLs and socket paths. */
  addresses: string[]
  /** The service before this one, where it ended without a stop: killed, or with the machine. */
  died: { pid: number; startedAt: string } | null
  database: { kind: "embedded" | "postgres"; ok: boolean; detail: string }
  model: ModelId
  turns: { running: number; queued: number; suspended: number }
  sessions: number
  jobs: { running: number; queued: number; failedToday: number }
  /** Questions that wait for the owner. */
  approvals: number
  today: { calls: number; costUsdMicros: number }
  /** Somebody has talked with the assistant: from then on the owner confirms what changes safety. */
  inUse: boolean
  /** What the owner should know, one sentence each; `ironclaw doctor` says more. */
  warnings: string[]
}

/**
 * What only whoever holds the database and the keys can say of how the house is: names, counts and times, never a value or a text of
 * anybody's. `ironclaw doctor` judges it.
 */
export type Examination = {
  version: string
  startedAt: string
  as: "service" | "verb"
  /** The service before this one, where it ended without a stop. */
  died: { pid: number; startedAt: string } | null
  database: {
    kind: "embedded" | "postgres"
    /** Of the server, as it says. */
    version: string
    hasVector: boolean
    migrations: number
    bytes: number
    answeredMs: number
    /** By how much the database's clock is ahead of ours, in ms. */
    clockAheadMs: number
    /** ISO time of the last event; null before the first. */
    lastEventAt: string | null
  }
  key: { id: string; source: "environment" | "keychain" | "file" | "passphrase"; foreignSecrets: number }
  model: { id: ModelId; problem: string | null; cooling: { model: string; why: string }[] }
  secrets: { name: string; createdAt: string; usedAt: string | null }[]
  /** Those in force. `usedAt`: the last conversation that was kept under it; null where there is none. */
  tokens: { id: string; name: string; createdAt: string; expiresAt: string | null; usedAt: string | null }[]
  /** Those in force. `usedAt`: the last run that it may have covered, among the newest acts. */
  grants: {
    id: string
    principal: string
    tool: string
    destination: string
    evenUntrusted: boolean
    createdAt: string
    expiresAt: string | null
    usedAt: string | null
  }[]
  approvals: { open: number; oldestAt: string | null }
  /** Whether the end of the audit chain is vouched for from outside the database. */
  auditHead: "sealed" | "none" | "foreign" | "forged"
  guardRefusals: { kind: string; what: string }[]
  /** Names of variables that the guard took out of the environment in which this process was started. */
  steering: string[]
  hooks: { name: string; problem: string }[]
  plugins: {
    name: string
    state: PluginState
    /** Secrets and settings that it needs and does not have. */
    missing: string[]
    login: { provider: string; state: "out" | "in" | "needed" | "elsewhere"; missing: string[] } | null
    /** Addresses that its owner set, of their own network too. */
    endpoints: string[]
  }[]
  lockdown: { active: boolean; since: string | null }
  jobs: {
    /** Due for minutes, and nobody has taken them. */
    overdue: number
    /** Their holder has not been heard of since its lease ran out. */
    abandoned: number
    /** Turns that say they run while no job of theirs does. */
    orphanedTurns: number
    /** Kinds of which several failed within a day. */
    failing: { kind: string; count: number; error: string }[]
  }
  usage: { window: string; spentUsdMicros: number; limitUsdMicros: number | null }[]
  backups: BackupSchedule
  channels: ChannelHealth[]
}

export type DoctorFace = {
  examine(): Promise<Examination>
  /** Without the values of this house's secrets, and what looks like one. */
  redact(text: string): string
}

/** Backups that the service makes by itself. */
export type BackupSchedule = {
  every: "never" | "daily" | "weekly" | "monthly"
  keep: number
  /** Without it none can be made. */
  hasPassphrase: boolean
  /** Newest last; each was read back whole after it was written. */
  made: { name: string; at: string; bytes: number }[]
  /** Since the last good one; null where the last try went well. */
  failing: { since: string; tries: number; why: string } | null
}

/** `output`: the absolute path of the new file; null: in the home's backups folder. */
export type BackupRequest = { passphrase: string; output: string | null }

export type BackupFace = {
  /** Those in the home's backups folder. */
  list(): Promise<{ path: string; bytes: number; createdAt: string; version: string }[]>
  /** How far the one that is being made is; null where none is. */
  running(): BackupProgress | null
  /** What can be said before it is made. Throws `backup.passphrase_weak`, `input.invalid`. */
  judge(request: BackupRequest): void
  /** It is what the service makes by itself: under the passphrase that the owner has set, in the home. After a few wrong ones, never. */
  needsNoProof(request: BackupRequest): boolean
  /** Throws what `judge` does, `backup.exists`, `conflict`. */
  create(request: BackupRequest & { signal: AbortSignal }): Promise<BackupResult>
}

/** What the release server has. Nothing of it is believed here: who installs it verifies it. */
export type ReleaseFace = {
  /** Where releases are; null where nobody has said. */
  url(): string | null
  /** The download that is under way; null where none is. */
  running(): { file: string; bytes: number } | null
  /** The text of release.json. Throws `update.not_configured`, `release.unavailable`, `egress.…`. */
  newest(signal: AbortSignal): Promise<string>
  /** Brings a file of a release, at most so many bytes of it, into the home. */
  download(request: { file: string; maxBytes: number; signal: AbortSignal }): Promise<{ path: string; bytes: number }>
}

/** The record of every act. Nothing here changes it. */
export type AuditFace = {
  list(query: AuditQuery): Promise<AuditPage>
  verify(options: { signal: AbortSignal }): Promise<AuditProof>
  /** Throws `input.invalid` for a day that is none. */
  egress(query: { day: string | null }): Promise<EgressGroup[]>
}

export type GatewayDeps = {
  sessions: SessionStore
  agent: Agent
  bus: EventBus
  readEvents: ReadEvents
  /** `seq` of the last stored event; 0 where there is none. */
  latestSeq: () => Promise<number>
  models: Models
  /** Models that are tried before they are set up. */
  candidates: Candidates
  /** Makes this the model of everything that names none; it must be known. */
  setDefaultModel: (id: ModelId) => Promise<ConfigChange>
  memory: Memory
  usage: UsageFace
  config: ConfigFace
  secrets: Pick<Vault, "list" | "judge" | "set" | "delete" | "rotateMaster">
  /** Somebody has talked with the assistant, or it has done something: from then on there is something to guard. */
  hasActed: () => Promise<boolean>
  backups: BackupFace
  doctor: DoctorFace
  releases: ReleaseFace
  audit: AuditFace
  approvals: Pick<Approvals, "list" | "get" | "answer">
  grants: GrantChanges
  hooks: HookDesk
  plugins: Plugins
  pluginAuth: PluginAuth
  loginDesk: LoginDesk
  channels: Channels
  pairing: Pairing
  webhookReceipts: Receipts
  ownerCalls: OwnerCalls
  noteRefusal: NoteRefusal
  tokens: Pick<Tokens, "list" | "add" | "revoke">
  presence: Presence
  lockdown: Pick<Lockdown, "active" | "state" | "lock" | "lift">
  tools: () => ToolCard[]
  /** Names of the agents, `main` first. */
  agents: () => Promise<string[]>
  ready: () => Promise<Readiness>
  status: () => Promise<ServiceStatus>
  log: Log
  clock: Clock
  ownerToken: string
  /** The owner, in whose name the holder of the owner's token speaks. */
  ownerId: PersonId
  findToken: FindToken
  policy: () => Omit<ClientPolicy, "boundHost">
  version: string
}
