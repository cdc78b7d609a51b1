/**
 * A program for guard.test.ts: tries every way out it knows and prints what came of each as JSON. `--guarded` installs the guard first,
 * as the real entry does; without it the same ways must work, or the test would prove nothing.
 */
import { installGuard } from "#core/guard.ts"

if (process.argv.includes("--guarded")) installGuard()
// Only now: what is imported by name keeps what it finds at this moment.
const { probe } = await import("./guard-ways.ts")
process.stdout.write(JSON.stringify(await probe()))
process.exit(0)
