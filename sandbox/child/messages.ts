/** The headers of the frames, as schemas: what a child says is believed as far as these go, and no further. */
import { type Static, t } from "#core/schema.ts"
import { hostFunctionNames } from "./guest.ts"

const closed = { additionalProperties: false } as const
/** Names of exports, of methods, of header fields. */
const MAX_NAME = 256
/** What a guest is told, and what it says of itself. */
export const MAX_WORDS = 2_000
/** A line of a guest's log, and how many of them one call may write. */
export const MAX_LOG_LINE = 1_000
export const MAX_LOG_LINES = 200
/** Of a URL; more than any server accepts. */
const MAX_URL = 16_384
const MAX_HEADER_VALUE = 16_384
const MAX_HEADERS = 100

const Fuel = t.String({ pattern: "^-?\\d{1,20}$" })

export const Ready = t.Object(
  {
    parts: t.Array(t.String({ maxLength: 40 }), { maxItems: 20 }),
    missing: t.Array(t.String({ maxLength: 300 }), { maxItems: 20 }),
  },
  closed,
)
export type Ready = Static<typeof Ready>

export const Done = t.Object({ fuel: Fuel }, closed)

/** Reasons that a child finds; the others are the parent's to find. */
export const Failed = t.Object(
  {
    reason: t.Union([
      t.Literal("fuel"),
      t.Literal("memory"),
      t.Literal("trap"),
      t.Literal("size"),
      t.Literal("code"),
      t.Literal("host"),
    ]),
    words: t.String({ maxLength: MAX_WORDS }),
    fuel: Fuel,
  },
  closed,
)

export const Ask = t.Union([
  t.Object(
    {
      name: t.Literal("http"),
      method: t.String({ maxLength: 20, pattern: "^[A-Za-z]+$" }),
      url: t.String({ maxLength: MAX_URL }),
      headers: t.Record(t.String({ maxLength: MAX_NAME }), t.String({ maxLength: MAX_HEADER_VALUE }), {
        maxProperties: MAX_HEADERS,
      }),
    },
    closed,
  ),
  // The payload is in the body.
  t.Object({ name: t.Union(hostFunctionNames.map((name) => t.Literal(name))) }, closed),
])
export type Ask = Static<typeof Ask>

export const LogLine = t.Object(
  {
    level: t.Union([t.Literal("debug"), t.Literal("info"), t.Literal("warn"), t.Literal("error")]),
    line: t.String({ maxLength: MAX_LOG_LINE }),
  },
  closed,
)

export const Nothing = t.Object({}, closed)

/** To the child: `engine` is what runs JavaScript, and goes first. `sdk`: the module that guests import by the name "ironclaw". */
export type Load = { part: "engine"; sdk: string } | { part: "wasm" } | { part: "js" }
export type Call = {
  name: string
  config: Readonly<Record<string, string>>
  fuel: string
  maxMemoryBytes: number
  maxOutputBytes: number
}
