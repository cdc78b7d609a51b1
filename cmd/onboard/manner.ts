/**
 * What it is called, what it calls its owner, when and how it speaks: two settings, and the documents that every prompt carries. The name
 * is `agent.name` and nothing else; where an IDENTITY.md of the owner's says one too, that line follows, so that the two never disagree.
 */
import { userInfo } from "node:os"
import { judgeValue } from "#core/config-judge.ts"
import { AppError } from "#core/errors.ts"
import type { Client } from "#gateway/client.ts"
import { timeZoneOf } from "../lib/from-config.ts"
import type { Step, Wizard } from "../lib/wizard.ts"

type Manner = { name: string; timeZone: string; owner: string; language: string; manner: string }

const manners: readonly { value: string; label: string; text: string }[] = [
  { value: "brief", label: "Brief", text: "Be brief and direct: the answer first, reasons only where they help." },
  { value: "warm", label: "Warm", text: "Be warm and take your time: explain, ask back, and be encouraging." },
  {
    value: "formal",
    label: "Formal",
    text: "Be formal and exact: complete sentences, no jokes, sources where you have them.",
  },
]
const MAX_LINE = 200 // one line of a prompt; more is written into SOUL.md by hand

export const manner: Step = {
  name: "manner",
  title: "Name and manner",
  async run(wizard) {
    const { ask, answers } = wizard
    const client = await wizard.client()
    const now = await currentOf(wizard, client)
    const flags = ["name", "owner", "time-zone", "language", "manner"] as const
    const isAnswered = flags.some((flag) => answers.has(flag))
    const wanted: Manner = {
      name: line("name", answers.take("name")) ?? now.name,
      owner: line("owner", answers.take("owner")) ?? now.owner,
      timeZone: answers.take("time-zone") ?? now.timeZone,
      language: line("language", answers.take("language")) ?? now.language,
      manner: textOf(line("manner", answers.take("manner"))) ?? now.manner,
    }
    const wrongZone = zoneProblem(wanted.timeZone)
    if (wrongZone !== null) throw new AppError("usage.wrong", `--time-zone: ${wrongZone}`)
    const all = isAnswered || !ask.someone ? wanted : await review(wizard, wanted)
    await wizard.save({
      ...(all.name === now.name ? {} : { "agent.name": all.name }),
      ...(all.timeZone === now.timeZone ? {} : { "agent.time_zone": all.timeZone }),
    })
    await write(client, "IDENTITY.md", (text) =>
      lineIn(text, "Name") === null ? text : withLine(text, "Name", all.name),
    )
    await write(client, "USER.md", (text) =>
      withLine(withLine(text || "# About the owner\n", "Name", all.owner), "Language", all.language),
    )
    await write(client, "SOUL.md", (text) =>
      all.manner === "" || text.trim() === all.manner ? text : `${all.manner}\n`,
    )
    return {
      set: `${all.name}, ${all.timeZone}, ${all.language}${all.owner === "" ? "" : `, for ${all.owner}`}`,
      where: "USER.md and SOUL.md in its memory (`ironclaw memory read SOUL.md`)",
    }
  },
}

