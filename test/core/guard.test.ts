import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cleanEnvironment } from "#core/guard.ts"
import type { Probe } from "./guard-ways.ts"

const program = join(import.meta.dir, "guard-probe.ts")
const folder = mkdtempSync(join(tmpdir(), "ironclaw-guard-"))
const binary = join(folder, "probe")

/** What a hostile or careless environment may hold. */
const environment = {
  PATH: process.env["PATH"] ?? "",
  HTTP_PROXY: "http://10.0.0.1:3128",
  all_proxy: "http://10.0.0.1:3128",
  BUN_CONFIG_VERBOSE_FETCH: "0",
  NODE_OPTIONS: "",
  NODE_TLS_REJECT_UNAUTHORIZED: "0",
  NODE_EXTRA_CA_CERTS: "",
  LD_BIND_NOW: "",
  KEPT: "yes",
}

async function run(argv: string[], env: Record<string, string>): Promise<Probe> {
  const child = Bun.spawn(argv, { env, stdout: "pipe", stderr: "inherit" })
  // Our own program prints exactly one Probe.
  const probe = JSON.parse(await new Response(child.stdout).text()) as Probe
  expect(await child.exited).toBe(0)
  return probe
}

afterAll(() => rmSync(folder, { recursive: true }))

test("without the guard every way works, so that a refusal means something", async () => {
  const { ways } = await run([process.execPath, program], { PATH: environment.PATH })
  const network = [
    "fetch",
    "Bun.fetch",
    "fetch of bun",
    "WebSocket",
    "net.connect",
    "Socket.connect",
    "tls.connect",
    "http.get",
    "http2.connect",
    "Bun.connect",
    "connect of bun",
  ]
  for (const name of network) expect(ways[name]?.hits, name).toBeGreaterThan(0)
  const started = [
    "Bun.serve",
    "Bun.listen",
    "net.Server.listen",
    "Bun.udpSocket",
    "dgram",
    "dns.lookup",
    "dns.promises.lookup",
    "Bun.dns.lookup",
    "Bun.spawn",
    "spawn of bun",
    "Bun.spawnSync",
    "Bun.$",
    "spawn",
    "exec",
    "spawnSync",
    "execSync",
    "Worker",
    "Worker of node",
  ]
  for (const name of started) expect(ways[name]?.outcome, name).toBe("worked")
})

describe.each([
  ["as a script", [process.execPath, program, "--guarded"]],
  ["in a compiled binary", [binary, "--guarded"]],
])("with the guard, %s,", (what, argv) => {
  let probe: Probe
  beforeAll(async () => {
    if (what === "in a compiled binary") {
      const flags = [
        "--compile",
        "--minify",
        "--bytecode",
        "--format=esm",
        "--splitting",
        "--no-compile-autoload-dotenv",
        "--no-compile-autoload-bunfig",
      ]
      const build = Bun.spawn([process.execPath, "build", ...flags, program, "--outfile", binary], {
        stdout: "ignore",
        stderr: "inherit",
      })
      expect(await build.exited).toBe(0)
    }
    probe = await run(argv, environment)
  }, 60_000)

  test("no way out works, and none reaches a server", () => {
    expect(Object.keys(probe.ways).length).toBeGreaterThan(30)
    for (const [name, { outcome, hits }] of Object.entries(probe.ways)) {
      expect(outcome, name).toStartWith("refused")
      expect(hits, name).toBe(0)
    }
    expect(probe.refusals).toBeGreaterThan(25)
  })

  test("the exempt ones work, by name", () => {
    expect(probe.exempt).toEqual({
      egress: "hit",
      "our own service": "hit",
      "a listener": "127.0.0.1",
      "a child": "started\n",
      "a hook's program": "asked 0\n",
      "the database before it is allowed": "refused guard.refused",
      "a second claim": "refused guard.refused",
      "a second claim of the hooks'": "refused guard.refused",
      "the database": "worked",
      "the database's host at another port": "refused guard.refused",
    })
  })

  test("a child inherits nothing that steers a runtime, a linker or a proxy", () => {
    expect(probe.environment).toContain("KEPT")
    expect(probe.environment.filter((name) => /proxy|^BUN_|^NODE_(?!EXTRA)|^LD_/i.test(name))).toEqual([])
  })
})

test("an environment is cleaned of what steers, and keeps the rest", () => {
  const env: Record<string, string> = {
    HTTPS_PROXY: "x",
    no_proxy: "x",
    BUN_OPTIONS: "x",
    BUN_BE_BUN: "1",
    NODE_OPTIONS: "x",
    LD_PRELOAD: "x",
    DYLD_INSERT_LIBRARIES: "x",
    BASH_ENV: "x",
    npm_config_registry: "x",
    HOME: "/h",
    PATH: "/bin",
    NODE_ENV: "production",
    IRONCLAW_HOME: "/h",
    ENVIRONMENT: "x",
  }
  cleanEnvironment(env)
  expect(Object.keys(env).sort()).toEqual(["ENVIRONMENT", "HOME", "IRONCLAW_HOME", "NODE_ENV", "PATH"])
})
