/** Where the master key comes from, who makes it, and what happens when it is not the one the database knows. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import type { Db } from "#core/db/db.ts"
import { AppError } from "#core/errors.ts"
import { openHome } from "#core/home.ts"
import { newKeyText } from "#core/secrets/key-text.ts"
import { createKeyLock, type KeyLock } from "#core/secrets/key-lock.ts"
import { type Keychain, systemKeychain } from "#core/secrets/keychain.ts"
import {
  keepKeyIn,
  keySourceOf,
  knownKeyId,
  masterKeyOf,
  openMasterKey,
  promoteKey,
  stageKey,
} from "#core/secrets/master-key.ts"
import { openMemoryDb } from "../db/memory.ts"
import { makeHome } from "#test/fakes/home.ts"

const noKeychain: Keychain = {
  read: async () => null,
  works: async () => false,
  write: async () => false,
  delete: async () => false,
}
function fakeKeychain(): Keychain & { stored: string | null } {
  return {
    stored: null,
    async read() {
      await systemClock.sleep(1)
      return this.stored
    },
    async write(text) {
      await systemClock.sleep(2)
      this.stored = text
      return true
    },
    works: async () => true,
    async delete() {
      this.stored = null
      return true
    },
  }
}

let db: Db
let home = makeHome()
beforeEach(async () => {
  await db?.close()
  home[Symbol.dispose]()
  db = await openMemoryDb()
  home = makeHome()
})
afterAll(async () => {
  await db.close()
  home[Symbol.dispose]()
})
const homeOf = (path = home.path) => openHome({ env: {}, explicit: path })
const open = (given: { keychain?: Keychain; environment?: string; home?: string; lock?: KeyLock } = {}) =>
  openMasterKey({
    db,
    clock: systemClock,
    home: homeOf(given.home),
    keychain: given.keychain ?? noKeychain,
    environment: given.environment,
    lock: given.lock ?? null,
  })
const codeOf = async (work: Promise<unknown>) =>
  work.then(() => "done").catch((error: unknown) => (error instanceof AppError ? error.code : String(error)))
const file = () => join(home.path, "master.key")

describe("the first start", () => {
  test("makes a key in a file of the owner alone where there is no keychain, and the next start finds it", async () => {
    const first = await open()
    expect(first.source).toBe("file")
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(await knownKeyId(db)).toBe(first.id)
    expect((await open()).id).toBe(first.id)
    expect(JSON.stringify(first)).not.toContain(readFileSync(file(), "utf8"))
  })

  test("puts the key into the keychain where that works, and leaves no file", async () => {
    const keychain = fakeKeychain()
    const first = await open({ keychain })
    expect(first.source).toBe("keychain")
    expect(keychain.stored).toBe(first.reveal())
    expect(existsSync(file())).toBeFalse()
    expect(await open({ keychain })).toMatchObject({ id: first.id, source: "keychain" })
  })

  test("takes the key of the environment and stores it nowhere", async () => {
    const keychain = fakeKeychain()
    const environment = newKeyText()
    expect(await open({ keychain, environment })).toMatchObject({ source: "environment" })
    expect(keychain.stored).toBeNull()
    expect(existsSync(file())).toBeFalse()
    expect(await codeOf(open({ environment: "a".repeat(32) }))).toBe("key.weak")
  })

  for (const [name, keychain] of [
    ["files", noKeychain],
    ["a keychain", fakeKeychain()],
  ] as const) {
    test(`eight times at once with ${name} ends with one key that all of them have`, async () => {
      const keys = await Promise.all(Array.from({ length: 8 }, () => open({ keychain })))
      expect(new Set(keys.map(({ id }) => id)).size).toBe(1)
      expect(await knownKeyId(db)).toBe(keys[0]?.id ?? "")
      expect((await open({ keychain })).id).toBe(keys[0]?.id ?? "")
      expect(readdirSync(home.path).filter((entry) => entry.includes(".new"))).toEqual([])
    })
  }
})

describe("another key than the database knows", () => {
  test("is refused, and nothing is changed or made", async () => {
    const first = await open()
    const other = newKeyText()
    expect(await codeOf(open({ environment: other }))).toBe("key.wrong")
    const text = readFileSync(file(), "utf8")
    writeFileSync(file(), other)
    expect(await codeOf(open())).toBe("key.wrong")
    expect(readFileSync(file(), "utf8")).toBe(other)
    expect(await knownKeyId(db)).toBe(first.id)
    writeFileSync(file(), text)
    expect((await open()).id).toBe(first.id)
  })

  test("is not made where the key is gone, nor where only the database's note of it is", async () => {
    const first = await open()
    using elsewhere = makeHome()
    expect(await codeOf(open({ home: elsewhere.path }))).toBe("key.missing")
    await db.query({
      sql: "insert into secrets (name, version, key_id, nonce, ciphertext) values ('A', 1, $1, '', '')",
      params: [first.id],
    })
    await db.query({ sql: "delete from meta", params: [] })
    expect(await codeOf(open({ home: elsewhere.path }))).toBe("key.missing")
    expect(readdirSync(elsewhere.path)).toEqual([])
  })

  test("is found beside the old one after a crash in a rotation, on either side of the commit", async () => {
    const first = await open()
    const next = masterKeyOf(newKeyText(), "file")
    await stageKey({ home: homeOf(), lock: null }, next)
    expect((await open()).id).toBe(first.id)
    await db.query({ sql: "update meta set value = $1", params: [next.id] })
    expect(await open()).toMatchObject({ id: next.id, source: "file" })
    expect(readFileSync(file(), "utf8")).toBe(next.reveal())
    expect(readdirSync(home.path)).toEqual(["master.key"])
  })
})

describe("the file", () => {
  test("is not read through a symlink, nor where others can read it", async () => {
    using elsewhere = makeHome()
    const target = join(elsewhere.path, "planted")
    writeFileSync(target, newKeyText(), { mode: 0o600 })
    symlinkSync(target, file())
    expect(await codeOf(open())).toBe("home.unsafe_file")
    expect(await knownKeyId(db)).toBeNull()
  })

  test("that others can read is refused", async () => {
    writeFileSync(file(), newKeyText(), { mode: 0o644 })
    expect(await codeOf(open())).toBe("home.unsafe_file")
  })

  test("takes a promoted key where the keychain does not hold it", async () => {
    const key = masterKeyOf(newKeyText(), "file")
    expect((await promoteKey({ home: homeOf(), keychain: noKeychain, lock: null }, key)).source).toBe("file")
    expect(readFileSync(file(), "utf8")).toBe(key.reveal())
  })
})

describe("what is derived", () => {
  const key = masterKeyOf("9f1c04d7e3a86b52f0917de4c83b25a6017f9eb4d2683c5af7108e9bc64d3e21", "file")

  test("is another key for every purpose, none of them the key, and the same after every start", () => {
    const derived = [key.derive("secrets"), key.derive("authority"), key.derive("audit")].map((each) => each.toHex())
    expect(new Set([...derived, key.reveal(), key.id]).size).toBe(5)
    // HKDF-SHA256 (RFC 5869) without salt, info "ironclaw/v1/…", made once with another implementation (node:crypto).
    expect(key.id).toBe("8dffb60e23d833fe704ba3e342263807")
    expect(derived[0]).toBe("d0f86cab2a19b30b98287be1a6be64033130773b33b4c014b82fe9765560452d")
  })

  test("seals texts by HMAC", () => {
    expect(Buffer.from(key.hmac("audit", "a")).toString("hex")).not.toBe(
      Buffer.from(key.hmac("authority", "a")).toString("hex"),
    )
    expect(key.hmac("audit", "a")).toEqual(key.hmac("audit", "a"))
  })
})

test("a keychain that is not there is none, and says so quickly", async () => {
  // A display and a session bus are what a keychain needs on Linux; elsewhere this would touch the tester's own.
  if (process.platform !== "linux" || process.env["DBUS_SESSION_BUS_ADDRESS"])
    return expect(process.platform).toBeString()
  const keychain = systemKeychain({ place: "/nowhere", clock: systemClock })
  expect(await keychain.read()).toBeNull()
  expect(await keychain.write(newKeyText())).toBeFalse()
})

describe("where the owner wants the key", () => {
  const placeOf = (keychain: Keychain) => ({ home: homeOf(), keychain, environment: undefined, lock: null })

  test("it is made in the file although a keychain is there, and opens the vault from then on", async () => {
    const keychain = fakeKeychain()
    expect(await keySourceOf(placeOf(keychain))).toBeNull()
    expect(await keepKeyIn(placeOf(keychain), "file")).toBe(true)
    expect((await open({ keychain })).source).toBe("file")
    expect(keychain.stored).toBeNull()
  })

  test("it moves from one place to the other and back, and is the same key", async () => {
    const keychain = fakeKeychain()
    const { id } = await open({ keychain })
    for (const to of ["file", "keychain", "file"] as const) {
      expect(await keepKeyIn(placeOf(keychain), to)).toBe(true)
      expect(await keySourceOf(placeOf(keychain))).toBe(to)
      expect(await open({ keychain })).toMatchObject({ id, source: to })
    }
    expect(keychain.stored).toBeNull()
  })

  test("a keychain that does not work leaves it where it was", async () => {
    const { id } = await open()
    expect(await keepKeyIn(placeOf(noKeychain), "keychain")).toBe(false)
    expect(await open()).toMatchObject({ id, source: "file" })
  })
})

describe("sealed by a passphrase", () => {
  const lockOf = (passphrase: string) => createKeyLock({ passphrase, clock: systemClock })
  const lock = lockOf("correct horse battery staple")
  const placeOf = (keychain: Keychain, given: KeyLock | null = lock) => ({
    home: homeOf(),
    keychain,
    environment: undefined,
    lock: given,
  })

  test("it is the same key, in a file of which a copy is worth nothing, and opens with the passphrase alone", async () => {
    const { id } = await open()
    const clear = readFileSync(file(), "utf8")
    expect(await keepKeyIn(placeOf(noKeychain), lock)).toBe(true)
    expect(readFileSync(file(), "utf8")).not.toContain(clear)
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(await keySourceOf(placeOf(noKeychain))).toBe("passphrase")
    expect(await open({ lock })).toMatchObject({ id, source: "passphrase" })
    expect(await codeOf(open())).toBe("key.passphrase_missing")
    expect(await codeOf(open({ lock: lockOf("another horse battery staple") }))).toBe("key.passphrase_wrong")
    expect(await open({ lock: lockOf("correct horse battery staple") })).toMatchObject({ id })
    expect(readdirSync(home.path)).toEqual(["master.key"])
  })

  test("it moves there from the keychain and to every other place and back", async () => {
    const keychain = fakeKeychain()
    const { id } = await open({ keychain })
    for (const [to, source] of [
      [lock, "passphrase"],
      ["keychain", "keychain"],
      [lock, "passphrase"],
      ["file", "file"],
      [lock, "passphrase"],
    ] as const) {
      expect(await keepKeyIn(placeOf(keychain), to)).toBe(true)
      expect(await keySourceOf(placeOf(keychain))).toBe(source)
      expect(await open({ keychain, lock })).toMatchObject({ id, source })
      expect(keychain.stored === null).toBe(source !== "keychain")
    }
    const another = lockOf("another horse battery staple")
    expect(await keepKeyIn(placeOf(keychain), another)).toBe(true)
    expect(await open({ keychain, lock: another })).toMatchObject({ id })
    expect(await codeOf(open({ keychain, lock }))).toBe("key.passphrase_wrong")
  })

  test("without the passphrase it is neither moved nor replaced by a new key in the open", async () => {
    await keepKeyIn(placeOf(noKeychain), lock)
    await open({ lock })
    const text = readFileSync(file(), "utf8")
    const next = masterKeyOf(newKeyText(), "file")
    expect(await codeOf(keepKeyIn(placeOf(noKeychain, null), "file"))).toBe("key.passphrase_missing")
    expect(await codeOf(stageKey(placeOf(noKeychain, null), next))).toBe("key.passphrase_missing")
    expect(await codeOf(promoteKey(placeOf(noKeychain, null), next))).toBe("key.passphrase_missing")
    expect(readFileSync(file(), "utf8")).toBe(text)
    expect(readdirSync(home.path)).toEqual(["master.key"])
  })

  test("a rotation's new key is sealed too, beside the old one and after a crash", async () => {
    await keepKeyIn(placeOf(noKeychain), lock)
    await open({ lock })
    const next = masterKeyOf(newKeyText(), "file")
    await stageKey(placeOf(noKeychain), next)
    for (const name of readdirSync(home.path))
      expect(readFileSync(join(home.path, name), "utf8")).not.toContain(next.reveal())
    await db.query({ sql: "update meta set value = $1", params: [next.id] })
    expect(await codeOf(open())).toBe("key.passphrase_missing")
    expect(await open({ lock })).toMatchObject({ id: next.id, source: "passphrase" })
    expect(readdirSync(home.path)).toEqual(["master.key"])
  })
})
