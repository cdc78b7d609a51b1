/**
 * Foreign formats, parsed away from this process: in a locked child of this very program, with memory and time of its own. What it gives
 * back is judged like anything from outside; where it does not live, the parsing has failed, and nothing is parsed here instead.
 */
import { judgeShape, t } from "#core/schema.ts"
import type { ReadPage } from "#core/tools/web-fetch.ts"
import { decodeOpened, MAX_ANSWER_BYTES } from "./parse/archive-answer.ts"
import type { Opened } from "./parse/archive.ts"
import type { GuestOutcome, ParseCall, Sandbox } from "./child/guest.ts"

const MIB = 1024 * 1024

/** HTML: the parser itself stops at 3 s and gives what it has; this is for what it does not see. */
const PAGE_LIMITS: ParseCall["limits"] = {
  memoryMb: 256,
  timeoutMs: 10_000,
  maxInputBytes: 16 * MIB,
  // Its Markdown has 1 Mi characters at most, of up to 3 bytes, and twice that where JSON escapes them.
  maxOutputBytes: 8 * MIB,
}

/** The archive, its tar, its files and an answer of them are there at a time. */
const ARCHIVE_LIMITS: ParseCall["limits"] = {
  memoryMb: 512,
  timeoutMs: 20_000,
  maxInputBytes: 33 * MIB,
  maxOutputBytes: MAX_ANSWER_BYTES,
}

/** The plain files of an archive, every name of them one that may be written. Never throws. */
export type ReadArchive = (archive: Uint8Array, signal: AbortSignal) => Promise<Opened>

const Page = t.Object(
  {
    title: t.String({ maxLength: 1_000 }),
    markdown: t.String({ maxLength: MIB }),
    cut: t.Union([t.String({ maxLength: 200 }), t.Null()]),
  },
  { additionalProperties: false },
)

export function createReadPage({ sandbox }: { sandbox: Pick<Sandbox, "parse"> }): ReadPage {
  return async ({ html, url }, signal) => {
    const outcome = await sandbox.parse({
      format: "html",
      about: { url },
      input: new TextEncoder().encode(html),
      limits: PAGE_LIMITS,
      once: false,
      signal,
    })
    if (!outcome.ok) return { ok: false, why: whyOf(outcome) }
    const shape = judgeShape(Page, jsonOf(outcome.output))
    return shape.ok ? { ok: true, ...shape.value } : { ok: false, why: "its parser gave back what is no page" }
  }
}

export function createReadArchive({ sandbox }: { sandbox: Pick<Sandbox, "parse"> }): ReadArchive {
  return async (input, signal) => {
    const outcome = await sandbox.parse({
      format: "archive",
      about: {},
      input,
      limits: ARCHIVE_LIMITS,
      once: true,
      signal,
    })
    if (!outcome.ok) return { ok: false, problems: [`It could not be opened: ${whyOf(outcome)}`] }
    return decodeOpened(outcome.output) ?? { ok: false, problems: ["Its parser gave back what is no list of files"] }
  }
}

/** In our own words: those of a parser may hold what it read. */
function whyOf({ reason }: GuestOutcome & { ok: false }): string {
  switch (reason) {
    case "deadline":
      return "its parser was not done in its time, and was stopped"
    case "memory":
      return "its parser used more memory than it may, and was stopped"
    case "size":
      return "it is larger than a parser takes"
    case "cancelled":
      return "its parser was stopped"
    case "unavailable":
      return "no process for its parser could be started"
    default:
      return "its parser failed"
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return undefined // judged by its shape: this has none
  }
}
