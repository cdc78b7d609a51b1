/**
 * Question: is this data pretending to be instructions?
 * Fails closed by: what it flags is labelled untrusted and fenced; it never endorses a text.
 * Known limits: detection misses; a first table. The flow gate does not rely on it.
 * Source: injection-rules.ts names where each shape was seen.
 */
import { injectionRules } from "./injection-rules.ts"

export type InjectionVerdict = { verdict: "clean" | "suspicious" | "malicious"; score: number; rules: string[] }

/** Scores add up; from 0.5 a text is suspicious, from 1 malicious. */
export function judgeInjection(text: string): InjectionVerdict {
  const rules: string[] = []
  let score = 0
  for (const { rule, pattern, weight } of injectionRules) {
    if (!pattern.test(text)) continue
    rules.push(rule)
    score += weight
  }
  return { verdict: score >= 1 ? "malicious" : score >= 0.5 ? "suspicious" : "clean", score, rules }
}
