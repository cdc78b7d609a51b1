/** Every value of this house that must not be shown: the secrets, and the keys and tokens that the environment holds. */
import type { Environment } from "#core/config.ts"
import { vendors } from "#core/llm/catalogue.ts"
import { ENVIRONMENT_NAME, PASSPHRASE_NAME } from "#core/secrets/master-key.ts"
import type { SecretValue, Vault } from "#core/secrets/vault.ts"

const environmentNames = [
  ...new Set([
    ENVIRONMENT_NAME,
    PASSPHRASE_NAME,
    "GATEWAY_AUTH_TOKEN",
    "LLM_API_KEY",
    ...vendors.flatMap(({ keyNames }) => keyNames),
  ]),
]

/** Gives the same list until the vault's changes, for whoever prepares a search by it. */
export function secretValuesOf(vault: Pick<Vault, "values">, environment: Environment): () => readonly SecretValue[] {
  const fixed = environmentNames.flatMap((name) => {
    const value = environment.get(name)
    return value === undefined ? [] : [{ name, value }]
  })
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
