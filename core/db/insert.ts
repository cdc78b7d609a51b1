/**
 * Statements of one row, for the hot path: the text of each shape is made once, where drizzle's builder makes it for every row (8 % of
 * a turn's processor time, measured 2026-11-22). What they hold is what drizzle would send: its columns encode the values.
 */
import { getTableColumns, getTableName, type InferInsertModel } from "drizzle-orm"
import type { PgColumn, PgTable } from "drizzle-orm/pg-core"
import type { Statement } from "./db.ts"

/** SQL of our own instead of a value, by column: constant text, never anything from outside. */
type Expressions<T extends PgTable> = { [K in keyof InferInsertModel<T>]?: string }

type Shape = { sql: string; columns: { key: string; column: PgColumn }[] }

/** By table and kind of statement, then by which columns are given; a handful each, as many as there are callers. */
const shapes = new WeakMap<PgTable, Map<string, Shape>>()

/** Inserts one row. What is left out, or undefined, gets the database's default. */
export function insertRow<T extends PgTable>(
  table: T,
  row: Partial<InferInsertModel<T>>,
  expressions: Expressions<T> = {},
): Statement {
  return fill(shapeOf(table, { kind: "insert", row, expressions }), row)
}

/** Changes the row whose `id` column has this value. What is left out, or undefined, stays. */
export function updateRow<T extends PgTable>(
  table: T,
  id: string,
  set: Partial<InferInsertModel<T>>,
  expressions: Expressions<T> = {},
): Statement {
  const { sql, params } = fill(shapeOf(table, { kind: "update", row: set, expressions }), set)
  return { sql, params: [...params, id] }
}

type Asked = { kind: "insert" | "update"; row: object; expressions: Readonly<Record<string, string | undefined>> }

function shapeOf(table: PgTable, { kind, row, expressions }: Asked): Shape {
  const known = shapes.get(table) ?? new Map<string, Shape>()
  shapes.set(table, known)
  const given = Object.entries(row).flatMap(([key, value]) => (value === undefined ? [] : [key]))
  const name = `${kind} ${given.join()} ${JSON.stringify(expressions)}`
  let shape = known.get(name)
  if (!shape) known.set(name, (shape = makeShape(table, kind, { given, expressions })))
  return shape
}

function makeShape(
  table: PgTable,
  kind: Asked["kind"],
  { given, expressions }: { given: string[]; expressions: Asked["expressions"] },
): Shape {
  const all: Record<string, PgColumn> = getTableColumns(table)
  const columnOf = (key: string): PgColumn => {
    const column = all[key]
    if (!column) throw new Error(`The table ${getTableName(table)} has no column "${key}"`)
    return column
  }
  const columns = given.map((key) => ({ key, column: columnOf(key) }))
  const pairs = [
    ...columns.map(({ column }, index) => ({ name: quoted(column.name), value: `$${index + 1}` })),
    ...Object.entries(expressions).map(([key, text]) => ({
      name: quoted(columnOf(key).name),
      value: text ?? "default",
    })),
  ]
  const target = quoted(getTableName(table))
  const sql =
    kind === "insert"
      ? `insert into ${target} (${pairs.map(({ name }) => name).join(", ")}) values (${pairs.map(({ value }) => value).join(", ")})`
      : `update ${target} set ${pairs.map(({ name, value }) => `${name} = ${value}`).join(", ")} where "id" = $${columns.length + 1}`
  return { sql, columns }
}

function fill({ sql, columns }: Shape, row: object): Statement {
  const params = columns.map(({ key, column }) => {
    const value: unknown = Reflect.get(row, key)
    return value === null ? null : column.mapToDriverValue(value)
  })
  return { sql, params }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
