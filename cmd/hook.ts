/** `ironclaw hook`: the owner's own programs and URLs that may rewrite or refuse what passes; those of plugins are shown with them. */
import { AppError } from "#core/errors.ts"
import { hookPoints } from "#core/hooks.ts"
import type { ShownHook } from "#core/hooks/desk.ts"
import { wayOut } from "#core/hooks/plugged.ts"
import { readArguments } from "./lib/json-arguments.ts"
import { withPresence } from "./lib/presence.ts"
import { visible } from "./lib/ui.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb, timeText } from "./lib/verbs.ts"

const list = askVerb({
  meta: {
    description: "Lists the hooks in the order in which they are asked, and whether each can run",
    examples: ["ironclaw hook list"],
  },
  args: {},
  ask: ({ client }) => client.api.hooks.get(),
  show({ items }, { ui }) {
    ui.table(
      items,
      [
        { title: "name", value: (row: ShownHook) => row.name },
        { title: "point", value: (row: ShownHook) => row.hook?.point ?? "?" },
        { title: "position", value: (row: ShownHook) => positionOf(row), align: "right" },
        { title: "asks", value: (row: ShownHook) => row.form, shrinks: true },
        { title: "only for", value: (row: ShownHook) => filtersOf(row), shrinks: true },
        { title: "last run", value: (row: ShownHook) => lastRunOf(row), shrinks: true },
      ],
      "No hooks: nothing but the gates judges what passes.",
    )
    for (const { name, problem } of items)
      if (problem !== null)
        ui.warn(`${visible(name)}: ${visible(problem)}. Nothing passes it; \`${visible(wayOut(name))}\` takes it away.`)
  },
})

const add = askVerb({
  meta: {
    description:
      "Sets a program (behind --) or a URL that may rewrite or refuse, at this terminal: the code that appears here is typed back",
    examples: [
      "ironclaw hook add no-invoices message.in -- /home/me/hooks/no-invoices.sh",
      "ironclaw hook add only-get tool.call --tools http_request -- /usr/bin/python3 /home/me/hooks/only-get.py",
      "ironclaw hook add polite response.transform --url https://hooks.example.com/polite",
    ],
    rest: "-- PROGRAM ARGUMENTS",
    offers: { point: hookPoints },
  },
  args: {
    name: { type: "positional", description: "What it is called: small letters, digits and dashes" },
    point: { type: "positional", description: `Where it is asked: ${hookPoints.join(", ")}` },
    url: { type: "string", description: "An https URL, instead of a program", valueHint: "url" },
    local: {
      type: "boolean",
      description: "The URL is on a machine or network of your own: any scheme, port and address",
    },
    tools: {
      type: "string",
      description: "Only for calls of these tools, with commas; at tool.call",
      valueHint: "names",
    },
    channels: { type: "string", description: "Only on these channels, with commas", valueHint: "names" },
    agents: { type: "string", description: "Only for these agents, with commas", valueHint: "names" },
    position: {
      type: "string",
      description: "Lower is asked earlier; those of one position go by name",
      valueHint: "n",
      default: "100",
    },
  },
  async ask({ client, args, rest, signal }) {
    const point = hookPoints.find((known) => known === args.point)
    if (!point)
      throw new AppError("usage.wrong", `"${args.point}" is no point`, { hint: `It takes ${hookPoints.join(", ")}.` })
    if (rest.length > 0 === (args.url !== undefined))
      throw new AppError("usage.wrong", "A hook is either a program behind -- or a --url")
    const position = Number(args.position)
    if (!Number.isInteger(position))
      throw new AppError("usage.wrong", `--position takes a whole number, not "${args.position}"`)
    const body = {
      name: args.name,
      point,
      position,
      ...(args.url === undefined ? { argv: [...rest] } : { url: args.url }),
      ...(args.local ? { local: true } : {}),
      ...namesIn("tools", args.tools),
      ...namesIn("channels", args.channels),
      ...namesIn("agents", args.agents),
    }
    return (await withPresence((presence) => client.api.hooks.post({ body: { ...body, presence } }), signal)).hook
  },
  show: (hook, { ui }) =>
    ui.print(`${hook.name} is asked at ${hook.point} from now on; try it: ironclaw hook test ${hook.name}`),
})

