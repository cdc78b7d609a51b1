/** Tells the owner's hooks when a session begins and when its conversation is over, once it is so. */
import type { Hooks, HookValues } from "../hooks.ts"
import type { SessionStore, SessionSummary } from "../session/session.ts"

type Session = Pick<SessionSummary, "id" | "agentId" | "channel">

export function tellEnd(hooks: Pick<Hooks, "tell">, session: Session, why: HookValues["session.end"]["why"]): void {
  hooks.tell("session.end", { ...inputOf(session), value: { why } })
}

/** The same store, whose changes are told. What the inbox begins by itself, it tells itself. */
export function withSessionHooks(store: SessionStore, hooks: Pick<Hooks, "tell">): SessionStore {
  return {
    ...store,
    async create(input) {
      const session = await store.create(input)
      hooks.tell("session.start", { ...inputOf(session), value: { why: "created" } })
      return session
    },
    async delete(id) {
      const session = await store.get(id)
      await store.delete(id)
      tellEnd(hooks, session, "deleted")
    },
    async clear(id) {
      const session = await store.get(id)
      await store.clear(id)
      tellEnd(hooks, session, "cleared")
    },
  }
}

function inputOf({ id, agentId, channel }: Session) {
  return { agentId, channel, sessionId: id, turnId: null, personId: null, labels: [], source: "host" }
}
