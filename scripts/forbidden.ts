/** What the linter has no rule for: a clock read by the back door, a check switched off, a promise without a place to find it. */
import { join } from "node:path"
import { type Problem, isProduct, readText, report, sourceFiles } from "./tree.ts"

type Rule = { pattern: RegExp; message: string; exempt: readonly string[] }

const rules: readonly Rule[] = [
  {
    pattern: /\bnew Date\(\s*\)/,
    message: "Take a Clock: clock.iso or clock.nowMs",
    exempt: ["core/clock.ts"],
  },
  {
    pattern: /(oxlint|eslint)-disable|@ts-(ignore|nocheck|expect-error)/,
    message: "No check is switched off in product code: change the code, or the rule for all",
    exempt: [],
  },
  {
    pattern: /\b(TODO|FIXME|XXX)\b(?!.*#\d+)/,
    message: "A note of what is left names its issue, as in #12",
    exempt: [],
  },
  { pattern: /\bdebugger\b\s*$/, message: "A leftover of debugging", exempt: [] },
]

export function judgeText(file: string, text: string): Problem[] {
  const applying = rules.filter(({ exempt }) => !exempt.includes(file))
  return text
    .split("\n")
    .flatMap((content, index) =>
      applying
        .filter(({ pattern }) => pattern.test(content))
        .map(({ message }) => ({ file, line: index + 1, message })),
    )
}

export function checkForbidden(root: string): Problem[] {
  return sourceFiles(root)
    .filter(isProduct)
    .flatMap((file) => judgeText(file, readText(root, file)))
}

if (import.meta.main) report("forbidden", checkForbidden(join(import.meta.dir, "..")))
