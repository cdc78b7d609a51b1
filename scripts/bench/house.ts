/** A service of the compiled program on a home of its own, in front of a model server that answers at once. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { modelEnvironment } from "#test/fakes/binary.ts"
import { type Service, startService } from "#test/fakes/service.ts"
import { type LoadRequest, type LoadResult, runLoad } from "./load.ts"

const root = join(import.meta.dir, "../..")

export type House = {
  readonly pid: number
  send(load: Pick<LoadRequest, "turns"> & Partial<LoadRequest>): Promise<LoadResult>
  [Symbol.asyncDispose](): Promise<void>
}

/** One sentence, as people write. */
const TEXT = "Please remind me tomorrow at nine to call the plumber about the kitchen tap."

/** `databaseUrl` null is the embedded database, durable as always. Without a home one is made, and removed at the end. */
export async function openHouse({ databaseUrl }: { databaseUrl: string | null }): Promise<House> {
  const home = makeHome()
  const model = await startModelServer()
  let service: Service
  try {
    service = await startService({
      home,
      env: { ...modelEnvironment(model.url), ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }) },
    })
  } catch (error) {
    await model.stop()
    removeHome(home)
    throw error
  }
  return {
    pid: service.pid,
    send: ({ turns, lanes = 1, session = null, text = TEXT }) =>
      runLoad({ address: service.address, token: service.token, turns, lanes, session, text }),
    async [Symbol.asyncDispose]() {
      await service.stop()
      await model.stop()
      removeHome(home)
    },
  }
}

export function makeHome(): string {
  return mkdtempSync(join(tmpdir(), "ironclaw-bench-"))
}

export function removeHome(home: string): void {
  rmSync(home, { recursive: true, force: true })
}

/** In a process of its own: it must not slow down the client. */
async function startModelServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const file = join(root, "test/fakes/model-server.ts")
  const child = Bun.spawn([process.execPath, "--no-env-file", file, "--port", "0", "--mode", "instant"], {
    stdout: "pipe",
    stderr: "inherit",
  })
  let line = ""
  for await (const bytes of child.stdout) {
    line += new TextDecoder().decode(bytes)
    if (line.includes("\n")) break
  }
  const { url } = JSON.parse(line) as { url: string } // the one line that it prints
  return {
    url,
    async stop() {
      child.kill()
      await child.exited
    },
  }
}
