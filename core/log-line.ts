/** One line of the log: fields made plain, bounded and redacted string by string, so that a redaction can never break the JSON. */
import type { LogLevel } from "./log.ts"

export type LogFields = Readonly<Record<string, unknown>>
export type LogLine = { json: string; human: string }

const MAX_STRING = 4_096 // characters of one value: a stack trace fits, a message body does not
const MAX_REDACTED = 2 * MAX_STRING // what the redactor looks at; what lies behind it is cut away anyway
const MAX_DEPTH = 4 // an error inside a list inside a field
const MAX_ENTRIES = 50 // entries of one list or object
const MAX_CAUSES = 4 // errors behind errors

/** Fields that are secret by their name, whatever the value looks like. */
const SECRET_NAME =
  /(?:^|[_-])(?:authorization|cookie|passw(?:or)?d|passphrase|secret|token|api_?key|master_?key|private_?key|credentials?)$/i

export function createLogLine(redact: (text: string) => string) {
  // Redacted before it is cut: a secret that lies across the cut is still whole when the redactor sees it.
  const text = (value: string) => bounded(redact(value.slice(0, MAX_REDACTED)), value.length)

  function plain(value: unknown, name: string, depth: number): unknown {
    if (value === null || value === undefined || typeof value === "boolean") return value
    if (SECRET_NAME.test(snake(name))) return "[redacted]"
    if (typeof value === "string") return text(value)
    if (typeof value === "number") return Number.isFinite(value) ? value : String(value)
    if (typeof value === "bigint") return value.toString()
    if (value instanceof Error) return plainError(value, 0)
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString()
    if (value instanceof Uint8Array) return `[${value.byteLength} bytes]`
    if (typeof value !== "object") return `[${typeof value}]`
    if (depth >= MAX_DEPTH) return Array.isArray(value) ? "[list]" : "[object]"
    if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((entry: unknown) => plain(entry, name, depth + 1))
    return plainObject(value, depth)
  }

  function plainObject(value: object, depth: number): Record<string, unknown> {
    const out: Record<string, unknown> = {}
    for (const [name, entry] of Object.entries(value).slice(0, MAX_ENTRIES))
      out[text(name)] = plain(entry, name, depth + 1)
    return out
  }

  function plainError(error: Error, causes: number): Record<string, unknown> {
    return {
      name: error.name,
      ...("code" in error && (typeof error.code === "string" || typeof error.code === "number")
        ? { code: error.code }
        : {}),
      message: text(withoutParameters(error.message)),
      ...(error.stack ? { stack: text(framesOf(error.stack)) } : {}),
      ...(error.cause instanceof Error && causes < MAX_CAUSES ? { cause: plainError(error.cause, causes + 1) } : {}),
    }
  }

  return function makeLine({
    at,
    level,
    message,
    fields,
  }: {
    at: string
    level: LogLevel
    message: string
    fields: LogFields
  }): LogLine {
    const shown = text(message)
    const rest = plainObject(fields, 0)
    const json = `${JSON.stringify({ ...rest, at, level, message: shown })}\n`
    const tail = Object.entries(rest)
      .map(([name, value]) => ` ${name}=${shortly(value)}`)
      .join("")
    return { json, human: `${at.slice(11, 23)} ${level.padEnd(5)} ${visible(shown + tail)}\n` }
  }
}

function bounded(value: string, originalLength: number): string {
  const whole = value.length <= MAX_STRING ? value : `${value.slice(0, MAX_STRING)}… (${originalLength} characters)`
  return whole.toWellFormed()
}

/** A database error of drizzle's carries the bound values, message bodies among them. */
function withoutParameters(message: string): string {
  const at = message.search(/\n\s*params:/)
  return at === -1 ? message : `${message.slice(0, at)}\nparams: [not logged]`
}

/** Only the frames: the first lines of a stack repeat the message. */
function framesOf(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => line.startsWith("    at "))
    .map((line) => line.trim())
    .join("\n")
}

function snake(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2")
}

function shortly(value: unknown): string {
  if (typeof value === "string") return /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)
  if (typeof value === "object" && value !== null && "message" in value) return JSON.stringify(value.message)
  return JSON.stringify(value) ?? "undefined"
}

/** Control characters made visible: a log line is untrusted text, and a terminal obeys escape sequences. */
function visible(line: string): string {
  return line.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) =>
    character === "\n" ? " ⏎ " : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
}
