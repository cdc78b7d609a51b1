/**
 * Every table. One file, because a schema is read whole: what refers to what, which rows carry labels, which carry authority.
 *
 * Rows of content have `agent_id`, `labels` and `source` (no labels reads `untrusted`).
 * Rows of authority (people, identities, grants, approvals, hooks, tokens) have `mac`, keyed outside the database.
 * Ids are text with their kind in front; times are timestamptz read as ISO 8601; money is integer micros of a US dollar.
 */
import { sql } from "drizzle-orm"
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from "drizzle-orm/pg-core"
import type {
  ApprovalId,
  CallId,
  ChunkId,
  DeliveryId,
  DocumentId,
  GrantId,
  JobId,
  MessageId,
  PersonId,
  SessionId,
  TokenId,
  TurnId,
  UsageId,
} from "../id.ts"
import type { EventBody, LabelName } from "../event.ts"

/** timestamptz that reads as ISO 8601 in UTC with milliseconds, whatever the server's DateStyle says. */
const isoTime = customType<{ data: string; driverData: string }>({
  dataType: () => "timestamp (3) with time zone",
  fromDriver: (value) => new Date(value).toISOString(),
})
/** Words with their positions, made by the database; never read back. */
const wordVector = customType<{ data: string; driverData: string }>({ dataType: () => "tsvector" })
const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => "bytea",
  fromDriver: (value) => new Uint8Array(value),
})

const now = sql`now()`
const createdAt = () => isoTime("created_at").notNull().default(now)
const agentId = () => text("agent_id").notNull()
/** What the text is and where it came from. The default is the distrustful one. */
const labels = () =>
  text("labels")
    .array()
    .$type<LabelName[]>()
    .notNull()
    .default(sql`'{untrusted}'`)
const source = () => text("source").notNull().default("")
const mac = () => text("mac").notNull().default("")

/** Small facts about this database: the home it belongs to, the id of the master key. */
export const meta = pgTable("meta", { key: text("key").primaryKey(), value: text("value").notNull() })

export const agents = pgTable("agents", {
  id: text("id").primaryKey(), // the name: "main"
  model: text("model"), // null: the configured one
  allowedTools: text("allowed_tools").array(), // null: all
  createdAt: createdAt(),
  mac: mac(),
})

export const people = pgTable(
  "people",
  {
    id: text("id").$type<PersonId>().primaryKey(),
    role: text("role").$type<"owner" | "known" | "stranger">().notNull(),
    name: text("name").notNull(),
    createdAt: createdAt(),
    mac: mac(),
  },
  (table) => [
    uniqueIndex("people_one_owner")
      .on(table.role)
      .where(sql`role = 'owner'`),
  ],
)

export const identities = pgTable(
  "identities",
  {
    channel: text("channel").notNull(),
    externalId: text("external_id").notNull(),
    personId: text("person_id")
      .$type<PersonId>()
      .notNull()
      .references(() => people.id, { onDelete: "cascade" }),
    createdAt: createdAt(),
    mac: mac(),
  },
  (table) => [primaryKey({ columns: [table.channel, table.externalId] })],
)

export type ThinkingLevel = "off" | "low" | "medium" | "high"

export const sessions = pgTable(
  "sessions",
  {
    id: text("id").$type<SessionId>().primaryKey(),
    agentId: agentId(),
    channel: text("channel").notNull(), // terminal, api, openai, …; agent: of a sub-turn
    peer: text("peer").notNull(), // who is at the other end, by immutable id; of a sub-turn: the turn that started it
    topic: text("topic").notNull().default(""), // of a sub-turn: the call that started it
    title: text("title").notNull().default(""),
    model: text("model"), // null: the agent's
    thinking: text("thinking").$type<ThinkingLevel>(),
    /** Messages at or below these positions are out of the model's sight: cleared by the owner, or covered by summaries. */
    clearedTo: bigint("cleared_to", { mode: "number" }).notNull().default(0),
    compactedTo: bigint("compacted_to", { mode: "number" }).notNull().default(0),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
    updatedAt: isoTime("updated_at").notNull().default(now),
  },
  (table) => [
    index("sessions_recent").on(table.updatedAt.desc(), table.id),
    index("sessions_place").on(table.channel, table.peer, table.topic, table.agentId),
    // What keeps a call to one sub-turn, however often it is run again.
    uniqueIndex("sessions_sub_turn")
      .on(table.peer, table.topic)
      .where(sql`channel = 'agent'`),
  ],
)

