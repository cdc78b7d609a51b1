/**
 * Question: who may use a secret, toward which host?
 * Fails closed by: a value that does not open is no value, and without a value nothing is sent. Values are handed to the egress gate
 * alone, which puts one into a request only toward the origin it was given for; everybody else gets names.
 * Known limits: values are in this process's memory while it runs, for the gate and for redaction; see sealed.ts on former rows.
 * Source: NIST SP 800-38D; IronClaw's own finding that rows could be swapped (no associated data); OWASP Secrets Management.
 */
import type { Clock } from "../clock.ts"
import type { Db, Statement, Writer } from "../db/db.ts"
import type { NewAudit } from "../db/schema.ts"
import type { NewEvent } from "../event.ts"
import { AppError } from "../errors.ts"
import { nearest } from "../nearest.ts"
import type { Log } from "../log.ts"
import {
  ENVIRONMENT_NAME,
  type KeyPlace,
  type KeySource,
  type MasterKey,
  masterKeyOf,
  promoteKey,
  type Reseal,
  stageKey,
} from "./master-key.ts"
import { newKeyText } from "./key-text.ts"
import { keyChangeStatements } from "./rotation.ts"
import { openSecret, sealSecret } from "./sealed.ts"
import {
  deleteSecret,
  putSecret,
  readSecrets,
  SECRET_CHANNEL,
  type SecretRow,
  tellOthers,
  touchSecrets,
} from "./store.ts"

export type SecretInfo = {
  name: string
  /** 1 for the first value, one more with every other. */
  version: number
  /** When this value was set. */
  createdAt: string
  /** When it last went to a host, within the hour. */
  usedAt: string | null
  /** Its row opens under the master key. */
  readable: boolean
}
export type SecretValue = { readonly name: string; readonly value: string }
export type KeyRotation = { keyId: string; source: KeySource; secrets: number }

export type Vault = {
  list(): Promise<SecretInfo[]>
  /** What `set`, or `delete` where the value is null, would refuse; the name as it is kept, and the version that is there (0: none). */
  judge(secret: { name: string; value: string | null; mustExist: boolean }): Promise<{ name: string; version: number }>
  /** Sets the first value or another one; `mustExist` refuses the first. Throws `input.invalid`, `not_found`, `conflict`. */
  set(secret: { name: string; value: string; mustExist?: boolean }): Promise<{ name: string; version: number }>
  delete(name: string): Promise<void>
  /** Sets and deletes (null) several in one transaction with `also`: what belongs together is never half there. Throws as `set` does. */
  setTogether(change: {
    secrets: readonly { name: string; value: string | null }[]
    also: readonly Statement[]
    audit: readonly NewAudit[]
    events?: readonly NewEvent[]
  }): Promise<void>
  /** Reads what another process may have set a moment ago. */
  reload(): Promise<void>
  /** For the egress gate and nobody else. */
  value(name: string): string | null
  /** All values, for redaction. The same list until something changes. */
  values(): readonly SecretValue[]
  /** The gate used these. */
  noteUse(names: readonly string[]): void
  /** Gives the database a new master key in one transaction. `key` is needed where the key is in the environment, and only there. */
  rotateMaster(request: { key: string | null }): Promise<KeyRotation>
  masterKey(): MasterKey
  close(): Promise<void>
}

export type VaultDeps = {
  db: Db
  writer: Writer
  clock: Clock
  log: Log
  key: MasterKey
  reseal: readonly Reseal[]
} & Pick<KeyPlace, "home" | "keychain" | "lock">

/**
 * What opens the backups that the service makes. It lies in the vault, so that it stands in no file and no environment; the owner keeps it
 * elsewhere too. It goes to no host, and no plugin is given it.
 */
export const BACKUP_SECRET = "BACKUP_PASSPHRASE"

const MAX_VALUE_BYTES = 64 * 1024 // a private key with its chain; more is a file
/** When a secret was last used is written at most this often: it serves to find the ones nobody uses. */
const TOUCH_EVERY_MS = 3_600_000

