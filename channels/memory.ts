/** What a channel keeps between calls: texts under paths of its own, bounded, which no model and no other channel ever sees. */
import type { Db } from "#core/db/db.ts"
import { isStorableText } from "#core/db/storable.ts"
import { t } from "#core/schema.ts"
import { type HostFunction, HostRefusal } from "#sandbox/child/guest.ts"
import { take } from "#sandbox/host-functions.ts"
import { UNSEEN } from "./channel.ts"

const MAX_BYTES = 1024 * 1024
const MAX_ENTRIES = 1_000

const strict = { additionalProperties: false } as const
/** A key, and no path of a file: what would climb out of a folder is refused all the same, for whoever wrote it meant no good. */
const Path = t.String({ maxLength: 200, pattern: `^(?!/)(?!.*(?:^|/)\\.{1,2}(?:/|$))[^\\\\${UNSEEN}]+$` })
const Read = t.Object({ path: Path }, strict)
const Write = t.Object({ path: Path, content: t.Union([t.Null(), t.String({ maxLength: MAX_BYTES })]) }, strict)
const List = t.Object({ prefix: t.String({ maxLength: 200 }) }, strict)

export function channelMemory(
  db: Db,
  channel: string,
): Record<"memory_read" | "memory_write" | "memory_list", HostFunction> {
  return {
    async memory_read(payload) {
      const { path } = take(Read, payload)
      const [row] = await db.query({
        sql: "select content from channel_memory where channel = $1 and path = $2",
        params: [channel, path],
      })
      return row ? String(row["content"]) : null
    },
    async memory_write(payload) {
      const { path, content } = take(Write, payload)
      if (content === null) {
        await db.query({ sql: "delete from channel_memory where channel = $1 and path = $2", params: [channel, path] })
        return null
      }
      if (!isStorableText(content)) throw new HostRefusal("A text without NUL and half surrogate pairs can be kept")
      const [row] = await db.query({
        sql: `insert into channel_memory (channel, path, content, updated_at)
          select $1, $2, $3, now() where octet_length($3) + coalesce((select sum(octet_length(content)) from channel_memory
              where channel = $1 and path <> $2), 0) <= $4
            and (select count(*) from channel_memory where channel = $1 and path <> $2) < $5
          on conflict (channel, path) do update set content = excluded.content, updated_at = excluded.updated_at
          returning 1 as kept`,
        params: [channel, path, content, MAX_BYTES, MAX_ENTRIES],
      })
      if (!row) throw new HostRefusal(`A channel keeps at most ${MAX_BYTES} bytes under ${MAX_ENTRIES} paths`)
      return null
    },
    async memory_list(payload) {
      const { prefix } = take(List, payload)
      const rows = await db.query({
        sql: "select path from channel_memory where channel = $1 and starts_with(path, $2) order by path",
        params: [channel, prefix],
      })
      return rows.map((row) => String(row["path"]))
    },
  }
}
