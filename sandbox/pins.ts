/**
 * What the owner agreed to, as sealed rows. Every change is one commit with its event and its audit row, and is heard by every process
 * on the same database.
 */
import type { Clock } from "#core/clock.ts"
import type { Db, Statement, Writer } from "#core/db/db.ts"
import { pluginSignatures, plugins as table } from "#core/db/schema.ts"
import { preview, type EventBody } from "#core/event.ts"
import { type AuthoritySeal, createAuthoritySeal } from "#core/safety/authority.ts"
import type { Reseal } from "#core/secrets/master-key.ts"
import type { Manifest } from "./manifest.ts"
import type { PluginPin, PluginTool } from "./plugin.ts"

export type PluginChange = Extract<EventBody, { type: "plugin.changed" }>["change"]

/** That the folder of this hash was signed by this key. */
export type PluginSignature = { plugin: string; sha256: string; key: string }

/** The limit that was passed. */
export type OverRate = { per: "minute" | "hour"; limit: number }

export type PluginPins = {
  /** `broken`: names of rows that somebody else wrote. */
  list(): Promise<{ pins: PluginPin[]; broken: string[]; signatures: PluginSignature[] }>
  put(pin: Omit<PluginPin, "createdAt">, change: { change: PluginChange; words: string }): Promise<void>
  /** That this folder was signed by this key, or that nobody is known to have. */
  putSignature(plugin: string, signed: { sha256: string; key: string } | null): Promise<void>
  /** Also where there is no row: that it was taken away is on record all the same. */
  remove(name: string): Promise<void>
  /** For what changes no row. */
  note(name: string, change: { change: PluginChange; words: string }): Promise<void>
  /** Counts one request, and says whether it is one too many. */
  countRequest(name: string, rates: { perMinute: number; perHour: number }): Promise<OverRate | null>
  listen(onChange: () => void): Promise<() => Promise<void>>
}

const CHANNEL = "ironclaw_plugins"
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

type Row = typeof table.$inferSelect

/** What the seal covers: everything. A row from before there were settings or publishers has none, and the seal that it had. */
function sealedPin(row: Row): readonly unknown[] {
  const { name, version, sha256, manifest, tools, state, config, publisher, createdAt } = row
  const fields = [name, version, sha256, manifest, tools, state, createdAt]
  const set = Object.keys(config).length === 0 ? fields : [...fields, config]
  return publisher === null ? set : [...set, publisher]
}

const sealedSignature = ({ plugin, sha256, key }: PluginSignature): readonly unknown[] => [plugin, sha256, key]

export type PluginPinsDeps = {
  db: Db
  writer: Writer
  clock: Clock
  seal: AuthoritySeal
  onBadSeal: (what: string) => void
}