const remove = askVerb({
  meta: {
    live: { name: "hooks" },
    description: "Takes a hook away, at this terminal: the code that appears here is typed back",
    examples: ["ironclaw hook remove no-invoices"],
  },
  args: { name: { type: "positional", description: "The hook's name" } },
  async ask({ client, args, signal }) {
    const at = client.api.hooks({ name: args.name })
    const { removed, name } = await withPresence((presence) => at.delete({ body: { presence } }), signal)
    return { removed, name }
  },
  show: ({ name }, { ui }) => ui.print(`${name} is gone`),
})

const test = askVerb({
  meta: {
    live: { name: "hooks" },
    description: "Asks one hook about something made up; status 1 where it is broken",
    examples: [
      "ironclaw hook test no-invoices",
      'ironclaw hook test no-invoices --text "Pay this invoice"',
      `ironclaw hook test only-get --tool http_request --arguments '{"method":"POST"}'`,
    ],
  },
  args: {
    name: { type: "positional", description: "The hook's name" },
    text: { type: "string", description: "The text it is asked about", valueHint: "text" },
    tool: { type: "string", description: "The tool it is asked about", valueHint: "name" },
    arguments: { type: "string", description: "The tool's arguments, as JSON", valueHint: "json" },
  },
  waiting: "Asking",
  ask: ({ client, args }) =>
    client.api.hooks({ name: args.name }).test.post({
      body: {
        ...(args.text === undefined ? {} : { text: args.text }),
        ...(args.tool === undefined ? {} : { tool: args.tool }),
        ...(args.arguments === undefined ? {} : { arguments: readArguments(args.arguments) }),
      },
    }),
  show({ answer, value, durationMs }, { ui, args }) {
    ui.print(`asked about: ${visible(JSON.stringify(value))}`)
    if (answer.verdict === "pass") {
      const rewrites = Object.keys(answer.change).length > 0
      ui.print(rewrites ? `it passes, as: ${visible(JSON.stringify(answer.change))}` : "it passes")
    } else if (answer.verdict === "refuse") ui.print(`it refuses: ${visible(answer.why)}`)
    else {
      ui.print(`it is broken: ${visible(answer.why)}${answer.detail === "" ? "" : `: ${visible(answer.detail)}`}`)
      ui.note(`Nothing passes it like that; \`${wayOut(args.name)}\` takes it away.`)
    }
    ui.print(`it took ${durationMs} ms`)
  },
  status: ({ answer }) => (answer.verdict === "fault" ? 1 : 0),
})

function namesIn(field: "tools" | "channels" | "agents", text: string | undefined): { [K in typeof field]?: string[] } {
  if (text === undefined) return {}
  return { [field]: text.split(",").flatMap((name) => name.trim() || []) }
}

/** Those of plugins have none: they come after. */
function positionOf({ hook }: ShownHook): string {
  return hook && "position" in hook ? String(hook.position) : ""
}

function filtersOf({ hook }: ShownHook): string {
  return [...(hook?.tools ?? []), ...(hook?.channels ?? []), ...(hook?.agents ?? [])].join(", ")
}

function lastRunOf({ lastRun }: ShownHook): string {
  if (!lastRun) return "none since the start"
  const { at, verdict, why, durationMs } = lastRun
  return `${timeText(at)} ${verdict === "fault" ? "broken" : verdict} in ${durationMs} ms${why === "" ? "" : `: ${why}`}`
}

export default defineVerbGroup(
  {
    description: "Your own programs and URLs that may rewrite or refuse: list, add, remove, test",
    examples: ["ironclaw hook list", "ironclaw hook test no-invoices"],
  },
  { list, add, remove, test },
)