/** One question where all is right as it stands, and each by itself where it is not. */
async function review({ ask }: Wizard, now: Manner): Promise<Manner> {
  const isPreset = manners.find(({ text }) => text === now.manner)
  const answer = await ask.choose({
    message: "Is this right?",
    choices: [
      {
        value: "yes",
        label: [
          now.name,
          now.owner === "" ? "" : `for ${now.owner}`,
          now.timeZone,
          now.language,
          isPreset?.value ?? "own manner",
        ]
          .filter((part) => part !== "")
          .join(" · "),
      },
      { value: "no", label: "Change it" },
    ],
    initial: "yes",
  })
  if (answer === "yes") return now
  const name = await ask.text({ message: "What shall it be called?", initial: now.name, judge: nameProblem })
  const owner = await ask.text({ message: "And you?", initial: now.owner, judge: lineProblem })
  const timeZone = await ask.text({ message: "Your time zone", initial: now.timeZone, judge: zoneProblem })
  const language = await ask.text({ message: "Your language", initial: now.language, judge: lineProblem })
  const choice = await ask.choose({
    message: "How shall it speak?",
    choices: [
      ...(isPreset || now.manner === "" ? [] : [{ value: "keep", label: "As SOUL.md says now" }]),
      ...manners.map(({ value, label, text }) => ({ value, label, hint: text })),
      { value: "own", label: "In my own words" },
    ],
    initial: isPreset?.value ?? (now.manner === "" ? "brief" : "keep"),
  })
  const own = choice === "own" ? await ask.text({ message: "In a sentence", judge: lineProblem }) : null
  return {
    name,
    owner,
    timeZone,
    language,
    manner: own ?? (choice === "keep" ? now.manner : (textOf(choice) ?? now.manner)),
  }
}

async function currentOf({ config }: Wizard, client: Client): Promise<Manner> {
  const { config: now } = await config()
  const user = await read(client, "USER.md")
  const soul = (await read(client, "SOUL.md")).trim()
  return {
    name: now.agent.name,
    timeZone: timeZoneOf(now),
    owner: lineIn(user, "Name") ?? ownName(),
    language: lineIn(user, "Language") ?? ownLanguage(),
    manner: soul === "" ? (manners[0]?.text ?? "") : soul,
  }
}

/** The name of the login, which is at least a name. */
function ownName(): string {
  try {
    const { username } = userInfo()
    return username === "root" || username === "unknown" ? "" : username
  } catch {
    return "" // a user without an entry in the system's list
  }
}

/** The language of the machine, in English words: the prompt is in English. */
function ownLanguage(): string {
  const { locale } = Intl.DateTimeFormat().resolvedOptions()
  return new Intl.DisplayNames(["en"], { type: "language" }).of(locale.split("-")[0] ?? "en") ?? "English"
}

async function read(client: Client, path: string): Promise<string> {
  try {
    return (await client.api.memory.document.get({ query: { path } })).content
  } catch (error) {
    if (error instanceof AppError && error.code === "not_found") return ""
    throw error
  }
}

/** Only what changes: the documents are the owner's, and may say much more. */
async function write(client: Client, path: string, change: (text: string) => string): Promise<void> {
  const before = await read(client, path)
  const content = change(before)
  if (content !== before) await client.api.memory.document.put({ body: { path, content } })
}

/** `- Name: Ada`, and with stars around the word, as other assistants write it. */
const lineOf = (name: string) => new RegExp(`^(- (?:\\*\\*)?${name}:(?:\\*\\*)?) *(.*)$`, "m")

function lineIn(text: string, name: string): string | null {
  return lineOf(name).exec(text)?.[2]?.trim() ?? null
}

function withLine(text: string, name: string, value: string): string {
  const own = `- ${name}: ${value}`
  if (lineIn(text, name) !== null) return text.replace(lineOf(name), (_, label: string) => `${label} ${value}`)
  return value === "" ? text : `${text.trimEnd()}\n${own}\n`
}

function textOf(words: string | undefined): string | undefined {
  return manners.find(({ value }) => value === words?.toLowerCase())?.text ?? words
}

function line(flag: string, text: string | undefined): string | undefined {
  const problem = text === undefined ? null : flag === "name" ? nameProblem(text) : lineProblem(text)
  if (problem === null) return text?.trim()
  throw new AppError("usage.wrong", `--${flag}: ${problem}`)
}

function lineProblem(text: string): string | null {
  if (text.length > MAX_LINE) return `At most ${MAX_LINE} characters; more is written by hand`
  return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text) ? "It holds characters that cannot be seen" : null
}

function nameProblem(text: string): string | null {
  return lineProblem(text) ?? judgeValue("agent.name", text, { from: "flag", name: "" })
}

function zoneProblem(text: string): string | null {
  return judgeValue("agent.time_zone", text, { from: "flag", name: "" })
}
