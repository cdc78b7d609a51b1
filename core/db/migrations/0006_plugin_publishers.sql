CREATE TABLE "plugin_signatures" (
	"plugin" text PRIMARY KEY NOT NULL,
	"sha256" text NOT NULL,
	"key" text NOT NULL,
	"mac" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
ALTER TABLE "plugins" ADD COLUMN "publisher" text;