export function createPluginPins({ db, writer, clock, seal, onBadSeal }: PluginPinsDeps): PluginPins {
  const notify: Statement = { sql: `select pg_notify('${CHANNEL}', '')`, params: [] }
  const record = (plugin: string, { change, words }: { change: PluginChange; words: string }) => ({
    events: [{ type: "plugin.changed" as const, plugin, change, agentId: "main", labels: [], source: "owner" }],
    audit: [
      {
        agentId: "main",
        act: "owner.change" as const,
        principal: "owner",
        subject: `plugin:${plugin}`,
        outcome: change,
        preview: preview(words),
        labels: [],
        source: "owner",
      },
    ],
  })

  return {
    async list() {
      const pins: PluginPin[] = []
      const broken: string[] = []
      for (const row of await db.orm.select().from(table)) {
        if (seal.holds("plugin", sealedPin(row), row.mac)) pins.push(pinOf(row))
        else {
          onBadSeal(`plugin ${row.name}`)
          broken.push(row.name)
        }
      }
      const signatures = (await db.orm.select().from(pluginSignatures)).filter((row) => {
        const holds = seal.holds("plugin-signature", sealedSignature(row), row.mac)
        // Then nobody is known to have signed it, which is less than anybody could want.
        if (!holds) onBadSeal(`signature of plugin ${row.plugin}`)
        return holds
      })
      return { pins, broken, signatures }
    },
    async putSignature(plugin, signed) {
      const gone = { sql: "delete from plugin_signatures where plugin = $1", params: [plugin] }
      if (signed === null) return void (await writer.commit({ statements: [gone], audit: [] }))
      const row = { plugin, ...signed }
      const values = { ...row, mac: seal.mac("plugin-signature", sealedSignature(row)) }
      await writer.commit({ statements: [gone, db.orm.insert(pluginSignatures).values(values).toSQL()], audit: [] })
    },
    async put(pin, change) {
      const row: Row = { ...pin, tools: [...pin.tools], config: { ...pin.config }, createdAt: clock.iso(), mac: "" }
      const values = { ...row, mac: seal.mac("plugin", sealedPin(row)) }
      const statement = db.orm
        .insert(table)
        .values(values)
        .onConflictDoUpdate({ target: table.name, set: values })
        .toSQL()
      await writer.commit({ statements: [statement, notify], ...record(pin.name, change) })
    },
    async remove(name) {
      const gone: Statement[] = [
        "plugins where name",
        "plugin_rates where plugin",
        "plugin_signatures where plugin",
      ].map((from) => ({
        sql: `delete from ${from} = $1`,
        params: [name],
      }))
      await writer.commit({
        statements: [...gone, notify],
        ...record(name, { change: "removed", words: `the plugin ${name}` }),
      })
    },
    async note(name, change) {
      await writer.commit({ statements: [notify], ...record(name, change) })
    },
    async countRequest(name, { perMinute, perHour }) {
      const nowMs = clock.nowMs()
      const start = (ms: number) => new Date(Math.floor(nowMs / ms) * ms).toISOString()
      const [rows = []] = await db.batch([
        {
          sql: `insert into plugin_rates as r (plugin, period, starts_at, used)
            values ($1, 'hour', $2::timestamptz, 1), ($1, 'minute', $3::timestamptz, 1)
            on conflict (plugin, period) do update set
              used = case when r.starts_at = excluded.starts_at then r.used + 1 else 1 end, starts_at = excluded.starts_at
            returning period, used`,
          params: [name, start(HOUR_MS), start(MINUTE_MS)],
        },
      ])
      const usedIn = (period: string) => Number(rows.find((row) => row["period"] === period)?.["used"])
      // A count that did not come back is no leave to go on.
      if (!(usedIn("hour") <= perHour)) return { per: "hour", limit: perHour }
      return usedIn("minute") <= perMinute ? null : { per: "minute", limit: perMinute }
    },
    listen: (onChange) => db.listen(CHANNEL, onChange),
  }
}

function pinOf({ manifest, tools, mac: _mac, ...row }: Row): PluginPin {
  // Only rows whose seal holds come here, and those were written by `put`.
  return { ...row, manifest: manifest as Manifest, tools: tools as PluginTool[] }
}

/** Plugins under another master key: only what the old seal held gets a new one. */
export const resealPlugins: Reseal = async (db, { from, to }) => {
  const old = createAuthoritySeal({ key: () => from.derive("authority") })
  const fresh = createAuthoritySeal({ key: () => to.derive("authority") })
  const rows = await db.orm.select().from(table)
  const signatures = await db.orm.select().from(pluginSignatures)
  return [
    ...rows
      .filter((row) => old.holds("plugin", sealedPin(row), row.mac))
      .map((row) => ({
        sql: "update plugins set mac = $2 where name = $1 and mac = $3",
        params: [row.name, fresh.mac("plugin", sealedPin(row)), row.mac],
      })),
    ...signatures
      .filter((row) => old.holds("plugin-signature", sealedSignature(row), row.mac))
      .map((row) => ({
        sql: "update plugin_signatures set mac = $2 where plugin = $1 and mac = $3",
        params: [row.plugin, fresh.mac("plugin-signature", sealedSignature(row)), row.mac],
      })),
  ]
}
