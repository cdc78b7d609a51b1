/** The turns that run in this process: their text as it grows, who waits for them, who may steer them. */
import { eq } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db, Writer } from "../db/db.ts"
import { storableText } from "../db/storable.ts"
import { turns, type MessageRow } from "../db/schema.ts"
import type { EventBus } from "../event.ts"
import type { PersonId, SessionId, TurnId } from "../id.ts"
import type { Log } from "../log.ts"
import type { TurnOutcome } from "./agent.ts"

/** The partial text is saved at most this often: twice a second. */
const SAVE_EVERY_MS = 500
/** Outcomes kept for those who ask just after the end; later ones read the rows. */
const REMEMBERED = 256

export type LiveTurn = {
  readonly turnId: TurnId
  readonly sessionId: SessionId
  readonly agentId: string
  /** Whose message started it: the only one who may steer it. Known once the rows are read. */
  personId: PersonId | null
  /** All text so far, of every step. */
  text: string
  /** Where in `text` the step begins that is not in the rows yet. */
  stepFrom: number
  /** The last commit is being made: no more steering. */
  closing: boolean
  /** Messages that joined, each once it is a row. */
  steered: Promise<MessageRow>[]
  append(kind: "text" | "thinking", text: string): void
}

export type Live = {
  open(turn: { turnId: TurnId; sessionId: SessionId; agentId: string }): LiveTurn
  /** Ends the turn here; `outcome` null where it is not ours any more (lease lost, shutdown). */
  close(turnId: TurnId, outcome: TurnOutcome | null): void
  at(sessionId: SessionId): LiveTurn | undefined
  get(turnId: TurnId): LiveTurn | undefined
  remembered(turnId: TurnId): TurnOutcome | undefined
  /** Resolves at the end of a turn that runs here. */
  end(turnId: TurnId): Promise<TurnOutcome | null> | undefined
}

export function createLive({
  db,
  writer,
  clock,
  bus,
  log,
}: {
  db: Db
  writer: Writer
  clock: Clock
  bus: EventBus
  log: Log
}): Live {
  const byTurn = new Map<
    TurnId,
    { turn: LiveTurn; end: PromiseWithResolvers<TurnOutcome | null>; stopSaving: () => void }
  >()
  const bySession = new Map<SessionId, LiveTurn>()
  const outcomes = new Map<TurnId, TurnOutcome>()

  function open({ turnId, sessionId, agentId }: { turnId: TurnId; sessionId: SessionId; agentId: string }): LiveTurn {
    let saving: (() => void) | null = null
    const save = () => {
      saving = null
      const statement = db.orm
        .update(turns)
        .set({ partial: storableText(turn.text) })
        .where(eq(turns.id, turnId))
        .toSQL()
      // Losing a partial text loses nothing that was acknowledged.
      writer
        .commit({ statements: [statement] })
        .catch((error: unknown) => log.debug("A partial text was not saved", { turnId, error }))
    }
    const turn: LiveTurn = {
      turnId,
      sessionId,
      agentId,
      personId: null,
      text: "",
      stepFrom: 0,
      closing: false,
      steered: [],
      append(kind, text) {
        bus.publish({ type: "turn.delta", agentId, sessionId, turnId, kind, offset: turn.text.length, text })
        if (kind === "thinking") return
        turn.text += text
        saving ??= clock.after(SAVE_EVERY_MS, save)
      },
    }
    byTurn.set(turnId, { turn, end: Promise.withResolvers(), stopSaving: () => saving?.() })
    bySession.set(sessionId, turn)
    return turn
  }

  return {
    open,
    close(turnId, outcome) {
      const entry = byTurn.get(turnId)
      if (!entry) return
      byTurn.delete(turnId)
      if (bySession.get(entry.turn.sessionId) === entry.turn) bySession.delete(entry.turn.sessionId)
      entry.stopSaving()
      // A turn that waits for the owner goes on: its outcome is still to come.
      if (outcome && outcome.state !== "suspended") {
        outcomes.set(turnId, outcome)
        for (const oldest of outcomes.keys()) {
          if (outcomes.size <= REMEMBERED) break
          outcomes.delete(oldest)
        }
      }
      entry.end.resolve(outcome)
    },
    at: (sessionId) => bySession.get(sessionId),
    get: (turnId) => byTurn.get(turnId)?.turn,
    remembered: (turnId) => outcomes.get(turnId),
    end: (turnId) => byTurn.get(turnId)?.end.promise,
  }
}
