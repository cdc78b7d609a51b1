/** Pages of lists: a cursor is the place of the last item shown, so that what comes or goes meanwhile neither repeats nor hides one. */
import { AppError } from "../errors.ts"
import type { Page } from "./session.ts"

const DEFAULT_PAGE = 50
const MAX_PAGE = 200 // a page of long messages must still fit an answer

export function pageSize(limit = DEFAULT_PAGE): number {
  return Number.isFinite(limit) ? Math.min(Math.max(Math.trunc(limit), 1), MAX_PAGE) : DEFAULT_PAGE
}

/** Made of one row more than the page was asked for, to know whether there is a next one. */
export function page<T>(rows: T[], { max, cursorOf }: { max: number; cursorOf: (last: T) => string }): Page<T> {
  const items = rows.slice(0, max)
  const last = items.at(-1)
  return { items, next: rows.length > max && last !== undefined ? cursorOf(last) : null }
}

export function cursorText(place: string): string {
  return Buffer.from(place).toString("base64url")
}

export function cursorPlace(cursor: string): string {
  return Buffer.from(cursor, "base64url").toString()
}

export function badCursor(): AppError {
  return new AppError("input.invalid", "The cursor is not one of this list", {
    hint: "Use `next` of the page before, unchanged, or none for the first page.",
  })
}
