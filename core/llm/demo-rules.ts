/** The rules of the demo stand-in: what a message asks for, which offered tool does it, and how its result is told. */
import { isRecord } from "./failures.ts"
import type { ModelMessage, ToolOffer } from "./model.ts"

export type DemoCall = { name: string; arguments: Record<string, unknown> }
export type DemoStep = { text: string; calls: DemoCall[] }

type ToolResultMessage = Extract<ModelMessage, { role: "tool" }>
type Asked = { text: string; results: readonly ToolResultMessage[]; tools: readonly ToolOffer[] }

/** Where the demo remembers: one note that the owner can read and delete. */
const NOTE_PATH = "notes/remembered.md"

type Rule = {
  /** The message that it answers; the first group is its matter. */
  when: RegExp
  /** Tools that can do it, best first; the first one that is offered is called. */
  tools: readonly string[]
  input: (matter: string) => Record<string, unknown>
  tell: (result: string, matter: string) => string
}

/** The first rule that fits wins. */
const rules: readonly Rule[] = [
  {
    when: /^(?:please\s+)?(?:remember|note|save|merke? dir)(?:\s+(?:that|this|down|dass))?[\s:,]+([\s\S]+?)[\s.!]*$/i,
    tools: ["memory_append", "memory_write"],
    input: (matter) => ({ path: NOTE_PATH, content: `- ${matter}\n` }),
    tell: (_result, matter) => `I have written that down in ${NOTE_PATH}: ${matter}`,
  },
  {
    when: /^(?:please\s+)?(?:recall|what do (?:you|i) (?:know|remember)(?: about)?|do you (?:know|remember)|what did i (?:say|tell you)(?: about)?|what is my|what's my|search (?:your )?memory for|was weißt du über)\s*([\s\S]*?)[\s?.!]*$/i,
    tools: ["memory_search", "memory_read"],
    input: (matter) => ({ query: matter || "remembered", path: NOTE_PATH }),
    tell: (result, matter) => {
      const found = snippets(result)
      if (found.length === 0) return `I find nothing in memory about ${matter || "that"}.`
      return `In memory I find:\n${found.map((line) => `- ${line}`).join("\n")}`
    },
  },
  {
    // Who reads apart is this same script, which is given what follows as its message.
    when: /^(?:please\s+)?(?:ask|have|let)\s+(?:a|the)\s+reader\s*(?:to\s+|[:,]\s*)?([\s\S]+?)[\s.!]*$/i,
    tools: ["agent_spawn"],
    input: (matter) => ({ task: matter }),
    tell: (result) => `The reader's turn is over.\n\n${words(parsed(result)).replace(REMINDER, "").trim()}`,
  },
  {
    when: /^(?:list|show)(?: me)?(?: all)?(?: (?:my|your|the))? (?:memory|memories|documents|notes)\b/i,
    tools: ["memory_list"],
    input: () => ({}),
    tell: (result) => listing("Documents in memory", result, ["documents", "items", "paths", "entries"]),
  },
  {
    when: /\b(?:what(?:'s| is)?(?: the)? (?:time|date|day)|what (?:time|day) is it|time is it|wie spät|uhrzeit)\b/i,
    tools: ["time_now"],
    input: () => ({}),
    tell: (result) => `It is ${timeIn(result)}.`,
  },
  {
    when: /^(?:list|show|what)(?: me)?(?: are)?(?: all)?(?: the)? files?(?: (?:are )?(?:in|of|under))?\s*([^\s?]*)/i,
    tools: ["file_list"],
    input: (matter) => ({ path: /^(?:here|are|the|project|there)?$/i.test(matter) ? "." : matter }),
    tell: (result) => listing("Files", result, ["files", "entries", "items", "paths"]),
  },
  {
    when: /^(?:read|open|show|print|cat)(?: me)?(?: the)?(?: file)?\s+(\S+\.\S+|\S+\/\S+)[\s?.!]*$/i,
    tools: ["file_read", "memory_read"],
    input: (matter) => ({ path: matter }),
    tell: (result, matter) => `${matter}:\n\n${contentIn(result)}`,
  },
]

export function planDemo({ text, results, tools }: Asked): DemoStep {
  for (const rule of rules) {
    const match = rule.when.exec(text)
    if (!match) continue
    const matter = (match[1] ?? "").trim()
    const last = results.at(-1)
    if (last) {
      const told = last.isError
        ? `The tool ${last.toolName} could not do that: ${short(plain(last.text))}`
        : rule.tell(plain(last.text), matter)
      return { text: `${told}\n\n${REMINDER}`, calls: [] }
    }
    const offer = rule.tools
      .map((name) => tools.find((tool) => tool.name === name))
      .find((found) => found !== undefined)
    if (!offer)
      return {
        text: `For that I would need the tool ${rule.tools.join(" or ")}, which is not offered here.\n\n${REMINDER}`,
        calls: [],
      }
    return { text: "", calls: [{ name: offer.name, arguments: fitting(rule.input(matter), offer) }] }
  }
  const isGreeting = /^(?:hi|hello|hey|hallo|good (?:morning|evening|afternoon)|moin|servus)\b/i.test(text)
  return { text: isGreeting ? `Hello! ${ABOUT}` : `${saidBack(text)}${ABOUT}`, calls: [] }
}

const REMINDER = "(This was the built-in demo, not a model.)"
const ABOUT = `I am the built-in demo of ironclaw: a script, not a model. I can show that everything around a model works. Try:
- "remember that my train leaves at 7:40", then "what do you know about my train?"
- "what time is it?", or "ask a reader: what time is it?", which is done in a turn apart
- "list memory"
- "list files" and "read README.md", once \`ironclaw config set project.folder /path\` names a folder

To talk with a real model: \`ironclaw onboard model\` asks which, tries it and keeps its key encrypted. A key in the environment (ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY, …) works too, and so do Ollama and other servers on your own machine.`

function saidBack(text: string): string {
  if (!text || /^\/?(?:help|\?)\s*$/i.test(text)) return ""
  return `You said: "${short(text)}". I do not understand free text. `
}

/** Only what the tool's schema knows: other versions of a tool may name or want less. */
function fitting(input: Record<string, unknown>, { parameters }: ToolOffer): Record<string, unknown> {
  const known = parameters["properties"]
  if (!isRecord(known)) return input
  return Object.fromEntries(Object.entries(input).filter(([name]) => name in known))
}

/** A result without the marks of the fence. */
function plain(text: string): string {
  return text
    .replace(/^\s*<untrusted [^>]*>\n?/i, "")
    .replace(/\n?<\/untrusted [^>]*>\s*$/i, "")
    .trim()
}

function parsed(result: string): unknown {
  try {
    return JSON.parse(result)
  } catch {
    return result // a tool may answer in plain text
  }
}

function snippets(result: string): string[] {
  const value = parsed(result)
  if (typeof value === "string") return value ? [short(value)] : []
  if (!isRecord(value)) return []
  const content = value["content"]
  if (typeof content === "string")
    return content
      .split("\n")
      .map((line) => line.replace(/^[-*]\s*/, "").trim())
      .filter(Boolean)
      .slice(-10)
  const list = Array.isArray(value["results"]) ? value["results"] : []
  return list.filter(isRecord).map((hit) => {
    const snippet = words(hit["snippet"] ?? hit["text"])
      .replace(/\s+/g, " ")
      .replace(/^[-*]\s*/, "")
      .trim()
    return typeof hit["path"] === "string" ? `${short(snippet)} (${hit["path"]})` : short(snippet)
  })
}

function listing(title: string, result: string, keys: readonly string[]): string {
  const value = parsed(result)
  const list = Array.isArray(value) ? value : isRecord(value) ? keys.map((key) => value[key]).find(Array.isArray) : null
  if (!Array.isArray(list)) return `${title}:\n${short(result, 2_000)}`
  if (list.length === 0) return `${title}: none.`
  const names = list
    .slice(0, 50)
    .map((item: unknown) => (isRecord(item) ? words(item["path"] ?? item["name"] ?? item) : words(item)))
  const more = list.length > names.length ? `\n… and ${list.length - names.length} more` : ""
  return `${title}:\n${names.map((name) => `- ${name}`).join("\n")}${more}`
}

function timeIn(result: string): string {
  const value = parsed(result)
  if (!isRecord(value)) return short(words(value))
  const local = value["local"] ?? value["text"] ?? value["iso"] ?? value["utc"] ?? value["time"] ?? value["now"]
  const zone = value["timeZone"] ?? value["zone"]
  return local === undefined ? short(result) : `${words(local)}${zone === undefined ? "" : ` (${words(zone)})`}`
}

function contentIn(result: string): string {
  const value = parsed(result)
  const content = isRecord(value) ? (value["content"] ?? value["text"] ?? result) : value
  return short(words(content), 4_000)
}

function words(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "")
}

function short(text: string, max = 300): string {
  return (text.length <= max ? text : `${text.slice(0, max - 1)}…`).toWellFormed()
}
