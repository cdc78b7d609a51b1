/** Checks of the configuration: can it be read, who can reach the gateway, and which settings are dangerous together. */
import { existsSync, realpathSync, statSync } from "node:fs"
import { join, sep } from "node:path"
import { configKeyNames, type Config } from "#core/config.ts"
import { isLoopback } from "#core/safety/addresses.ts"
import { type Check, failure, type Finding, listText, note, ok, warning, skipped } from "./check.ts"
import type { Facts } from "./facts.ts"

/** A year of use is a year in which a token may have been copied. */
const OLD_DAYS = 365
const DAY_MS = 24 * 3_600_000

/** A check that needs the configuration; where it cannot be read, `config.readable` says so. */
const withConfig =
  (judge: (config: Config, facts: Facts) => Finding | Promise<Finding>) =>
  (facts: Facts): Finding | Promise<Finding> =>
    facts.config.ok ? judge(facts.config.value.config, facts) : skipped("the configuration cannot be read")

export const settingChecks: readonly Check[] = [
  {
    id: "config.readable",
    why: "With a wrong key or value nothing starts: a misspelt key must never leave a default in force without a word.",
    judge: ({ config }) =>
      config.ok
        ? ok("Every key is known and every value is one that it takes")
        : failure(config.error?.message ?? "It cannot be read", config.error?.hint),
  },
  {
    id: "config.warnings",
    why: "A name that sets nothing was meant to set something.",
    judge: ({ config }) =>
      config.ok && config.value.warnings.length > 0
        ? warning(config.value.warnings.join(" "), "Correct the name, or take it out of the environment.")
        : ok("No name is without effect"),
  },
  {
    id: "config.sources",
    why: "A value from the environment wins over config.toml: what you change there has no effect.",
    judge: withConfig((config) => {
      const shadowed = configKeyNames.filter((key) => ["environment", ".env"].includes(config.sources[key].from))
      if (shadowed.length === 0) return ok("The environment sets no key")
      return note(
        `Set by the environment: ${listText(shadowed.map((key) => `${key} (${config.sources[key].name})`))}`,
        "A service does not see your shell's environment: put what it needs into config.toml.",
      )
    }),
  },
  {
    id: "gateway.bind",
    why: "Beyond loopback every machine that reaches the port may try the gateway's door.",
    judge: withConfig(({ gateway }) => {
      const { host, port } = gateway
      if (host === "localhost" || isLoopback(host)) return ok(`${host}:${port}: this machine alone`)
      const guarded = gateway.tls_cert_file !== null || gateway.trusted_proxies.length > 0
      const text = `${host}:${port}: other machines can call it`
      return guarded
        ? warning(text, "Keep it only if that is meant: `ironclaw config unset gateway.host` closes it.")
        : failure(
            `${text}, without TLS or a named proxy in front`,
            "The service refuses to start so. `ironclaw config unset gateway.host`, or set up TLS.",
          )
    }),
  },
  {
    id: "gateway.tls",
    why: "Without TLS, whoever is between a client and the gateway reads the token and everything else.",
    judge: withConfig(({ gateway }) => {
      const { host, tls_cert_file: cert, tls_key_file: key } = gateway
      if (cert === null || key === null)
        return host === "localhost" || isLoopback(host)
          ? ok("Not needed on loopback")
          : note("There is none; see gateway.bind")
      const missing = [cert, key].filter((path) => !existsSync(path))
      if (missing.length > 0)
        return failure(`Missing: ${listText(missing)}`, "Correct gateway.tls_cert_file and gateway.tls_key_file.")
      const mode = statSync(key).mode & 0o077
      return mode === 0
        ? ok("Certificate and key are there, the key for you alone")
        : warning(`Others can read ${key}`, `chmod 600 ${key}`)
    }),
  },
  {
    id: "gateway.origins",
    why: "A web page of an allowed origin may call the gateway from your browser with whatever you can do.",
    judge: withConfig(({ gateway }) => {
      const names = [...gateway.allowed_origins, ...gateway.allowed_hosts]
      return names.length === 0
        ? ok("Only the gateway's own page")
        : note(`Allowed besides: ${listText(names)}`, "Take out what you no longer use.")
    }),
  },
  {
    id: "gateway.token",
    why: "The owner's token opens everything over the port; the older it is, the more places may hold a copy.",
    judge: withConfig((_, { config: known, home, clock }) => {
      if (known.ok && known.value.environment.get("GATEWAY_AUTH_TOKEN") !== undefined) {
        const length = known.value.environment.get("GATEWAY_AUTH_TOKEN")?.length ?? 0
        return length < 32
          ? warning(`GATEWAY_AUTH_TOKEN has ${length} characters`, "Use 32 random bytes: `openssl rand -hex 32`.")
          : note("It is set by GATEWAY_AUTH_TOKEN, so its age cannot be told")
      }
      const stat = statSync(join(home.paths.run, "token"), { throwIfNoEntry: false })
      if (!stat) return ok("There is none yet")
      const days = Math.floor((clock.nowMs() - stat.mtimeMs) / DAY_MS)
      return days > OLD_DAYS
        ? note(`It is ${days} days old`, "To change it, stop the service, remove run/token, and start it again.")
        : ok(`It is ${days} days old`)
    }),
  },
  {
    id: "settings.approvals",
    why: "It decides what runs without asking you.",
    judge: withConfig(({ approvals }) =>
      approvals.level === "trusted"
        ? warning(
            "approvals.level is trusted: the project is changed without asking",
            "`ironclaw config set approvals.level supervised` asks again.",
          )
        : ok(`approvals.level is ${approvals.level}`),
    ),
  },
  {
    id: "settings.local-endpoints",
    why: "What is listed there is reached inside your network, where other gates do not look.",
    judge: withConfig(({ model }) =>
      model.local_endpoints.length === 0
        ? ok("None")
        : note(`Open: ${listText(model.local_endpoints)}`, "Take out what you no longer use."),
    ),
  },
  {
    id: "settings.limits",
    why: "A loop, or a text that makes the model work, is stopped by nothing but a limit.",
    judge: withConfig(({ limits }) =>
      limits.day_usd === "none"
        ? warning("There is no limit by day", "`ironclaw config set limits.day_usd 10` stops at ten dollars.")
        : ok(`$${limits.day_usd} a day`),
    ),
  },
  {
    id: "settings.project",
    why: "A project folder in or around the home would let the assistant read its own keys and rules.",
    judge: withConfig(({ project }, { home }) => {
      const { folder } = project
      if (folder === null) return ok("No project folder is named")
      if (!existsSync(folder))
        return failure(`${folder} does not exist`, "Make it, or `ironclaw config unset project.folder`.")
      const real = realpathSync(folder)
      if (isWithin(real, home.root)) return failure(`${real} is in the home`, "Name a folder outside the home.")
      if (isWithin(home.root, real))
        return warning(
          `The home lies in ${real}; it is closed to the tools all the same`,
          "Name a folder that does not hold it.",
        )
      return ok(real)
    }),
  },
]

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}
