ALTER TABLE "turns" ADD COLUMN "ceiling" jsonb;--> statement-breakpoint
CREATE UNIQUE INDEX "sessions_sub_turn" ON "sessions" USING btree ("peer","topic") WHERE channel = 'agent';