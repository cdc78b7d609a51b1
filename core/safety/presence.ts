/**
 * Question: is the owner there, at a terminal, and do they mean exactly this change?
 * Fails closed by: no proof, no terminal, a family that leads back to us, a code that is wrong, late or for another change are refusals.
 * The code is six digits, shown once on a terminal that this process found by the kernel's word: of the command that asks (its pid is
 * looked up in /proc), or of the chat that runs here. It is bound to one change, for two minutes and five tries, and used once.
 * Known limits: the kernel draws no line between two programs of one user, so one that may trace the owner's terminal, or hold a
 * terminal of its own without descending from us, passes; what we start runs in a PID namespace or a locked child, which cannot leave
 * the family. On macOS and Windows only this very process's terminal can be looked at: with a service in the background, changes are
 * made in the chat, or after it was stopped.
 * Source: INTERFACES "Verbs that change safety"; CVE-2026-25253 (a stolen token turned approvals off), CVE-2026-28473 (approval by text).
 */
import { timingSafeEqual } from "node:crypto"
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import { randomToken } from "../id.ts"
import { canonicalJson, sha256Hex } from "./fingerprint.ts"
import type { Terminals } from "./presence-terminal.ts"
import { visibleText } from "./approval-question.ts"

/** How the request came. Only what comes from this machine can be at a terminal of it. */
export type Way = "tcp" | "socket" | "process"

/** One change of safety, whole: `details` holds every choice that it makes, `words` say it to the owner. */
export type SafetyChange = { verb: string; subject: string; details: unknown; words: string }

/** `ask`: show me a code; `pid` is the process at whose terminal the owner sits. Then the code comes back. */
export type Proof = { ask: { pid?: number } } | { challenge: string; code: string }

export type Challenge = {
  id: string
  /** `here`: it went to no screen, for this process asked for itself and shows the question itself. */
  shownOn: "terminal" | "chat" | "here"
  /** The code, for a caller in this very process alone. */
  code: string | null
  /** What it is for, as it was shown. */
  words: string
  expiresAt: string
}

export type ShownCode = { code: string; words: string; challenge: string }

export type Presence = {
  /** Null: the owner is there and means this. Else the code was shown, and the same request comes again with it. Throws `presence.…`. */
  prove(change: SafetyChange, given: { proof: Proof | undefined; way: Way }): Challenge | null
  /** The chat that holds this service's terminal shows codes that others ask for. The last one to say so shows them. */
  showIn(show: (code: ShownCode) => void): () => void
  /** Every code that is open is worth nothing any more. */
  forgetAll(): void
}

const CODE_DIGITS = 6
const LIFETIME_MS = 120_000 // reading six digits and typing them takes ten seconds; two minutes are for the question above them
const MAX_TRIES = 5
/** Codes open at a time for each way in: the owner asks for one. More would flood the terminal and multiply the tries. */
const MAX_OPEN = 4
/** Wrong codes within an hour and one way in, after which it is closed for the rest of that hour: 240 tries a day against a million codes. */
const MAX_WRONG = 10
const WRONG_WINDOW_MS = 3_600_000
/** Of the question, as it stands above a code. */
const MAX_WORDS = 12_000

type Open = Challenge & { secret: string; fingerprint: string; way: Way; untilMs: number; triesLeft: number }

