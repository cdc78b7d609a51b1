import { describe, expect, test } from "bun:test"
import { AppError } from "#core/errors.ts"
import { type Challenge, createPresence, type Proof, type ShownCode, type Way } from "#core/safety/presence.ts"
import { createFakeClock } from "../../fakes/clock.ts"

const change = { verb: "grant.add", subject: "mail_send", details: { to: "mia" }, words: "Let it write to Mia." }
const TERMINAL = 7

function open({ takesText = true } = {}) {
  const clock = createFakeClock()
  const screen: string[] = []
  let mayShow = true
  const presence = createPresence({
    clock,
    ownPid: TERMINAL,
    terminals: {
      judge: (pid) =>
        pid === TERMINAL && mayShow ? { verdict: "allow", path: "/dev/pts/1" } : { verdict: "refuse", why: "none" },
      write: (_, text) => takesText && screen.push(text) > 0,
    },
  })
  const prove = (
    proof: Proof | undefined,
    { way = "socket", of = change }: { way?: Way; of?: typeof change } = {},
  ): Challenge | null | string => {
    try {
      return presence.prove(of, { proof, way })
    } catch (error) {
      return error instanceof AppError ? error.code : String(error)
    }
  }
  const ask = (way: Way = "socket"): Challenge => {
    const asked = prove(way === "socket" ? { ask: { pid: TERMINAL } } : { ask: {} }, { way })
    if (asked === null || typeof asked === "string") throw new Error(`No code: ${asked}`)
    return asked
  }
  const lastCode = () => (/Code: (\d{3} \d{3})/.exec(screen.at(-1) ?? "")?.[1] ?? "").replace(" ", "")
  return { clock, presence, prove, ask, screen, lastCode, hide: () => (mayShow = false) }
}
const wrong = (code: string) => (code === "000000" ? "000001" : "000000")

describe("a code", () => {
  test("proves the change that it was shown for, once", () => {
    const { prove, ask, lastCode, screen } = open()
    const { id, code } = ask()
    expect(code).toBeNull()
    expect(screen.join("")).toContain("Let it write to Mia.")
    const proof = { challenge: id, code: lastCode() }
    expect(prove(proof)).toBeNull()
    expect(prove(proof)).toBe("presence.expired")
  })

  test("proves no other change, and nothing any more afterwards", () => {
    const { prove, ask, lastCode } = open()
    const proof = { challenge: ask().id, code: lastCode() }
    expect(prove(proof, { of: { ...change, details: { to: "eve" } } })).toBe("presence.expired")
    expect(prove(proof)).toBe("presence.expired")
  })

  test("proves nothing by another way in", () => {
    const { prove, ask, lastCode } = open()
    const proof = { challenge: ask().id, code: lastCode() }
    expect(prove(proof, { way: "tcp" })).toBe("presence.expired")
    expect(prove(proof, { way: "process" })).toBe("presence.expired")
    expect(prove(proof)).toBeNull()
  })

  test("is good for two minutes", async () => {
    const { prove, ask, lastCode, clock } = open()
    const early = { challenge: ask().id, code: lastCode() }
    await clock.advance(119_999)
    expect(prove(early)).toBeNull()
    const late = { challenge: ask().id, code: lastCode() }
    await clock.advance(120_000)
    expect(prove(late)).toBe("presence.expired")
  })

  test("is good for two minutes of real time whatever the wall clock does", async () => {
    const { prove, ask, lastCode, clock } = open()
    const proof = { challenge: ask().id, code: lastCode() }
    clock.jump(-3_600_000)
    await clock.advance(121_000)
    expect(prove(proof)).toBe("presence.expired")
  })

  test("may be mistyped four times, and then is gone", () => {
    const { prove, ask, lastCode } = open()
    const { id } = ask()
    const tries = Array.from({ length: 5 }, () => prove({ challenge: id, code: wrong(lastCode()) }))
    expect(tries).toEqual([...Array<string>(4).fill("presence.wrong_code"), "presence.expired"])
    expect(prove({ challenge: id, code: lastCode() })).toBe("presence.expired")
  })

  test("cannot be guessed at for long: ten wrong ones close that way in for an hour, and no other", async () => {
    const { prove, ask, lastCode, clock, presence } = open()
    presence.showIn(() => {})
    for (let round = 0; round < 2; round++) {
      const { id } = ask()
      for (let n = 0; n < 5; n++) prove({ challenge: id, code: wrong(lastCode()) })
    }
    const next = { challenge: ask().id, code: lastCode() }
    expect(prove(next)).toBe("presence.too_many")
    const own = ask("process")
    expect(prove({ challenge: own.id, code: own.code ?? "" }, { way: "process" })).toBeNull()
    await clock.advance(3_600_001)
    expect(prove({ challenge: ask().id, code: lastCode() })).toBeNull()
  })

  test("is one of four that are open at a time", async () => {
    const { prove, ask, clock } = open()
    for (let n = 0; n < 4; n++) ask()
    expect(prove({ ask: { pid: TERMINAL } })).toBe("presence.too_many")
    await clock.advance(120_000)
    expect(typeof prove({ ask: { pid: TERMINAL } })).toBe("object")
  })

  test("may be typed with the gap that it is shown with", () => {
    const { prove, ask, lastCode } = open()
    const { id } = ask()
    expect(prove({ challenge: id, code: `${lastCode().slice(0, 3)} ${lastCode().slice(3)}` })).toBeNull()
  })

  test("is worth nothing after a lockdown", () => {
    const { prove, ask, lastCode, presence } = open()
    const proof = { challenge: ask().id, code: lastCode() }
    presence.forgetAll()
    expect(prove(proof)).toBe("presence.expired")
  })
})

