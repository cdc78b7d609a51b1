/**
 * Question: is this data pretending to be instructions?
 * Fails closed by: what it flags is labelled untrusted and fenced; it never endorses a text.
 * Known limits: phrases of English and nineteen other languages, and chat markup, also decoded as views.ts says. An order in plain
 * words, as a person would write it, a rarer language, a misspelling pass. The flow gate does not rely on it.
 * Source: injection-rules.ts and injection-languages.ts name where each shape was seen.
 */
import { createAnchorSearch } from "./anchors.ts"
import { HIDDEN, HIDDEN_FORM, type InjectionRule, injectionRules } from "./injection-rules.ts"
import { viewsOf } from "./views.ts"

export type InjectionVerdict = { verdict: "clean" | "suspicious" | "malicious"; score: number; rules: string[] }

/** Made with the first text: a command that judges nothing does not pay for the table. */
let prepared: ReturnType<typeof createAnchorSearch<InjectionRule>> | null = null

/** An order that had to be decoded was hidden on purpose. */
const HIDDEN_TIMES = 2

/** Each rule counts once. Scores add up; from 0.5 a text is suspicious, from 1 malicious. */
export function judgeInjection(text: string): InjectionVerdict {
  prepared ??= createAnchorSearch(injectionRules())
  const search = prepared
  const weights = new Map<string, number>()
  search(text, ({ row: { rule, weight } }) => void weights.set(rule, weight))
  if (HIDDEN_FORM.test(text)) weights.set(HIDDEN.rule, HIDDEN.weight)
  for (const view of viewsOf(text)) {
    search(view.text, ({ row: { rule, weight } }) => {
      if (!weights.has(rule)) weights.set(rule, weight * HIDDEN_TIMES)
    })
  }
  const score = [...weights.values()].reduce((sum, weight) => sum + weight, 0)
  return {
    verdict: score >= 1 ? "malicious" : score >= 0.5 ? "suspicious" : "clean",
    score,
    rules: [...weights.keys()],
  }
}
