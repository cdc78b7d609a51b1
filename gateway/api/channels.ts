/** /api/channels: the ways people reach the assistant, and how each is. They are installed and taken away as plugins. */
import { Elysia } from "elysia"
import type { GatewayDeps } from "../deps.ts"

export function channelRoutes({ channels }: Pick<GatewayDeps, "channels">) {
  return new Elysia({ prefix: "/api/channels" })
    .get("/", async () => ({ items: await channels.list() }), {
      detail: {
        operationId: "channels.list",
        summary: "The channels: what runs, what failed, what waits to be carried",
      },
    })
    .get("/:name", async ({ params: { name } }) => ({ channel: await channels.status(name) }), {
      detail: { operationId: "channels.get", summary: "One channel, and what its code says of itself" },
    })
}