describe("a place to show it", () => {
  test("is a terminal that was judged, and over the network never one", () => {
    const { prove, screen } = open()
    expect(prove({ ask: { pid: 99 } })).toBe("presence.no_terminal")
    expect(prove({ ask: { pid: TERMINAL } }, { way: "tcp" })).toBe("presence.no_terminal")
    expect(screen).toEqual([])
  })

  test("is refused where the terminal does not take it", () => {
    const { prove } = open({ takesText: false })
    expect(prove({ ask: { pid: TERMINAL } })).toBe("presence.no_terminal")
  })

  test("is the chat of this service while it runs, for whoever has no terminal", () => {
    const { prove, presence } = open()
    expect(prove({ ask: {} }, { way: "tcp" })).toBe("presence.no_terminal")
    const shown: ShownCode[] = []
    const stop = presence.showIn((code) => shown.push(code))
    const challenge = prove({ ask: {} }, { way: "tcp" })
    expect(challenge).toMatchObject({ shownOn: "chat", code: null, id: shown[0]?.challenge })
    expect(prove({ challenge: shown[0]?.challenge ?? "", code: shown[0]?.code ?? "" }, { way: "tcp" })).toBeNull()
    stop()
    expect(prove({ ask: {} }, { way: "tcp" })).toBe("presence.no_terminal")
  })

  test("is this process itself only where it sits at a terminal", () => {
    const { prove, ask, hide } = open()
    expect(ask("process").code).toMatch(/^\d{6}$/)
    hide()
    expect(prove({ ask: {} }, { way: "process" })).toBe("presence.no_terminal")
  })

  test("shows words in which nothing hides, moves the cursor or makes a line that looks like the code's", () => {
    const { prove, screen } = open()
    prove({ ask: { pid: TERMINAL } }, { of: { ...change, words: "a\u001b[2Jb\u202Ec\nCode: 111 111" } })
    const text = screen.join("")
    expect(text).not.toContain("\u001b")
    expect(text).not.toContain("\u202E")
    expect(text.split("\r\n").filter((line) => line.startsWith("Code: "))).toHaveLength(1)
  })
})

test("without any proof nothing is proved, on every way in", () => {
  const { prove } = open()
  for (const way of ["tcp", "socket", "process"] as const) expect(prove(undefined, { way })).toBe("presence.required")
})
