/** `ironclaw doctor`: looks at everything that can go wrong, says why it matters and what to do, and mends what is safe to mend. */
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import type { Level } from "./doctor/check.ts"
import type { Judged } from "./doctor/table.ts"
import { exitStatus, type Ui, visible } from "./lib/ui.ts"
import { defineVerb } from "./lib/verb.ts"

type Counts = Readonly<Record<Level, number>>

export default defineVerb({
  meta: {
    description:
      "Looks at everything that can go wrong, says why it matters and what to do. Ends with 1 where something failed; warnings end with 0, or with --strict with 1",
    examples: [
      "ironclaw doctor",
      "ironclaw doctor --fix",
      "ironclaw doctor --probe --strict --json",
      "ironclaw doctor --bundle report.md",
    ],
  },
  args: {
    fix: { type: "boolean", description: "Mend what is safe to mend; asks first" },
    yes: { type: "boolean", alias: "y", description: "With --fix: do not ask" },
    probe: { type: "boolean", description: "Ask the model for one word too; it may cost a fraction of a cent" },
    strict: { type: "boolean", description: "End with 1 for warnings too" },
    all: { type: "boolean", alias: "a", description: "Show what is in order too" },
    bundle: { type: "string", valueHint: "file", description: "Write a report for a bug tracker, secrets taken out" },
  },
  async run({ args, flags, ui, signal }) {
    if (args.yes && !args.fix) throw new AppError("usage.wrong", "--yes is for --fix")
    // The checks know much of the house; the help needs none of it.
    const [{ withFacts }, { judgeAll }, { writeBundle }] = await Promise.all([
      import("./doctor/facts.ts"),
      import("./doctor/table.ts"),
      import("./doctor/bundle.ts"),
    ])
    const progress = ui.progress("Looking")
    const deps = { flags, ui, signal, clock: systemClock, probe: args.probe ?? false }
    const { judged, bundle } = await withFacts(deps, async (facts) => {
      const all = await judgeAll(facts)
      return {
        judged: all,
        bundle: args.bundle === undefined ? null : await writeBundle({ path: args.bundle, facts, judged: all }),
      }
    }).finally(() => progress.stop())
    const fixed = args.fix ? await fixAll(judged, { ui, yes: args.yes ?? false }) : []
    const counts = countOf(judged.filter(({ id }) => !fixed.some((one) => one.id === id)))
    const failed = counts.failure > 0 || (args.strict === true && counts.warning > 0)
    return {
      data: { counts, checks: judged.map(documentOf), fixed, bundle },
      status: failed ? exitStatus.failed : exitStatus.done,
      show() {
        show(judged, { ui, all: args.all ?? false })
        for (const { told } of fixed) ui.print(`${ui.style.green("mended")}  ${visible(told)}`)
        const mendable = args.fix ? 0 : judged.filter(({ fix }) => fix).length
        if (mendable > 0) ui.note(`\`ironclaw doctor --fix\` mends ${mendable} of these.`)
        ui.print(summary(counts, judged.length))
        if (bundle) {
          ui.print(`The report is ${visible(bundle.path)}. It holds ${bundle.holds.join(", ")}.`)
          ui.note("No message, no memory and no secret is in it. Read it before you send it.")
        }
      },
    }
  },
})

type Fixed = { id: string; told: string }

/** Asks for each, unless the owner said yes to all. */
async function fixAll(judged: readonly Judged[], { ui, yes }: { ui: Ui; yes: boolean }): Promise<Fixed[]> {
  const mendable = judged.flatMap(({ id, fix, found }) => (fix ? [{ id, fix, found }] : []))
  if (mendable.length > 0 && !yes && !ui.interactive)
    throw new AppError("usage.wrong", "There is nobody to ask", {
      hint: "`ironclaw doctor --fix --yes` mends without asking.",
    })
  const { confirm, isCancel } = await import("@clack/prompts")
  const fixed: Fixed[] = []
  for (const { id, fix, found } of mendable) {
    if (!yes) {
      const answer = await confirm({ message: `${found}\n${fix.what}?`, output: process.stderr })
      if (isCancel(answer)) break
      if (!answer) continue
    }
    fixed.push({ id, told: await fix.run() })
  }
  return fixed
}

function documentOf({ id, level, found, why, todo, fix }: Judged) {
  return { id, level, found, why, todo: todo ?? null, mendable: fix !== undefined }
}

function countOf(judged: readonly Judged[]): Counts {
  const counts = { ok: 0, skipped: 0, note: 0, warning: 0, failure: 0 }
  for (const { level } of judged) counts[level]++
  return counts
}

const marks: Readonly<Record<Level, string>> = {
  ok: "ok     ",
  skipped: "skipped",
  note: "note   ",
  warning: "warning",
  failure: "FAILURE",
}

function show(judged: readonly Judged[], { ui, all }: { ui: Ui; all: boolean }): void {
  const { green, yellow, red, dim, bold } = ui.style
  const paint = { ok: green, skipped: dim, note: dim, warning: yellow, failure: red }
  for (const { id, level, found, why, todo } of judged) {
    if ((level === "ok" || level === "skipped") && !all) continue
    ui.print(`${paint[level](marks[level])}  ${bold(id)}  ${visible(found)}`)
    if (level === "ok" || level === "skipped") continue
    ui.print(`         ${dim(why)}`)
    if (todo !== undefined && todo !== "") ui.print(`         ${visible(todo)}`)
  }
}

function summary({ ok, skipped, note, warning, failure }: Counts, total: number): string {
  const parts = [
    ...(failure > 0 ? [`${failure} failed`] : []),
    ...(warning > 0 ? [`${warning} ${warning === 1 ? "warning" : "warnings"}`] : []),
    ...(note > 0 ? [`${note} ${note === 1 ? "note" : "notes"}`] : []),
    ...(skipped > 0 ? [`${skipped} not looked at`] : []),
    `${ok} in order`,
  ]
  return `${total} checks: ${parts.join(", ")}`
}
