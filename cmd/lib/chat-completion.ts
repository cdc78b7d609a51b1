/** Tab in the chat: slash commands and their words, from the table that the service answers by. */
import { commandList } from "#core/agent/commands.ts"
import type { Complete } from "./chat-editor.ts"

/** What only the terminal knows. */
export const localCommands = [
  { usage: "/allow [once|session|always] [CODE]", help: "Say yes to what waits for your approval" },
  { usage: "/deny [REASON]", help: "Say no to it" },
  { usage: "/quit", help: "Leave; the conversation is kept" },
] as const

/** "/model [id|default]" takes "default"; names in capitals and a word for something else are none to complete. */
const known = [...commandList, ...localCommands].map(({ usage }) => {
  const [name = "", ...rest] = usage.split(" ")
  const choices = /^\[([^\]]*)\]$/.exec(rest[0] ?? "")?.[1]?.split("|") ?? []
  return {
    name,
    takesWords: rest.length > 0,
    choices: choices.filter((word) => /^[a-z]+$/.test(word) && word !== "id"),
  }
})

export const completeCommand: Complete = (text) => {
  const [, name = "", space = "", word = ""] = /^(\/[a-z]*)(\s*)(\S*)$/.exec(text) ?? []
  if (name === "") return { text, options: [] }
  if (space === "") {
    const found = known.filter((command) => command.name.startsWith(name))
    const [only] = found
    if (found.length === 1 && only) return { text: only.name + (only.takesWords ? " " : ""), options: [] }
    const names = found.map((command) => command.name)
    return { text: longest(names) || text, options: names }
  }
  const choices = known.find((command) => command.name === name)?.choices.filter((one) => one.startsWith(word)) ?? []
  return { text: choices.length === 0 ? text : `${name} ${longest(choices) || word}`, options: choices }
}

/** What all of them begin with. */
function longest(words: readonly string[]): string {
  let common = words[0] ?? ""
  for (const word of words) while (!word.startsWith(common)) common = common.slice(0, -1)
  return common
}
