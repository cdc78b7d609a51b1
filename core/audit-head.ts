/**
 * The sealed head of the audit chain: the last row that this process committed, under a key that the database does not hold, in a 0600
 * file of the home. Whoever can write the whole database, triggers and hashes included, can cut or rewrite the chain only behind it.
 *
 * With a server that several processes share, each seals in the file of its own home what it committed itself; it is right for all of
 * them, because there is one chain and a row once committed must stay. Processes of one home share the file: the highest row stays.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"
import type { Clock } from "./clock.ts"
import { readPrivateFile, writePrivateFile } from "./home-file.ts"
import type { Home } from "./home.ts"
import type { Log } from "./log.ts"
import { judgeShape, int, t } from "./schema.ts"

/** What a crash can cost: rows of the last second are chained, but not sealed. */
const SEAL_AFTER_MS = 1_000

/** A row of the chain by its place and hash. */
export type AuditLink = { seq: number; hash: string }
/** The audit purpose of the master key, which changes when the master key does. */
export type AuditSeal = { keyId: string; hmac: (text: string) => Uint8Array }

/**
 * `none`: nothing was sealed yet. `foreign`: under another master key, as after a rotation or a restore, so it cannot be judged here.
 * `forged`: under our key, but not by it.
 */
export type SealedHead = { state: "sealed"; link: AuditLink; at: string } | { state: "none" | "foreign" | "forged" }

export type AuditHead = {
  /** Called with the last row of each commit; written at most once a second. */
  note(link: AuditLink): void
  /** The head as the file has it. Throws `home.unsafe_file`. */
  read(): SealedHead
  /** Writes what is not yet written. */
  close(): void
}

const HeadFile = t.Object(
  { seq: int({ minimum: 1 }), hash: t.String(), at: t.String(), keyId: t.String(), mac: t.String() },
  { additionalProperties: false },
)

export type AuditHeadDeps = { home: Pick<Home, "root">; seal: () => AuditSeal; clock: Clock; log: Log }

export function createAuditHead({ home, seal, clock, log }: AuditHeadDeps): AuditHead {
  const path = join(home.root, FILE_NAME)
  let waiting: AuditLink | null = null
  let cancel: (() => void) | null = null
  let warned = false

  function read(): SealedHead {
    const text = readPrivateFile(path)
    if (text === null) return { state: "none" }
    const parsed = judgeShape(HeadFile, jsonOf(text))
    if (!parsed.ok) return { state: "forged" }
    const { seq, hash, at, keyId, mac } = parsed.value
    const { keyId: ours, hmac } = seal()
    if (keyId !== ours) return { state: "foreign" }
    const right = hmac(sealedText({ seq, hash, at, keyId }))
    // Nobody can ask this comparison about guesses: it runs on the owner's own file.
    if (Buffer.from(right).toString("hex") !== mac) return { state: "forged" }
    return { state: "sealed", link: { seq, hash }, at }
  }

  function write({ seq, hash }: AuditLink): void {
    const at = clock.iso()
    const { keyId, hmac } = seal()
    const mac = Buffer.from(hmac(sealedText({ seq, hash, at, keyId }))).toString("hex")
    const text = `${JSON.stringify({ seq, hash, at, keyId, mac })}\n`
    writePrivateFile(path, text)
  }

  function flush(): void {
    cancel?.()
    cancel = null
    const link = waiting
    waiting = null
    if (link === null) return
    try {
      const before = read()
      if (before.state === "forged") return warnOnce("The sealed head of the audit log was changed by someone else")
      // Ours is behind where another process of this home was faster, or where rows that were sealed are gone: verify tells which.
      if (before.state === "sealed" && before.link.seq >= link.seq) return
      write(link)
    } catch (error) {
      log.error("The head of the audit log could not be sealed; the next row tries again", { error })
    }
  }

  function warnOnce(words: string): void {
    if (!warned) log.error(`${words}: \`ironclaw audit verify\` says more`)
    warned = true
  }

  return {
    note(link) {
      waiting = link
      cancel ??= clock.after(SEAL_AFTER_MS, flush)
    },
    read,
    close: flush,
  }
}

/** For a restore: the backup's chain ends earlier, and the owner said so. The next row that is committed is sealed again. */
export function forgetAuditHead(home: Pick<Home, "root">): void {
  rmSync(join(home.root, FILE_NAME), { force: true })
}

const FILE_NAME = "audit-head.json"

/** A JSON array, so that no field can run into the next. */
function sealedText({ seq, hash, at, keyId }: { seq: number; hash: string; at: string; keyId: string }): string {
  return JSON.stringify(["ironclaw audit head", seq, hash, at, keyId])
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // no JSON is a wrong shape, and that is told
  }
}
