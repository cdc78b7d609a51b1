/** For checks of what only the holder of the database knows: where it could not be asked, they say so and judge nothing. */
import type { Examination } from "#gateway/deps.ts"
import { type Check, type Finding, ok, skipped } from "./check.ts"
import type { Facts } from "./facts.ts"

export function examined(judge: (examination: Examination, facts: Facts) => Finding): Check["judge"] {
  return (facts) => {
    if (facts.examination.ok) return judge(facts.examination.value, facts)
    return facts.examination.error === null && facts.config.ok && facts.homeProblem === null
      ? ok("There is no database yet")
      : skipped("the database could not be asked")
  }
}
