/**
 * The master key: `SECRETS_MASTER_KEY` if set, else the operating system's keychain, else `master.key` (0600) in the home, which holds
 * it as it is, or sealed by a passphrase (key-lock.ts).
 *
 * The database remembers the key's public id and nothing else of it. A key with another id is refused, never replaced: what it sealed
 * would be lost. A new key is made only for a database that knows none; of several first starts at once, one makes it.
 * A rotation or a restore puts the new key beside the old one before the database changes and in its place afterwards, so that a crash
 * in between leaves a home that still opens: whichever key the database names is there.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { hkdf } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import type { Clock } from "../clock.ts"
import type { Db, Statement } from "../db/db.ts"
import { AppError } from "../errors.ts"
import { createPrivateFile, readPrivateFile, writePrivateFile } from "../home-file.ts"
import type { Home } from "../home.ts"
import { isSealedKey, type KeyLock } from "./key-lock.ts"
import { newKeyText, parseKey } from "./key-text.ts"
import type { Keychain } from "./keychain.ts"

export type KeySource = "environment" | "keychain" | "file" | "passphrase"
/** What a key is for: each purpose has a key of its own, and knowing one says nothing of the others. */
export type KeyPurpose = "secrets" | "authority" | "audit"

export type MasterKey = {
  /** Says which key it is and nothing about it. */
  readonly id: string
  readonly source: KeySource
  /** 32 bytes for one purpose. */
  derive(purpose: KeyPurpose): Uint8Array
  /** HMAC-SHA256 under the purpose's key. */
  hmac(purpose: KeyPurpose, text: string): Uint8Array
  /** The key itself, in hex, for a backup alone. */
  reveal(): string
}

/** Whoever can be asked for rows: the database, or a transaction. */
export type Asking = Pick<Db, "orm" | "query">
/** What has to change in the database when the master key does, beside the secrets: rows that were sealed under it. */
export type Reseal = (db: Asking, keys: { from: MasterKey; to: MasterKey }) => Promise<Statement[]>

export type KeyPlace = {
  home: Home
  keychain: Keychain
  /** What SECRETS_MASTER_KEY holds; undefined where it is not set. */
  environment: string | undefined
  /** Opens a key file that is sealed by a passphrase; null where nobody gave one. */
  lock: KeyLock | null
}

const KEY_ID = "master_key_id"
export const ENVIRONMENT_NAME = "SECRETS_MASTER_KEY"
/** What opens a sealed key file, for who cannot be asked. */
export const PASSPHRASE_NAME = "IRONCLAW_KEY_PASSPHRASE"
const FILE_NAME = "master.key"
const KEY_BYTES = 32
const ID_BYTES = 16 // enough that no two keys share one; short enough to read out

const KNOWN: Statement = {
  // A database that lost the row still tells by its secrets which key it had.
  sql: `select coalesce((select value from meta where key = '${KEY_ID}'), (select key_id from secrets order by name limit 1)) as id`,
  params: [],
}
// Another process may just be registering its key, or moving it into the keychain: both take milliseconds.
const ATTEMPTS = 20
const RETRY_MS = 50

export function masterKeyOf(text: string, source: KeySource): MasterKey {
  const root = parseKey(text, nameOf(source))
  const derive = (info: string, length = KEY_BYTES) =>
    hkdf(sha256, root, undefined, Buffer.from(`ironclaw/v1/${info}`), length)
  const purposes = new Map<KeyPurpose, Uint8Array>()
  const keyFor = (purpose: KeyPurpose) => {
    const key = purposes.get(purpose) ?? derive(purpose)
    purposes.set(purpose, key)
    return key
  }
  return {
    id: derive("key-id", ID_BYTES).toHex(),
    source,
    derive: keyFor,
    hmac: (purpose, text) => hmac(sha256, keyFor(purpose), Buffer.from(text)),
    reveal: () => root.toHex(),
  }
}

