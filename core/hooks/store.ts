/**
 * The owner's hooks as sealed rows, held in memory so that a point without hooks costs no query. Adding and removing are changes of
 * safety: each is one commit with its event and its audit row, and is heard by every process on the same database.
 * Known limits: a seal shows a row that was changed, not one that is gone: who can delete rows of the database can take a hook away,
 * and the audit row of its adding stays.
 */
import { asc } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db, Statement, Writer } from "../db/db.ts"
import { hooks as table } from "../db/schema.ts"
import { AppError } from "../errors.ts"
import { preview } from "../event.ts"
import { hookPoints, type HookPoint } from "../hooks.ts"
import type { AuthoritySeal } from "../safety/authority.ts"
import { createAuthoritySeal } from "../safety/authority.ts"
import type { Reseal } from "../secrets/master-key.ts"
import type { HookProgram } from "./program.ts"
import type { HookUrl } from "./url.ts"

export type HookForm = ({ kind: "program" } & HookProgram) | ({ kind: "url" } & HookUrl)

export type Hook = {
  name: string
  point: HookPoint
  /** Lower is earlier; those of one position go by name. */
  position: number
  form: HookForm
  /** null: all. Tools matter at `tool.call` alone. */
  tools: readonly string[] | null
  channels: readonly string[] | null
  agents: readonly string[] | null
  createdAt: string
}
export type NewHook = Omit<Hook, "createdAt">

/** What holds at this moment. `broken`: names of rows that someone else wrote. `problem`: why the rows could not be read. */
export type HookSet = { hooks: readonly Hook[]; broken: readonly string[]; problem: string | null }

export type HookStore = {
  /** In order. Reads the rows only where they could not be read before. */
  current(): HookSet | Promise<HookSet>
  /** Throws `conflict` where the name is taken. */
  add(hook: NewHook): Promise<Hook>
  /** Works on a broken row too. Throws `not_found`. */
  remove(name: string): Promise<void>
  /** Follows other processes on the same database. */
  watch(): Promise<void>
  close(): Promise<void>
}

export type HookStoreDeps = {
  db: Db
  writer: Writer
  clock: Clock
  seal: AuthoritySeal
  onBadSeal: (what: string) => void
  onFault: (error: unknown) => void
}

const CHANNEL = "ironclaw_hooks"
/** Each is a wait of up to five seconds in every act at its point; far more than anyone has a use for. */
const MAX_HOOKS = 50

type Row = typeof table.$inferSelect

/** What the seal covers: everything. */
function sealedHook({ mac: _mac, ...row }: Row): readonly unknown[] {
  const { name, point, position, argv, files, url, local, tools, channels, agents, createdAt } = row
  return [name, point, position, argv, files, url, local, tools, channels, agents, createdAt]
}