export type TurnState = "queued" | "running" | "suspended" | "finished" | "failed" | "stopped"

export const turns = pgTable(
  "turns",
  {
    id: text("id").$type<TurnId>().primaryKey(),
    sessionId: text("session_id")
      .$type<SessionId>()
      .notNull()
      .references(() => sessions.id, { onDelete: "cascade" }),
    agentId: agentId(),
    jobId: text("job_id").$type<JobId>().notNull(),
    state: text("state").$type<TurnState>().notNull(),
    /** Undone turns can be redone until a new message discards them. Hidden turns are out of the model's sight. */
    hidden: text("hidden").$type<"undone" | "discarded">(),
    model: text("model"),
    partial: text("partial").notNull().default(""), // text streamed so far, saved at most twice a second
    iterations: integer("iterations").notNull().default(0),
    options: jsonb("options").$type<Record<string, unknown>>().notNull().default({}), // what the client asked for this turn alone
    /** What a sub-turn may do at most, set by the turn that started it; null: it is none. Never a client's to say. */
    ceiling: jsonb("ceiling").$type<Record<string, unknown>>(),
    error: jsonb("error").$type<{ code: string; message: string }>(),
    inputTokens: integer("input_tokens").notNull().default(0),
    outputTokens: integer("output_tokens").notNull().default(0),
    costUsdMicros: bigint("cost_usd_micros", { mode: "number" }).notNull().default(0),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
    finishedAt: isoTime("finished_at"),
  },
  (table) => [
    index("turns_session").on(table.sessionId, table.createdAt),
    index("turns_active")
      .on(table.sessionId)
      .where(sql`state in ('queued', 'running', 'suspended')`),
    index("turns_hidden")
      .on(table.sessionId)
      .where(sql`hidden is not null`),
  ],
)

export type MessageRole = "person" | "model" | "tool" | "summary"
export type ToolCallPart = { callId: CallId; name: string; arguments: unknown }
/** A part of a message that is not text. Images are data, never addresses: nothing is fetched to show them. */
export type MessagePart = { type: "image"; mediaType: string; base64: string }

