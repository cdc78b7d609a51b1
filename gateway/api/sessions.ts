/** /api/sessions: conversations, their messages, and what can be done with them. */
import { Elysia, status } from "elysia"
import type { TurnOptions } from "#core/agent/agent.ts"
import { AppError } from "#core/errors.ts"
import { type SessionId, isId } from "#core/id.ts"
import { t } from "#core/schema.ts"
import type { Place } from "#core/session/session.ts"
import type { Calls } from "../caller.ts"
import type { GatewayDeps } from "../deps.ts"
import { MAX_IMAGES, imageTypes, parseImage } from "../image.ts"
import { body, query } from "../shape.ts"
import { given, pageFields } from "./page.ts"

const strict = { additionalProperties: false }
const agentName = t.String({ pattern: "^[a-z][a-z0-9-]{0,39}$", description: "Name of the agent (default main)" })
const title = t.String({ minLength: 1, maxLength: 200, description: "What the session is called" })
const model = t.Union([t.String({ minLength: 1, maxLength: 200 }), t.Null()], {
  description: "Model for this session; null: the agent's",
})
const thinking = t.Union([t.Literal("off"), t.Literal("low"), t.Literal("medium"), t.Literal("high"), t.Null()], {
  description: "How long the model may think; null: the configured level",
})
const channel = t.Union([t.Literal("api"), t.Literal("terminal"), t.Literal("web")], {
  description: "Where the conversation happens (default api)",
})

const CreateBody = t.Object(
  {
    agent: t.Optional(agentName),
    title: t.Optional(title),
    model: t.Optional(model),
    thinking: t.Optional(thinking),
    channel: t.Optional(channel),
  },
  strict,
)
const ListQuery = t.Object(
  {
    agent: t.Optional(agentName),
    channel: t.Optional(t.String({ minLength: 1, maxLength: 60, description: "Only sessions of this channel" })),
    ...pageFields,
  },
  strict,
)
const SearchQuery = t.Object(
  {
    text: t.String({ minLength: 1, maxLength: 500, description: "Words to look for" }),
    agent: t.Optional(agentName),
    limit: pageFields.limit,
  },
  strict,
)
const ChangeBody = t.Object(
  { title: t.Optional(title), model: t.Optional(model), thinking: t.Optional(thinking) },
  { ...strict, minProperties: 1 },
)
const MessagesQuery = t.Object(
  { newestFirst: t.Optional(t.Boolean({ description: "The latest page first" })), ...pageFields },
  strict,
)
const Attachment = t.Object(
  {
    type: t.Literal("image"),
    mediaType: t.Union(imageTypes.map((type) => t.Literal(type))),
    base64: t.String({ minLength: 4, description: "At most 5 MiB once decoded" }),
  },
  strict,
)
const MessageBody = t.Object(
  {
    content: t.String({
      minLength: 1,
      description: "The message, at most 4 MiB; a slash command where it is one exactly",
    }),
    attachments: t.Optional(t.Array(Attachment, { maxItems: MAX_IMAGES })),
    mode: t.Optional(
      t.Union([t.Literal("queue"), t.Literal("steer")], {
        description: "Wait for the running turn (default), or join it",
      }),
    ),
    model: t.Optional(t.String({ minLength: 1, maxLength: 200, description: "Model for this turn alone" })),
    thinking: t.Optional(t.Union([t.Literal("off"), t.Literal("low"), t.Literal("medium"), t.Literal("high")])),
  },
  strict,
)
const SendQuery = t.Object({ wait: t.Optional(t.Boolean({ description: "Answer with the finished turn" })) }, strict)
const ExportQuery = t.Object({ format: t.Optional(t.Union([t.Literal("json"), t.Literal("markdown")])) }, strict)

/** Where sessions of our own clients happen: each is a place of its own kind, with the owner at the other end. */
export function ownPlace(channelName: string): Place {
  return { channel: channelName, peer: "owner", topic: "" }
}

export function sessionIdOf(text: string): SessionId {
  if (isId("ses", text)) return text
  throw new AppError("not_found", `There is no session "${text.slice(0, 80)}"`)
}

