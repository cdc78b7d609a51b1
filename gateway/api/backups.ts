/** /api/backups: makes a backup while the service runs, and says which there are. To restore one, the service must be stopped. */
import { Elysia } from "elysia"
import { t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { body } from "../shape.ts"

const BackupBody = t.Object(
  {
    passphrase: t.String({ maxLength: 1_000, description: "What opens it again; nothing else does" }),
    output: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 4_000,
        description: "Absolute path of the new file (default: in the home's backups folder)",
      }),
    ),
  },
  { additionalProperties: false },
)

export function backupRoutes({ backups }: GatewayDeps, calls: Calls) {
  return new Elysia({ prefix: "/api/backups" })
    .get("/", async () => ({ items: await backups.list(), running: backups.running() }), {
      detail: { operationId: "backups.list", summary: "Backups in the home, and how far the running one is" },
    })
    .post(
      "/",
      ({ body: { passphrase, output = null }, request }) => {
        const call = calls.of(request)
        demandHome(call, "A backup") // it holds every secret, under a passphrase of the caller's choice
        call.meta.holdOpen()
        return backups.create({ passphrase, output, signal: request.signal })
      },
      {
        body: body(BackupBody),
        detail: { operationId: "backups.create", summary: "Back everything up into one encrypted file" },
      },
    )
}
