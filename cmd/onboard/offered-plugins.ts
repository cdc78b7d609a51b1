/**
 * The plugins inside this program, offered and taken by none who does not choose one: each says in sentences what it asks for, is granted
 * that by the owner's yes, and then gets what its vendor lets it in by.
 */
import { AppError } from "#core/errors.ts"
import { nearest } from "#core/nearest.ts"
import type { PluginSecret } from "#sandbox/plugin-credentials.ts"
import type { AvailablePlugin } from "#sandbox/plugins.ts"
import { withPresence } from "../lib/presence.ts"
import type { Wizard } from "../lib/wizard.ts"

/** Gives the names that are granted now, "" where none is. */
export async function offerPlugins(wizard: Wizard): Promise<string> {
  const { ask, answers } = wizard
  const { api } = await wizard.client()
  const { items, available: all } = await api.plugins.get()
  const available = all.filter(({ kind }) => kind === "tool") // how people reach it is another matter
  const isActive = (name: string) => items.some((one) => one.name === name && one.state === "active")
  const given = answers.take("tools")
  // A channel is no tool: what it needs besides is people.
  const open = available.filter(({ name, kind }) => kind === "tool" && !isActive(name))
  const wanted =
    given === undefined
      ? open.length === 0
        ? []
        : await ask.several({
            message: "More tools? Each shows first what it would be granted; none is fine",
            choices: open.map(({ name, description }) => ({ value: name, label: name, hint: description })),
          })
      : namesIn(given, available)
  for (const name of wanted) {
    if (isActive(name)) continue
    try {
      await take(wizard, name)
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "usage.interrupted") throw error
      wizard.failed(error) // the others are not held up by it
    }
  }
  const after = (await api.plugins.get()).items.filter(({ state }) => state === "active")
  const names = after.map(({ name }) => name)
  return names.filter((name) => !all.some((one) => one.name === name && one.kind === "channel")).join(", ")
}

const MAX_NAMED = 4 // more names are no line any more; `tool list` has them

/** Installed, granted on a yes and let in at its vendor; taken away again on a no. */
async function take(wizard: Wizard, name: string): Promise<void> {
  const { ask, signal } = wizard
  const { api } = await wizard.client()
  const at = api.plugins({ name })
  const found = (await api.plugins.get()).items.find((one) => one.name === name && one.state !== "missing")
  if (!found) await withPresence((presence) => api.plugins.post({ body: { name, presence } }), signal)
  // Where the home is in use, the grant asks by itself, with all of its sentences.
  if (!(await wizard.inUse())) {
    const { asks } = (await at.get()).plugin
    ask.say(`${name} asks to:\n${asks.map((line) => `- ${line}`).join("\n")}`)
    ask.say("Before one of its tools changes or sends something, you are asked each time.")
    const answer = await ask.choose({
      message: `Grant ${name} that?`,
      choices: [
        { value: "yes", label: "Yes" },
        { value: "no", label: "No, leave it out" },
      ],
      initial: "yes",
    })
    if (answer === "no") {
      await at.delete({ body: {} })
      return
    }
  }
  const { plugin } = await withPresence((presence) => at.grant.post({ body: { presence } }), signal)
  const { length } = plugin.tools
  ask.done(`${name} is granted: ${length > MAX_NAMED ? `${length} tools` : plugin.tools.join(", ")}`)
  for (const secret of plugin.secrets.filter(({ isSet }) => !isSet)) await letIn(wizard, { name, secret })
}

/** A value is tried at its vendor before it is kept; what is not needed, or comes from a login, is only told. */
async function letIn(wizard: Wizard, { name, secret }: { name: string; secret: PluginSecret }): Promise<void> {
  const { ask, signal } = wizard
  const later = `\`ironclaw tool auth ${name}\``
  if (secret.way === "login") return ask.say(`${name} works once you have logged it in: ${later}`)
  const hint = [secret.hint, secret.url === null ? "" : `Make it at ${secret.url}`].filter((part) => part !== "")
  const need = `${secret.name}${secret.isRequired ? "" : " (it works without)"}`
  const at = (await wizard.client()).api.plugins({ name }).auth
  for (;;) {
    const answer = await ask.choose({
      message: `${name} can use your ${need}. Set it now?`,
      choices: [
        { value: "later", label: "Later", hint: later },
        { value: "now", label: "Now", ...(hint.length === 0 ? {} : { hint: hint.join(". ") }) },
      ],
      initial: "later",
    })
    if (answer === "later") return
    for (const line of hint) ask.say(line)
    const value = await ask.hidden({ message: secret.name })
    try {
      const body = { secret: secret.name, value }
      await withPresence((presence) => at.put({ body: { ...body, presence } }), signal)
      return ask.done(`${secret.name} is stored, encrypted`)
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "usage.interrupted") throw error
      wizard.failed(error)
    }
  }
}

/** Throws `usage.wrong` for one that is not inside this program. */
function namesIn(text: string, available: readonly AvailablePlugin[]): string[] {
  const known = available.map(({ name }) => name)
  const asked = text.split(",").map((name) => name.trim().toLowerCase())
  const names = asked.filter((name) => name !== "" && name !== "none")
  for (const name of names) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw new AppError(
      "usage.wrong",
      `--tools: "${name}" is not inside this program${near ? `; did you mean ${near}?` : ""}`,
      {
        hint: `There are ${known.join(", ")}; others are installed by \`ironclaw tool install\`.`,
      },
    )
  }
  return names
}
