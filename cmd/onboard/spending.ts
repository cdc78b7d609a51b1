/** What the models may cost in a day. Not asked where what answers costs nothing. */
import { judgeValue } from "#core/config-judge.ts"
import { specOf } from "#core/config-keys.ts"
import { AppError } from "#core/errors.ts"
import { configuredVendor } from "#core/llm/settings.ts"
import { llmSettingsOf } from "../lib/from-config.ts"
import type { Step } from "../lib/wizard.ts"

const KEY = "limits.day_usd"

export const spending: Step = {
  name: "spending",
  title: "Spending",
  async run({ ask, answers, config, save, setting }) {
    const { config: now } = await config()
    const limit = now.limits.day_usd
    const given = answers.take("day-usd")
    const vendor = configuredVendor(llmSettingsOf(now))
    const isFree = vendor === null || (vendor.local && vendor.name !== "openai_compatible")
    if (given !== undefined && problemOf(given) !== null)
      throw new AppError("usage.wrong", `--day-usd: ${problemOf(given)}`)
    const text =
      given ??
      (isFree
        ? String(limit)
        : await ask.text({
            message: "What may it cost a day, in dollars? A number, or none",
            initial: String(limit),
            judge: problemOf,
          }))
    const value = specOf(KEY).fromText(text)
    if (value !== limit) await save({ [KEY]: value === "none" ? "none" : Number(value) })
    const shown = value === "none" ? "no limit" : `at most $${String(value)} a day`
    return {
      set: given === undefined && isFree ? `${shown}; what answers now costs nothing` : shown,
      where: setting.home.configFile,
    }
  },
}

function problemOf(text: string): string | null {
  return judgeValue(KEY, specOf(KEY).fromText(text.replace(/^\$/, "")), { from: "flag", name: "" })
}
