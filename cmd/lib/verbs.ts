/** Verbs that only ask the API and show the answer: a list, one thing, a change. Each is a row: what to call, which columns, what to say. */
import { loadConfig } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import { systemCodeOf } from "#core/home.ts"
import type { Client } from "#gateway/client.ts"
import { connect } from "./connect.ts"
import { openSetting } from "./setting.ts"
import type { Column, Ui } from "./ui.ts"
import { type ArgsDef, type ArgValues, defineVerb, type Verb, type VerbContext, type VerbMeta } from "./verb.ts"

/** What a request is made from. */
export type Asking<A extends ArgsDef> = {
  client: Client
  args: ArgValues<A>
  rest: readonly string[]
  signal: AbortSignal
  ui: Ui
}

type Reaching = Pick<VerbContext, "flags" | "ui" | "signal">

/** Runs `work` with a client of the API, whoever serves it, and closes it again. `work` runs anew where the service went away before it. */
export async function withClient<T>(
  { flags, ui, signal }: Reaching,
  what: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const setting = openSetting({ flags, ui })
  const loaded = await loadConfig(setting)
  for (const warning of loaded.warnings) ui.warn(warning)
  const interrupted = Promise.withResolvers<never>()
  interrupted.promise.catch(() => {}) // nobody may be waiting when it comes
  signal.addEventListener("abort", () => interrupted.reject(signal.reason), { once: true })
  for (let attempt = 1; ; attempt++) {
    const connection = await connect({ setting, loaded, what, verbose: flags.verbose, ui, signal })
    try {
      return await Promise.race([work(connection.client), interrupted.promise])
    } catch (error) {
      if (connection.mode === "process" || attempt === MAX_ATTEMPTS || !wasNeverReached(error)) throw error
    } finally {
      await connection.close()
    }
  }
}

/** Other verbs that were the service and ended just before ours could ask; each such race is won by one of them at least. */
const MAX_ATTEMPTS = 20

/** Nobody was there to take the request, so asking another one cannot do anything twice. */
function wasNeverReached(error: unknown): boolean {
  const isGone = error instanceof AppError && error.code === "service.unreachable"
  return isGone && ["ENOENT", "ECONNREFUSED"].includes(systemCodeOf(error.cause))
}

/** Asks once and shows the answer. */
export function askVerb<T, const A extends ArgsDef>(row: {
  meta: VerbMeta
  args: A
  /** Shown beside a spinner where the answer takes its time. */
  waiting?: string
  ask: (asking: Asking<A>) => Promise<T>
  show: (answer: T, context: { ui: Ui; args: ArgValues<A> }) => void
  /** Exit status by the answer; 0 unless said. */
  status?: (answer: T) => number
}): Verb {
  return defineVerb({
    meta: row.meta,
    args: row.args,
    async run(context) {
      const { args, rest, ui, signal } = context
      const progress = row.waiting === undefined ? null : ui.progress(row.waiting)
      try {
        const answer = await withClient(context, (row.meta.examples[0] ?? "").replace(/^ironclaw /, ""), (client) =>
          row.ask({ client, args, rest, signal, ui }),
        )
        return { data: answer, show: () => row.show(answer, { ui, args }), status: row.status?.(answer) ?? 0 }
      } finally {
        progress?.stop()
      }
    },
  })
}

type ListPage<T> = { items: T[]; next?: string | null }
/** Pages of the API hold at most this many. */
const MAX_PAGE = 200
const DEFAULT_LIMIT = 50

const limitArg = {
  limit: { type: "string", valueHint: "n", description: "How many at most", default: String(DEFAULT_LIMIT) },
} as const

/** Lists what there is, page after page up to `--limit`. */
export function listVerb<T, const A extends ArgsDef>(row: {
  meta: VerbMeta
  args: A
  page: (asking: Asking<A>, page: { limit: number; cursor?: string }) => Promise<ListPage<T>>
  columns: readonly Column<T>[]
  whenEmpty: string
}): Verb {
  return askVerb<ListPage<T>, A & typeof limitArg>({
    meta: row.meta,
    args: { ...row.args, ...limitArg },
    async ask(asking) {
      const limit = parseLimit(asking.args.limit)
      // The row's own arguments are a part of these.
      const own = asking as unknown as Asking<A>
      const items: T[] = []
      let next: string | null = null
      do {
        const page: ListPage<T> = await row.page(own, {
          limit: Math.min(MAX_PAGE, limit - items.length),
          ...(next === null ? {} : { cursor: next }),
        })
        items.push(...page.items)
        next = page.next ?? null
      } while (next !== null && items.length < limit)
      return { items, next }
    },
    show({ items, next }, { ui }) {
      ui.table(items, row.columns, row.whenEmpty)
      if (next !== null) ui.note(`There are more: --limit ${items.length * 2} shows them`)
    },
  })
}

export function parseLimit(text: string): number {
  const limit = Number(text)
  if (Number.isSafeInteger(limit) && limit > 0) return limit
  throw new AppError("usage.wrong", `--limit takes a whole number above 0, not "${text}"`)
}

/** Words that were not quoted are one text all the same. */
export function joinWords(first: string | undefined, rest: readonly string[]): string {
  return [...(first === undefined ? [] : [first]), ...rest].join(" ")
}

/** Time as a person reads it, in the machine's zone. */
export function timeText(iso: string): string {
  const at = new Date(iso)
  return Number.isNaN(at.getTime()) ? iso : at.toLocaleString("sv-SE", { dateStyle: "short", timeStyle: "short" })
}

/** Micros of a dollar as dollars; small amounts keep the digits that count. */
export function usdText(micros: number | null): string {
  if (micros === null) return "?"
  const usd = micros / 1_000_000
  return `$${usd === 0 ? "0" : usd < 0.01 ? usd.toPrecision(2) : usd.toFixed(2)}`
}