export function sessionRoutes({ sessions, agent, ownerId }: GatewayDeps, calls: Calls) {
  return new Elysia({ prefix: "/api/sessions" })
    .post(
      "/",
      async ({ body: { agent: agentId = "main", channel: channelName = "api", ...rest } }) =>
        status(201, await sessions.create({ agentId, place: ownPlace(channelName), ...given(rest) })),
      { body: body(CreateBody), detail: { operationId: "sessions.create", summary: "Begin a session" } },
    )
    .get("/", ({ query: { agent: agentId, ...rest } }) => sessions.list(given({ agentId, ...rest })), {
      query: query(ListQuery),
      detail: { operationId: "sessions.list", summary: "Sessions, the latest first" },
    })
    .get(
      "/search",
      async ({ query: { agent: agentId, ...rest } }) => ({
        items: await sessions.search({ text: rest.text, ...given({ agentId, limit: rest.limit }) }),
      }),
      {
        query: query(SearchQuery),
        detail: { operationId: "sessions.search", summary: "Find messages by their words" },
      },
    )
    .get("/:id", ({ params }) => sessions.get(sessionIdOf(params.id)), {
      detail: { operationId: "sessions.get", summary: "One session" },
    })
    .patch("/:id", ({ params, body: change }) => sessions.change(sessionIdOf(params.id), given(change)), {
      body: body(ChangeBody),
      detail: { operationId: "sessions.change", summary: "Rename a session, or choose its model" },
    })
    .delete(
      "/:id",
      async ({ params }) => {
        await sessions.delete(sessionIdOf(params.id))
        return { deleted: true }
      },
      { detail: { operationId: "sessions.delete", summary: "Delete a session with all its messages" } },
    )
    .get("/:id/messages", ({ params, query: page }) => sessions.messages(sessionIdOf(params.id), given(page)), {
      query: query(MessagesQuery),
      detail: { operationId: "messages.list", summary: "Messages of a session, those out of the model's sight too" },
    })
    .post(
      "/:id/messages",
      async ({
        params,
        body: { content, attachments = [], mode = "queue", ...options },
        query: { wait = false },
        request,
      }) => {
        const sessionId = sessionIdOf(params.id)
        const { agentId, channel: channelName } = await sessions.get(sessionId)
        const parts = attachments.map(({ mediaType, base64 }, at) =>
          parseImage({ mediaType, base64, where: `/attachments/${at}` }),
        )
        if (content.startsWith("/") && parts.length === 0) {
          const command = await agent.command(content, {
            sessionId,
            place: ownPlace(channelName),
            agentId,
            personId: ownerId,
          })
          if (command) return { command }
        }
        const chosen: TurnOptions = given(options)
        calls.of(request).meta.holdOpen() // the owner's hooks may take their time before the message is taken
        const received = await agent.receive({
          agentId,
          sessionId,
          place: ownPlace(channelName),
          personId: ownerId,
          text: content,
          ...(parts.length > 0 ? { parts } : {}),
          mode,
          ...(Object.keys(chosen).length > 0 ? { options: chosen } : {}),
        })
        if (!wait) return status(202, received)
        const turn = await agent.wait(received.turnId, request.signal)
        return status(turn.state === "suspended" ? 202 : 200, { ...turn, replyTo: received.messageId })
      },
      {
        body: body(MessageBody),
        query: query(SendQuery),
        detail: { operationId: "messages.create", summary: "Send a message" },
      },
    )
    .post(
      "/:id/stop",
      async ({ params }) => ({ stopped: await agent.stop((await sessions.get(sessionIdOf(params.id))).id) }),
      {
        detail: { operationId: "sessions.stop", summary: "Stop what runs, keeping the text so far" },
      },
    )
    .post("/:id/undo", ({ params }) => sessions.undo(sessionIdOf(params.id)), {
      detail: { operationId: "sessions.undo", summary: "Take the last turn out of the model's sight" },
    })
    .post("/:id/redo", ({ params }) => sessions.redo(sessionIdOf(params.id)), {
      detail: { operationId: "sessions.redo", summary: "Bring the turn back that was undone last" },
    })
    .post("/:id/compact", ({ params }) => agent.compact(sessionIdOf(params.id)), {
      detail: { operationId: "sessions.compact", summary: "Summarise what is in the model's sight" },
    })
    .post(
      "/:id/clear",
      async ({ params }) => {
        await sessions.clear(sessionIdOf(params.id))
        return { cleared: true }
      },
      { detail: { operationId: "sessions.clear", summary: "Take everything so far out of the model's sight" } },
    )
    .get(
      "/:id/export",
      async ({ params, query: { format = "json" } }) => ({
        format,
        text: await sessions.export(sessionIdOf(params.id), format),
      }),
      {
        query: query(ExportQuery),
        detail: { operationId: "sessions.export", summary: "The whole session as one document" },
      },
    )
}
