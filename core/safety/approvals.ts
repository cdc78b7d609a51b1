/** Approvals: a question to the owner about one exact call, and the answer. Bound to principal, tool and exact arguments; used once. */
import { and, desc, eq, sql } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db, Statement, Unit, Writer } from "../db/db.ts"
import { approvals } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import { preview, type LabelName, type NewEvent } from "../event.ts"
import { newId, type ApprovalId, type CallId, type SessionId, type TurnId } from "../id.ts"
import { questionOf } from "./approval-question.ts"
import type { AuthoritySeal } from "./authority.ts"
import type { Grants, NewGrant } from "./grants.ts"
import { isUntrusted } from "./labels.ts"

/** How long a question stays open: a day, so that one asked in the evening can be answered in the morning. */
const OPEN_FOR_MS = 24 * 3_600_000
/** Questions of one turn. More would wear the owner out until they say yes to anything; then one plan is asked about instead. */
export const MAX_ASKS_PER_TURN = 5
/** The tool that asks about several calls at once, and how often it may once the others may not. */
export const PLAN_TOOL = "approval_plan"
const MAX_PLANS_PER_TURN = 2
export type Approval = {
  id: ApprovalId
  agentId: string
  sessionId: SessionId
  turnId: TurnId
  callId: CallId
  principal: string
  tool: string
  destination: string
  fingerprint: string
  question: string
  state: "open" | "allowed" | "denied" | "expired" | "used"
  reason: string
  createdAt: string
  expiresAt: string
  answeredAt: string | null
}

export type AskedCall = {
  agentId: string
  sessionId: SessionId
  turnId: TurnId
  callId: CallId
  principal: string
  tool: string
  arguments: unknown
  destination: string
  fingerprint: string
  why: string
  /** The arguments in words of host code, whole; else they are shown as JSON, cut where they are long. */
  shown?: string
  labels: readonly LabelName[]
  source: string
}

/** Once; for this session; or always, for exactly this tool and destination. */
export type Answer =
  | { answer: "deny"; reason: string }
  | { answer: "allow"; how: "once" }
  | { answer: "allow"; how: "session" | "always"; evenUntrusted: boolean; expiresAt: string | null }

/** What is known of a call that needs an answer. */
export type Standing =
  | { state: "new" }
  | { state: "open" | "denied" | "expired"; approval: Approval }
  /** `use` makes the approval count for this one run: it fails the commit where it was used already. */
  | { state: "allowed"; approval: Approval; use: Statement }
  | { state: "too many" }

export type Approvals = {
  /** After a no, the same call is not asked about again in its turn; where text from outside has a hand in it, no other to the same place. */
  standingOf(
    call: Pick<AskedCall, "turnId" | "fingerprint" | "principal" | "tool" | "destination" | "labels">,
  ): Promise<Standing>
  /** The question as rows and events, for the commit in which the turn is suspended. */
  ask(call: AskedCall): { approval: Approval; statement: Statement; event: NewEvent }
  /** Yes to exact calls to come in the same turn: the owner approved a plan that lists them. */
  allowAhead(call: AskedCall): Statement
  list(query: { state: Approval["state"] | null; sessionId?: SessionId; limit: number }): Promise<Approval[]>
  get(id: ApprovalId): Promise<Approval>
  /** Stores the answer and lets the turn go on. Throws `conflict` where it was answered already, `not_found`. */
  answer(id: ApprovalId, answer: Answer): Promise<Approval>
  /** Closes the open questions of a turn that ends without an answer: it was stopped, or given up. */
  closeOf(turnId: TurnId): Promise<Statement[]>
  /** Closes what nobody answered in time, so that its turns can go on and say so. */
  expireDue(): Promise<number>
}

export type ApprovalsDeps = {
  db: Db
  writer: Writer
  clock: Clock
  seal: AuthoritySeal
  grants: Grants
  /** What else an answer changes: the suspended turn is queued again. */
  resume: (at: { turnId: TurnId; sessionId: SessionId }) => { statements: Statement[]; afterwards: () => Promise<void> }
  redact: (text: string) => string
  onBadSeal: (what: string) => void
}

