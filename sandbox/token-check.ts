/** Asking a plugin's vendor whether it takes a secret: one request to the place that the manifest names, with the secret where it was granted. */
import { AppError } from "#core/errors.ts"
import type { Egress } from "#core/safety/egress.ts"
import { credentialsOf } from "./plugin-credentials.ts"
import { type PluginPin, pluginPrincipal } from "./plugin.ts"

/** `refused`: it said no. `unproved`: it could not be asked, or said nothing of the secret. */
export type Checked = { verdict: "taken" } | { verdict: "refused" | "unproved"; host: string; words: string }

/** Null where the manifest names no place to ask. */
export type CheckToken = (
  pin: PluginPin,
  of: { secret: string; value: string; signal: AbortSignal },
) => Promise<Checked | null>

/** A vendor's answer to "who am I?" is a few KB. */
const CHECK_CAPS = { maxResponseBytes: 256 * 1024, firstByteMs: 15_000, totalMs: 20_000 }

export function createTokenCheck({ egress }: { egress: Pick<Egress, "fetchFor"> }): CheckToken {
  return async (pin, { secret, value, signal }) => {
    const check = pin.manifest.auth?.validation_endpoint
    if (!check) return null
    const url = new URL(check.url)
    const host = url.hostname
    const method = check.method ?? "GET"
    const fetch = egress.fetchFor({
      principal: pluginPrincipal(pin),
      purpose: "auth",
      agentId: "main",
      allow: [{ host, methods: [method] }],
      local: [],
      caps: CHECK_CAPS,
      // None of its other secrets is of use here.
      credentials: credentialsOf(pin.manifest, (name) => (name.toLowerCase() === secret.toLowerCase() ? value : null)),
    })
    let status: number
    try {
      const answer = await fetch(check.url, { method, redirect: "manual", signal })
      await answer.body?.cancel()
      status = answer.status
    } catch (error) {
      if (!(error instanceof AppError) || !error.code.startsWith("egress.")) throw error
      return { verdict: "unproved", host, words: `${host} could not be asked: ${error.message}` }
    }
    if (check.success_status === undefined ? status >= 200 && status < 300 : status === check.success_status)
      return { verdict: "taken" }
    if (status === 429 || status >= 500 || (status >= 300 && status < 400))
      return { verdict: "unproved", host, words: `${host} answered ${status}, which says nothing of ${secret}` }
    return { verdict: "refused", host, words: `${host} does not take this ${secret} (it answered ${status})` }
  }
}