export const messages = pgTable(
  "messages",
  {
    id: text("id").$type<MessageId>().primaryKey(),
    /** Order within everything; a session's order is this one too, for only one turn runs in it. */
    position: bigint("position", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
    sessionId: text("session_id")
      .$type<SessionId>()
      .notNull()
      .references(() => sessions.id, { onDelete: "cascade" }),
    turnId: text("turn_id").$type<TurnId>(), // null: a summary, or history a client sent
    agentId: agentId(),
    role: text("role").$type<MessageRole>().notNull(),
    personId: text("person_id").$type<PersonId>(),
    text: text("text").notNull(),
    parts: jsonb("parts").$type<MessagePart[]>(),
    toolCalls: jsonb("tool_calls").$type<ToolCallPart[]>(), // role "model"
    callId: text("call_id").$type<CallId>(), // role "tool"
    /** role "summary": covers messages up to this position. */
    coversTo: bigint("covers_to", { mode: "number" }),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
  },
  (table) => [
    index("messages_session").on(table.sessionId, table.position),
    index("messages_turn").on(table.turnId),
    // A tsvector may hold 1 MiB; a message may be longer, so only its head is searched.
    index("messages_words").using("gin", sql`to_tsvector('simple', left(${table.text}, 100000))`),
  ],
)

export type CallState = "started" | "done" | "refused" | "failed" | "unknown"

/** Tool calls. One with an effect is committed as `started` before it runs; a `started` row found after a crash becomes `unknown`. */
export const calls = pgTable(
  "calls",
  {
    id: text("id").$type<CallId>().primaryKey(),
    turnId: text("turn_id")
      .$type<TurnId>()
      .notNull()
      .references(() => turns.id, { onDelete: "cascade" }),
    sessionId: text("session_id").$type<SessionId>().notNull(),
    agentId: agentId(),
    principal: text("principal").notNull(),
    tool: text("tool").notNull(),
    arguments: jsonb("arguments").$type<unknown>().notNull(),
    fingerprint: text("fingerprint").notNull(), // sha256 of principal, tool and canonical arguments
    effect: text("effect").notNull(),
    state: text("state").$type<CallState>().notNull(),
    labels: labels(),
    source: source(),
    startedAt: isoTime("started_at").notNull().default(now),
    finishedAt: isoTime("finished_at"),
  },
  (table) => [index("calls_turn").on(table.turnId)],
)

export type JobState = "queued" | "running" | "suspended" | "done" | "failed" | "cancelled"

export const jobs = pgTable(
  "jobs",
  {
    id: text("id").$type<JobId>().primaryKey(),
    agentId: agentId(),
    kind: text("kind").notNull(), // "turn", "compact", …
    state: text("state").$type<JobState>().notNull(),
    payload: jsonb("payload").$type<Record<string, unknown>>().notNull(),
    sessionId: text("session_id").$type<SessionId>(), // jobs of one session run one at a time
    attempts: integer("attempts").notNull().default(0),
    maxAttempts: integer("max_attempts").notNull().default(3),
    runAt: isoTime("run_at").notNull().default(now),
    leaseOwner: text("lease_owner"),
    leaseUntil: isoTime("lease_until"),
    /** Grows with every claim; a holder whose fence is old can change nothing. */
    fence: integer("fence").notNull().default(0),
    cancelRequested: boolean("cancel_requested").notNull().default(false),
    error: text("error"),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
    finishedAt: isoTime("finished_at"),
  },
  (table) => [
    index("jobs_claimable")
      .on(table.runAt)
      .where(sql`state = 'queued'`),
    index("jobs_leased")
      .on(table.leaseUntil)
      .where(sql`state = 'running'`),
    index("jobs_active")
      .on(table.sessionId)
      .where(sql`state in ('queued', 'running', 'suspended')`),
    // What keeps a session to one turn at a time, whatever two processes do at once.
    uniqueIndex("jobs_one_per_session")
      .on(table.sessionId)
      .where(sql`state in ('running', 'suspended')`),
  ],
)

export const documents = pgTable(
  "documents",
  {
    id: text("id").$type<DocumentId>().primaryKey(),
    agentId: agentId(),
    path: text("path").notNull(),
    content: text("content").notNull(),
    version: integer("version").notNull().default(1),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
    updatedAt: isoTime("updated_at").notNull().default(now),
  },
  (table) => [uniqueIndex("documents_path").on(table.agentId, table.path)],
)

export const documentVersions = pgTable(
  "document_versions",
  {
    documentId: text("document_id")
      .$type<DocumentId>()
      .notNull()
      .references(() => documents.id, { onDelete: "cascade" }),
    version: integer("version").notNull(),
    agentId: agentId(),
    content: text("content").notNull(),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.documentId, table.version] })],
)

/** What a file of the project was before a tool changed it, so that the owner can take the change back. */
export const fileChanges = pgTable(
  "file_changes",
  {
    callId: text("call_id").$type<CallId>().primaryKey(),
    agentId: agentId(),
    sessionId: text("session_id")
      .$type<SessionId>()
      .notNull()
      .references(() => sessions.id, { onDelete: "cascade" }),
    turnId: text("turn_id").$type<TurnId>().notNull(),
    path: text("path").notNull(),
    before: bytes("before"), // null: there was no such file
    afterSha256: text("after_sha256").notNull(),
    undoneAt: isoTime("undone_at"),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
  },
  (table) => [index("file_changes_session").on(table.sessionId, table.createdAt)],
)

/** Pieces of a document, each with labels of its own: an untrusted line appended to a trusted note stays untrusted. */
export const chunks = pgTable(
  "chunks",
  {
    id: text("id").$type<ChunkId>().primaryKey(),
    documentId: text("document_id")
      .$type<DocumentId>()
      .notNull()
      .references(() => documents.id, { onDelete: "cascade" }),
    agentId: agentId(),
    ordinal: integer("ordinal").notNull(),
    content: text("content").notNull(),
    /** Stored, because ranking reads it for every match: making it anew each time took 330 ms a query over 1,400 chunks instead of 7. */
    words: wordVector("words").generatedAlwaysAs(sql`to_tsvector('english', content)`),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex("chunks_place").on(table.documentId, table.ordinal),
    index("chunks_words").using("gin", table.words),
  ],
)

