/** Every value of this house that must not be shown: the secrets, and the keys and tokens that the environment holds. */
import type { SecretValue, Vault } from "#core/secrets/vault.ts"

/** Names of the environment whose values are secrets; a URL is one for the password in it. */
const SECRET_NAMES = /(?:_KEY|_TOKEN|_SECRET|_PASSWORD)$/

/** Gives the same list until the vault's changes, for whoever prepares a search by it. */
export function secretValuesOf(vault: Pick<Vault, "values">, environment: ReadonlyMap<string, string>): () => readonly SecretValue[] {
  const fixed = [...environment].filter(([name, value]) => SECRET_NAMES.test(name) && value !== "").map(([name, value]) => ({ name, value }))
  let seen: readonly SecretValue[] | null = null
  let all: readonly SecretValue[] = fixed
  return () => {
    const values = vault.values()
    if (values !== seen) {
      seen = values
      all = [...values, ...fixed]
    }
    return all
  }
}
