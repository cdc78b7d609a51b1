/** The operating system's keychain as a place for the master key. It is optional: where it is missing, locked or slow, it counts as absent. */
import type { Clock } from "../clock.ts"
import { randomToken } from "../id.ts"

export type Keychain = {
  /** Null where nothing is stored, and where there is no keychain that works. */
  read(): Promise<string | null>
  /** Proves it by set, get and delete of something else. */
  works(): Promise<boolean>
  /** Stores it after that proof; false where the keychain did not hold what it was given. */
  write(text: string): Promise<boolean>
  /** False where it could not be taken away. */
  delete(): Promise<boolean>
}

const SERVICE = "ironclaw"
/** A headless machine says no in 10 ms; a desktop may ask its user to unlock, which takes a person this long at most. */
const PATIENCE_MS = 30_000

/** `place` tells the homes of one user apart: the path of the home. */
export function systemKeychain({ place, clock }: { place: string; clock: Clock }): Keychain {
  const account = `master-key ${place}`

  /** Null for every failure: no library, no session bus, locked, refused by the user. */
  async function attempt<T>(work: () => Promise<T>): Promise<T | null> {
    const late = Promise.withResolvers<null>()
    const cancel = clock.after(PATIENCE_MS, () => late.resolve(null))
    try {
      return await Promise.race([work(), late.promise])
    } catch {
      return null // the key file stands in; `key.missing` tells the owner where the key is otherwise
    } finally {
      cancel()
    }
  }

  const get = (name: string) => attempt(() => Bun.secrets.get({ service: SERVICE, name }))
  /** Some keychains take everything and keep nothing, so only what comes back counts. */
  async function holds(name: string, value: string): Promise<boolean> {
    const done = await attempt(async () => {
      await Bun.secrets.set({ service: SERVICE, name, value })
      return true
    })
    return done === true && (await get(name)) === value
  }

  const remove = async (name: string) =>
    (await attempt(async () => {
      await Bun.secrets.delete({ service: SERVICE, name })
      return true
    })) === true
  async function works(): Promise<boolean> {
    const probe = `probe ${randomToken(9)}`
    return (await holds(probe, randomToken(9))) && remove(probe)
  }

  return {
    read: () => get(account),
    works,
    write: async (text) => (await works()) && holds(account, text),
    delete: () => remove(account),
  }
}
