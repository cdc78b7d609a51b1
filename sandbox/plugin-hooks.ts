/**
 * Question: what may a plugin's code know and do where its owner agreed that it judges what passes?
 * Fails closed by: it runs as its tools do, in the locked child and as a new instance, and is given no host function at all: no request,
 * no memory, no other tool, no line of the log. What it saw leaves with its answer or not at all; what it says as it fails is for the
 * owner alone. A hook that is not there as the owner agreed to it stays a hook, which is asked nothing and lets nothing pass.
 * Known limits: what it rewrites is read by a model, and what it refuses can be counted: the labels of what it makes are for the flow gate.
 * Source: ARCHITECTURE 1 (Hook), 4 (a guard that is missing, slow or broken is a refusal).
 */
import type { HookPlugin, PluginHook } from "#core/hooks/plugged.ts"
import { fault, HOOK_TIMEOUT_MS, type HookOutput, MAX_OUTPUT_BYTES } from "#core/hooks/program.ts"
import type { FailureReason, GuestCode, Sandbox } from "./child/guest.ts"
import { limitsOf } from "./limits.ts"
import type { Manifest } from "./manifest.ts"
import { guestConfig, missingSettings } from "./plugin-config.ts"
import type { PluginPin, PluginStatus } from "./plugin.ts"

/** A message of 4 MiB with every character escaped. */
const MAX_INPUT_BYTES = 25 * 1024 * 1024

/** `problem`: why they are asked nothing. */
export function hooksOf(
  { name, sha256, manifest, createdAt }: Pick<PluginPin, "name" | "sha256" | "manifest" | "createdAt">,
  problem: string | null,
): PluginHook[] {
  const form: HookPlugin = { kind: "plugin", plugin: name, sha256, problem }
  return (manifest.hooks ?? []).map(({ point, tools = null, channels = null }) => ({
    name: `plugin:${name}:${point}`,
    point,
    tools,
    channels,
    agents: null,
    createdAt,
    form,
  }))
}

/**
 * Of a plugin that is on, and whose folder is not what its owner agreed to. `forged`: what lies there says of itself, where somebody else
 * wrote the plugin's row, so that nobody knows what was agreed to.
 */
export function lostHooksOf(
  { name, state, sha256 }: Pick<PluginStatus, "name" | "state" | "sha256">,
  { pin, forged }: { pin: PluginPin | undefined; forged: Manifest | null },
): PluginHook[] {
  if (forged)
    return hooksOf(
      { name, sha256: sha256 ?? "", manifest: forged, createdAt: "" },
      `its row was changed by somebody else: \`ironclaw tool remove ${name}\``,
    )
  if (pin?.state !== "active") return []
  return hooksOf(
    pin,
    state === "missing"
      ? "its folder is gone"
      : state === "inactive"
        ? `it is not what its owner agreed to: \`ironclaw tool grant ${name}\``
        : `it cannot be used as it is: \`ironclaw tool info ${name}\``,
  )
}

/** Never throws. */
export async function askHook(
  { pin, code, sandbox }: { pin: PluginPin; code: GuestCode; sandbox: Pick<Sandbox, "call"> },
  { input, signal }: { input: string; signal: AbortSignal },
): Promise<HookOutput> {
  const { name, manifest, config } = pin
  const [unset] = missingSettings(manifest, config)
  if (unset !== undefined) return fault(`it needs a setting first: \`ironclaw tool config ${name} ${unset} VALUE\``)
  const limits = limitsOf(manifest)
  const timeoutMs = Math.min(limits.timeoutMs, HOOK_TIMEOUT_MS)
  const outcome = await sandbox.call({
    pluginId: name,
    code,
    name: "hook",
    input: new TextEncoder().encode(`{"params":${input}}`),
    config: guestConfig(manifest, config),
    limits: {
      ...limits,
      timeoutMs,
      maxInputBytes: MAX_INPUT_BYTES,
      maxOutputBytes: MAX_OUTPUT_BYTES,
      maxRequests: 0,
      maxToolCalls: 0,
    },
    host: { functions: {}, log() {} },
    isHook: true,
    signal,
  })
  // Its own words may quote anything that it was given: they are for the owner alone.
  if (!outcome.ok) return fault(wordsFor(outcome.reason, timeoutMs), outcome.words)
  try {
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true }).decode(outcome.output) }
  } catch {
    return fault("its answer is no UTF-8")
  }
}

function wordsFor(reason: FailureReason, timeoutMs: number): string {
  switch (reason) {
    case "deadline":
      return `it did not answer within ${timeoutMs} ms`
    case "cancelled":
      return "it was stopped"
    case "unavailable":
      return "no process could be had for it"
    case "size":
      return "what it was given, or its answer, is larger than it may be"
    case "code":
      return "its code cannot be run"
    default:
      return `it failed (${reason})`
  }
}