export function createPresence({
  clock,
  terminals,
  ownPid,
}: {
  clock: Clock
  terminals: Terminals
  ownPid: number
}): Presence {
  const open = new Map<string, Open>()
  const wrong: { way: Way; atMs: number }[] = []
  let chat: ((code: ShownCode) => void) | null = null

  function prune(): void {
    const nowMs = clock.monotonicMs()
    for (const [id, { untilMs }] of open) if (untilMs <= nowMs) open.delete(id)
    while (wrong[0] && wrong[0].atMs <= nowMs - WRONG_WINDOW_MS) wrong.shift()
  }

  function ask(change: SafetyChange, pid: number | undefined, way: Way): Challenge {
    if ([...open.values()].filter((one) => one.way === way).length >= MAX_OPEN)
      throw new AppError("presence.too_many", "Too many codes are open; each ends two minutes after it was shown", {
        retryAfterSeconds: LIFETIME_MS / 1_000,
      })
    const words = visibleText(change.words).slice(0, MAX_WORDS)
    const secret = sixDigits()
    const id = randomToken(16)
    const shownOn = show({ code: secret, words, challenge: id }, { pid, way })
    const challenge: Challenge = {
      id,
      shownOn,
      code: shownOn === "here" ? secret : null,
      words,
      expiresAt: new Date(clock.nowMs() + LIFETIME_MS).toISOString(),
    }
    open.set(id, {
      ...challenge,
      secret,
      fingerprint: fingerprintOf(change),
      way,
      untilMs: clock.monotonicMs() + LIFETIME_MS,
      triesLeft: MAX_TRIES,
    })
    return challenge
  }

  /** Finds a place where the owner, and nobody who may have sent the request, reads it. */
  function show(shown: ShownCode, { pid, way }: { pid: number | undefined; way: Way }): Challenge["shownOn"] {
    if (way === "process") {
      const judged = terminals.judge(ownPid)
      if (judged.verdict === "refuse") throw notAtTerminal(judged.why)
      return "here"
    }
    if (pid !== undefined) {
      // A request over the network may come from anywhere; it does not get to write on the owner's terminals.
      if (way === "tcp") throw notAtTerminal("a request over the network has no terminal here")
      const judged = terminals.judge(pid)
      if (judged.verdict === "refuse") throw notAtTerminal(judged.why)
      if (!terminals.write(judged.path, terminalText(shown)))
        throw notAtTerminal("the terminal does not take the code (is its output stopped?)")
      return "terminal"
    }
    if (chat === null) throw notAtTerminal("no chat runs in this service that could show a code")
    chat(shown)
    return "chat"
  }

  function redeem(change: SafetyChange, proof: { challenge: string; code: string }, way: Way): void {
    if (wrong.filter((one) => one.way === way).length >= MAX_WRONG)
      throw new AppError("presence.too_many", "Too many wrong codes within an hour", {
        retryAfterSeconds: WRONG_WINDOW_MS / 1_000,
      })
    const found = open.get(proof.challenge)
    if (!found || found.way !== way)
      throw new AppError("presence.expired", "This code is not valid any more, or never was")
    // Of another change: whoever holds the code was shown other words than these.
    if (found.fingerprint !== fingerprintOf(change)) {
      open.delete(found.id)
      throw new AppError("presence.expired", "This code was shown for another change")
    }
    found.triesLeft -= 1
    const isRight = isSame(proof.code.replaceAll(" ", ""), found.secret)
    if (isRight || found.triesLeft === 0) open.delete(found.id)
    if (isRight) return
    wrong.push({ way, atMs: clock.monotonicMs() })
    throw found.triesLeft === 0
      ? new AppError("presence.expired", "The code was wrong too often; ask for another one")
      : new AppError("presence.wrong_code", `The code is wrong; ${found.triesLeft} tries are left`)
  }

  return {
    prove(change, { proof, way }) {
      prune()
      if (!proof)
        throw new AppError(
          "presence.required",
          "This changes what is safe, so the owner has to prove that they are there",
        )
      if ("ask" in proof) return ask(change, proof.ask.pid, way)
      redeem(change, proof, way)
      return null
    },
    showIn(show) {
      chat = show
      return () => {
        if (chat === show) chat = null
      }
    },
    forgetAll: () => open.clear(),
  }
}

function notAtTerminal(why: string): AppError {
  return new AppError("presence.no_terminal", `The owner has to be at a terminal for this, and ${why}`)
}

function fingerprintOf({ verb, subject, details }: SafetyChange): string {
  return sha256Hex(canonicalJson([verb, subject, details]))
}

/** Uniform: a draw above the last whole million of 2^32 is drawn again. */
function sixDigits(): string {
  const codes = 10 ** CODE_DIGITS
  const limit = 2 ** 32 - (2 ** 32 % codes)
  for (;;) {
    const [bits = 0] = crypto.getRandomValues(new Uint32Array(1))
    if (bits < limit) return String(bits % codes).padStart(CODE_DIGITS, "0")
  }
}

function isSame(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256Hex(a)), Buffer.from(sha256Hex(b)))
}

/** A raw terminal needs the carriage returns; a cooked one does not mind them. */
function terminalText({ code, words }: ShownCode): string {
  const lines = [
    "",
    "ironclaw asks the owner:",
    ...words.split("\n").map((line) => `  ${line}`),
    `Code: ${code.slice(0, 3)} ${code.slice(3)}   (two minutes; type it only if you asked for this yourself)`,
    "",
  ]
  return lines.map((line) => `${line}\r\n`).join("")
}