/** One row for every model call on every path, failed ones too when they cost something. */
export const usage = pgTable(
  "usage",
  {
    id: text("id").$type<UsageId>().primaryKey(),
    agentId: agentId(),
    sessionId: text("session_id").$type<SessionId>(),
    turnId: text("turn_id").$type<TurnId>(),
    jobId: text("job_id").$type<JobId>(),
    purpose: text("purpose").notNull(), // turn, compact, passthrough, …
    vendor: text("vendor").notNull(),
    model: text("model").notNull(),
    inputTokens: integer("input_tokens").notNull(),
    cachedInputTokens: integer("cached_input_tokens").notNull(),
    outputTokens: integer("output_tokens").notNull(),
    costUsdMicros: bigint("cost_usd_micros", { mode: "number" }).notNull(),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
  },
  (table) => [index("usage_time").on(table.createdAt, table.agentId)],
)

export const events = pgTable(
  "events",
  {
    /** Given by the one writer under an advisory lock, so that the order of commits is the order of `seq`. */
    seq: bigint("seq", { mode: "number" }).primaryKey(),
    type: text("type").$type<EventBody["type"]>().notNull(),
    agentId: agentId(),
    sessionId: text("session_id").$type<SessionId>(),
    body: jsonb("body").$type<EventBody>().notNull(),
    labels: labels(),
    source: source(),
    at: isoTime("at").notNull().default(now),
  },
  (table) => [index("events_session").on(table.sessionId, table.seq)],
)

/** One row for each act. Append-only by trigger; `hash` covers the row and `prevHash`. */
export const audit = pgTable("audit", {
  seq: bigint("seq", { mode: "number" }).primaryKey(),
  at: isoTime("at").notNull(),
  agentId: agentId(),
  act: text("act").$type<"message.in" | "tool.run" | "egress" | "reply.out" | "owner.change">().notNull(),
  principal: text("principal").notNull(),
  subject: text("subject").notNull(), // tool name, host, document path, …
  outcome: text("outcome").notNull(), // done, refused, failed, unknown, asked, started
  sessionId: text("session_id").$type<SessionId>(),
  turnId: text("turn_id").$type<TurnId>(),
  argumentsHash: text("arguments_hash").notNull().default(""),
  preview: text("preview").notNull().default(""), // redacted, at most 200 characters
  verdicts: jsonb("verdicts").$type<Record<string, string>>().notNull().default({}), // gate → allow | deny | ask | why
  destination: text("destination").notNull().default(""),
  secretNames: text("secret_names")
    .array()
    .notNull()
    .default(sql`'{}'`),
  bytesOut: bigint("bytes_out", { mode: "number" }).notNull().default(0),
  bytesIn: bigint("bytes_in", { mode: "number" }).notNull().default(0),
  durationMs: integer("duration_ms").notNull().default(0),
  labels: labels(),
  source: source(),
  prevHash: text("prev_hash").notNull(),
  hash: text("hash").notNull(),
})

export const grants = pgTable(
  "grants",
  {
    id: text("id").$type<GrantId>().primaryKey(),
    agentId: agentId(),
    principal: text("principal").notNull(),
    capability: jsonb("capability").$type<Record<string, unknown>>().notNull(),
    evenUntrusted: boolean("even_untrusted").notNull().default(false),
    sessionId: text("session_id").$type<SessionId>(), // null: every session
    createdAt: createdAt(),
    expiresAt: isoTime("expires_at"),
    revokedAt: isoTime("revoked_at"),
    mac: mac(),
  },
  (table) => [index("grants_principal").on(table.principal)],
)

export const approvals = pgTable(
  "approvals",
  {
    id: text("id").$type<ApprovalId>().primaryKey(),
    agentId: agentId(),
    sessionId: text("session_id")
      .$type<SessionId>()
      .notNull()
      .references(() => sessions.id, { onDelete: "cascade" }),
    turnId: text("turn_id").$type<TurnId>().notNull(),
    callId: text("call_id").$type<CallId>().notNull(),
    principal: text("principal").notNull(),
    tool: text("tool").notNull(),
    destination: text("destination").notNull().default(""),
    fingerprint: text("fingerprint").notNull(),
    question: text("question").notNull(), // written by host code; outside text in it is quoted and bounded
    state: text("state").$type<"open" | "allowed" | "denied" | "expired" | "used">().notNull(),
    reason: text("reason").notNull().default(""),
    createdAt: createdAt(),
    expiresAt: isoTime("expires_at").notNull(),
    answeredAt: isoTime("answered_at"),
    mac: mac(),
  },
  (table) => [
    index("approvals_open")
      .on(table.sessionId)
      .where(sql`state = 'open'`),
  ],
)

