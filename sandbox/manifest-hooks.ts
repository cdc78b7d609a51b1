/** Of plugin.json, what a plugin asks to judge: points at which it may rewrite or refuse what passes, and for which tools and channels. */
import { hookPoints, type HookPoint } from "#core/hooks.ts"
import { type Static, t } from "#core/schema.ts"

/** In their order they stand in the question to the owner: plain words, and few of them. */
const names = (pattern: string) => t.Optional(t.Array(t.String({ pattern }), { minItems: 1, maxItems: 20 }))

export const Hooks = t.Array(
  t.Object(
    {
      point: t.Union(hookPoints.map((point) => t.Literal(point))),
      tools: names("^[a-zA-Z][a-zA-Z0-9_-]{0,63}$"),
      channels: names("^[a-z][a-z0-9_-]{0,39}$"),
    },
    { additionalProperties: false },
  ),
  { minItems: 1, maxItems: hookPoints.length },
)
export type Hooks = Static<typeof Hooks>

export function problemsOfHooks(hooks: Hooks): { path: string; words: string }[] {
  return hooks.flatMap(({ point, tools }, index) => [
    ...(hooks.findIndex((other) => other.point === point) < index
      ? [{ path: `hooks/${index}/point`, words: `it asks for ${point} twice` }]
      : []),
    ...(tools !== undefined && point !== "tool.call"
      ? [{ path: `hooks/${index}/tools`, words: `only at tool.call it can be for certain tools, not at ${point}` }]
      : []),
  ])
}

/** One line for each, as the owner reads it before they say yes. What differs in any of it differs here. */
export function hookSentences(hooks: Hooks): string[] {
  return hooks.map(({ point, tools, channels }) => {
    const where = channels ? ` (only on ${channels.join(", ")})` : ""
    return `${wordsFor(point, tools)}${where}; it can tell nobody`
  })
}

function wordsFor(point: HookPoint, tools: readonly string[] | undefined): string {
  switch (point) {
    case "message.in":
      return "see and may rewrite or refuse each message to the assistant, before it is read"
    case "tool.call":
      return `see and may rewrite or refuse each call of ${tools ? tools.join(", ") : "every tool"}, before it is judged`
    case "response.transform":
      return "see and may rewrite or refuse what the assistant says, before anybody sees it"
    case "reply.out":
      return "see and may refuse each reply, before it is sent"
    case "session.start":
      return "be told when a conversation begins"
    case "session.end":
      return "be told when a conversation is over"
  }
}
