/** What it may work with: what every tool may do is told, and what needs a word of the owner's is asked for. One row a group of tools. */
import { existsSync, readdirSync } from "node:fs"
import { homedir } from "node:os"
import { isAbsolute, join, resolve } from "node:path"
import { AppError } from "#core/errors.ts"
import type { Home } from "#core/home.ts"
import { openJail } from "#core/safety/paths.ts"
import type { Step, Wizard } from "../lib/wizard.ts"
import { offerPlugins } from "./offered-plugins.ts"

type Row = {
  tools: string
  /** What they may do, in words for their owner. */
  may: string
  /** Asks what is to be asked; gives what is set now, "" where there was nothing to set. */
  ask?: (wizard: Wizard) => Promise<string>
}

const rows: readonly Row[] = [
  { tools: "time, memory, conversations, JSON", may: "run by themselves" },
  { tools: "web pages, HTTP requests", may: "ask you before they reach an address that you did not write" },
  { tools: "messages to you", may: "run by themselves; to anybody else they ask" },
  { tools: "files of a folder that you name", may: "are read; before one is changed you are asked", ask: project },
  {
    tools: "plugins inside this program",
    may: "do what you grant them, each in a locked process of its own",
    ask: offerPlugins,
  },
]

export const tools: Step = {
  name: "tools",
  title: "Tools",
  async run(wizard) {
    const set: string[] = []
    wizard.ask.say(rows.map(({ tools: names, may }) => `${names}: ${may}`).join("\n"))
    for (const { ask } of rows) if (ask) set.push(await ask(wizard))
    return {
      set: set.filter((text) => text !== "").join("; ") || "no folder, no plugins",
      where: `${wizard.setting.home.configFile}; \`ironclaw tool list\` shows the plugins`,
    }
  },
}

const KEY = "project.folder"

async function project(wizard: Wizard): Promise<string> {
  const { ask, answers, setting } = wizard
  const { config } = await wizard.config()
  const now = config.project.folder
  for (;;) {
    const text =
      answers.take("project") ?? (await ask.text({ message: "A folder to work in, or none", initial: now ?? "none" }))
    try {
      if (text.toLowerCase() === "none") {
        await wizard.save({ [KEY]: null })
        return ""
      }
      const folder = absolute(text)
      const count = prove(folder, setting.home)
      await wizard.save({ [KEY]: folder })
      return `${folder} (${count === 1 ? "one entry" : `${count} entries`})`
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "usage.interrupted") throw error
      wizard.failed(error)
    }
  }
}

/** Opened as the tools will open it. Gives the number of its entries. */
function prove(folder: string, home: Home): number {
  if (!existsSync(folder))
    throw new AppError("input.invalid", `There is no folder ${folder}`, { hint: "Make it first." })
  openJail({ root: folder, closed: [home.root] }).close()
  return readdirSync(folder).length
}

function absolute(path: string): string {
  const expanded = path === "~" ? homedir() : path.startsWith("~/") ? join(homedir(), path.slice(2)) : path
  return isAbsolute(expanded) ? expanded : resolve(expanded)
}
