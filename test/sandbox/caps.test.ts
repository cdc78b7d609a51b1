/** What the owner gives at most is held whatever a plugin asks for, from the next call on. */
import { expect, test } from "bun:test"
import { capPins, capSandbox, type PluginCaps } from "#sandbox/caps.ts"
import { defaultLimits, type GuestCall, type Sandbox } from "#sandbox/child/guest.ts"
import { limitsOf } from "#sandbox/limits.ts"
import { judgeManifest } from "#sandbox/manifest.ts"
import type { PluginPins } from "#sandbox/pins.ts"

const caps: PluginCaps = {
  memoryMb: 64,
  timeoutMs: 5_000,
  maxRequests: 3,
  maxToolCalls: 0,
  perMinute: 5,
  perHour: 1_000,
}

test("a call gets the lower of what its plugin asks for and what the owner gives, and a change counts from the next one on", async () => {
  const limits: unknown[] = []
  const open = {
    async call(call: GuestCall) {
      limits.push(call.limits)
      return { ok: false, reason: "cancelled", words: "", usage: {} }
    },
    // Nothing else of it is used here.
  } as unknown as Sandbox
  let given = caps
  const sandbox = capSandbox(open, () => given)
  const asked = { ...defaultLimits, memoryMb: 128, maxRequests: 2 }
  const call = { limits: asked } as GuestCall
  await sandbox.call(call)
  given = { ...caps, memoryMb: 256, timeoutMs: 60_000, maxToolCalls: 100 }
  await sandbox.call(call)
  expect(limits).toEqual([
    { ...asked, memoryMb: 64, timeoutMs: 5_000, maxToolCalls: 0 },
    { ...asked, memoryMb: 128 },
  ])
})

test("requests are counted against the lower of both, and the limit that was passed is named", async () => {
  const open = {
    async countRequest(_name: string, rates: { perMinute: number; perHour: number }) {
      return { per: "minute", limit: rates.perMinute }
    },
    // Nothing else of it is used here.
  } as unknown as PluginPins
  const pins = capPins(open, () => caps)
  expect(await pins.countRequest("one", { perMinute: 60, perHour: 10 })).toEqual({ per: "minute", limit: 5 })
  expect(await pins.countRequest("one", { perMinute: 2, perHour: 10 })).toEqual({ per: "minute", limit: 2 })
})

test("a manifest says all of what a call may use, and more than there is to have is refused", () => {
  const judge = (limits: Record<string, number>) =>
    judgeManifest(new TextEncoder().encode(JSON.stringify({ name: "a", version: "1", entry: "a.js", limits })))
  const judged = judge({ requestsPerCall: 7, toolCallsPerCall: 1, inputBytes: 2_048, outputBytes: 8_388_608 })
  if (!judged.ok) throw new Error(judged.problems.join())
  expect(limitsOf(judged.manifest)).toEqual({
    ...defaultLimits,
    maxRequests: 7,
    maxToolCalls: 1,
    maxInputBytes: 2_048,
    maxOutputBytes: 8_388_608,
  })
  expect(judge({ requestsPerCall: 501 })).toMatchObject({ ok: false })
  expect(judge({ outputBytes: 17_000_000 })).toMatchObject({ ok: false })
})
