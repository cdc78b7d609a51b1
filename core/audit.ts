/** Audit rows that ride with the next commit of the turn they belong to, so that a request out costs no commit of its own. */
import type { Clock } from "./clock.ts"
import type { Writer } from "./db/db.ts"
import type { AuditRow, NewAudit } from "./db/schema.ts"
import type { TurnId } from "./id.ts"
import type { Log } from "./log.ts"

export const auditActs = [
  "message.in",
  "tool.run",
  "egress",
  "reply.out",
  "owner.change",
] as const satisfies readonly AuditRow["act"][]
export type AuditAct = AuditRow["act"]

/** A row that no commit of its turn took is written alone after this long: what a crash can cost the record is bounded by it. */
const FLUSH_AFTER_MS = 1_000

export type AuditBuffer = {
  add(row: NewAudit): void
  /** Hands over the rows of this turn, once. */
  take(turnId: TurnId): NewAudit[]
  flush(): Promise<void>
}

export function createAuditBuffer({ writer, clock, log }: { writer: Writer; clock: Clock; log: Log }): AuditBuffer {
  let waiting: NewAudit[] = []
  let cancel: (() => void) | null = null

  async function flush(): Promise<void> {
    cancel?.()
    cancel = null
    const rows = waiting
    waiting = []
    if (rows.length === 0) return
    try {
      await writer.commit({ statements: [], audit: rows })
    } catch (error) {
      waiting = [...rows, ...waiting]
      log.error("Audit rows could not be stored; they are kept and tried again", { rows: rows.length, error })
      cancel = clock.after(FLUSH_AFTER_MS, () => void flush())
    }
  }

  return {
    add(row) {
      waiting.push(row)
      cancel ??= clock.after(FLUSH_AFTER_MS, () => void flush())
    },
    take(turnId) {
      const taken = waiting.filter((row) => row.turnId === turnId)
      if (taken.length > 0) waiting = waiting.filter((row) => row.turnId !== turnId)
      return taken
    },
    flush,
  }
}
