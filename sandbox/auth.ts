/**
 * What lets a plugin in somewhere: the secrets that it needs, each set by the owner and, where the vendor can be asked, tried before it is
 * kept. A value goes to the host that the plugin was granted it for, in the place that it was granted, and nowhere else.
 */
import { AppError } from "#core/errors.ts"
import type { Vault } from "#core/secrets/vault.ts"
import type { Logins } from "./logins.ts"
import type { Auth } from "./manifest-auth.ts"
import { type PluginSecret, secretsOf } from "./plugin-credentials.ts"
import type { PluginPin } from "./plugin.ts"
import type { Plugins } from "./plugins.ts"
import type { CheckToken } from "./token-check.ts"

export type PluginAuthStatus = {
  plugin: string
  /** How its vendor calls it, and what to do there; null where the plugin only names secrets. */
  displayName: string | null
  instructions: string | null
  setupUrl: string | null
  /** Where a new value is tried before it is kept. */
  triedAt: string | null
  secrets: PluginSecret[]
}

/** A change of one secret of a plugin, as its owner confirms it. */
export type PreparedToken = {
  pin: PluginPin
  secret: string
  /** 0: it was not set. */
  version: number
  triedAt: string | null
  /** Other plugins that are given the same secret. */
  sharedWith: string[]
}

export type PluginAuth = {
  /** Throws `not_found`, and `conflict` where nobody agreed to the plugin. */
  status(name: string): Promise<PluginAuthStatus>
  /** `secret`: the one that `auth` names, else the only one. Throws `input.invalid`, `conflict`, `not_found`. */
  prepare(name: string, change: { secret: string | null; value: string | null }): Promise<PreparedToken>
  /** Throws `plugin.token_refused` where the vendor does not take it, `plugin.token_unproved` where it could not be asked. */
  save(
    prepared: PreparedToken,
    how: { value: string; unchecked: boolean; signal: AbortSignal },
  ): Promise<PluginAuthStatus>
  forget(prepared: PreparedToken): Promise<PluginAuthStatus>
}

export type PluginAuthDeps = {
  plugins: Pick<Plugins, "agreedPin" | "agreedPins">
  vault: Pick<Vault, "judge" | "set" | "delete" | "value">
  logins: Pick<Logins, "valueFor">
  check: CheckToken
}

export function createPluginAuth({ plugins, vault, logins, check }: PluginAuthDeps): PluginAuth {
  async function status(name: string): Promise<PluginAuthStatus> {
    const pin = await plugins.agreedPin(name)
    const { manifest } = pin
    const { auth } = manifest
    return {
      plugin: name,
      displayName: auth?.display_name ?? null,
      instructions: auth?.instructions ?? null,
      setupUrl: auth?.setup_url ?? null,
      triedAt: triedAt(auth, auth?.secret_name ?? ""),
      secrets: secretsOf(manifest, logins.valueFor(pin)),
    }
  }

  return {
    status,
    async prepare(name, { secret, value }) {
      const pin = await plugins.agreedPin(name)
      const known = secretsOf(pin.manifest, vault.value)
      const wanted = secret ?? pin.manifest.auth?.secret_name ?? (known.length === 1 ? known[0]?.name : undefined)
      const found = known.find((one) => one.name.toLowerCase() === wanted?.toLowerCase())
      if (!found)
        throw new AppError(
          "input.invalid",
          known.length === 0
            ? `${name} uses no secret`
            : `${name} uses ${known.map((one) => one.name).join(", ")}${secret === null ? "" : `, and not ${secret.slice(0, 80)}`}`,
          { hint: `\`ironclaw tool auth ${name} --secret NAME\` names one.` },
        )
      if (found.way === "login" && value !== null)
        throw new AppError("input.invalid", `${found.name} comes from a login, and is not set by hand`)
      const { version } = await vault.judge({ name: found.name, value, mustExist: value === null })
      const sharedWith = plugins
        .agreedPins()
        .filter(
          (one) =>
            one.name !== name && secretsOf(one.manifest, vault.value).some((each) => isSame(each.name, found.name)),
        )
      return {
        pin,
        secret: found.name,
        version,
        triedAt: triedAt(pin.manifest.auth, found.name),
        sharedWith: sharedWith.map((one) => one.name),
      }
    },
    async save({ pin, secret, triedAt: host }, { value, unchecked, signal }) {
      if (host !== null && !unchecked) await tryOut(pin, { secret, value, signal })
      await vault.set({ name: secret, value })
      return status(pin.name)
    },
    async forget({ pin, secret }) {
      await vault.delete(secret)
      return status(pin.name)
    },
  }

  async function tryOut(pin: PluginPin, of: { secret: string; value: string; signal: AbortSignal }): Promise<void> {
    const checked = await check(pin, of)
    if (checked === null || checked.verdict === "taken") return
    const words = `${checked.words}; nothing was saved`
    if (checked.verdict === "unproved") throw new AppError("plugin.token_unproved", words)
    const page = pin.manifest.auth?.setup_url
    throw new AppError(
      "plugin.token_refused",
      words,
      page === undefined ? {} : { hint: `Make another one at ${page}, whole and with the rights that it asks for.` },
    )
  }
}

/** The host alone, where the secret is the one that can be tried. */
function triedAt(auth: Auth | undefined, secret: string): string | null {
  const check = auth?.validation_endpoint
  return auth && check && isSame(auth.secret_name, secret) ? new URL(check.url).hostname : null
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
