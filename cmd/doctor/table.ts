/** Every check of the doctor's, in the order in which a person would look: one row to add one. */
import type { Check, Finding } from "./check.ts"
import { channelChecks } from "./channels.ts"
import { databaseChecks } from "./database.ts"
import type { Facts } from "./facts.ts"
import { homeChecks } from "./home.ts"
import { keyChecks } from "./keys.ts"
import { machineChecks } from "./machine.ts"
import { pluginChecks } from "./plugins.ts"
import { sandboxChecks } from "./sandbox.ts"
import { serviceChecks } from "./service.ts"
import { settingChecks } from "./settings.ts"
import { trustChecks } from "./trust.ts"
import { upkeepChecks } from "./upkeep.ts"
import { workChecks } from "./work.ts"

export const checks: readonly Check[] = [
  ...homeChecks,
  ...settingChecks,
  ...databaseChecks,
  ...keyChecks,
  ...machineChecks,
  ...serviceChecks,
  ...workChecks,
  ...channelChecks,
  ...trustChecks,
  ...sandboxChecks,
  ...pluginChecks,
  ...upkeepChecks,
]

export type Judged = Finding & { id: string; why: string }

/** A check that breaks says so and hides no other. */
export async function judgeAll(facts: Facts, table: readonly Check[] = checks): Promise<Judged[]> {
  return Promise.all(
    table.map(async ({ id, why, judge }): Promise<Judged> => {
      try {
        return { id, why, ...(await judge(facts)) }
      } catch (error) {
        const reason = error instanceof Error ? error.message : "unknown"
        return { id, why, level: "note", found: `Could not be looked at: ${reason}` }
      }
    }),
  )
}
