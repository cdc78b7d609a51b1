CREATE TABLE "logins" (
	"provider" text PRIMARY KEY NOT NULL,
	"secret_name" text NOT NULL,
	"endpoints" jsonb NOT NULL,
	"scopes" text[] NOT NULL,
	"state" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"version" integer NOT NULL,
	"lease_until" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"mac" text DEFAULT '' NOT NULL
);
