/**
 * For drizzle-kit alone, which compares core/db/schema.ts with the last migration and writes the next one:
 * `bun x drizzle-kit generate --config scripts/drizzle.config.ts --name what-it-does`, then one line in core/db/migrations.ts.
 * By hand (functions, triggers): the same with `--custom`.
 */
import { defineConfig } from "drizzle-kit"

// drizzle-kit reads the default export; there is no other way to tell it.
export default defineConfig({ dialect: "postgresql", schema: "./core/db/schema.ts", out: "./core/db/migrations" })
