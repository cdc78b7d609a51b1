/** What the owner gives any plugin at most, whatever it asks for: held where every call of foreign code and every request of it passes. */
import type { GuestLimits, Sandbox } from "./child/guest.ts"
import type { PluginPins } from "./pins.ts"

export type PluginCaps = Pick<GuestLimits, "memoryMb" | "timeoutMs" | "maxRequests" | "maxToolCalls"> & {
  perMinute: number
  perHour: number
}

/** Asked at every call, so a change counts from the next one on. */
export function capSandbox(sandbox: Sandbox, caps: () => PluginCaps): Sandbox {
  return { ...sandbox, call: (call) => sandbox.call({ ...call, limits: within(call.limits, caps()) }) }
}

export function capPins(pins: PluginPins, caps: () => PluginCaps): PluginPins {
  return { ...pins, countRequest: (name, rates) => pins.countRequest(name, within(rates, caps())) }
}

function within<T extends Partial<PluginCaps>>(asked: T, caps: PluginCaps): T {
  const lowered = Object.entries(caps).flatMap(([name, cap]) => {
    const wanted: unknown = Reflect.get(asked, name)
    return typeof wanted === "number" ? [[name, Math.min(wanted, cap)] as const] : []
  })
  return { ...asked, ...Object.fromEntries(lowered) }
}
