/**
 * What the configuration was when it was last put on record, in the database, so that no change goes by without an audit row: not one
 * that was made by a command, nor one of the owner's own hand in the file or the environment, noticed at the latest at the next start.
 */
import { hostname } from "node:os"
import { type Config, type ConfigKey, describeConfig } from "#core/config.ts"
import { isSafetyKey } from "#core/config-keys.ts"
import type { Db, Unit, Writer } from "#core/db/db.ts"
import { type NewEvent, preview } from "#core/event.ts"
import type { Home } from "#core/home.ts"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import { judgeShape, t } from "#core/schema.ts"

export type ConfigRecord = {
  /** Makes a change of these keys that a person asked for, and records it. `read` gives the configuration after it; null: it is not valid yet. */
  change<T>(
    keys: readonly ConfigKey[],
    change: { make: () => Promise<T>; read: () => Promise<Config | null> },
  ): Promise<T>
  /** Records what differs from what was on record, whoever changed it. The events are stored in any case. */
  notice(config: Config, events?: readonly NewEvent[]): Promise<void>
}

const Recorded = t.Record(t.String(), t.String())
type Recorded = Record<string, string>

export function createConfigRecord({
  db,
  writer,
  home,
}: {
  db: Db
  writer: Writer
  home: Pick<Home, "root">
}): ConfigRecord {
  // Homes that share a server have a configuration each.
  const row = `config:${sha256Hex(`${hostname()}\n${home.root}`).slice(0, 16)}`
  /** One after the other: each compares with what the one before recorded. */
  let last: Promise<unknown> = Promise.resolve()
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = last.then(work)
    last = next.catch(() => {}) // who asked for it hears of it
    return next
  }

  async function recorded(): Promise<Recorded | null> {
    const [found] = await db.query({ sql: "select value from meta where key = $1", params: [row] })
    if (!found) return null
    const parsed = judgeShape(Recorded, jsonOf(String(found["value"])))
    return parsed.ok ? parsed.value : null
  }

  async function record(
    config: Config,
    {
      keys,
      outcome,
      events,
    }: { keys: readonly ConfigKey[] | null; outcome: "done" | "noticed"; events: readonly NewEvent[] },
  ): Promise<void> {
    const before = await recorded()
    // Shown without passwords; values of configuration are no secrets.
    const entries = describeConfig(config).filter(({ key }) => keys === null || keys.includes(key))
    const changed = entries.filter(({ key, value, source }) =>
      before === null ? source.from !== "default" : textOf(value) !== (before[key] ?? "null"),
    )
    const now = Object.fromEntries(entries.map(({ key, value }) => [key, textOf(value)]))
    const unit: Unit = {
      statements:
        changed.length > 0 || before === null
          ? [
              {
                sql: "insert into meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value",
                params: [row, JSON.stringify({ ...before, ...now })],
              },
            ]
          : [],
      events,
      audit:
        changed.length > 0
          ? [
              {
                agentId: "main",
                act: "owner.change",
                principal: "owner",
                subject: "config",
                outcome,
                // What makes a difference to safety first: the preview may be cut.
                preview: preview(
                  changed
                    .toSorted((a, b) => Number(isSafetyKey(b.key)) - Number(isSafetyKey(a.key)))
                    .map(({ key, value, source }) => {
                      const was = before?.[key] === undefined ? "" : `, was ${before[key]}`
                      return `${key} = ${textOf(value)} (${source.from}${was})`
                    })
                    .join("; "),
                ),
                labels: [],
                source: "owner",
              },
            ]
          : [],
    }
    if (unit.statements.length + events.length > 0) await writer.commit(unit)
  }

  return {
    change: (keys, { make, read }) =>
      inTurn(async () => {
        const made = await make()
        const config = await read()
        if (config) await record(config, { keys, outcome: "done", events: [] })
        return made
      }),
    notice: (config, events = []) => inTurn(() => record(config, { keys: null, outcome: "noticed", events })),
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // somebody else wrote it: everything is noticed anew
  }
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? "null"
}
