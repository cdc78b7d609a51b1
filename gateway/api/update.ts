/** /api/update: what the release server has, fetched by the one way out. Who installs it verifies it; this service believes nothing of it. */
import { Elysia } from "elysia"
import { int, t } from "#core/schema.ts"
import { type Calls, demandHome } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { body } from "../shape.ts"

const DownloadBody = t.Object(
  {
    file: t.String({
      pattern: "^[0-9A-Za-z][0-9A-Za-z.-]{0,60}/[0-9A-Za-z][0-9A-Za-z._-]{0,99}$",
      description: "Version and name of the file, as the release names it",
    }),
    maxBytes: int({ minimum: 1, maximum: 1_000_000_000, description: "What is longer is refused" }),
  },
  { additionalProperties: false },
)

export function updateRoutes({ releases }: GatewayDeps, calls: Calls) {
  return new Elysia({ prefix: "/api/update" })
    .get("/", () => ({ url: releases.url(), running: releases.running() }), {
      detail: { operationId: "update.get", summary: "Where releases are, and how far a download is" },
    })
    .get("/release", async ({ request }) => ({ text: await releases.newest(request.signal) }), {
      detail: { operationId: "update.release", summary: "Ask the release server which release is the newest" },
    })
    .post(
      "/download",
      ({ body: { file, maxBytes }, request }) => {
        const call = calls.of(request)
        demandHome(call, "Fetching an update") // it fills the owner's disk
        call.meta.holdOpen()
        return releases.download({ file, maxBytes, signal: request.signal })
      },
      {
        body: body(DownloadBody),
        detail: { operationId: "update.download", summary: "Bring a file of a release into the home" },
      },
    )
}
