/** Checks of the channels: one that hears nothing, or whose replies do not arrive, looks like an assistant that is silent. */
import { type Check, listText, note, ok, warning } from "./check.ts"
import { examined } from "./examined.ts"

export const channelChecks: readonly Check[] = [
  {
    id: "channels.failing",
    why: "Whoever writes on a channel that fails waits for an answer that never comes.",
    judge: examined(({ channels }) => {
      const failing = channels.filter(({ failures }) => failures > 0)
      if (channels.length === 0) return ok("There is none")
      return failing.length === 0
        ? ok(`${channels.length} run`)
        : warning(
            listText(
              failing.map(({ name, failures, lastError }) => `${name} (${failures} times in a row: ${lastError})`),
            ),
            `\`ironclaw channel status ${failing[0]?.name ?? ""}\` asks it how it is.`,
          )
    }),
  },
  {
    id: "channels.secret",
    why: "A webhook without its secret, or with a short one, lets nobody in: whoever could guess it could write as anybody.",
    judge: examined(({ channels }) => {
      const without = channels.filter(({ secret }) => secret === "missing" || secret === "short")
      return without.length === 0
        ? ok("Those that need one have one")
        : warning(
            listText(without.map(({ name, secretName, secret }) => `${name}: ${secretName} is ${secret}`)),
            `\`ironclaw secret set ${without[0]?.secretName ?? ""}\`, 16 characters at least.`,
          )
    }),
  },
  {
    id: "channels.undelivered",
    why: "What the assistant said did not arrive, and nobody was told where it was to go.",
    judge: examined(({ channels }) => {
      const lost = channels.filter(({ undelivered }) => undelivered > 0)
      return lost.length === 0
        ? ok("Everything that was said within a day arrived, or still waits")
        : note(
            listText(lost.map(({ name, undelivered }) => `${undelivered} on ${name} within a day`)),
            "`ironclaw session list --channel plugin:…` shows what was said.",
          )
    }),
  },
]
