/**
 * /api/backups: makes a backup while the service runs, and says which there are. To restore one, the service must be stopped. One that is
 * not as the service makes it by itself needs proof of presence: who chooses the passphrase or the place can read all that is in here.
 */
import { Elysia, status } from "elysia"
import { sha256Hex } from "#core/safety/fingerprint.ts"
import { t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { type Prove, presenceField } from "../presence.ts"
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
    ...presenceField,
  },
  { additionalProperties: false },
)

export function backupRoutes(
  { backups, hasActed }: Pick<GatewayDeps, "backups" | "hasActed">,
  { calls, prove }: { calls: Calls; prove: Prove },
) {
  return new Elysia({ prefix: "/api/backups" })
    .get("/", async () => ({ items: await backups.list(), running: backups.running() }), {
      detail: { operationId: "backups.list", summary: "Backups in the home, and how far the running one is" },
    })
    .post(
      "/",
      async ({ body: { passphrase, output = null, presence }, request }) => {
        const call = calls.of(request)
        demandHome(call, "A backup")
        backups.judge({ passphrase, output }) // before a code is typed for it
        if ((await hasActed()) && !backups.needsNoProof({ passphrase, output })) {
          const change = {
            verb: "backup.create",
            subject: "everything",
            details: { passphrase: sha256Hex(passphrase), output },
            words: `Write everything, every secret too, into one file that the passphrase of this request opens: ${output === null ? "in the home's backups folder" : JSON.stringify(output)}`,
          }
          const challenge = prove(request, change, presence)
          if (challenge) return status(202, { challenge })
        }
        call.meta.holdOpen()
        return status(200, await backups.create({ passphrase, output, signal: request.signal }))
      },
      {
        body: body(BackupBody),
        detail: {
          operationId: "backups.create",
          summary: "Back everything up into one encrypted file; 202 with a challenge where a code is to be typed",
        },
      },
    )
}