/** What the owner's hooks run or ask, and where: see core/hooks.ts. Sealed whole, for each decides what may pass. */
export const hooks = pgTable("hooks", {
  name: text("name").primaryKey(),
  point: text("point").notNull(),
  position: integer("position").notNull(),
  argv: text("argv").array(), // null: a URL
  files: jsonb("files").$type<{ path: string; sha256: string }[]>().notNull().default([]),
  url: text("url"), // null: a program
  local: boolean("local").notNull().default(false), // the owner says that the URL is a place of theirs
  tools: text("tools").array(), // null: all, here and below
  channels: text("channels").array(),
  agents: text("agents").array(),
  createdAt: createdAt(),
  mac: mac(),
})

/**
 * What the owner agreed to: one version of one plugin, by the hash of its whole folder, with the tools that it said it has. Sealed whole.
 * What lies in the plugins folder and is in no row, or differs from it, is inactive.
 */
export const plugins = pgTable("plugins", {
  name: text("name").primaryKey(),
  version: text("version").notNull(),
  sha256: text("sha256").notNull(), // of the folder
  manifest: jsonb("manifest").$type<unknown>().notNull(),
  tools: jsonb("tools").$type<unknown>().notNull(),
  state: text("state").$type<"active" | "disabled">().notNull(),
  config: jsonb("config").$type<Record<string, string | number | boolean>>().notNull().default({}), // what the owner set
  publisher: text("publisher"), // the key that signed it, in base64
  createdAt: createdAt(),
  mac: mac(),
})

/** What lies in the plugins folder was signed by this key: proved when it was installed, with bytes that are gone since. Sealed whole. */
export const pluginSignatures = pgTable("plugin_signatures", {
  plugin: text("plugin").primaryKey(),
  sha256: text("sha256").notNull(), // of the folder
  key: text("key").notNull(),
  mac: mac(),
})

/**
 * A login at a provider, which all plugins of that provider share. Its tokens are secrets; this says where they come from, what they may
 * do, and until when. Sealed but for the lease, which only keeps two processes from renewing at once.
 */
export const logins = pgTable("logins", {
  provider: text("provider").primaryKey(),
  secretName: text("secret_name").notNull(),
  endpoints: jsonb("endpoints").$type<unknown>().notNull(),
  scopes: text("scopes").array().notNull(), // what the provider granted
  state: text("state").$type<"out" | "in" | "needed">().notNull(), // needed: the provider ended it
  expiresAt: isoTime("expires_at"), // null: it does not say
  version: integer("version").notNull(), // grows with every change
  leaseUntil: isoTime("lease_until"),
  createdAt: createdAt(),
  mac: mac(),
})

/** How many requests a plugin made in the minute and in the hour that began at `starts_at`. */
export const pluginRates = pgTable(
  "plugin_rates",
  {
    plugin: text("plugin").notNull(),
    period: text("period").$type<"minute" | "hour">().notNull(),
    startsAt: isoTime("starts_at").notNull(),
    used: integer("used").notNull(),
  },
  (table) => [primaryKey({ columns: [table.plugin, table.period] })],
)

/** How a channel's plugin is doing, and which process looks after it now: a channel is started and polled by one at a time. */
export const channelStates = pgTable("channel_states", {
  channel: text("channel").primaryKey(), // name of the plugin
  startedSha256: text("started_sha256"), // the version that was started; null: none
  nextAt: isoTime("next_at").notNull().default(now), // when it is started or polled next
  leaseOwner: text("lease_owner"),
  leaseUntil: isoTime("lease_until"),
  failures: integer("failures").notNull().default(0), // in a row
  lastError: text("last_error").notNull().default(""),
  lastPollAt: isoTime("last_poll_at"),
  lastOkAt: isoTime("last_ok_at"),
})

/** Which messages of a channel came already, by the channel's own ids, so that one that comes again is none. */
export const channelMessages = pgTable(
  "channel_messages",
  {
    channel: text("channel").notNull(),
    externalId: text("external_id").notNull(),
    messageId: text("message_id").$type<MessageId>(), // null: it was a command
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.channel, table.externalId] }),
    index("channel_messages_message").on(table.messageId),
  ],
)

