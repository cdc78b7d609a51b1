/** The models of this installation: from settings, keys and the catalogue to a Model with its failover chain behind it. */
import type { LanguageModelV4 } from "@ai-sdk/provider"
import type { Clock } from "../clock.ts"
import { AppError } from "../errors.ts"
import { createHealthBook } from "./breaker.ts"
import { modelRow, rowsOf, splitModelId, type Vendor, vendorOfModel, vendors, withVersionPath } from "./catalogue.ts"
import { createDemoModel } from "./demo.ts"
import { type FailoverDeps, type Link, streamChain } from "./failover.ts"
import { askVendor } from "./listing.ts"
import type { Model, ModelId, ModelListing, Models } from "./model.ts"
import { toCallOptions } from "./prompt.ts"
import { chooseDefault, configuredVendor, type KeyFor, type LlmSettings } from "./settings.ts"
import { streamOnce } from "./stream.ts"
import { createThoughtMemory } from "./thoughts.ts"
import { waitsFor, type Waits } from "./waiting.ts"
import { credentialOf, type Fetch, type FetchFor, openWire } from "./wire.ts"

export type ModelsDeps = {
  /** Asked with every use, so that an edit of the configuration counts at once. */
  settings: () => LlmSettings
  keyFor: KeyFor
  fetchFor: FetchFor
  clock: Clock
  /** 0 ≤ x < 1, for the waits between tries. */
  jitter: () => number
  redact: (text: string) => string
  onFailure: FailoverDeps["onFailure"]
  /** Null: by vendor, see waiting.ts. */
  waits: Waits | null
}

/** What a model is reached by; when any of it changes, the model is built anew. */
type Place = { vendor: Vendor; name: string; id: ModelId; baseUrl: string | null }

/** Opened wires that are kept: a client of the API may name as many models as it likes. */
const MAX_LINKS = 200

