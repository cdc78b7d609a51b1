/** What lists share: a limit and a cursor in, items and the next cursor out. */
import { int, t } from "#core/schema.ts"

/** Query fields of a paged list; spread into its schema. */
export const pageFields = {
  limit: t.Optional(int({ minimum: 1, maximum: 200, description: "How many at most (default 50)" })),
  cursor: t.Optional(t.String({ minLength: 1, maxLength: 500, description: "`next` of the page before" })),
}

/** Without the fields that are absent: exact optional types take no `undefined`. */
export function given<T extends Record<string, unknown>>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  // Only entries that are undefined are taken out, and those the type may lack.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}