/** What a channel's plugin keeps from one call to the next. No model sees it. */
export const channelMemory = pgTable(
  "channel_memory",
  {
    channel: text("channel").notNull(),
    path: text("path").notNull(),
    content: text("content").notNull(),
    updatedAt: isoTime("updated_at").notNull().default(now),
  },
  (table) => [primaryKey({ columns: [table.channel, table.path] })],
)

export type DeliveryState = "waiting" | "sending" | "sent" | "failed" | "unknown"

/**
 * What is to be said on a channel: a row before anything is sent. One that was being sent when its process died is `unknown`, and is
 * never sent again by itself.
 */
export const deliveries = pgTable(
  "deliveries",
  {
    id: text("id").$type<DeliveryId>().primaryKey(),
    position: bigint("position", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
    channel: text("channel").notNull(), // name of the plugin
    peer: text("peer").notNull(),
    topic: text("topic").notNull(),
    agentId: agentId(),
    sessionId: text("session_id")
      .$type<SessionId>()
      .references(() => sessions.id, { onDelete: "cascade" }), // null: said to a stranger
    turnId: text("turn_id").$type<TurnId>(),
    messageId: text("message_id").$type<MessageId>(), // whose text it is; null: the note's
    note: text("note").notNull().default(""), // our own words
    state: text("state").$type<DeliveryState>().notNull().default("waiting"),
    attempts: integer("attempts").notNull().default(0),
    partsSent: integer("parts_sent").notNull().default(0),
    nextAt: isoTime("next_at").notNull().default(now),
    leaseUntil: isoTime("lease_until"),
    error: text("error").notNull().default(""),
    labels: labels(),
    source: source(),
    createdAt: createdAt(),
    endedAt: isoTime("ended_at"),
  },
  (table) => [
    index("deliveries_open")
      .on(table.channel, table.nextAt)
      .where(sql`state in ('waiting', 'sending')`),
    index("deliveries_session").on(table.sessionId),
  ],
)

/** Strangers who asked to be let in. What a code says yes to is written by the owner's hand, into `identities`. */
export const pairings = pgTable(
  "pairings",
  {
    channel: text("channel").notNull(),
    externalId: text("external_id").notNull(),
    name: text("name").notNull(), // as the stranger calls themselves
    codeSha256: text("code_sha256").notNull(),
    state: text("state").$type<"open" | "denied">().notNull(),
    createdAt: createdAt(),
    expiresAt: isoTime("expires_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.channel, table.externalId] })],
)

/** Signed requests that were taken, by the hash of signature and body, so that none is taken twice. */
export const webhookReceipts = pgTable(
  "webhook_receipts",
  {
    channel: text("channel").notNull(),
    digest: text("digest").notNull(),
    createdAt: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.channel, table.digest] })],
)

/** API tokens, by hash: the token itself is shown once and never stored. */
export const tokens = pgTable(
  "tokens",
  {
    id: text("id").$type<TokenId>().primaryKey(),
    name: text("name").notNull(),
    hash: text("hash").notNull(),
    scopes: text("scopes").array().notNull(),
    createdAt: createdAt(),
    expiresAt: isoTime("expires_at"),
    revokedAt: isoTime("revoked_at"),
    mac: mac(),
  },
  (table) => [uniqueIndex("tokens_hash").on(table.hash)],
)

/** Values under AES-256-GCM; nothing here can be read without the master key. */
export const secrets = pgTable("secrets", {
  name: text("name").primaryKey(),
  version: integer("version").notNull(),
  keyId: text("key_id").notNull(),
  nonce: bytes("nonce").notNull(),
  ciphertext: bytes("ciphertext").notNull(),
  createdAt: createdAt(),
  usedAt: isoTime("used_at"),
})

export type SessionRow = typeof sessions.$inferSelect
export type TurnRow = typeof turns.$inferSelect
export type MessageRow = typeof messages.$inferSelect
export type CallRow = typeof calls.$inferSelect
export type JobRow = typeof jobs.$inferSelect
export type DocumentRow = typeof documents.$inferSelect
export type ChunkRow = typeof chunks.$inferSelect
export type UsageRow = typeof usage.$inferSelect
export type AuditRow = typeof audit.$inferSelect
/** What a caller knows of an act; the writer adds order, time and chain. */
export type NewAudit = Omit<typeof audit.$inferInsert, "seq" | "at" | "prevHash" | "hash">
