/** What a server's refusal means to a person. Messages of servers and drivers may hold the values of parameters: they never pass. */
import { AppError } from "../errors.ts"

/** What is known of a refusal. `statement` is the index in the batch; it is missing when the commit itself was refused. */
export type SqlFault = {
  sqlState: string
  message: string
  constraint?: string | undefined
  statement?: number | undefined
}

/** The cause of an AppError that a statement met: for code that must tell one refusal from another, and for the log. */
export class DbFault extends Error {
  readonly sqlState: string
  readonly constraint: string | undefined
  readonly statement: number | undefined

  constructor({ sqlState, message, constraint, statement }: SqlFault) {
    super(quotesNoValues(sqlState, message) ? `${sqlState}: ${message}` : `SQLSTATE ${sqlState}`)
    this.name = "DbFault"
    this.sqlState = sqlState
    this.constraint = constraint
    this.statement = statement
  }
}

/** Messages made of names and of the text of the SQL alone. Others (22: data; P0: raised by functions; bad search queries) quote values. */
function quotesNoValues(sqlState: string, message: string): boolean {
  // "syntax error in tsquery: …" and "… of jsonpath input" have the same code as an error of SQL.
  if (sqlState === "42601")
    return /^syntax error at (?:end of input|or near "[^"]*")$|^cannot insert multiple commands/.test(message)
  return /^(?:0A|08|23|25|28|2B|3D|3F|40|42501|42703|42883|42P01|42P07|53|55|57|58|IC)/.test(sqlState)
}

/** The refusal behind an error, if it was one. */
export function faultOf(error: unknown): DbFault | undefined {
  return error instanceof AppError && error.cause instanceof DbFault ? error.cause : undefined
}

/** SQLSTATE of `expect_rows`: a fenced update found another number of rows than it must. */
export const UNEXPECTED_ROWS = "IC001"

export function errorOfFault(given: SqlFault): AppError {
  const cause = new DbFault(given)
  const { sqlState, constraint } = cause
  const conflict = (message: string) => new AppError("conflict", message, { cause })
  switch (sqlState) {
    case UNEXPECTED_ROWS:
      return conflict(`Something else was quicker: ${given.message}`) // the text is expect_rows' third argument, host code's own
    case "23505":
    case "23P01":
      return conflict(`It is there already (${constraint ?? "unique"})`)
    case "23503":
      return conflict(`What it refers to is not there, or is still referred to (${constraint ?? "reference"})`)
    case "40001":
    case "40P01":
      return conflict("Another change got in between")
    case "55P03":
      return new AppError("db.timeout", "Another change held the rows for too long", { cause })
    case "57014":
      return new AppError("db.timeout", "The statement was cancelled", { cause })
    case "25P03":
      return new AppError("db.timeout", "The transaction was idle for too long and was rolled back", { cause })
    case "22021": // character_not_in_repertoire
    case "22P02": // invalid_text_representation
    case "22P05": // untranslatable_character: \u0000 in JSON
    case "22003": // numeric_value_out_of_range
    case "22007": // invalid_datetime_format
    case "22008": // datetime_field_overflow
      return new AppError("input.invalid", "A value cannot be stored in its column", { cause })
    case "54000":
    case "54001":
      return new AppError("input.too_large", "The value is too large for the database", { cause })
    case "53100":
      return fullDisk(cause)
    case "53300":
      return new AppError("db.unreachable", "The server has no connection left for us", { cause, retryAfterSeconds: 5 })
    case "42501":
      return new AppError("db.permission_denied", "The database refused: permission denied", { cause })
  }
  // The server says goodbye: administrator's shutdown, crash of a sibling, starting up, connection classes.
  if (/^(?:57P0[123]|08)/.test(sqlState))
    return new AppError("db.connection_lost", "The server closed the connection", { cause })
  if (/^58|^53/.test(sqlState) && /no space|enospc/i.test(given.message)) return fullDisk(cause)
  return new AppError("internal", `The database refused a statement (SQLSTATE ${sqlState})`, { cause })
}

export function fullDisk(cause: unknown, dir?: string): AppError {
  return new AppError(
    "db.full_disk",
    dir === undefined ? "The disk of the database is full" : `The disk that holds "${dir}" is full`,
    { cause },
  )
}