type SealedFields =
  | "id"
  | "turnId"
  | "principal"
  | "tool"
  | "destination"
  | "fingerprint"
  | "question"
  | "expiresAt"
  | "state"

/**
 * What the seal of an approval covers. The state is a part: a question cannot be turned into a yes by writing to the row. So are the
 * words: the owner cannot be shown another question than the one that was asked.
 */
export function sealedApproval(row: Pick<typeof approvals.$inferSelect, SealedFields>): readonly unknown[] {
  const { id, turnId, principal, tool, destination, fingerprint, question, expiresAt, state } = row
  return [id, turnId, principal, tool, destination, fingerprint, question, expiresAt, state]
}

export function createApprovals({
  db,
  writer,
  clock,
  seal,
  grants,
  resume,
  redact,
  onBadSeal,
}: ApprovalsDeps): Approvals {
  type Row = typeof approvals.$inferSelect
  const macOf = (row: Parameters<typeof sealedApproval>[0]) => seal.mac("approval", sealedApproval(row))
  const isWhole = (row: Row) => {
    if (seal.holds("approval", sealedApproval(row), row.mac)) return true
    onBadSeal(`approval ${row.id}`)
    return false
  }

  /** Moves a row from one state to another, seal and all; fails the commit where it is no longer in the first. */
  function move(row: Row, state: Approval["state"], reason = row.reason): Statement {
    return {
      sql: `with moved as (update approvals set state = $3, mac = $4, reason = $5, answered_at = coalesce(answered_at, now())
          where id = $1 and state = $2 returning 1)
        select expect_rows((select count(*) from moved), 1, 'approval')`,
      params: [row.id, row.state, state, macOf({ ...row, state }), reason],
    }
  }

  function rowOf(call: AskedCall, state: "open" | "allowed"): Omit<Row, "answeredAt"> {
    const row = {
      id: newId("apr"),
      agentId: call.agentId,
      sessionId: call.sessionId,
      turnId: call.turnId,
      callId: call.callId,
      principal: call.principal,
      tool: call.tool,
      destination: call.destination,
      fingerprint: call.fingerprint,
      question: questionOf(call, redact),
      state,
      reason: "",
      createdAt: clock.iso(),
      expiresAt: new Date(clock.nowMs() + OPEN_FOR_MS).toISOString(),
    }
    return { ...row, mac: macOf(row) }
  }

  async function load(id: ApprovalId): Promise<Row> {
    const [row] = await db.orm.select().from(approvals).where(eq(approvals.id, id))
    if (!row) throw new AppError("not_found", `There is no approval ${id}`)
    return row
  }

  async function settle(
    row: Row,
    unit: { state: "allowed" | "denied" | "expired"; reason: string; grant?: NewGrant },
  ): Promise<Approval> {
    const goOn = resume({ turnId: row.turnId, sessionId: row.sessionId })
    const granted = unit.grant ? grants.add(unit.grant) : null
    const change: Unit = {
      statements: [move(row, unit.state, unit.reason), ...(granted ? [granted.statement] : []), ...goOn.statements],
      events: [
        {
          type: "approval.answered",
          approvalId: row.id,
          answer: unit.state,
          agentId: row.agentId,
          labels: [],
          source: "owner",
        },
      ],
      audit: [
        {
          agentId: row.agentId,
          act: "owner.change",
          principal: unit.state === "expired" ? "host" : "owner",
          subject: row.id,
          outcome: unit.state,
          sessionId: row.sessionId,
          turnId: row.turnId,
          argumentsHash: row.fingerprint,
          preview: preview(
            `${row.tool}${granted ? `, and a grant for ${granted.grant.destination || "the tool alone"}` : ""} ${unit.reason}`,
          ),
          destination: row.destination,
          labels: [],
          source: "owner",
        },
      ],
    }
    await writer.commit(change)
    await goOn.afterwards()
    return approvalOf({ ...row, state: unit.state, reason: unit.reason, answeredAt: clock.iso() })
  }

  return {
    async standingOf({ turnId, fingerprint, principal, tool, destination, labels }) {
      const rows = await db.orm
        .select()
        .from(approvals)
        .where(eq(approvals.turnId, turnId))
        .orderBy(desc(approvals.createdAt))
      const ofTool = rows.filter((one) => one.principal === principal && one.tool === tool && one.state !== "used")
      // An order from outside would come again with a word changed, until the owner gives in.
      const refused = (one: Row) => one.state === "denied" && one.destination === destination && isUntrusted(labels)
      const row = ofTool.find((one) => one.fingerprint === fingerprint) ?? ofTool.find(refused)
      const most = tool === PLAN_TOOL ? MAX_ASKS_PER_TURN + MAX_PLANS_PER_TURN : MAX_ASKS_PER_TURN
      if (!row) return { state: rows.filter(({ reason }) => reason !== PLANNED).length >= most ? "too many" : "new" }
      if (!isWhole(row))
        return { state: "denied", approval: { ...approvalOf(row), reason: "The record of the answer is damaged" } }
      if (row.state === "allowed") {
        if (row.expiresAt <= clock.iso()) return { state: "expired", approval: approvalOf(row) }
        return { state: "allowed", approval: approvalOf(row), use: move(row, "used") }
      }
      return {
        state: row.state === "open" ? "open" : row.state === "expired" ? "expired" : "denied",
        approval: approvalOf(row),
      }
    },
    ask(call) {
      const row = rowOf(call, "open")
      const { agentId, sessionId, turnId, tool } = call
      return {
        approval: approvalOf({ ...row, answeredAt: null }),
        statement: db.orm.insert(approvals).values(row).toSQL(),
        event: {
          type: "approval.asked",
          sessionId,
          turnId,
          approvalId: row.id,
          tool,
          question: preview(row.question),
          agentId,
          labels: [...call.labels],
          source: call.source,
        },
      }
    },
    allowAhead: (call) =>
      db.orm
        .insert(approvals)
        .values({ ...rowOf(call, "allowed"), reason: PLANNED })
        .toSQL(),
    async list({ state, sessionId, limit }) {
      const rows = await db.orm
        .select()
        .from(approvals)
        .where(
          and(
            state === null ? undefined : eq(approvals.state, state),
            sessionId === undefined ? undefined : eq(approvals.sessionId, sessionId),
          ),
        )
        .orderBy(desc(approvals.createdAt))
        .limit(limit)
      return rows.filter(isWhole).map(approvalOf)
    },
    get: async (id) => approvalOf(await load(id)),
    async answer(id, given) {
      const row = await load(id)
      if (!isWhole(row))
        throw new AppError("conflict", `The record of ${id} is damaged; deny it by stopping its session`)
      if (row.state !== "open") throw new AppError("conflict", `${id} is ${row.state} already`)
      if (row.expiresAt <= clock.iso()) throw new AppError("conflict", `${id} was open until ${row.expiresAt}`)
      if (given.answer === "allow" && given.how !== "once" && row.tool === PLAN_TOOL)
        throw new AppError("input.invalid", "A plan is a list of exact calls, so it is allowed once")
      if (given.answer === "deny") return settle(row, { state: "denied", reason: given.reason })
      if (given.how === "once") return settle(row, { state: "allowed", reason: "" })
      const { agentId, principal, tool, destination } = row
      const grant: NewGrant = {
        agentId,
        principal,
        tool,
        destination,
        evenUntrusted: given.evenUntrusted,
        sessionId: given.how === "session" ? row.sessionId : null,
        expiresAt: given.expiresAt,
      }
      return settle(row, { state: "allowed", reason: "", grant })
    },
    async closeOf(turnId) {
      const open = await db.orm
        .select()
        .from(approvals)
        .where(and(eq(approvals.turnId, turnId), eq(approvals.state, "open")))
      return open.map((row) => move(row, "expired", "The turn ended"))
    },
    async expireDue() {
      const due = await db.orm
        .select()
        .from(approvals)
        .where(and(eq(approvals.state, "open"), sql`${approvals.expiresAt} <= now()`))
        .limit(100)
      for (const row of due) await settle(row, { state: "expired", reason: "Nobody answered in time" })
      return due.length
    },
  }
}

/** The reason of approvals that came from a plan: they were not asked one by one. */
const PLANNED = "part of a plan that the owner approved"

function approvalOf({ mac: _mac, ...row }: typeof approvals.$inferSelect): Approval {
  return row
}
