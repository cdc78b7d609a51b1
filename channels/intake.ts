/**
 * What a channel hands in: counted, asked who sent it, and only then looked at. A stranger's message brings them a code and is forgotten;
 * what a known person writes becomes a turn once, however often it comes.
 */
import type { Agent } from "#core/agent/agent.ts"
import { parseCommand } from "#core/agent/commands.ts"
import type { Db, Writer } from "#core/db/db.ts"
import { faultOf } from "#core/db/faults.ts"
import { storableText } from "#core/db/storable.ts"
import { AppError } from "#core/errors.ts"
import type { Log } from "#core/log.ts"
import type { NoteRefusal } from "#core/safety/refusals.ts"
import { deliveryStatements } from "#core/session/deliveries.ts"
import type { People } from "#core/session/person.ts"
import { pluginPlace } from "#core/session/place.ts"
import { emitRatesOf } from "#sandbox/channel-manifest.ts"
import { type HostFunction, HostRefusal } from "#sandbox/child/guest.ts"
import { take } from "#sandbox/host-functions.ts"
import type { PluginPins } from "#sandbox/pins.ts"
import type { PluginPin } from "#sandbox/plugin.ts"
import { emitCountOf, EmittedMessage, markOf, PairingAsked } from "./channel.ts"
import type { Pairing } from "./pairing.ts"

export type Emitted = { state: "accepted" | "duplicate" | "stranger" | "refused"; why?: string }

export type Intake = {
  /** What a channel may ask of the host where messages come in. */
  offersFor(pin: PluginPin): Record<"message_emit" | "pairing_request", HostFunction>
}

export type IntakeDeps = {
  db: Db
  writer: Pick<Writer, "commit">
  pins: Pick<PluginPins, "countRequest">
  people: Pick<People, "identify">
  pairing: Pick<Pairing, "ask">
  agent: () => Pick<Agent, "receive" | "command">
  noteRefusal: NoteRefusal
  /** Something waits to be said. */
  wake: () => void
  log: Log
}

export function createIntake({ db, writer, pins, people, pairing, agent, noteRefusal, wake, log }: IntakeDeps): Intake {
  async function receive(pin: PluginPin, message: EmittedMessage): Promise<Emitted> {
    const channel = pin.name
    const { id: externalId, sender, conversation, text } = message
    const identity = await people.identify({ channel, externalId: sender.id })
    if (!identity) {
      const stranger = { channel, externalId: sender.id, name: sender.name ?? "" }
      if (conversation === undefined) await pairing.ask(stranger)
      // Where others read along, a code would be everybody's.
      else
        noteRefusal({
          gate: "sender",
          why: "A stranger, where others read along",
          who: "stranger",
          what: `plugin:${channel}:${sender.id}`,
        })
      return { state: "stranger" }
    }
    // Many networks number the messages of each conversation anew; nobody's ids hide another's messages.
    const carried = {
      channel,
      externalId: markOf({ place: conversation?.id ?? sender.id, isShared: !!conversation, externalId }),
    }
    if (await isKnown(carried)) return { state: "duplicate" }
    const shared = conversation ? { id: conversation.id, topic: conversation.topic ?? "" } : null
    const place = pluginPlace(channel, { senderId: sender.id, shared })
    const { personId } = identity
    const at = { agentId: "main", sessionId: null, place, personId }
    // Commands change the conversation: they are the owner's, and not for where others are.
    if (identity.role === "owner" && shared === null && parseCommand(text)) return obey(text, { at, carried })
    try {
      await agent().receive({ ...at, text: storableText(text), mode: "queue", carried })
      return { state: "accepted" }
    } catch (error) {
      if (faultOf(error)?.constraint?.startsWith("channel_messages")) return { state: "duplicate" }
      if (!(error instanceof AppError) || error.status >= 500) throw error
      return { state: "refused", why: error.message }
    }
  }

  async function isKnown({ channel, externalId }: { channel: string; externalId: string }): Promise<boolean> {
    const rows = await db.query({
      sql: "select 1 as known from channel_messages where channel = $1 and external_id = $2",
      params: [channel, externalId],
    })
    return rows.length > 0
  }

  /** On record as seen before it is obeyed: that is done once, or not at all. */
  async function obey(
    text: string,
    { at, carried }: { at: Parameters<Agent["command"]>[1]; carried: { channel: string; externalId: string } },
  ): Promise<Emitted> {
    const [seen] = await db.query({
      sql: "insert into channel_messages (channel, external_id) values ($1, $2) on conflict do nothing returning 1 as first",
      params: [carried.channel, carried.externalId],
    })
    if (!seen) return { state: "duplicate" }
    const reply = await agent().command(text, at)
    if (reply)
      await writer.commit({
        statements: deliveryStatements({
          place: at.place,
          agentId: at.agentId,
          sessionId: reply.sessionId,
          turnId: null,
          labels: [],
          source: "host",
          note: reply.text,
        }),
      })
    wake()
    return { state: "accepted" }
  }

  async function counted(pin: PluginPin): Promise<void> {
    const over = await pins.countRequest(emitCountOf(pin.name), emitRatesOf(pin.manifest.capabilities?.channel ?? {}))
    if (over === null) return
    const why = `No more than ${over.limit} messages ${over.per === "minute" ? "a minute" : "an hour"}`
    noteRefusal({ gate: "sender", why, who: `plugin:${pin.name}`, what: `plugin:${pin.name}` })
    throw new HostRefusal(why)
  }

  return {
    offersFor: (pin) => ({
      async message_emit(payload) {
        await counted(pin)
        const message = take(EmittedMessage, payload)
        try {
          return await receive(pin, message)
        } catch (error) {
          log.error("A channel's message could not be taken", { channel: pin.name, error })
          throw new HostRefusal("It could not be put on record; hand it in again later")
        }
      },
      async pairing_request(payload) {
        await counted(pin)
        const { sender } = take(PairingAsked, payload)
        const asked = { channel: pin.name, externalId: sender.id }
        if (await people.identify(asked)) return { state: "known" }
        return { state: await pairing.ask({ ...asked, name: sender.name ?? "" }) }
      },
    }),
  }
}
