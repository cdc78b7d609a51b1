/** Slash commands: one table, the same in the terminal, on the page and by API. Whatever is not exactly one of them is ordinary text. */
import { AppError } from "../errors.ts"
import type { SessionId } from "../id.ts"
import type { ThinkingLevel } from "../db/schema.ts"
import type { Models } from "../llm/model.ts"
import type { SessionStore, SessionSummary } from "../session/session.ts"
import { SUB_TURN_CHANNEL } from "../session/sub-turns.ts"
import type { Agent, CommandReply } from "./agent.ts"

export type CommandPlace = Parameters<Agent["command"]>[1]

export type UsageTotal = {
  label: string
  calls: number
  inputTokens: number
  outputTokens: number
  costUsdMicros: number
}

export type CommandDeps = {
  store: SessionStore
  compact: Agent["compact"]
  stop: Agent["stop"]
  /** Hands the text to the running turn, or starts one with it, as the sender's message; returns what to say about it. */
  steer: (text: string, at: CommandPlace) => Promise<CommandReply>
  /** Totals to show, most particular first: this session (where there is one), today, … */
  usage: (sessionId: SessionId | null) => Promise<UsageTotal[]>
  models: Pick<Models, "get" | "list" | "defaultId">
  /** `/new` left this conversation for another one. */
  left: (session: SessionSummary) => void
}

type Call = CommandDeps & { argument: string; at: CommandPlace; session: () => Promise<SessionSummary> }

type Command = {
  usage: string
  help: string
  /** Whether what follows the first word can be meant for this command; if not, the text is ordinary. */
  fits: (argument: string) => boolean
  run: (call: Call) => Promise<string | CommandReply>
}

const nothing = (argument: string) => argument === ""
const oneLine = (argument: string) => argument !== "" && !/[\r\n]/.test(argument)
const oneOf = (words: readonly string[]) => (argument: string) => argument === "" || words.includes(argument)
/** A model's name, or nothing: `vendor/model`, with what vendors put into names. Two words are a sentence, and a sentence is no name. */
const modelName = (argument: string) =>
  argument === "" || /^[a-z0-9][\w.-]*\/[\w.:@/+-]+$/i.test(argument) || argument === "default"

const LEVELS: readonly ThinkingLevel[] = ["off", "low", "medium", "high"]
const isLevel = (word: string): word is ThinkingLevel => LEVELS.some((level) => level === word)

const commands = {
  help: {
    usage: "/help",
    help: "Show these commands",
    fits: nothing,
    run: async () => helpText(),
  },
  new: {
    usage: "/new",
    help: "Start a new conversation here; the old one is kept",
    fits: nothing,
    async run({ store, left, at }) {
      const { agentId, place } = at
      const before = await sessionIdAt(store, at)
      const { id } = await store.create({ agentId, place })
      if (before) left(await store.get(before))
      return { text: "A new conversation begins.", sessionId: id }
    },
  },
  clear: {
    usage: "/clear",
    help: "Put everything so far out of the model's sight; it stays readable",
    fits: nothing,
    async run({ store, session }) {
      await store.clear((await session()).id)
      return "Cleared: the model no longer sees what was said before. It stays readable and searchable."
    },
  },
  undo: {
    usage: "/undo",
    help: "Take back the last turn",
    fits: nothing,
    async run({ store, session }) {
      const { left } = await store.undo((await session()).id)
      return `Took back the last turn; ${left} more can be undone. /redo brings it back until you send a message.`
    },
  },
  redo: {
    usage: "/redo",
    help: "Bring back the turn that was undone last",
    fits: nothing,
    async run({ store, session }) {
      const { left } = await store.redo((await session()).id)
      return `Brought the turn back; ${left} more can be redone.`
    },
  },
  compact: {
    usage: "/compact",
    help: "Summarise the earlier part, to make room",
    fits: nothing,
    async run({ compact, session }) {
      const { messagesBefore, messagesAfter } = await compact((await session()).id)
      return messagesAfter === messagesBefore
        ? `Nothing to summarise yet: ${count(messagesBefore, "message is", "messages are")} in sight.`
        : `Summarised: of ${messagesBefore} messages the model now sees ${messagesAfter}. The originals stay readable.`
    },
  },
  stop: {
    usage: "/stop",
    help: "Stop what is being done",
    fits: nothing,
    async run({ stop, session }) {
      return (await stop((await session()).id)) ? "Stopped." : "Nothing is being done at the moment."
    },
  },
  model: {
    usage: "/model [id|default]",
    help: "Show the models, or use another one in this conversation",
    fits: modelName,
    async run({ argument, store, models, session }) {
      const { id, model } = await session()
      if (argument === "") return modelList(models, model)
      if (argument !== "default") models.get(argument) // throws, with what to do, where it is unknown or has no key
      await store.change(id, { model: argument === "default" ? null : argument })
      return argument === "default"
        ? `This conversation uses the default model again: ${models.defaultId}.`
        : `This conversation now uses ${argument}.`
    },
  },
  thinking: {
    usage: `/thinking [${LEVELS.join("|")}|default]`,
    help: "Show or set how much the model thinks before it answers",
    fits: oneOf([...LEVELS, "default"]),
    async run({ argument, store, session }) {
      const { id, thinking } = await session()
      if (argument === "") return `Thinking is ${thinking ?? "left to the model's default"}.`
      await store.change(id, { thinking: isLevel(argument) ? argument : null })
      return isLevel(argument) ? `Thinking is now ${argument}.` : "Thinking is left to the model's default again."
    },
  },
  title: {
    usage: "/title TEXT",
    help: "Rename this conversation",
    fits: oneLine,
    async run({ argument, store, session }) {
      const { title } = await store.change((await session()).id, { title: argument })
      return `This conversation is now called "${title}".`
    },
  },
  status: {
    usage: "/status",
    help: "Show what is going on here",
    fits: nothing,
    async run({ models, session, at }) {
      const { title, model, thinking, activeTurn } = await session()
      return lines({
        Conversation: title || "(no title)",
        Agent: at.agentId,
        Model: model ?? `${models.defaultId} (default)`,
        Thinking: thinking ?? "default",
        Now: activeTurn ? `a turn is ${activeTurn.state}` : "idle",
      })
    },
  },
  usage: {
    usage: "/usage",
    help: "Show tokens and cost",
    fits: nothing,
    async run({ usage, store, at }) {
      const totals = await usage(await sessionIdAt(store, at))
      return totals
        .map(
          ({ label, calls, inputTokens, outputTokens, costUsdMicros }) =>
            `${label}: $${(costUsdMicros / 1e6).toFixed(4)}, ${inputTokens.toLocaleString("en")} tokens in, ${outputTokens.toLocaleString("en")} out, ${count(calls, "model call", "model calls")}`,
        )
        .join("\n")
    },
  },
  steer: {
    usage: "/steer TEXT",
    help: "Tell the running turn something, without waiting for its end",
    fits: (argument) => argument !== "",
    run: ({ argument, steer, at }) => steer(argument, at),
  },
  export: {
    usage: "/export [markdown|json]",
    help: "Show the whole conversation as one document",
    fits: oneOf(["markdown", "json"]),
    run: async ({ argument, store, session }) =>
      store.export((await session()).id, argument === "json" ? "json" : "markdown"),
  },
  session: {
    usage: "/session",
    help: "Show which conversation this is",
    fits: nothing,
    async run({ session }) {
      const { id, title, channel, createdAt, updatedAt } = await session()
      return lines({
        Session: id,
        Title: title || "(no title)",
        Channel: channel,
        Begun: createdAt,
        "Last message": updatedAt,
      })
    },
  },
} satisfies Record<string, Command>

