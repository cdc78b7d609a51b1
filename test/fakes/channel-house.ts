/** An agent with channels: real children, a real database, a small internet, and people who write. */
import { createCommands } from "#core/agent/commands.ts"
import { systemClock } from "#core/clock.ts"
import { silentLog } from "#core/log.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import { createReplyGate } from "#core/safety/reply.ts"
import { createPeople } from "#core/session/person.ts"
import type { Tool } from "#core/tools/tool.ts"
import type { Bundled } from "#sandbox/bundled.ts"
import { createChannels } from "#channels/channels.ts"
import { createPairing } from "#channels/pairing.ts"
import { channelFetch } from "#cmd/lib/outbound.ts"
import { oneModel } from "./model.ts"
import { pluginHouse } from "./plugin-house.ts"
import { until } from "./until.ts"

export type ChannelHouse = Awaited<ReturnType<typeof channelHouse>>

export async function channelHouse({
  secrets = {},
  tools = [],
  ...more
}: { secrets?: Record<string, string>; tools?: Tool[]; bundled?: Bundled } = {}) {
  const house = await pluginHouse({ secrets, tools, ...more })
  const { db, writer, bus, seal, ownerId, badSeals, noteRefusal } = house
  const clock = systemClock
  const people = createPeople({ db, writer, clock, seal, ownerId, onBadSeal: (what) => badSeals.push(what) })
  const pairing = createPairing({ db, writer, clock, people, noteRefusal })
  const command = createCommands({
    store: house.sessions,
    compact: house.agent.compact,
    stop: house.agent.stop,
    steer: async () => ({ text: "", sessionId: null }),
    usage: async () => [],
    models: oneModel(house.model),
    left() {},
  })
  let isStopped = false
  const channels = createChannels({
    db,
    writer,
    clock,
    log: silentLog,
    bus,
    sandbox: house.sandbox,
    plugins: house.plugins,
    pins: house.pins,
    fetchFor: channelFetch(house.internet.egress, house.plugins),
    logins: house.logins,
    people,
    pairing,
    agent: () => ({ receive: house.agent.receive, command }),
    noteRefusal,
    reply: createReplyGate({ secretValues: () => Object.entries(secrets).map(([name, value]) => ({ name, value })) }),
    redact: redactLeaks,
    mayRun: () => !isStopped,
    isAlone: false,
  })
  await channels.start()

  const rows = (sql: string, params: unknown[] = []) => db.query({ sql, params })
  return {
    ...house,
    people,
    pairing,
    channels,
    secrets,
    rows,
    lockDown(stopped: boolean) {
      isStopped = stopped
    },
    /** Installs it and says yes. */
    async add(name: string, code: string, manifest: Record<string, unknown> = {}) {
      await house.install(house.source(name, code, { kind: "channel", ...manifest }))
      return house.grant(name)
    },
    /** Ties an identity to somebody, as an approval does. */
    async know(channel: string, externalId: string, as: "owner" | "known" = "known") {
      await people.link({ channel, externalId }, { as, name: externalId, also: [] })
    },
    /** Has the channel's code take a request, as if it had been signed right. */
    async receive(name: string, body: unknown) {
      const live = house.plugins.channels().find(({ pin }) => pin.name === name)
      if (!live) throw new Error(`There is no channel ${name} that runs`)
      const path = `/webhooks/${name}`
      return channels.receive(live, { path, query: {}, headers: {}, body: JSON.stringify(body) })
    },
    /** Until every turn has ended, and nothing waits to be carried. */
    quiet: () =>
      until("nothing is under way", async () => {
        const [row] = await rows(`select (select count(*) from turns where state in ('queued', 'running'))::int
          + (select count(*) from deliveries where state in ('waiting', 'sending'))::int as open`)
        return row?.["open"] === 0
      }),
    async close() {
      await channels.stop()
      await house.close()
    },
  }
}

/** A channel that hands in what its requests hold, and keeps what it is to send under `sent/`. */
export const echoCode = `
import { defineChannel, emitMessage, memory, requestPairing } from "ironclaw"
export const { start, receive, poll, respond, status, stop } = defineChannel({
  receive({ body }) {
    const asked = JSON.parse(body)
    if (asked.run) return { body: String(new Function("emitMessage", "memory", "requestPairing", asked.run)(emitMessage, memory, requestPairing)) }
    return { body: asked.map((message) => {
      try { return emitMessage(message) } catch (error) { return { threw: error.message } }
    }) }
  },
  respond(outgoing) { memory.write("sent/" + outgoing.id, JSON.stringify(outgoing)) },
})
`
export const hookedChannel = (name: string, more: Record<string, unknown> = {}) => ({
  capabilities: {
    channel: {
      allowed_paths: [`/webhooks/${name}`],
      webhook: {
        secret_name: "hook_secret",
        signature: { type: "hmac-sha256", header: "X-Signature", prefix: "sha256=" },
      },
      ...more,
    },
  },
})