/** Throws `key.weak`, `key.missing`, `key.wrong`, `home.unsafe_file`. */
export async function openMasterKey({ db, clock, ...place }: KeyPlace & { db: Db; clock: Clock }): Promise<MasterKey> {
  for (let attempt = 1; ; attempt++) {
    const known = await knownKeyId(db)
    const found = await storedKeys(place, known)
    if (known !== null) {
      const key = found.find(({ id }) => id === known)
      if (key) return key
      if (attempt === ATTEMPTS || found[0]?.source === "environment") throw strange(found[0], known, place.home)
      await clock.sleep(RETRY_MS)
      continue
    }
    const key = found[0] ?? (await makeKey(place))
    if (key && (await registerKey(db, key.id))) {
      if (key.source === "keychain") rmSync(fileOf(place.home), { force: true }) // it was there while the key was on its way
      return key
    }
    if (attempt === ATTEMPTS) throw new AppError("conflict", "Other processes keep changing the master key")
    await clock.sleep(RETRY_MS)
  }
}

/** The id of the key that this database was sealed under; null before the first start. */
export async function knownKeyId(db: Asking): Promise<string | null> {
  const [row] = await db.query(KNOWN)
  return typeof row?.["id"] === "string" ? row["id"] : null
}

/** Fails as `conflict` where the database has moved on to another key than `from`. */
export function keyIdChange(from: string, to: string): Statement {
  return {
    sql: `with done as (update meta set value = $1 where key = '${KEY_ID}' and value = $2 returning 1)
      select expect_rows(count(*), 1, 'The master key was changed by another process') from done`,
    params: [to, from],
  }
}

/** Whether this home's key file is sealed by a passphrase: without {@link KeyPlace.lock} nobody can read it. */
export function isKeySealed(home: Home): boolean {
  const text = readPrivateFile(fileOf(home))
  return text !== null && isSealedKey(text)
}

/** Tries a passphrase on this home's sealed key. Throws `key.passphrase_wrong`, `key.damaged`. */
export async function sealedKeyOpens(home: Home, lock: KeyLock): Promise<void> {
  const text = readPrivateFile(fileOf(home))
  if (text !== null && isSealedKey(text)) await lock.open(text)
}

type FilePlace = Pick<KeyPlace, "home" | "lock">

/** Where the key of a rotation or a restore is until the database names it. Only then {@link promoteKey}. Throws `key.passphrase_missing`. */
export async function stageKey(place: FilePlace, key: MasterKey): Promise<void> {
  const { text } = await fileTextOf(place, key)
  writePrivateFile(stagedOf(place.home, key.id), text)
}

/** Puts a staged key in the place of the old one: the keychain where that works, else the file, sealed where that was. */
export async function promoteKey(
  { keychain, ...place }: Pick<KeyPlace, "home" | "keychain" | "lock">,
  key: MasterKey,
): Promise<MasterKey> {
  const { home } = place
  const inKeychain = readPrivateFile(fileOf(home)) === null && (await keychain.write(key.reveal()))
  const { text, source } = await fileTextOf(place, key)
  if (!inKeychain) writePrivateFile(fileOf(home), text)
  rmSync(stagedOf(home, key.id), { force: true })
  return { ...key, source: inKeychain ? "keychain" : source }
}

/** What a file of this home holds of a key: it is not unsealed by the way, because the key is another one. */
async function fileTextOf({ home, lock }: FilePlace, key: MasterKey): Promise<{ text: string; source: KeySource }> {
  if (!isKeySealed(home)) return { text: key.reveal(), source: "file" }
  if (lock === null) throw passphraseMissing(home)
  return { text: await lock.seal({ text: key.reveal(), id: key.id }), source: "passphrase" }
}

export function passphraseMissing(home: Home): AppError {
  return new AppError("key.passphrase_missing", `The master key in ${fileOf(home)} is sealed by a passphrase`)
}

/** Where this home's key is now; null where none is yet. */
export async function keySourceOf({ home, keychain, environment }: Omit<KeyPlace, "lock">): Promise<KeySource | null> {
  if (environment !== undefined) return "environment"
  const inFile = readPrivateFile(fileOf(home))
  if (inFile !== null) return isSealedKey(inFile) ? "passphrase" : "file"
  return (await keychain.read()) === null ? null : "keychain"
}

/** Where the owner can put the key; for a passphrase, the lock that it is sealed by from then on. */
export type KeyDestination = "keychain" | "file" | KeyLock

/**
 * Puts the key where the owner wants it, the same key: made now where there is none. False where the keychain does not hold it; then it
 * stays where it was. At every moment at least one place has it. Throws `conflict` where another process changes the key meanwhile.
 */
