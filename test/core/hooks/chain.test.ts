import { expect, setDefaultTimeout, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import { createHookChain } from "#core/hooks/chain.ts"
import { noPluggedHooks } from "#core/hooks/plugged.ts"
import type { Hook } from "#core/hooks/store.ts"
import { silentLog } from "#core/log.ts"

setDefaultTimeout(30_000) // programs are started, on a machine that may be busy

const sleeper: Hook = {
  name: "slow",
  point: "message.in",
  position: 100,
  form: { kind: "program", argv: ["/bin/sleep", "60"], files: [] },
  tools: null,
  channels: null,
  agents: null,
  createdAt: "2026-11-27T12:00:00Z",
}
const MAX_RUNNING = 8 // the chain's own number

const chainOf = (hook: Hook) =>
  createHookChain({
    store: { current: () => ({ hooks: [hook], broken: [], problem: null }) },
    plugged: noPluggedHooks,
    egress: {
      fetchFor() {
        throw new Error("No network here")
      },
    },
    writer: { commit: async () => ({ rows: [], events: [] }), drain: async () => {} },
    clock: systemClock,
    log: silentLog,
    redact: (text) => text,
  })

test("a hook for a channel of a plugin covers it by the name that `channel list` shows, and no other", () => {
  const at = (channel: string) => ({ agentId: "main", channel, tool: null })
  const relay = chainOf({ ...sleeper, channels: ["relay"] })
  expect(relay.covers("message.in", at("plugin:relay"))).toBe(true)
  for (const other of ["plugin:relay2", "terminal", "plugin:", "plugin:plugin:relay"])
    expect(relay.covers("message.in", at(other))).toBe(false)
  expect(chainOf({ ...sleeper, channels: ["plugin:relay"] }).covers("message.in", at("plugin:relay"))).toBe(true)
  expect(chainOf({ ...sleeper, channels: ["terminal"] }).covers("message.in", at("plugin:relay"))).toBe(false)
})

test("who is stopped while it waits for a place among the running hooks waits no longer, and takes nobody's place", async () => {
  const chain = chainOf(sleeper)
  const judge = (signal: AbortSignal) =>
    chain.judge("message.in", {
      agentId: "main",
      channel: "test",
      sessionId: null,
      turnId: null,
      personId: null,
      labels: [],
      source: "owner",
      value: { text: "Hello", images: 0 },
      signal,
    })
  let ended = 0
  const running = Array.from({ length: MAX_RUNNING }, () =>
    judge(new AbortController().signal).finally(() => (ended += 1)),
  )
  const mine = new AbortController()
  const waiting = judge(mine.signal)
  mine.abort(new Error("stopped"))
  expect(await waiting).toMatchObject({ verdict: "refuse", why: expect.stringContaining("it was stopped") })
  expect(ended).toBe(0)
  chain.endAll()
  expect(await Promise.all(running)).toHaveLength(MAX_RUNNING)
  // Every place is free again, and no more than there were: the next ones run and are ended like the first.
  const next = Array.from({ length: MAX_RUNNING }, () => judge(new AbortController().signal))
  chain.endAll()
  for (const verdict of await Promise.all(next)) expect(verdict.verdict).toBe("refuse")
})
