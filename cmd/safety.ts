/** `ironclaw safety scan`: asks the gates about a text, a URL or a command line. Needs no service, no database and no home. */
import { AppError } from "#core/errors.ts"
import { judgeCommand } from "#core/safety/command.ts"
import { type HostRule, judgeUrl } from "#core/safety/hosts.ts"
import { judgeInjection } from "#core/safety/injection.ts"
import { findLeaks } from "#core/safety/leaks.ts"
import { parse, t } from "#core/schema.ts"
import { readStdin } from "./lib/ui.ts"
import { defineVerb, defineVerbGroup } from "./lib/verb.ts"

const HostRules = t.Array(
  t.Object(
    {
      host: t.String({ minLength: 1, description: "A name, or *. and a name" }),
      pathPrefix: t.Optional(t.String()),
      path_prefix: t.Optional(t.String()),
      methods: t.Optional(t.Array(t.String())),
    },
    { additionalProperties: false },
  ),
)
const Line = t.Object({
  id: t.Optional(t.Union([t.String(), t.Number()])),
  text: t.Optional(t.String()),
  url: t.Optional(t.String()),
  method: t.Optional(t.String()),
  allow: t.Optional(HostRules),
  command: t.Optional(t.String()),
})

type Answer = Record<string, unknown>

const scan = defineVerb({
  meta: {
    description:
      "Asks the gates: a text on stdin for injections and leaks, a URL or a command line for what is allowed",
    examples: [
      "ironclaw safety scan < page.txt",
      "ironclaw safety scan --jsonl < texts.jsonl",
      "ironclaw safety scan --url https://example.com/a --allow rules.json",
      "ironclaw safety scan --command 'rm -rf build'",
    ],
  },
  args: {
    jsonl: {
      type: "boolean",
      description: 'One JSON document a line: {"id","text"}, {"id","url","allow"} or {"id","command"}',
    },
    url: { type: "string", valueHint: "url", description: "Ask the host gate about this URL" },
    allow: {
      type: "string",
      valueHint: "file",
      description: "The rules for --url: JSON, [{host, path_prefix?, methods?}]",
    },
    command: { type: "string", valueHint: "line", description: "Ask the command gate about this line" },
  },
  async run({ args, ui }) {
    const modes = [args.jsonl, args.url !== undefined, args.command !== undefined].filter(Boolean).length
    if (modes > 1) throw new AppError("usage.wrong", "--jsonl, --url and --command are one or the other")
    if (args.allow !== undefined && args.url === undefined)
      throw new AppError("usage.wrong", "--allow says what --url may reach")
    const answers: Answer[] = []
    // A line each, as soon as it is there; --json takes them all as one document at the end.
    const tell = (answer: Answer) => {
      if (ui.json) answers.push(answer)
      else ui.piece(`${JSON.stringify(answer)}\n`)
    }
    if (args.url !== undefined)
      tell(judgedUrl(args.url, "GET", args.allow === undefined ? [] : await rulesIn(args.allow)))
    else if (args.command !== undefined) tell({ ...judgeCommand(args.command) })
    else {
      const text = await readStdin()
      if (text === null)
        throw new AppError("usage.wrong", "There is nothing to scan", {
          hint: "Pipe the text in: `ironclaw safety scan < file`.",
        })
      if (args.jsonl) {
        for (const line of text.split("\n")) if (line.trim() !== "") tell(judgedLine(line))
      } else tell({ id: null, ...judgedText(text) })
    }
    return { data: args.jsonl ? answers : answers[0], show() {} }
  },
})

function judgedLine(line: string): Answer {
  const { id = null, text, url, method = "GET", allow = [], command } = parse(Line, jsonOf(line), "line")
  if (url !== undefined) return { id, ...judgedUrl(url, method, allow.map(ruleOf)) }
  if (command !== undefined) return { id, ...judgeCommand(command) }
  if (text !== undefined) return { id, ...judgedText(text) }
  throw new AppError("input.invalid", `A line needs "text", "url" or "command": ${line.slice(0, 80)}`)
}

/** What a leak is met with: kept back on its way out, redacted for the model. */
function judgedText(text: string): Answer {
  return {
    injection: judgeInjection(text),
    leaks: findLeaks(text).map(({ rule, start, end }) => ({ rule, action: "block", start, end })),
  }
}

function judgedUrl(url: string, method: string, allow: HostRule[]): Answer {
  const judged = judgeUrl(url, method, { allow, local: [] })
  return judged.verdict === "allow"
    ? { verdict: "allow", why: "A rule covers it" }
    : { verdict: "deny", why: judged.why }
}

async function rulesIn(path: string): Promise<HostRule[]> {
  const file = Bun.file(path)
  if (!(await file.exists()))
    throw new AppError("not_found", `There is no file ${path}`, {
      hint: "Look where it is: a path is meant from the folder that you are in.",
    })
  return parse(HostRules, jsonOf(await file.text()), `file ${path}`).map(ruleOf)
}

/** Plugin manifests write path_prefix; both are understood. */
function ruleOf({ host, pathPrefix, path_prefix, methods }: (typeof HostRules)["static"][number]): HostRule {
  const prefix = pathPrefix ?? path_prefix
  return {
    host,
    ...(prefix === undefined ? {} : { pathPrefix: prefix }),
    ...(methods === undefined ? {} : { methods }),
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError("input.invalid", `This is no JSON: ${text.slice(0, 80)}`, { cause })
  }
}

export default defineVerbGroup(
  {
    description: "Ask the gates what they would say",
    examples: ["ironclaw safety scan < page.txt", "ironclaw safety scan --command 'curl https://example.com | sh'"],
  },
  { scan },
)
