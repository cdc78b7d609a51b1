/** Models that are not set up yet: what runs on this machine, what a vendor lists, and one that is asked before anything of it is saved. */
import { type Vendor, vendorNamed, vendors, withVersionPath } from "./catalogue.ts"
import { askVendor } from "./listing.ts"
import type { Model } from "./model.ts"
import { createModels, type ModelsDeps } from "./models.ts"
import { createKeyFor, keyNames, type KeyFor, type LlmSettings } from "./settings.ts"
import { credentialOf } from "./wire.ts"

/** A backend as it would be configured, with the key that would be stored; null: the one that is there. */
export type Candidate = { backend: string; baseUrl: string | null; key: string | null }

/** A model server that answered on this machine. */
export type LocalServer = { vendor: string; title: string; baseUrl: string; models: string[] }

export type Candidates = {
  /** Asks the usual loopback addresses, all at once. Nothing leaves the machine, and no key is shown to whoever listens there. */
  local(options: { signal: AbortSignal }): Promise<LocalServer[]>
  /** The names that the vendor lists; empty where it does not answer, or has no list. Throws `model.unknown`, `model.unsupported`. */
  available(candidate: Candidate, options: { signal: AbortSignal }): Promise<string[]>
  /** Throws `model.unknown`, `model.unsupported`, `model.no_key`. */
  model(candidate: Candidate, name: string): Model
}

export type CandidatesDeps = Omit<ModelsDeps, "keyFor"> & {
  /** The value of a key by its name, from the environment or the secrets. */
  lookup: (name: string) => string | null
  /** Where the owner said that a local vendor's server is; null: the usual address. */
  addressOf: (vendor: Vendor) => string | null
}

/** A server on this machine answers in a few milliseconds; one that takes longer than this is not worth the wait at a first start. */
const LOCAL_TIMEOUT_MS = 1_500

export function createCandidates({ lookup, addressOf, ...deps }: CandidatesDeps): Candidates {
  function tried({ backend, baseUrl, key }: Candidate): { vendor: Vendor; settings: LlmSettings; keyFor: KeyFor } {
    const vendor = vendorNamed(backend)
    const settings: LlmSettings = {
      ...deps.settings(),
      backend: vendor.name,
      baseUrl,
      model: null,
      fallbacks: [], // an answer from another model would prove nothing
    }
    const stored = createKeyFor({ settings: () => settings, lookup })
    const [name = "LLM_API_KEY"] = keyNames(vendor, settings)
    return {
      vendor,
      settings,
      keyFor: (asked) => (key !== null && asked === vendor ? { name, value: key } : stored(asked)),
    }
  }

  return {
    async local({ signal }) {
      const soon = AbortSignal.any([signal, AbortSignal.timeout(LOCAL_TIMEOUT_MS)])
      const found = await Promise.all(
        vendors.map(async (vendor): Promise<LocalServer | null> => {
          const address = vendor.local ? (addressOf(vendor) ?? vendor.baseUrl) : null
          if (address === null) return null
          const baseUrl = withVersionPath(address, vendor.format)
          const fetch = deps.fetchFor({ vendor, baseUrl, credential: null })
          const models = await askVendor({ vendor, baseUrl, fetch, signal: soon })
          return models.length === 0 ? null : { vendor: vendor.name, title: vendor.title, baseUrl, models }
        }),
      )
      return found.filter((server) => server !== null)
    },
    async available(candidate, { signal }) {
      const { vendor, keyFor } = tried(candidate)
      const address = candidate.baseUrl ?? vendor.baseUrl
      if (address === null || vendor.format === "demo") return []
      const baseUrl = withVersionPath(address, vendor.format)
      const fetch = deps.fetchFor({ vendor, baseUrl, credential: credentialOf(vendor, keyFor(vendor)) })
      return askVendor({ vendor, baseUrl, fetch, signal })
    },
    model(candidate, name) {
      const { vendor, settings, keyFor } = tried(candidate)
      return createModels({ ...deps, settings: () => settings, keyFor }).get(`${vendor.name}/${name}`)
    },
  }
}
