/** A release of a small program, made as a real one is, and a server on loopback that shows it, honestly or not. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type ReleaseFolder, writeRelease } from "#scripts/release-folder.ts"
import { newSigningKey, type Signer, signerOf } from "#scripts/release-sign.ts"

export function testSigner(): Signer {
  return signerOf(newSigningKey().pem)
}

export type ReleaseServer = AsyncDisposable & {
  readonly url: string
  /** The folder that is served. */
  readonly folder: string
  readonly signer: Signer
  /** Paths that were asked for. */
  readonly asked: string[]
  /** What is sent in the place of a file; null for the file itself. */
  bend: ((path: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | Response | null) | null
  /** Puts another release there. `program` is what every target gets. */
  publish(release: { version: string; number: number; program: string } & Partial<ReleaseFolder>): void
}

/** Every target that an install script can find on a machine that runs tests. */
const targets = ["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl", "darwin-arm64", "darwin-x64"]

/** A program that only says who it is, as `ironclaw --version` does. */
export function speaker({ version, number, more = "" }: { version: string; number: number; more?: string }): string {
  return `#!/bin/sh\n${more}\necho "ironclaw ${version} (test, 2026-01-15, release ${number})"\n`
}

export function startReleaseServer(scripts: ReadonlyMap<string, string> = new Map()): ReleaseServer {
  const base = mkdtempSync(join(tmpdir(), "ironclaw-release-"))
  const folder = join(base, "out")
  const signer = testSigner()
  const asked: string[] = []
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url)
      asked.push(pathname)
      const path = join(folder, pathname.replace(/^\/releases/, ""))
      if (pathname.includes("..") || !existsSync(path)) return new Response("no", { status: 404 })
      const bytes = new Uint8Array(readFileSync(path))
      const bent = self.bend?.(pathname, bytes) ?? bytes
      return bent instanceof Response ? bent : new Response(bent)
    },
  })
  const self: ReleaseServer = {
    url: `http://127.0.0.1:${server.port}/releases`,
    folder,
    signer,
    asked,
    bend: null,
    publish({ version, number, program, ...more }) {
      const file = join(base, "program")
      writeFileSync(file, program)
      writeRelease({
        out: folder,
        version,
        number,
        created: new Date(),
        days: 90,
        signers: [signer],
        pins: { url: self.url, keys: [signer.publicKey] },
        programs: new Map(targets.map((target) => [target, file])),
        others: new Map([["RELEASE-NOTES.md", `# ironclaw ${version}\n`]]),
        scripts,
        ...more,
      })
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true)
      rmSync(base, { recursive: true, force: true })
    },
  }
  return self
}