export type CommandName = keyof typeof commands

/** For completion and help: what there is, in the order of the table. */
export const commandList: readonly { usage: string; help: string }[] = Object.values<Command>(commands).map(
  ({ usage, help }) => ({ usage, help }),
)

/**
 * The command that `text` is, or null where it is ordinary text: "/etc/passwd is broken", "/foo", "/new idea: tea", " /help". The whole
 * first word must be a command's name, in small letters, and the rest must fit it.
 */
export function parseCommand(text: string): { name: CommandName; argument: string } | null {
  const match = /^\/([a-z]+)(?:\s+([^]*))?$/.exec(text.trimEnd())
  const name = match?.[1] ?? ""
  const argument = match?.[2] ?? ""
  return isCommandName(name) && commands[name].fits(argument) ? { name, argument } : null
}

function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name)
}

/** What people are told of an AppError is the reply; anything else is a fault and goes up. */
export function createCommands(deps: CommandDeps): Agent["command"] {
  return async (text, at) => {
    const parsed = parseCommand(text)
    if (!parsed || at.place.channel === SUB_TURN_CHANNEL) return null
    const session = async () => {
      const id = await sessionIdAt(deps.store, at)
      if (!id)
        throw new AppError("not_found", "There is no conversation here yet", { hint: "Send a message to begin one." })
      return deps.store.get(id)
    }
    // The table's rows have their own types; what `run` is given is the same for all.
    const command: Command = commands[parsed.name]
    try {
      const reply = await command.run({ ...deps, argument: parsed.argument, at, session })
      return typeof reply === "string" ? { text: reply, sessionId: at.sessionId } : reply
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return { text: `${error.message}. ${error.hint}`, sessionId: at.sessionId }
    }
  }
}

async function sessionIdAt(store: SessionStore, at: CommandPlace): Promise<SessionId | null> {
  return at.sessionId ?? (await store.atPlace(at.agentId, at.place))?.id ?? null
}

function helpText(): string {
  const width = Math.max(...commandList.map(({ usage }) => usage.length))
  return commandList.map(({ usage, help }) => `${usage.padEnd(width)}  ${help}`).join("\n")
}

async function modelList(models: CommandDeps["models"], model: string | null): Promise<string> {
  const listed = await models.list({ live: false, signal: new AbortController().signal }) // asks nobody, so nothing to abort
  const usable = listed.filter(({ configured }) => configured).map(({ id }) => `  ${id}`)
  return [
    `This conversation uses ${model ?? `${models.defaultId} (the default)`}.`,
    ...(usable.length > 0 ? ["Configured:", ...usable, "Change with /model ID."] : []),
  ].join("\n")
}

function lines(facts: Record<string, string>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n")
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}
