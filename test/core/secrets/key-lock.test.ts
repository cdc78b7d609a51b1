/** The master key under a passphrase: what opens it, what does not, and what a file may ask of whoever opens it. */
import { beforeAll, describe, expect, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import { createKeyLock, isSealedKey, judgeKeyPassphrase, sealedKeyAbout } from "#core/secrets/key-lock.ts"
import { newKeyText } from "#core/secrets/key-text.ts"

const passphrase = "correct horse battery staple"
const key = newKeyText()
const id = "0".repeat(32)
const lockOf = (words: string) => createKeyLock({ passphrase: words, clock: systemClock })
const codeOf = async (work: () => Promise<unknown>) =>
  work()
    .then(() => "done")
    .catch((error: unknown) => (error instanceof AppError ? error.code : String(error)))

let sealed = ""
beforeAll(async () => {
  sealed = await lockOf(passphrase).seal({ text: key, id })
})

test("the passphrase opens it in another process's lock, and the file shows neither of the two", async () => {
  expect(await lockOf(passphrase).open(sealed)).toBe(key)
  expect([isSealedKey(sealed), isSealedKey(key)]).toEqual([true, false])
  expect(sealed).not.toContain(key)
  expect(sealed).not.toContain("horse")
})

test("the same letters, composed otherwise, are the same passphrase", async () => {
  const text = await lockOf("caf\u00e9 caf\u00e9 caf\u00e9 noir").seal({ text: key, id })
  expect(await lockOf("cafe\u0301 cafe\u0301 cafe\u0301 noir").open(text)).toBe(key)
})

test("another passphrase, and every change of the file, fail in the same way", async () => {
  const wrong = await lockOf(`${passphrase} `)
    .open(sealed)
    .catch((error: unknown) => error)
  expect(wrong).toMatchObject({ code: "key.passphrase_wrong" })
  const lock = lockOf(passphrase)
  await lock.open(sealed) // stretched once: what is changed below costs nothing more, but for the passes
  for (const change of [
    (text: string) => text.replace(id, `1${id.slice(1)}`),
    (text: string) => text.replace(/"nonce": "(..)/, (_, two: string) => `"nonce": "${two === "00" ? "11" : "00"}`),
    (text: string) => text.replace(/"sealed": "(..)/, (_, two: string) => `"sealed": "${two === "00" ? "11" : "00"}`),
    (text: string) => text.replace(/"passes": \d+/, '"passes": 1'),
  ]) {
    const changed = change(sealed)
    expect(changed).not.toBe(sealed)
    const error = await lock.open(changed).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: "key.passphrase_wrong", message: (wrong as AppError).message })
  }
})

test("a file cannot ask for more memory or time than a machine has, nor for another way", async () => {
  for (const change of [
    (text: string) => text.replace(/"memoryKib": \d+/, '"memoryKib": 999999999'),
    (text: string) => text.replace(/"passes": \d+/, '"passes": 100000'),
    (text: string) => text.replace("argon2id", "none"),
    (text: string) => text.replace('"format": 1', '"format": 2'),
    (text: string) => text.slice(0, 40),
    () => "{}",
  ])
    expect(await codeOf(() => lockOf(passphrase).open(change(sealed)))).toBe("key.damaged")
})

test("stretching is strong at least as RFC 9106 asks, and one lock stretches once", async () => {
  expect(sealedKeyAbout(sealed)).toMatchObject({ memoryKib: 65_536 })
  expect(sealedKeyAbout(sealed).passes).toBeGreaterThanOrEqual(3)
  const lock = lockOf(passphrase)
  await lock.open(sealed)
  const again = await lock.seal({ text: newKeyText(), id })
  const salt = (text: string): string => JSON.parse(text).header.salt
  const nonce = (text: string): string => JSON.parse(text).header.nonce
  expect(salt(again)).toBe(salt(sealed))
  expect(nonce(again)).not.toBe(nonce(sealed))
})

describe("a passphrase", () => {
  for (const words of ["short", "aaaaaaaaaaaaaaaaaaaa", "12345678901234567890", "abcabcabcabcabcabc"])
    test(`"${words}" is too weak`, () =>
      expect(() => judgeKeyPassphrase(words)).toThrow(expect.objectContaining({ code: "key.passphrase_weak" })))
  test("of a few words is good", () => expect(() => judgeKeyPassphrase(passphrase)).not.toThrow())
})
