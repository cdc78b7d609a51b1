/** `ironclaw audit`: what was done, the proof that the record is whole, and what left this machine, through the API. */
import { type AuditAct, auditActs } from "#core/audit.ts"
import type { EgressGroup } from "#core/audit-read.ts"
import type { AuditRow } from "#core/db/schema.ts"
import type { AuditProblem } from "#core/audit-verify.ts"
import { exitStatus } from "./lib/ui.ts"
import { defineVerbGroup } from "./lib/verb.ts"
import { askVerb, listVerb, timeText } from "./lib/verbs.ts"

const EXPORT_PAGE = 1_000 // the most that the API gives at once

const list = listVerb({
  meta: {
    description: "Lists acts, the latest first",
    examples: ["ironclaw audit list", "ironclaw audit list --act tool.run --since 2026-11-01"],
  },
  args: {
    act: { type: "enum", options: [...auditActs], description: "Only acts of this kind" },
    since: { type: "string", valueHint: "date", description: "From this ISO date or time on" },
    session: { type: "string", valueHint: "id", description: "Only acts of this session" },
  },
  page: ({ client, args }, page) => {
    const act: AuditAct | undefined = auditActs.find((known) => known === args.act)
    return client.api.audit.get({
      query: {
        ...page,
        ...(act ? { act } : {}),
        ...(args.since ? { since: args.since } : {}),
        ...(args.session ? { session: args.session } : {}),
      },
    })
  },
  columns: [
    { title: "row", value: (row: AuditRow) => String(row.seq), align: "right" },
    { title: "at", value: (row: AuditRow) => timeText(row.at) },
    { title: "act", value: (row: AuditRow) => row.act },
    { title: "who", value: (row: AuditRow) => row.principal, shrinks: true },
    { title: "what", value: (row: AuditRow) => row.subject, shrinks: true },
    { title: "outcome", value: (row: AuditRow) => row.outcome },
    { title: "preview", value: (row: AuditRow) => row.preview, shrinks: true },
  ],
  whenEmpty: "No such act is on record.",
})

const verify = askVerb({
  meta: {
    description:
      "Proves that no row of the record was changed, moved, taken away or put in; exit status 1 where one was",
    examples: ["ironclaw audit verify", "ironclaw audit verify --json"],
  },
  args: {},
  waiting: "Verifying",
  ask: async ({ client, signal }) => client.api.audit.verify.get({ signal }),
  show({ ok, rows, head, sealedTo, problems, count }, { ui }) {
    const sealed = {
      sealed: `sealed up to row ${sealedTo}`,
      none: "not sealed yet",
      foreign: "sealed under another master key, which says nothing here",
      forged: "with a forged seal",
    }[head]
    if (ok) return ui.print(`${rows} rows, whole and in order, ${sealed}`)
    ui.table(
      problems,
      [
        { title: "row", value: (problem: AuditProblem) => String(problem.seq), align: "right" },
        { title: "problem", value: (problem: AuditProblem) => problem.kind },
        { title: "what", value: (problem: AuditProblem) => problem.what },
      ],
      "",
    )
    if (count > problems.length) ui.note(`There are ${count - problems.length} more.`)
    ui.warn(
      `The record is not whole: ${count} ${count === 1 ? "problem" : "problems"} in ${rows} rows. Only someone who can write the database can do this.`,
    )
  },
  status: ({ ok }) => (ok ? exitStatus.done : exitStatus.failed),
})

const exportRows = askVerb({
  meta: {
    description: "Prints every row with its place in the chain, one JSON document a line, the oldest first",
    examples: ["ironclaw audit export > audit.jsonl", "ironclaw audit export --since 2026-11-01"],
  },
  args: { since: { type: "string", valueHint: "date", description: "From this ISO date or time on" } },
  async ask({ client, args, ui }) {
    const items: AuditRow[] = []
    let next: string | null = null
    do {
      const page: { items: AuditRow[]; next: string | null } = await client.api.audit.get({
        query: {
          oldestFirst: true,
          limit: EXPORT_PAGE,
          ...(next === null ? {} : { cursor: next }),
          ...(args.since ? { since: args.since } : {}),
        },
      })
      // Line by line, so that a record of any size goes out; with --json it is one document, and has to be held.
      if (ui.json) items.push(...page.items)
      else for (const row of page.items) ui.piece(`${JSON.stringify(row)}\n`)
      next = page.next
    } while (next !== null)
    return { items }
  },
  show: () => {},
})

const egress = askVerb({
  meta: {
    description: "Shows what left this machine, to whom and why, models included",
    examples: ["ironclaw audit egress", "ironclaw audit egress --day 2026-11-22"],
  },
  args: { day: { type: "string", valueHint: "date", description: "Only this day, such as 2026-11-22" } },
  ask: async ({ client, args }) => client.api.audit.egress.get({ query: args.day ? { day: args.day } : {} }),
  show({ items }, { ui }) {
    const number = (value: number) => value.toLocaleString("en")
    ui.table(
      items,
      [
        { title: "to", value: (row: EgressGroup) => row.destination, shrinks: true },
        { title: "why", value: (row: EgressGroup) => row.purpose, shrinks: true },
        { title: "who", value: (row: EgressGroup) => row.principal, shrinks: true },
        { title: "requests", value: (row: EgressGroup) => number(row.requests), align: "right" },
        { title: "refused", value: (row: EgressGroup) => number(row.refused), align: "right" },
        { title: "failed", value: (row: EgressGroup) => number(row.failed), align: "right" },
        { title: "bytes out", value: (row: EgressGroup) => number(row.bytesOut), align: "right" },
        { title: "bytes in", value: (row: EgressGroup) => number(row.bytesIn), align: "right" },
        { title: "secrets", value: (row: EgressGroup) => row.secretNames.join(", "), shrinks: true },
        { title: "last", value: (row: EgressGroup) => timeText(row.lastAt) },
      ],
      "Nothing left this machine in that time.",
    )
  },
})

export default defineVerbGroup(
  {
    description: "The record of every act: list, verify, export, and what left this machine",
    examples: ["ironclaw audit list", "ironclaw audit verify", "ironclaw audit egress --day 2026-11-22"],
  },
  { list, verify, export: exportRows, egress },
)
