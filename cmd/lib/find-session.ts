/** A session as people name it: by its id, or as the last one. */
import { AppError } from "#core/errors.ts"
import type { SessionSummary } from "#core/session/session.ts"
import type { Client } from "#gateway/client.ts"

/** Throws `not_found`. */
export async function findSession(client: Client, name: string): Promise<SessionSummary> {
  if (name !== "last") return client.api.sessions({ id: name }).get()
  const [latest] = (await client.api.sessions.get({ query: { limit: 1 } })).items
  if (latest) return latest
  throw new AppError("not_found", "There is no conversation yet", { hint: "`ironclaw` starts one." })
}
