/** One call of a channel's code: what the host does for it meanwhile, and how far its answer is believed. */
import type { Db } from "#core/db/db.ts"
import type { Log } from "#core/log.ts"
import { visibleText } from "#core/safety/approval-question.ts"
import { judgeShape, type Static, type TSchema } from "#core/schema.ts"
import type { HostFunction, Sandbox } from "#sandbox/child/guest.ts"
import { guestHttp, type GuestHttpDeps, reachesHosts } from "#sandbox/guest-http.ts"
import { guestLog, secretExists } from "#sandbox/host-functions.ts"
import { limitsOf } from "#sandbox/limits.ts"
import { guestConfig, missingSettings } from "#sandbox/plugin-config.ts"
import type { PluginPin } from "#sandbox/plugin.ts"
import type { LivePlugin } from "#sandbox/live-plugin.ts"
import { channelMemory } from "./memory.ts"

/** A guest's own time and that of all it asks for, after which it is ended. */
export const MAX_CALL_MS = 60_000

export type ChannelExport = "start" | "receive" | "poll" | "respond" | "status" | "stop"
/**
 * `touched`: a request of it left, so that what it was to do may have happened. `refused`: the egress gate said no to one, as it will
 * again.
 */
export type Called<T> = { ok: true; value: T } | { ok: false; why: string; touched: boolean; refused: boolean }

export type ChannelCalls = {
  /** Never throws. `offers`: what it may ask of the host in this call besides requests and its memory. */
  call<S extends TSchema>(
    live: LivePlugin,
    asked: {
      name: ChannelExport
      input: unknown
      answer: S
      offers?: Partial<Record<"message_emit" | "pairing_request", HostFunction>>
      timeoutMs?: number
    },
  ): Promise<Called<Static<S>>>
}

export type ChannelCallsDeps = {
  db: Db
  sandbox: Pick<Sandbox, "call">
  pins: GuestHttpDeps["pins"]
  /** Reaches what this plugin was granted, with its credentials. */
  fetchFor: (pin: PluginPin) => GuestHttpDeps["fetch"]
  logins: GuestHttpDeps["logins"]
  log: Log
}

export function createChannelCalls({ db, sandbox, pins, fetchFor, logins, log }: ChannelCallsDeps): ChannelCalls {
  return {
    async call({ pin, code }, { name, input, answer, offers = {}, timeoutMs = MAX_CALL_MS }) {
      const [unset] = missingSettings(pin.manifest, pin.config)
      if (unset !== undefined)
        return {
          ok: false,
          why: `It needs a setting first: \`ironclaw tool config ${pin.name} ${unset} VALUE\``,
          touched: false,
          refused: false,
        }
      const send = fetchFor(pin)
      let touched = false
      let before = false
      let refused = false
      const sendRequest = guestHttp(pin, {
        fetch(url, init) {
          before = touched
          touched = true
          return send(url, init)
        },
        pins,
        logins,
        onRefused() {
          touched = before // nothing left
          refused = true
        },
        onAdvice: (words) => log.warn("A channel's key was not taken", { channel: pin.name, words }),
      })
      const outcome = await sandbox.call({
        pluginId: pin.name,
        code,
        name,
        input: new TextEncoder().encode(JSON.stringify(input)),
        config: guestConfig(pin.manifest, pin.config),
        limits: limitsOf(pin.manifest),
        host: {
          functions: {
            ...channelMemory(db, pin.name),
            secret_exists: secretExists(pin, logins),
            ...offers,
          },
          ...(reachesHosts(pin) ? { http: sendRequest } : {}),
          log: guestLog(pin, log),
        },
        signal: AbortSignal.timeout(timeoutMs),
      })
      if (!outcome.ok)
        return {
          ok: false,
          why: `${name}() failed (${outcome.reason}): ${visibleText(outcome.words)}`,
          touched,
          refused,
        }
      const value = jsonIn(outcome.output)
      const shape = value === undefined ? null : judgeShape(answer, value)
      if (shape?.ok) return { ok: true, value: shape.value }
      return { ok: false, why: `${name}() answered in another form than a channel's`, touched, refused }
    },
  }
}

/** Nothing reads as null; what is no JSON, as undefined. */
function jsonIn(output: Uint8Array): unknown {
  if (output.length === 0) return null
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(output))
  } catch {
    return undefined
  }
}
