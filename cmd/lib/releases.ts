/** What the release server has, as the API hands it on: through the egress gate, into the home, one download at a time, believed by nobody. */
import { readdirSync, rmSync } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { AppError } from "#core/errors.ts"
import { type Home, reasonOf, systemCodeOf } from "#core/home.ts"
import { randomToken } from "#core/id.ts"
import { MAX_RELEASE_BYTES, RELEASE_FILE } from "#core/release.ts"
import type { EgressFetch } from "#core/safety/egress.ts"
import type { ReleaseFace } from "#gateway/deps.ts"

export type ReleasesDeps = {
  home: Home
  url: () => string | null
  fetchFor: (baseUrl: string, maxBytes: number) => EgressFetch
}

const DOWNLOAD = /^update-.*\.part$/

export function createReleases({ home, url, fetchFor }: ReleasesDeps): ReleaseFace {
  let running: { file: string; bytes: number } | null = null

  async function ask(file: string, maxBytes: number, signal: AbortSignal): Promise<Response> {
    const base = url()
    if (base === null) throw new AppError("update.not_configured", "No release address is configured")
    const address = `${base.replace(/\/+$/, "")}/${file}`
    const response = await fetchFor(base, maxBytes)(address, { signal })
    if (response.ok) return response
    await response.body?.cancel()
    throw new AppError("release.unavailable", `${address} was answered with the status ${response.status}`)
  }

  return {
    url,
    running: () => running,
    newest: async (signal) => (await ask(RELEASE_FILE, MAX_RELEASE_BYTES, signal)).text(),
    async download({ file, maxBytes, signal }) {
      if (running)
        throw new AppError("conflict", "An update is being fetched already", { hint: "Wait until it is done." })
      running = { file, bytes: 0 }
      const folder = home.folder("run")
      // What an update that was killed left behind.
      for (const name of readdirSync(folder)) if (DOWNLOAD.test(name)) rmSync(join(folder, name), { force: true })
      const path = join(folder, `update-${randomToken(9)}.part`)
      try {
        const response = await ask(file, maxBytes, signal)
        const written = await open(path, "wx", 0o600)
        try {
          const body: ReadableStream<Uint8Array> | null = response.body
          for await (const chunk of body ?? []) {
            await written.writeFile(chunk)
            running.bytes += chunk.byteLength
          }
        } finally {
          await written.close()
        }
        return { path, bytes: running.bytes }
      } catch (error) {
        rmSync(path, { force: true })
        if (error instanceof AppError || systemCodeOf(error) === "") throw error
        throw new AppError("update.not_written", `${path} could not be written: ${reasonOf(error)}`, { cause: error })
      } finally {
        running = null
      }
    },
  }
}