export async function createVault({
  db,
  writer,
  clock,
  log,
  key: firstKey,
  home,
  keychain,
  lock,
  reseal,
}: VaultDeps): Promise<Vault> {
  let key = firstKey
  /** While the master key changes, rows may be under either. */
  const keys = new Map([[key.id, key]])
  let open: readonly SecretValue[] = []
  let reading: Promise<void> = Promise.resolve()
  const touched = new Map<string, number>()

  function openRow(row: SecretRow): string | null {
    const under = keys.get(row.keyId)
    if (!under) return null
    try {
      return openSecret(under.derive("secrets"), row)
    } catch {
      return null // said by whoever asked: the list shows it, the log names it
    }
  }

  /** One after the other, so that an older reading never replaces a newer one. */
  function reload(): Promise<void> {
    reading = reading.catch(() => {}).then(read) // whoever asked for the one before was told of its failure
    return reading
  }

  async function read(): Promise<void> {
    const rows = await readSecrets(db)
    const found: SecretValue[] = []
    for (const row of rows) {
      const value = openRow(row)
      if (value === null)
        log.error("A secret does not open: its row was changed, or is of another master key", { name: row.name })
      else found.push({ name: row.name, value })
    }
    open = found
  }

  async function find(name: string): Promise<SecretRow | undefined> {
    return (await readSecrets(db)).find((row) => row.name === name)
  }

  async function commit(
    statements: readonly Statement[],
    { subject, preview }: { subject: string; preview: string },
  ): Promise<void> {
    const audit: NewAudit = {
      agentId: "main",
      act: "owner.change",
      principal: "owner",
      subject,
      outcome: "done",
      preview,
      labels: [],
      source: "owner",
    }
    await writer.commit({
      statements: db.kind === "postgres" ? [...statements, tellOthers] : statements,
      audit: [audit],
    })
  }

  function absent(name: string): AppError {
    const like = nearest(
      name,
      open.map((each) => each.name),
    )
    return new AppError(
      "not_found",
      `There is no secret "${name}"${like === null ? "" : `; did you mean "${like}"?`}`,
      { hint: "`ironclaw secret list` shows the names." },
    )
  }

  async function newMasterKey(text: string | null): Promise<MasterKey> {
    if (key.source === "environment") {
      if (text !== null) return masterKeyOf(text, "environment")
      throw new AppError("input.invalid", `The master key is in ${ENVIRONMENT_NAME}, so the new one must be given`, {
        hint: `Make one with \`openssl rand -hex 32\`, hand it over on stdin, and set ${ENVIRONMENT_NAME} to it afterwards.`,
      })
    }
    if (text !== null)
      throw new AppError("input.invalid", "A new master key is only given where the old one is in the environment")
    return masterKeyOf(newKeyText(), "file")
  }

  await reload()
  const stopListening =
    db.kind === "postgres"
      ? await db.listen(
          SECRET_CHANNEL,
          () =>
            void reload().catch((error: unknown) =>
              log.warn("Secrets that another process changed were not read", { error }),
            ),
        )
      : async () => {}

  const judge: Vault["judge"] = async ({ name: given, value, mustExist }) => {
    const name = nameOf(given)
    if (value !== null) judgeValue(value)
    const before = await find(name)
    if (mustExist && !before) throw absent(name)
    return { name, version: before?.version ?? 0 }
  }

  return {
    judge,
    async list() {
      const rows = await readSecrets(db)
      return rows.map((row) => ({
        name: row.name,
        version: row.version,
        createdAt: row.createdAt,
        usedAt: row.usedAt,
        readable: openRow(row) !== null,
      }))
    },
    async set({ name: given, value, mustExist = false }) {
      const before = await judge({ name: given, value, mustExist })
      const { name } = before
      const version = before.version + 1
      const sealed = sealSecret(key.derive("secrets"), { name, version, value })
      await commit([putSecret({ name, version, ...sealed, keyId: key.id })], {
        subject: `secret:${name}`,
        preview: `Set version ${version}`,
      })
      await reload()
      return { name, version }
    },
    async delete(given) {
      const name = nameOf(given)
      const before = await find(name)
      if (!before) throw absent(name)
      await commit([deleteSecret(before)], { subject: `secret:${name}`, preview: `Deleted version ${before.version}` })
      await reload()
    },
    async setTogether({ secrets, also, audit, events = [] }) {
      const statements: Statement[] = []
      for (const { name: given, value } of secrets) {
        if (value === null) {
          const before = await find(nameOf(given))
          if (before) statements.push(deleteSecret(before))
          continue
        }
        const before = await judge({ name: given, value, mustExist: false })
        const version = before.version + 1
        const sealed = sealSecret(key.derive("secrets"), { name: before.name, version, value })
        statements.push(putSecret({ name: before.name, version, ...sealed, keyId: key.id }))
      }
      const all = [...statements, ...also]
      await writer.commit({
        statements: db.kind === "postgres" ? [...all, tellOthers] : all,
        audit: [...audit],
        events: [...events],
      })
      await reload()
    },
    reload,
    value: (name) => open.find((each) => each.name === name.toUpperCase())?.value ?? null,
    values: () => open,
    noteUse(names) {
      const nowMs = clock.monotonicMs()
      // A manifest may write a name in any case.
      const due = names
        .map((name) => name.toUpperCase())
        .filter(
          (name) =>
            open.some((each) => each.name === name) && nowMs - (touched.get(name) ?? -Infinity) > TOUCH_EVERY_MS,
        )
      if (due.length === 0) return
      for (const name of due) touched.set(name, nowMs)
      writer
        .commit({ statements: [touchSecrets(due, clock.iso())] })
        .catch((error: unknown) => log.warn("When a secret was used was not written down", { error }))
    },
    async rotateMaster({ key: text }) {
      const to = await newMasterKey(text)
      const { statements, secrets } = await keyChangeStatements({ db, from: key, to, reseal })
      if (to.source !== "environment") await stageKey({ home, lock }, to)
      const before = key
      keys.set(to.id, to)
      try {
        await commit(statements, {
          subject: "master-key",
          preview: `From ${before.id} to ${to.id}, ${secrets} secrets`,
        })
      } catch (error) {
        keys.delete(to.id)
        throw error
      }
      key = to
      await reload()
      keys.delete(before.id)
      if (to.source !== "environment") key = await promoteKey({ home, keychain, lock }, to)
      return { keyId: key.id, source: key.source, secrets }
    },
    masterKey: () => key,
    close: stopListening,
  }
}

/** Names are compared without case, so that no two secrets differ by it alone. Throws `input.invalid`. */
function nameOf(given: string): string {
  if (/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(given)) return given.toUpperCase()
  throw new AppError("input.invalid", `"${given.slice(0, 80)}" is no name for a secret`, {
    hint: "A letter, then up to 63 letters, digits and underscores, such as OPENAI_API_KEY.",
  })
}

/** Throws `input.invalid`, never with the value. */
function judgeValue(value: string): void {
  const invalid = (why: string) => new AppError("input.invalid", `The value ${why}`)
  if (value.trim() === "") throw invalid("is empty")
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES) throw invalid(`is larger than ${MAX_VALUE_BYTES / 1024} KiB`)
  if (!value.isWellFormed() || value.includes("\0")) throw invalid("holds a NUL or half a surrogate pair")
}
