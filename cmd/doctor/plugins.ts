/** Checks of plugins: whether each can do its work, and what of the owner's own network they reach. */
import { type Check, listText, note, ok, warning } from "./check.ts"
import { examined } from "./examined.ts"

export const pluginChecks: readonly Check[] = [
  {
    id: "plugins.whole",
    why: "A plugin whose files are gone or were changed offers nothing until you look at it.",
    judge: examined(({ plugins }) => {
      const bad = plugins.filter(({ state }) => state === "broken" || state === "missing")
      return bad.length === 0
        ? ok(plugins.length === 0 ? "There are none" : "None is broken")
        : warning(listText(bad.map(({ name, state }) => `${name} is ${state}`)), "`ironclaw tool list` says why.")
    }),
  },
  {
    id: "plugins.logins",
    why: "A login that its provider ended, or that gave too little, fails every call that needs it.",
    judge: examined(({ plugins }) => {
      const over = plugins.flatMap(({ name, login }) => {
        if (login?.state === "needed") return [`${login.provider} has ended the login of ${name}`]
        if (login?.state === "elsewhere") return [`${name} means another ${login.provider} than you logged in to`]
        return login?.state === "in" && login.missing.length > 0
          ? [`${name} was not given ${login.missing.join(" ")}`]
          : []
      })
      const [first] = plugins.filter(({ login }) => login?.state === "needed" || (login?.missing.length ?? 0) > 0)
      return over.length === 0
        ? ok("None has ended")
        : warning(listText(over), `Log in again: \`ironclaw tool auth ${first?.name ?? "NAME"}\`.`)
    }),
  },
  {
    id: "plugins.ready",
    why: "What a plugin needs and does not have, it tells the model, and not you.",
    judge: examined(({ plugins }) => {
      const active = plugins.filter(({ state }) => state === "active")
      const waiting = active.flatMap(({ name, missing, login }) => [
        ...missing.map((what) => `${name} needs ${what}`),
        ...(login?.state === "out" ? [`${name} needs a login to ${login.provider}`] : []),
      ])
      return waiting.length === 0
        ? ok("All have what they need")
        : note(listText(waiting), "`ironclaw tool info NAME` says what, `ironclaw tool auth NAME` asks for it.")
    }),
  },
  {
    id: "plugins.reach",
    why: "An address of your own network that you gave a plugin is one that its code can talk to.",
    judge: examined(({ plugins }) => {
      const reached = plugins.flatMap(({ name, state, endpoints }) =>
        state === "active" ? endpoints.map((endpoint) => `${name} reaches ${endpoint}`) : [],
      )
      return reached.length === 0 ? ok("They reach none") : ok(listText(reached))
    }),
  },
]