/** Reads the rows before anything starts. */
export async function createHookStore(deps: HookStoreDeps): Promise<HookStore> {
  const { db, writer, clock, seal, onBadSeal } = deps
  let set = await read()
  let stopListening = async () => {}
  /** Reads one after the other, so that an older answer never takes the place of a newer one. */
  let reading: Promise<unknown> = Promise.resolve()

  async function read(): Promise<HookSet> {
    const rows = await db.orm.select().from(table).orderBy(asc(table.position), asc(table.name))
    const hooks: Hook[] = []
    const broken: string[] = []
    for (const row of rows) {
      const hook = seal.holds("hook", sealedHook(row), row.mac) ? hookOf(row) : null
      if (hook) hooks.push(hook)
      else {
        onBadSeal(`hook ${row.name}`)
        broken.push(row.name)
      }
    }
    return { hooks, broken, problem: null }
  }

  function reload(): Promise<HookSet> {
    const mine = reading.then(async () => {
      try {
        set = await read()
      } catch (error) {
        deps.onFault(error)
        // What was known may have changed: better nothing passes than something that the owner forbade.
        set = { ...set, problem: "The hooks could not be read from the database" }
      }
      return set
    })
    reading = mine
    return mine
  }

  const notify: Statement = { sql: `select pg_notify('${CHANNEL}', '')`, params: [] }
  const record = (name: string, change: "added" | "removed", words: string) => ({
    events: [{ type: "hook.changed" as const, hook: name, change, agentId: "main", labels: [], source: "owner" }],
    audit: [
      {
        agentId: "main",
        act: "owner.change" as const,
        principal: "owner",
        subject: `hook:${name}`,
        outcome: change,
        preview: preview(words),
        labels: [],
        source: "owner",
      },
    ],
  })

  return {
    current: () => (set.problem === null ? set : reload()),
    async add(hook) {
      const { hooks, broken } = await reload()
      if (hooks.some(({ name }) => name === hook.name) || broken.includes(hook.name))
        throw new AppError("conflict", `There is a hook "${hook.name}" already`, {
          hint: `Take it away first: \`ironclaw hook remove ${hook.name}\`.`,
        })
      if (hooks.length + broken.length >= MAX_HOOKS)
        throw new AppError("conflict", `There are ${MAX_HOOKS} hooks already`, { hint: "Take one away first." })
      const row = rowOf({ ...hook, createdAt: clock.iso() })
      const statement = db.orm
        .insert(table)
        .values({ ...row, mac: seal.mac("hook", sealedHook(row)) })
        .toSQL()
      await writer.commit({
        statements: [statement, notify],
        ...record(hook.name, "added", `at ${hook.point}: ${wordsForForm(hook.form)}`),
      })
      await reload()
      return { ...hook, createdAt: row.createdAt }
    },
    async remove(name) {
      const { hooks, broken } = await reload()
      if (!broken.includes(name) && !hooks.some((hook) => hook.name === name))
        throw new AppError("not_found", `There is no hook "${name.slice(0, 80)}"`)
      const gone: Statement = {
        sql: `with gone as (delete from hooks where name = $1 returning 1)
          select expect_rows((select count(*) from gone), 1, 'hook')`,
        params: [name],
      }
      await writer.commit({ statements: [gone, notify], ...record(name, "removed", `the hook ${name}`) })
      await reload()
    },
    async watch() {
      stopListening = await db.listen(CHANNEL, () => void reload())
    },
    close: () => stopListening(),
  }
}

/** One line for people: the command line as JSON, or the URL. */
export function wordsForForm(form: HookForm): string {
  return form.kind === "program"
    ? JSON.stringify(form.argv)
    : `${form.url}${form.local ? " (a place of your own)" : ""}`
}

/** Null where a sealed row is none of ours all the same: a newer version wrote it. */
function hookOf({ argv, files, url, local, mac: _mac, ...row }: Row): Hook | null {
  const point = hookPoints.find((known) => known === row.point)
  const form: HookForm | null =
    argv !== null && url === null
      ? { kind: "program", argv, files }
      : url !== null && argv === null
        ? { kind: "url", url, local }
        : null
  return point && form ? { ...row, point, form } : null
}

function rowOf({ form, tools, channels, agents, ...hook }: Hook): Row {
  const copy = (names: readonly string[] | null) => (names === null ? null : [...names])
  return {
    ...hook,
    argv: form.kind === "program" ? [...form.argv] : null,
    files: form.kind === "program" ? form.files.map(({ path, sha256 }) => ({ path, sha256 })) : [],
    url: form.kind === "url" ? form.url : null,
    local: form.kind === "url" && form.local,
    tools: copy(tools),
    channels: copy(channels),
    agents: copy(agents),
    mac: "",
  }
}

/** Hooks under another master key: only what the old seal held gets a new one. */
export const resealHooks: Reseal = async (db, { from, to }) => {
  const old = createAuthoritySeal({ key: () => from.derive("authority") })
  const fresh = createAuthoritySeal({ key: () => to.derive("authority") })
  const rows = await db.orm.select().from(table)
  return rows
    .filter((row) => old.holds("hook", sealedHook(row), row.mac))
    .map((row) => ({
      sql: "update hooks set mac = $2 where name = $1 and mac = $3",
      params: [row.name, fresh.mac("hook", sealedHook(row)), row.mac],
    }))
}