export async function keepKeyIn(place: KeyPlace, to: KeyDestination): Promise<boolean> {
  const { home, keychain } = place
  const path = fileOf(home)
  const inFile = readPrivateFile(path)
  if (to === "file" && inFile !== null && !isSealedKey(inFile)) return true
  const found = inFile === null ? null : (await fileKey(inFile, place)).reveal()
  const inKeychain = found === null ? await keychain.read() : null
  if (to === "keychain") {
    if (inKeychain !== null) return true
    if (!(await keychain.write(found ?? newKeyText()))) return false
    assertSame(path, inFile)
    rmSync(path, { force: true })
    return true
  }
  const key = masterKeyOf(found ?? inKeychain ?? newKeyText(), "file")
  const text = to === "file" ? key.reveal() : await to.seal({ text: key.reveal(), id: key.id })
  if (inFile === null) {
    if (!createPrivateFile(path, text)) {
      if (to === "file") return true // another process was just as fast
      throw changedMeanwhile()
    }
  } else {
    assertSame(path, inFile)
    writePrivateFile(path, text)
  }
  if (inKeychain !== null) await keychain.delete() // a copy that stays behind opens the same database and no other
  return true
}

/** A rotation between our look and our writing would lose its new key. */
function assertSame(path: string, before: string | null): void {
  if (readPrivateFile(path) !== before) throw changedMeanwhile()
}

function changedMeanwhile(): AppError {
  return new AppError("conflict", "Another process changed the master key meanwhile", { hint: "Try again." })
}

/** Every key that could be this home's, the best place first. Where the database names one, the dear places are asked only if needed. */
async function storedKeys(place: KeyPlace, known: string | null): Promise<MasterKey[]> {
  const { home, keychain, environment } = place
  if (environment !== undefined) return [masterKeyOf(environment, "environment")]
  const inFile = readPrivateFile(fileOf(home))
  const fromFile = inFile === null ? null : await fileKey(inFile, place)
  if (fromFile && fromFile.id === known) return [fromFile]
  const inKeychain = await keychain.read()
  const fromKeychain = inKeychain === null ? null : masterKeyOf(inKeychain, "keychain")
  const found = [fromKeychain, fromFile].filter((key) => key !== null)
  if (known === null || found.some(({ id }) => id === known)) return found
  // A crash came between the database's change of key and ours.
  const staged = readPrivateFile(stagedOf(home, known))
  return staged === null ? found : [await promoteKey(place, await fileKey(staged, place))]
}

/** Of what a key file holds. Throws `key.passphrase_missing`, `key.passphrase_wrong`, `key.damaged`. */
async function fileKey(text: string, { home, lock }: FilePlace): Promise<MasterKey> {
  if (!isSealedKey(text)) return masterKeyOf(text, "file")
  if (lock === null) throw passphraseMissing(home)
  return masterKeyOf(await lock.open(text), "passphrase")
}

/** A new key, in the file for the moment, where exactly one process can make it. Null where another one was faster. */
async function makeKey({ home, keychain }: KeyPlace): Promise<MasterKey | null> {
  const text = newKeyText()
  if (!createPrivateFile(fileOf(home), text)) return null
  const before = await keychain.read()
  if (before !== null) {
    // It came there between our first look and our file, from a process whose file is gone again.
    rmSync(fileOf(home), { force: true })
    return null
  }
  return masterKeyOf(text, (await keychain.write(text)) ? "keychain" : "file")
}

/** Writes the id down unless there is one. True where the database's key is this one. */
async function registerKey(db: Db, id: string): Promise<boolean> {
  const insert = { sql: `insert into meta (key, value) values ('${KEY_ID}', $1) on conflict do nothing`, params: [id] }
  await db.batch([insert])
  return (await knownKeyId(db)) === id
}

function strange(found: MasterKey | undefined, known: string, home: Home): AppError {
  if (!found) {
    return new AppError(
      "key.missing",
      `The database was sealed with the master key ${known}, and there is no key in ${home.root} or the keychain`,
    )
  }
  return new AppError(
    "key.wrong",
    `The database was sealed with the master key ${known}; the one in ${nameOf(found.source)} is ${found.id}`,
  )
}

function nameOf(source: KeySource): string {
  const file = `${FILE_NAME} of the home`
  return { environment: ENVIRONMENT_NAME, keychain: "the keychain", file, passphrase: file }[source]
}

const fileOf = (home: Home) => join(home.root, FILE_NAME)
const stagedOf = (home: Home, id: string) => join(home.root, `${FILE_NAME}.next-${id}`)
