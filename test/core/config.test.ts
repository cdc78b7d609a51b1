import { afterAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  configKeyNames,
  configSchema,
  describeConfig,
  environmentNamesOf,
  type LoadedConfig,
  loadConfig,
  restartNeeded,
  valueOf,
} from "#core/config.ts"
import { specOf } from "#core/config-keys.ts"
import { AppError } from "#core/errors.ts"
import { openHome } from "#core/home.ts"
import { nearest } from "#core/nearest.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-config-test-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))
let count = 0

type Setting = { toml?: string; dotEnv?: string; env?: Record<string, string>; flags?: Record<string, string> }
function make({ toml, dotEnv, env = {}, flags = {} }: Setting = {}) {
  const home = openHome({ env: {}, explicit: join(base, `home-${++count}`) })
  if (toml !== undefined) writeFileSync(home.configFile, toml)
  if (dotEnv !== undefined) writeFileSync(home.envFile, dotEnv)
  return { home, env, flags }
}
const load = (setting: Setting = {}): Promise<LoadedConfig> => loadConfig(make(setting))

async function errorOf(work: Promise<unknown>): Promise<AppError> {
  try {
    await work
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error("nothing was thrown")
}

describe("precedence", () => {
  test("without anything every value is its default", async () => {
    const { config, warnings } = await load()
    expect(config.gateway).toEqual({
      host: "127.0.0.1",
      port: 3000,
      allowed_hosts: [],
      allowed_origins: [],
      public_url: null,
      trusted_proxies: [],
      tls_cert_file: null,
      tls_key_file: null,
    })
    expect(config.limits.day_usd).toBe(10)
    expect(config.database).toMatchObject({ kind: "embedded", url: null })
    expect(config.model.backend).toBeNull()
    expect(new Set(Object.values(config.sources).map((source) => source.from))).toEqual(new Set(["default"]))
    expect(warnings).toEqual([])
  })

  test("is flag, environment, .env, file, default, with the source of each", async () => {
    const toml = "[gateway]\nport = 1\n"
    const at = async (setting: Setting) => {
      const { config } = await load(setting)
      return [config.gateway.port, config.sources["gateway.port"]]
    }
    expect(await at({ toml })).toEqual([1, { from: "file", name: "config.toml:2" }])
    expect(await at({ toml, dotEnv: "GATEWAY_PORT=2" })).toEqual([2, { from: ".env", name: "GATEWAY_PORT" }])
    expect(await at({ toml, dotEnv: "GATEWAY_PORT=2", env: { GATEWAY_PORT: "3" } })).toEqual([
      3,
      { from: "environment", name: "GATEWAY_PORT" },
    ])
    expect(await at({ toml, env: { GATEWAY_PORT: "3", IRONCLAW_GATEWAY_PORT: "4" } })).toEqual([
      4,
      { from: "environment", name: "IRONCLAW_GATEWAY_PORT" },
    ])
    expect(await at({ toml, env: { GATEWAY_PORT: "3" }, flags: { "gateway.port": "5" } })).toEqual([
      5,
      { from: "flag", name: "gateway.port" },
    ])
  })

  test("an empty value in the environment counts as unset", async () => {
    const { config } = await load({ env: { GATEWAY_PORT: "", AGENT_NAME: "" }, dotEnv: "AGENT_NAME=Ada\n" })
    expect(config.gateway.port).toBe(3000)
    expect(config.agent.name).toBe("Ada")
  })

  test("secrets come from the environment by name and are no configuration", async () => {
    const { environment, config } = await load({ dotEnv: 'OPENAI_API_KEY="sk-test"\n', env: { LLM_API_KEY: "k" } })
    expect(environment.get("OPENAI_API_KEY")).toBe("sk-test")
    expect(environment.get("LLM_API_KEY")).toBe("k")
    expect(JSON.stringify(config)).not.toContain("sk-test")
  })
})

describe("names that users already set", () => {
  test("choose the backend: configured, else the key that is there, else nothing", async () => {
    expect((await load({ env: { ANTHROPIC_API_KEY: "k" } })).config.model.backend).toBe("anthropic")
    expect((await load({ env: { OPENAI_API_KEY: "k", LLM_BACKEND: "ollama" } })).config.model.backend).toBe("ollama")
    expect((await load({ env: { LLM_BASE_URL: "http://127.0.0.1:1/v1" } })).config.model).toMatchObject({
      backend: "openai_compatible",
      base_url: "http://127.0.0.1:1/v1",
    })
    expect((await load({ toml: 'model.backend = "demo"', env: { OPENAI_API_KEY: "k" } })).config.model.backend).toBe(
      "demo",
    )
  })

  test("leave the choice to the model where one is named", async () => {
    const env = { ANTHROPIC_API_KEY: "k" }
    expect((await load({ toml: 'model.name = "openai/gpt-5"', env })).config.model.backend).toBeNull()
    expect((await load({ env: { ...env, LLM_MODEL: "gpt-5" } })).config.model.backend).toBeNull()
  })

  test("of a vendor count only for that vendor, before the general ones", async () => {
    const env = { OPENAI_MODEL: "gpt", ANTHROPIC_MODEL: "claude", LLM_MODEL: "general" }
    expect((await load({ env: { ...env, LLM_BACKEND: "openai" } })).config.model.name).toBe("gpt")
    expect((await load({ env: { ...env, LLM_MODEL: "", ANTHROPIC_API_KEY: "k" } })).config.model.name).toBe("claude")
    expect((await load({ env: { ...env, LLM_BACKEND: "groq" } })).config.model.name).toBe("general")
    expect((await load({ env: { OLLAMA_MODEL: "llama" } })).config).toMatchObject({
      model: { backend: "ollama", name: "llama" },
    })
  })

  test("DATABASE_URL alone means your own server, and may hold a password that is never shown", async () => {
    const { config } = await load({
      env: { DATABASE_URL: "postgres://me:hunter2@db.example:5432/claw?sslmode=require" },
    })
    expect(config.database).toMatchObject({
      kind: "postgres",
      url: "postgres://me:hunter2@db.example:5432/claw?sslmode=require",
    })
    const shown = describeConfig(config).find((entry) => entry.key === "database.url")
    expect(shown?.value).toBe("postgres://me:***@db.example:5432/claw?sslmode=require")
    expect(JSON.stringify(describeConfig(config))).not.toContain("hunter2")
  })

  test("every documented name sets a key", () => {
    const names = configKeyNames.flatMap(environmentNamesOf)
    for (const name of [
      "DATABASE_URL",
      "LLM_BACKEND",
      "LLM_BASE_URL",
      "LLM_MODEL",
      "OPENAI_MODEL",
      "ANTHROPIC_MODEL",
      "OLLAMA_BASE_URL",
      "OLLAMA_MODEL",
      "GATEWAY_HOST",
      "GATEWAY_PORT",
      "AGENT_NAME",
    ]) {
      expect(names).toContain(name)
    }
    expect(names).toContain("IRONCLAW_LIMITS_DAY_USD")
  })
})

describe("mistakes", () => {
  test("an unknown key in the file names its line and the nearest one", async () => {
    const error = await errorOf(load({ toml: "# mine\n[gateway]\nprot = 3000\n" }))
    expect(error.code).toBe("config.unknown_key")
    expect(error.message).toEndWith("config.toml:3: gateway.prot is no configuration key")
    expect(error.hint).toContain("gateway.port")
  })

  test("a misspelt section, flag and .env name are errors too", async () => {
    expect((await errorOf(load({ toml: "[aprovals]\nlevel = 'read-only'\n" }))).hint).toContain("approvals.level")
    expect((await errorOf(load({ flags: { "gateway.prt": "1" } }))).hint).toContain("gateway.port")
    const error = await errorOf(load({ dotEnv: "IRONCLAW_APPROVALS_LEVL=read-only" }))
    expect([error.code, error.hint]).toEqual([
      "config.unknown_key",
      expect.stringContaining("IRONCLAW_APPROVALS_LEVEL"),
    ])
  })

  test("a misspelt name in the process's environment is a warning, for others set those too", async () => {
    const { warnings } = await load({ env: { IRONCLAW_GATEWAY_PROT: "1", IRONCLAW_HOME: "/x", PATH: "/bin" } })
    expect(warnings).toEqual([
      "The environment's IRONCLAW_GATEWAY_PROT sets nothing; did you mean IRONCLAW_GATEWAY_PORT?",
    ])
  })

  test("wrong types are all named at once, with line and what is right", async () => {
    const error = await errorOf(
      load({
        toml: '[gateway]\nport = "3000"\nhost = 1\n[log]\nlevel = "loud"\nfiles = 1.5\n[limits]\nday_usd = "lots"\n[model]\nfallbacks = "a/b"\n',
      }),
    )
    expect(error.code).toBe("config.invalid")
    expect(error.message.split("\n")).toEqual([
      "config.toml:3: gateway.host is 1, but it should be a text of 1 to 2048 characters",
      'config.toml:2: gateway.port is "3000", but it should be a whole number from 0 to 65535',
      'config.toml:10: model.fallbacks is "a/b", but it should be a list of at most 32 texts',
      'config.toml:8: limits.day_usd is "lots", but it should be a number from 0 to 1000000 or none',
      'config.toml:5: log.level is "loud", but it should be debug or info or warn or error',
      "config.toml:6: log.files is 1.5, but it should be a whole number from 0 to 100",
    ])
  })

  test("values that only look right are refused in words", async () => {
    const problem = async (key: string, value: string) => (await errorOf(load({ flags: { [key]: value } }))).message
    expect(await problem("agent.time_zone", "Europe/Wien")).toContain("Europe/Vienna")
    expect(await problem("model.local_endpoints", "http://127.0.0.1:11434/v1")).toContain("http://127.0.0.1:11434")
    expect(await problem("model.base_url", "file:///etc/passwd")).toContain("http://")
    expect(await problem("project.folder", "work")).toContain("absolute")
    expect(await problem("database.url", "mysql://x")).toContain("postgres://")
    expect(await problem("gateway.port", "70000")).toContain("65535")
  })

  test("values that are right pass", async () => {
    const flags = {
      "agent.time_zone": "Europe/Vienna",
      "model.local_endpoints": "http://127.0.0.1:11434, http://[::1]:1234",
      "model.base_url": "https://x.example/v1?beta=1",
      "project.folder": "/work",
      "database.url": "postgres:///claw?host=/var/run/postgresql",
      "limits.day_usd": "none",
      "limits.hour_usd": "0.5",
      "gateway.allowed_hosts": '["claw.example.org"]',
      "model.fallbacks": "openai/gpt-5, ollama/qwen3:8b",
    }
    const { config } = await load({ flags })
    expect(config.model.local_endpoints).toEqual(["http://127.0.0.1:11434", "http://[::1]:1234"])
    expect(config.limits).toMatchObject({ day_usd: "none", hour_usd: 0.5 })
    expect(config.model.fallbacks).toEqual(["openai/gpt-5", "ollama/qwen3:8b"])
  })

  test("a file that is no TOML names the line", async () => {
    const error = await errorOf(load({ toml: '[gateway]\nhost = "x\n' }))
    expect(error.code).toBe("config.unreadable")
    expect(error.message).toMatch(/config\.toml:2: /)
  })

  test("postgres without a server says what to set", async () => {
    const error = await errorOf(load({ toml: 'database.kind = "postgres"' }))
    expect(error.hint).toContain("DATABASE_URL")
    expect(
      (await load({ toml: 'database.kind = "embedded"', env: { DATABASE_URL: "postgres://x/y" } })).config.database
        .kind,
    ).toBe("embedded")
  })

  test("a certificate without its key, or the other way round, is refused", async () => {
    const flags = { "gateway.tls_cert_file": "/c.pem", "gateway.tls_key_file": "/k.pem" }
    expect((await errorOf(load({ flags: { "gateway.tls_cert_file": "/c.pem" } }))).code).toBe("config.invalid")
    expect((await errorOf(load({ flags: { "gateway.tls_key_file": "/k.pem" } }))).code).toBe("config.invalid")
    expect((await load({ flags })).config.gateway).toMatchObject({ tls_cert_file: "/c.pem", tls_key_file: "/k.pem" })
  })

  test("a password in the file or in a flag is refused and never repeated", async () => {
    for (const setting of [
      { toml: 'database.url = "postgres://u:hunter2@h/d"' },
      { flags: { "database.url": "postgres://u@h/d?password=hunter2" } },
    ]) {
      const error = await errorOf(load(setting))
      expect(error.code).toBe("config.secret")
      expect(error.message + error.hint).not.toContain("hunter2")
      expect(error.hint).toContain("DATABASE_URL")
    }
  })
})

describe("the table", () => {
  test("has a sentence, a default that its own schema accepts, and a place in the schema for each key", async () => {
    const { config } = await load()
    const schema = JSON.stringify(configSchema())
    for (const key of configKeyNames) {
      const { about, initial } = specOf(key)
      expect(about).toMatch(/^[A-Z].*\.$/)
      expect(schema).toContain(about.replaceAll('"', '\\"'))
      if (initial === null) continue
      const text = typeof initial === "string" ? initial : JSON.stringify(initial)
      expect(valueOf((await load({ flags: { [key]: text } })).config, key)).toEqual(valueOf(config, key))
    }
    expect(restartNeeded(configKeyNames)).toEqual([
      "gateway.host",
      "gateway.port",
      "gateway.tls_cert_file",
      "gateway.tls_key_file",
      "database.kind",
      "database.url",
      "database.pool_size",
      "database.ca_file",
    ])
  })

  test("reading makes no file", async () => {
    const options = make()
    await loadConfig(options)
    expect(existsSync(options.home.configFile)).toBe(false)
  })
})

describe("the nearest word", () => {
  test("is found for slips and parts, and not for other words", () => {
    const words = ["status", "session", "config", "memory", "gateway.port"]
    expect(nearest("staus", words)).toBe("status")
    expect(nearest("sesion", words)).toBe("session")
    expect(nearest("ocnfig", words)).toBe("config")
    expect(nearest("mem", words)).toBe("memory")
    expect(nearest("port", words)).toBe("gateway.port")
    expect(nearest("banana", words)).toBeNull()
    expect(nearest("x", words)).toBeNull()
  })
})
