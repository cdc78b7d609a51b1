import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type AuditSeal, createAuditHead, forgetAuditHead } from "#core/audit-head.ts"
import type { Log } from "#core/log.ts"
import { newKeyText } from "#core/secrets/key-text.ts"
import { masterKeyOf } from "#core/secrets/master-key.ts"
import { createFakeClock, type FakeClock } from "../fakes/clock.ts"
import { makeHome, type TestHome } from "../fakes/home.ts"

const sealOf = (text: string): AuditSeal => {
  const key = masterKeyOf(text, "environment")
  return { keyId: key.id, hmac: (words) => key.hmac("audit", words) }
}
const ours = sealOf(newKeyText())
const other = sealOf(newKeyText())

describe("the sealed head", () => {
  let home: TestHome
  let clock: FakeClock
  let errors: string[]
  let file: string
  const head = (seal: AuditSeal = ours) => {
    const log: Pick<Log, "error"> = { error: (message) => void errors.push(message) }
    // The head only ever reports errors.
    return createAuditHead({ home: { root: home.path }, seal: () => seal, clock, log: log as Log })
  }

  beforeEach(() => {
    home = makeHome()
    clock = createFakeClock()
    errors = []
    file = join(home.path, "audit-head.json")
  })
  afterEach(() => home[Symbol.dispose]())

  test("is written once a second however many rows are committed, and tells the last", async () => {
    const sealed = head()
    for (let seq = 1; seq <= 100; seq++) sealed.note({ seq, hash: `h${seq}` })
    expect(existsSync(file)).toBeFalse()
    await clock.advance(1_000)
    expect(sealed.read()).toEqual({ state: "sealed", link: { seq: 100, hash: "h100" }, at: "2026-01-15T12:00:01.000Z" })
    expect(clock.waiting()).toBe(0)
  })

  test("is written at close without waiting, and can be read by the owner alone", () => {
    const sealed = head()
    sealed.note({ seq: 3, hash: "h3" })
    sealed.close()
    expect(sealed.read()).toMatchObject({ state: "sealed", link: { seq: 3 } })
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test("is none before the first row", () => {
    expect(head().read()).toEqual({ state: "none" })
  })

  test("is known as forged where any of its fields is not what was sealed", () => {
    const sealed = head()
    sealed.note({ seq: 30, hash: "h30" })
    sealed.close()
    const text = readFileSync(file, "utf8")
    for (const forged of [
      text.replace('"seq":30', '"seq":20'),
      text.replace("h30", "h31"),
      text.replace("2026", "2025"),
      text.replace(/"mac":"."/, '"mac":""'),
      text.replace(/"mac":"[0-9a-f]+"/, '"mac":""'),
      "{}",
      "no JSON",
    ]) {
      if (forged === text) continue
      writeFileSync(file, forged)
      expect(sealed.read()).toEqual({ state: "forged" })
    }
  })

  test("is not overwritten where it is forged, so that the trace stays", () => {
    writeFileSync(file, "{}", { mode: 0o600 })
    const sealed = head()
    sealed.note({ seq: 9, hash: "h9" })
    sealed.close()
    expect(readFileSync(file, "utf8")).toBe("{}")
    expect(errors).toHaveLength(1)
  })

  test("under another master key is foreign, and the next row seals it anew", () => {
    const before = head(other)
    before.note({ seq: 50, hash: "h50" })
    before.close()
    const sealed = head()
    expect(sealed.read()).toEqual({ state: "foreign" })
    sealed.note({ seq: 7, hash: "h7" })
    sealed.close()
    expect(sealed.read()).toMatchObject({ state: "sealed", link: { seq: 7 } })
  })

  test("never goes back: of several processes the one with the highest row stays", () => {
    const first = head()
    const second = head()
    first.note({ seq: 12, hash: "h12" })
    second.note({ seq: 11, hash: "h11" })
    first.close()
    second.close()
    expect(head().read()).toMatchObject({ link: { seq: 12 } })
  })

  test("that others can read is refused, and told", () => {
    const sealed = head()
    sealed.note({ seq: 1, hash: "h1" })
    sealed.close()
    chmodSync(file, 0o644)
    expect(() => sealed.read()).toThrow("can be read by others")
    sealed.note({ seq: 2, hash: "h2" })
    sealed.close()
    expect(errors).toHaveLength(1)
  })

  test("is forgotten by a restore", () => {
    const sealed = head()
    sealed.note({ seq: 100, hash: "h100" })
    sealed.close()
    forgetAuditHead({ root: home.path })
    expect(sealed.read()).toEqual({ state: "none" })
    forgetAuditHead({ root: home.path })
  })
})
