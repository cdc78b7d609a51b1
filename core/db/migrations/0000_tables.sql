CREATE TABLE "agents" (
	"id" text PRIMARY KEY NOT NULL,
	"model" text,
	"allowed_tools" text[],
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"mac" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "approvals" (
	"id" text PRIMARY KEY NOT NULL,
	"agent_id" text NOT NULL,
	"session_id" text NOT NULL,
	"turn_id" text NOT NULL,
	"call_id" text NOT NULL,
	"principal" text NOT NULL,
	"tool" text NOT NULL,
	"destination" text DEFAULT '' NOT NULL,
	"fingerprint" text NOT NULL,
	"question" text NOT NULL,
	"state" text NOT NULL,
	"reason" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"answered_at" timestamp (3) with time zone,
	"mac" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"agent_id" text NOT NULL,
	"act" text NOT NULL,
	"principal" text NOT NULL,
	"subject" text NOT NULL,
	"outcome" text NOT NULL,
	"session_id" text,
	"turn_id" text,
	"arguments_hash" text DEFAULT '' NOT NULL,
	"preview" text DEFAULT '' NOT NULL,
	"verdicts" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"destination" text DEFAULT '' NOT NULL,
	"secret_names" text[] DEFAULT '{}' NOT NULL,
	"bytes_out" bigint DEFAULT 0 NOT NULL,
	"bytes_in" bigint DEFAULT 0 NOT NULL,
	"duration_ms" integer DEFAULT 0 NOT NULL,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"prev_hash" text NOT NULL,
	"hash" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "calls" (
	"id" text PRIMARY KEY NOT NULL,
	"turn_id" text NOT NULL,
	"session_id" text NOT NULL,
	"agent_id" text NOT NULL,
	"principal" text NOT NULL,
	"tool" text NOT NULL,
	"arguments" jsonb NOT NULL,
	"fingerprint" text NOT NULL,
	"effect" text NOT NULL,
	"state" text NOT NULL,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "chunks" (
	"id" text PRIMARY KEY NOT NULL,
	"document_id" text NOT NULL,
	"agent_id" text NOT NULL,
	"ordinal" integer NOT NULL,
	"content" text NOT NULL,
	"words" "tsvector" GENERATED ALWAYS AS (to_tsvector('english', content)) STORED,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "document_versions" (
	"document_id" text NOT NULL,
	"version" integer NOT NULL,
	"agent_id" text NOT NULL,
	"content" text NOT NULL,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "document_versions_document_id_version_pk" PRIMARY KEY("document_id","version")
);
--> statement-breakpoint
CREATE TABLE "documents" (
	"id" text PRIMARY KEY NOT NULL,
	"agent_id" text NOT NULL,
	"path" text NOT NULL,
	"content" text NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "events" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"agent_id" text NOT NULL,
	"session_id" text,
	"body" jsonb NOT NULL,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "file_changes" (
	"call_id" text PRIMARY KEY NOT NULL,
	"agent_id" text NOT NULL,
	"session_id" text NOT NULL,
	"turn_id" text NOT NULL,
	"path" text NOT NULL,
	"before" "bytea",
	"after_sha256" text NOT NULL,
	"undone_at" timestamp (3) with time zone,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "grants" (
	"id" text PRIMARY KEY NOT NULL,
	"agent_id" text NOT NULL,
	"principal" text NOT NULL,
	"capability" jsonb NOT NULL,
	"even_untrusted" boolean DEFAULT false NOT NULL,
	"session_id" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"mac" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "identities" (
	"channel" text NOT NULL,
	"external_id" text NOT NULL,
	"person_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"mac" text DEFAULT '' NOT NULL,
	CONSTRAINT "identities_channel_external_id_pk" PRIMARY KEY("channel","external_id")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" text PRIMARY KEY NOT NULL,
	"agent_id" text NOT NULL,
	"kind" text NOT NULL,
	"state" text NOT NULL,
	"payload" jsonb NOT NULL,
	"session_id" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"max_attempts" integer DEFAULT 3 NOT NULL,
	"run_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"lease_owner" text,
	"lease_until" timestamp (3) with time zone,
	"fence" integer DEFAULT 0 NOT NULL,
	"cancel_requested" boolean DEFAULT false NOT NULL,
	"error" text,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "messages" (
	"id" text PRIMARY KEY NOT NULL,
	"position" bigint GENERATED ALWAYS AS IDENTITY (sequence name "messages_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"session_id" text NOT NULL,
	"turn_id" text,
	"agent_id" text NOT NULL,
	"role" text NOT NULL,
	"person_id" text,
	"text" text NOT NULL,
	"parts" jsonb,
	"tool_calls" jsonb,
	"call_id" text,
	"covers_to" bigint,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "meta" (
	"key" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "people" (
	"id" text PRIMARY KEY NOT NULL,
	"role" text NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"mac" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "secrets" (
	"name" text PRIMARY KEY NOT NULL,
	"version" integer NOT NULL,
	"key_id" text NOT NULL,
	"nonce" "bytea" NOT NULL,
	"ciphertext" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"used_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" text PRIMARY KEY NOT NULL,
	"agent_id" text NOT NULL,
	"channel" text NOT NULL,
	"peer" text NOT NULL,
	"topic" text DEFAULT '' NOT NULL,
	"title" text DEFAULT '' NOT NULL,
	"model" text,
	"thinking" text,
	"cleared_to" bigint DEFAULT 0 NOT NULL,
	"compacted_to" bigint DEFAULT 0 NOT NULL,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"hash" text NOT NULL,
	"scopes" text[] NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"mac" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "turns" (
	"id" text PRIMARY KEY NOT NULL,
	"session_id" text NOT NULL,
	"agent_id" text NOT NULL,
	"job_id" text NOT NULL,
	"state" text NOT NULL,
	"hidden" text,
	"model" text,
	"partial" text DEFAULT '' NOT NULL,
	"iterations" integer DEFAULT 0 NOT NULL,
	"options" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"error" jsonb,
	"input_tokens" integer DEFAULT 0 NOT NULL,
	"output_tokens" integer DEFAULT 0 NOT NULL,
	"cost_usd_micros" bigint DEFAULT 0 NOT NULL,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "usage" (
	"id" text PRIMARY KEY NOT NULL,
	"agent_id" text NOT NULL,
	"session_id" text,
	"turn_id" text,
	"job_id" text,
	"purpose" text NOT NULL,
	"vendor" text NOT NULL,
	"model" text NOT NULL,
	"input_tokens" integer NOT NULL,
	"cached_input_tokens" integer NOT NULL,
	"output_tokens" integer NOT NULL,
	"cost_usd_micros" bigint NOT NULL,
	"labels" text[] DEFAULT '{untrusted}' NOT NULL,
	"source" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "approvals" ADD CONSTRAINT "approvals_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "calls" ADD CONSTRAINT "calls_turn_id_turns_id_fk" FOREIGN KEY ("turn_id") REFERENCES "public"."turns"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "chunks" ADD CONSTRAINT "chunks_document_id_documents_id_fk" FOREIGN KEY ("document_id") REFERENCES "public"."documents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "document_versions" ADD CONSTRAINT "document_versions_document_id_documents_id_fk" FOREIGN KEY ("document_id") REFERENCES "public"."documents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "file_changes" ADD CONSTRAINT "file_changes_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "identities" ADD CONSTRAINT "identities_person_id_people_id_fk" FOREIGN KEY ("person_id") REFERENCES "public"."people"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "messages" ADD CONSTRAINT "messages_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "turns" ADD CONSTRAINT "turns_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "approvals_open" ON "approvals" USING btree ("session_id") WHERE state = 'open';--> statement-breakpoint
CREATE INDEX "approvals_turn" ON "approvals" USING btree ("turn_id");--> statement-breakpoint
CREATE INDEX "calls_turn" ON "calls" USING btree ("turn_id");--> statement-breakpoint
CREATE UNIQUE INDEX "chunks_place" ON "chunks" USING btree ("document_id","ordinal");--> statement-breakpoint
CREATE INDEX "chunks_words" ON "chunks" USING gin ("words");--> statement-breakpoint
CREATE UNIQUE INDEX "documents_path" ON "documents" USING btree ("agent_id","path");--> statement-breakpoint
CREATE INDEX "events_session" ON "events" USING btree ("session_id","seq");--> statement-breakpoint
CREATE INDEX "file_changes_session" ON "file_changes" USING btree ("session_id","created_at");--> statement-breakpoint
CREATE INDEX "grants_principal" ON "grants" USING btree ("principal");--> statement-breakpoint
CREATE INDEX "jobs_claimable" ON "jobs" USING btree ("run_at") WHERE state = 'queued';--> statement-breakpoint
CREATE INDEX "jobs_leased" ON "jobs" USING btree ("lease_until") WHERE state = 'running';--> statement-breakpoint
CREATE INDEX "jobs_active" ON "jobs" USING btree ("session_id") WHERE state in ('queued', 'running', 'suspended');--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_one_per_session" ON "jobs" USING btree ("session_id") WHERE state in ('running', 'suspended');--> statement-breakpoint
CREATE INDEX "messages_session" ON "messages" USING btree ("session_id","position");--> statement-breakpoint
CREATE INDEX "messages_turn" ON "messages" USING btree ("turn_id");--> statement-breakpoint
CREATE INDEX "messages_words" ON "messages" USING gin (to_tsvector('simple', left("text", 100000)));--> statement-breakpoint
CREATE UNIQUE INDEX "people_one_owner" ON "people" USING btree ("role") WHERE role = 'owner';--> statement-breakpoint
CREATE INDEX "sessions_recent" ON "sessions" USING btree ("updated_at" DESC NULLS LAST,"id");--> statement-breakpoint
CREATE INDEX "sessions_place" ON "sessions" USING btree ("channel","peer","topic","agent_id");--> statement-breakpoint
CREATE UNIQUE INDEX "tokens_hash" ON "tokens" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "turns_session" ON "turns" USING btree ("session_id","created_at");--> statement-breakpoint
CREATE INDEX "turns_active" ON "turns" USING btree ("session_id") WHERE state in ('queued', 'running', 'suspended');--> statement-breakpoint
CREATE INDEX "turns_hidden" ON "turns" USING btree ("session_id") WHERE hidden is not null;--> statement-breakpoint
CREATE INDEX "usage_time" ON "usage" USING btree ("created_at","agent_id");