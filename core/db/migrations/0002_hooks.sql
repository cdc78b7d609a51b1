CREATE TABLE "hooks" (
	"name" text PRIMARY KEY NOT NULL,
	"point" text NOT NULL,
	"position" integer NOT NULL,
	"argv" text[],
	"files" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"url" text,
	"local" boolean DEFAULT false NOT NULL,
	"tools" text[],
	"channels" text[],
	"agents" text[],
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"mac" text DEFAULT '' NOT NULL
);
