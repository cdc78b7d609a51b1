/** What a lockdown ends: requests out, streams to watchers, and every turn and job that runs or waits. */
import type { Db } from "#core/db/db.ts"
import { AppError } from "#core/errors.ts"
import type { JobId } from "#core/id.ts"
import type { JobRunner } from "#core/jobs/runner.ts"
import type { Log } from "#core/log.ts"
import type { Egress } from "#core/safety/egress.ts"
import type { Gateway } from "#gateway/server.ts"

export async function stopWork({
  db,
  jobs,
  egress,
  gateway,
  log,
}: {
  db: Db
  jobs: Pick<JobRunner, "cancel">
  egress: Pick<Egress, "abortAll">
  gateway: Pick<Gateway, "endStreams">
  log: Log
}): Promise<void> {
  egress.abortAll(new AppError("lockdown.active", "The owner has stopped everything"))
  gateway.endStreams()
  const active = await db.query({
    sql: "select id from jobs where state in ('queued', 'running', 'suspended')",
    params: [],
  })
  // One that cannot be ended keeps no other from ending; it can neither send nor call a model any more.
  const ends = await Promise.allSettled(
    // The column holds our own ids.
    active.map((row) => jobs.cancel({ id: row["id"] as JobId }, new Error("stopped"))),
  )
  for (const end of ends) if (end.status === "rejected") log.error("A job was not stopped", { error: end.reason })
}
