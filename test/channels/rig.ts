/** Parts of the channels on a real database, with a clock that stands and code that answers as a test says. */
import { createWriter } from "#core/db/writer.ts"
import type { Db } from "#core/db/db.ts"
import type { Event } from "#core/event.ts"
import { silentLog } from "#core/log.ts"
import type { Called, ChannelCalls } from "#channels/calls.ts"
import { createPoller } from "#channels/poller.ts"
import { createRouter } from "#channels/router.ts"
import type { LivePlugin } from "#sandbox/live-plugin.ts"
import { memoryDb } from "../fakes/agent-house.ts"
import { createFakeClock } from "../fakes/clock.ts"

type Asked = Parameters<ChannelCalls["call"]>[1]

export const livePlugin = (
  name: string,
  { sha256 = "a".repeat(64), ...channel }: { sha256?: string } & Record<string, unknown> = {},
): LivePlugin => ({
  pin: {
    name,
    version: "1.0.0",
    sha256,
    manifest: { name, version: "1.0.0", kind: "channel", entry: "plugin.ts", capabilities: { channel } },
    tools: [],
    state: "active",
    config: {},
    publisher: null,
    createdAt: "",
  },
  code: { kind: "ts", sha256, read: async () => new Uint8Array() },
})

export async function channelRig(db?: Db) {
  const own = db ?? (await memoryDb())
  const clock = createFakeClock()
  const told: Event[] = []
  const writer = createWriter({ db: own, publish: (event) => void told.push(event), clock })
  const live: LivePlugin[] = []
  const asked: (Asked & { channel: string })[] = []
  const state = {
    mayRun: true,
    answer: (_asked: Asked): Called<unknown> | Promise<Called<unknown>> => ({ ok: true, value: null }),
  }
  const calls: ChannelCalls = {
    async call({ pin }, given) {
      asked.push({ ...given, channel: pin.name })
      return state.answer(given)
    },
  }
  const deps = {
    db: own,
    writer,
    clock,
    log: silentLog,
    calls,
    live: () => live,
    redact: (text: string) => text,
    mayRun: () => state.mayRun,
    isAlone: false,
  }
  const rows = (sql: string, params: unknown[] = []) => own.query({ sql, params })
  const people = { identify: async () => ({ personId: "per_owner" as const, role: "owner" as const }) }
  let placed = 0
  return {
    db: own,
    clock,
    told,
    live,
    asked,
    state,
    rows,
    router: (more: { isAlone?: boolean } = {}) =>
      createRouter({ ...deps, ...more, reply: { whole: (text) => text }, people }),
    poller: (more: { isAlone?: boolean } = {}) =>
      createPoller({
        ...deps,
        ...more,
        intake: { offersFor: () => ({ message_emit: async () => null, pairing_request: async () => null }) },
      }),
    /** Something to be said. */
    async say(note: string, { channel = "tell", peer = "a" }: { channel?: string; peer?: string } = {}) {
      const id = `dlv_${++placed}`
      await rows(
        "insert into deliveries (id, channel, peer, topic, agent_id, note, labels, next_at) values ($1, $2, $3, '', 'main', $4, '{}', $5)",
        [id, channel, peer, note, clock.iso()],
      )
      return id
    },
    stateOf: async (id: string) =>
      (await rows("select state, attempts, parts_sent, note, error from deliveries where id = $1", [id]))[0],
    async close() {
      await writer.drain()
      await own.close()
    },
  }
}
