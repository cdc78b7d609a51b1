/**
 * A plugin's file from the address that its owner named: https to public hosts by name, each redirect judged anew as a request of its
 * own, through the egress gate and into its record, never more than a plugin can be.
 */
import { AppError } from "#core/errors.ts"
import type { EgressFetch } from "#core/safety/egress.ts"
import { judgeUrl } from "#core/safety/hosts.ts"

/** To read from this host alone, in the owner's own name. */
export type FetchFrom = (host: string, maxBytes: number) => EgressFetch
export type Download = (
  url: string,
  how: { maxBytes: number; signal: AbortSignal },
) => Promise<{ fileName: string; bytes: Uint8Array }>

/** Release pages send one on once or twice. */
const MAX_REDIRECTS = 5
const redirects: readonly number[] = [301, 302, 303, 307, 308]

/** Null: a plugin may be fetched from there, as far as the address itself tells. The gate asks the same of it and of every redirect. */
export function judgeSourceUrl(url: string): string | null {
  const host = URL.parse(url)?.hostname ?? ""
  const judged = judgeUrl(url, "GET", { allow: [{ host, methods: ["GET"] }], local: [] })
  return judged.verdict === "allow" ? null : judged.why
}

export function createDownload({ fetchFrom }: { fetchFrom: FetchFrom }): Download {
  /** Throws `egress.…`, and `plugin.unusable` for an answer that is no file. */
  async function ask(url: string, how: { maxBytes: number; signal: AbortSignal }, hops: number): Promise<Uint8Array> {
    const fetchThere = fetchFrom(new URL(url).hostname, how.maxBytes)
    const response = await fetchThere(url, { redirect: "manual", signal: how.signal, headers: { accept: "*/*" } })
    const location = response.headers.get("location")
    if (redirects.includes(response.status) && location !== null) {
      await response.body?.cancel()
      if (hops === MAX_REDIRECTS)
        throw new AppError("egress.refused", `${url.slice(0, 300)}: more than ${MAX_REDIRECTS} redirects`)
      const next = URL.parse(location, url)
      if (!next) throw new AppError("egress.refused", `${url.slice(0, 300)}: a redirect to a malformed URL`)
      return ask(next.href, how, hops + 1)
    }
    if (response.ok) return response.bytes()
    await response.body?.cancel()
    throw new AppError("plugin.unusable", `${url.slice(0, 300)} was answered with the status ${response.status}`)
  }

  return async (url, how) => ({
    bytes: await ask(url, how, 0),
    fileName: new URL(url).pathname.split("/").at(-1) ?? "",
  })
}
