/** Who sent a request, and how it came; kept beside the request, where no header and no handler can change it. */
import { AppError } from "#core/errors.ts"
import type { TokenId } from "#core/id.ts"

/** `owner` may do everything; `chat` may talk through the OpenAI routes and nothing else. */
export type Scope = "owner" | "chat"
export type Caller = {
  scope: Scope
  /** Whose token it is; null: the owner, or anyone at an open path. */
  tokenId: TokenId | null
  /** Aborts when the token is revoked: what it keeps open ends then. */
  ended: AbortSignal | null
}

/** How a request came: over TCP from `peer` (the socket's address, never a header's), over the 0600 socket, or from this process. */
export type RequestMeta = {
  via: "tcp" | "socket" | "process"
  peer: string
  /** Tells the server that the answer takes its time, so that silence is no reason to cut the connection. */
  holdOpen: () => void
}

export type Call = { caller: Caller; meta: RequestMeta }

export type Calls = {
  set(request: Request, call: Call): void
  /** Throws where the gate was not passed: no handler runs without it. */
  of(request: Request): Call
}

export function createCalls(): Calls {
  const calls = new WeakMap<Request, Call>()
  return {
    set: (request, call) => void calls.set(request, call),
    of(request) {
      const call = calls.get(request)
      if (!call) throw new AppError("client.unauthorized", "The request did not pass the gate")
      return call
    },
  }
}

export const inProcess: RequestMeta = { via: "process", peer: "process", holdOpen() {} }

/**
 * What makes the assistant less safe, or gives everything away, is done on the machine itself: over the 0600 socket or in this process.
 * A token over TCP proves a client, and a client's token may be anyone's. Throws `presence.required`.
 */
export function demandHome({ meta }: Call, what: string): void {
  if (meta.via !== "tcp") return
  throw new AppError("presence.required", `${what} is possible on the machine itself, not over the network`, {
    hint: "Use the command of the same name there: `ironclaw config`, `ironclaw secret`, `ironclaw backup`.",
  })
}