export function createModels(deps: ModelsDeps): Models {
  const { clock, keyFor } = deps
  const health = createHealthBook({ clock })
  const thoughts = createThoughtMemory()
  const links = new Map<string, Link>()
  const demo = createDemoModel({ clock })

  /** An id as people write it: with its vendor, or a name that the catalogue or the configured backend knows. */
  function locate(id: ModelId, settings: LlmSettings): Place {
    const backend = configuredVendor(settings)
    const split = splitModelId(id) ?? nameOnly(id, backend)
    if (!split) {
      throw new AppError("model.unknown", `There is no model "${id}"`)
    }
    const { vendor, name } = split
    const ownUrl = vendor === backend ? settings.baseUrl : null
    const baseUrl = ownUrl ?? vendor.baseUrl
    return {
      vendor,
      name,
      id: `${vendor.name}/${name}`,
      baseUrl: baseUrl === null ? null : withVersionPath(baseUrl, vendor.format),
    }
  }

  function nameOnly(id: ModelId, backend: Vendor | null): { vendor: Vendor; name: string } | null {
    const vendor = id.includes("/") ? backend : (vendorOfModel(id) ?? backend)
    return vendor && vendor.format !== "demo" ? { vendor, name: id } : null
  }

  function linkOf(place: Place): Link {
    const { vendor, name, id, baseUrl } = place
    if (!vendor.local && keyFor(vendor) === null) {
      throw new AppError(
        "model.no_key",
        `${vendor.title} needs a key, and ${vendor.keyNames.join(" or ")} is not set`,
        {
          hint: `Get one at ${vendor.keyUrl ?? "the vendor"}, then set ${vendor.keyNames[0] ?? "LLM_API_KEY"} in the environment or with \`ironclaw secret set\`.`,
        },
      )
    }
    if (baseUrl === null) {
      throw new AppError("model.unknown", `"${id}" has no address`, {
        hint: "Set it: `ironclaw config set model.base_url URL`, or LLM_BASE_URL.",
      })
    }
    const known = links.get(`${id} ${baseUrl}`)
    if (known) return known
    const link = createLink({ vendor, name, id, baseUrl })
    links.set(`${id} ${baseUrl}`, link)
    const oldest = links.size > MAX_LINKS ? links.keys().next().value : undefined
    if (oldest !== undefined) links.delete(oldest)
    return link
  }

  function createLink({ vendor, name, id, baseUrl }: Place & { baseUrl: string }): Link {
    const row = modelRow(vendor, name)
    const waits = deps.waits ?? waitsFor(vendor.quirks)
    const host = URL.parse(baseUrl)?.host ?? baseUrl
    const fetch: Fetch = (url, init) =>
      deps.fetchFor({ vendor, baseUrl, credential: credentialOf(vendor, keyFor(vendor)) })(url, init)
    let wire: Promise<LanguageModelV4> | null = null
    const open = () =>
      (wire ??= openWire(vendor.format === "demo" ? "openai" : vendor.format, {
        vendor,
        modelName: name,
        baseUrl,
        fetch,
      }))
    const redact = (text: string) => {
      const key = keyFor(vendor)
      return deps.redact(key ? text.replaceAll(key.value, "[key]") : text)
    }
    return {
      id,
      contextTokens: row.contextTokens,
      attempt: (request, signal) =>
        streamOnce({
          id,
          vendor,
          row,
          wire: open,
          request,
          options: toCallOptions(request, { vendor, row, thoughts, thinking: deps.settings().thinking }),
          waits,
          clock,
          thoughts,
          signal,
          failureContext: () => ({ vendor, host, modelName: name, redact, nowMs: clock.nowMs() }),
        }),
    }
  }

  /** Fallbacks that cannot be reached are left out of the chain, and the demo is never one: it would answer as if it were a model. */
  function fallbacksOf(first: ModelId, settings: LlmSettings): Link[] {
    const chain: Link[] = []
    for (const id of settings.fallbacks) {
      try {
        const place = locate(id, settings)
        if (place.vendor.format === "demo" || place.id === first || chain.some((link) => link.id === place.id)) continue
        chain.push(linkOf(place))
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        // `model status` and `doctor` tell of it; a turn must not fail because its spare has no key.
      }
    }
    return chain
  }

  function get(asked: ModelId | null): Model {
    const settings = deps.settings()
    const place = locate(asked ?? chooseDefault(settings, keyFor), settings)
    if (place.vendor.format === "demo") return demo
    const chain: [Link, ...Link[]] = [linkOf(place), ...fallbacksOf(place.id, settings)]
    const { contextTokens, maxOutputTokens, sees } = modelRow(place.vendor, place.name)
    // What the owner says of the window counts for the owner's own backend: only they know how their server was started.
    const ownWindow = place.vendor === configuredVendor(settings) ? settings.contextTokens : null
    return {
      id: place.id,
      contextTokens: ownWindow ?? contextTokens,
      maxOutputTokens,
      sees,
      stream: (request, { signal }) =>
        streamChain(chain, { request, signal }, { clock, health, jitter: deps.jitter, onFailure: deps.onFailure }),
    }
  }

  async function list({ live, signal }: { live: boolean; signal: AbortSignal }): Promise<ModelListing[]> {
    const settings = deps.settings()
    const backend = configuredVendor(settings)
    const listed = await Promise.all(
      vendors.map(async (vendor) => {
        const key = keyFor(vendor)
        const configured = vendor === backend || (!vendor.local && key !== null) || vendor.format === "demo"
        const names = rowsOf(vendor).map((row) => row.name.replace(/\*$/, ""))
        if (vendor === backend && settings.model !== null)
          names.push(locate(settings.model, { ...settings, backend: vendor.name }).name)
        if (live && configured && vendor.format !== "demo") {
          const { baseUrl } = locate(`${vendor.name}/any`, settings)
          const credential = credentialOf(vendor, key)
          if (baseUrl !== null)
            names.push(
              ...(await askVendor({ vendor, baseUrl, fetch: deps.fetchFor({ vendor, baseUrl, credential }), signal })),
            )
        }
        return [...new Set(names)].map((name) => listing(vendor, { name, configured }))
      }),
    )
    return listed.flat()
  }

  return {
    get,
    get defaultId() {
      return chooseDefault(deps.settings(), keyFor)
    },
    list,
    status: () => health.status(),
  }
}

function listing(vendor: Vendor, { name, configured }: { name: string; configured: boolean }): ModelListing {
  const row = modelRow(vendor, name)
  return {
    id: `${vendor.name}/${name}`,
    vendor: vendor.name,
    contextTokens: row.contextTokens,
    inputUsdMicrosPerMillion: row.price?.inputUsdMicros ?? null,
    outputUsdMicrosPerMillion: row.price?.outputUsdMicros ?? null,
    configured,
  }
}
