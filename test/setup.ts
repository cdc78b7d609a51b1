/** Before any test: a home of its own, no keys of the machine's user, and no way to any machine but this one. */
import { afterAll, mock } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import os from "node:os"
import { join } from "node:path"
import { forbidNetwork } from "./fakes/no-network.ts"

/** What the program under test reads, and a machine that runs the tests may have set. TEST_DATABASE_URL stays. */
const named =
  /^(LLM|GATEWAY|EMBEDDING|OPENAI|ANTHROPIC|OLLAMA|IRONCLAW)_|^(DATABASE_URL|AGENT_NAME|NO_COLOR|FORCE_COLOR|BUN_OPTIONS)$/
const secret = /(_KEY|_TOKEN|_SECRET|_PASSWORD)$/i
const proxy = /^(https?|all|no)_proxy$/i
/** Names that the test runner itself sets. */
const kept = new Set(["IRONCLAW_TEST_FULL", "IRONCLAW_TEST_BINARY", "IRONCLAW_TEST_BUSYBOX"])

for (const name of Object.keys(process.env)) {
  if (!kept.has(name) && (named.test(name) || secret.test(name) || proxy.test(name))) delete process.env[name]
}

const home = mkdtempSync(join(os.tmpdir(), "ironclaw-test-"))
process.env["HOME"] = home
// Bun's homedir() keeps what HOME was when the process started.
const homedir = (): string => process.env["HOME"] ?? home
await mock.module("node:os", () => ({ ...os, homedir, default: { ...os, homedir } }))
process.env["USERPROFILE"] = home
process.env["XDG_CONFIG_HOME"] = join(home, ".config")
process.env["XDG_RUNTIME_DIR"] = home
// The test runner runs no exit handlers.
afterAll(() => rmSync(home, { recursive: true, force: true }))

forbidNetwork()
