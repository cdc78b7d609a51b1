/** What lies in the plugins folder. Nothing here is trusted: it is read, hashed and judged, and held against what the owner agreed to. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { syncDirectory } from "#core/db/sync-directory.ts"
import { randomToken } from "#core/id.ts"
import type { GuestCode } from "./child/guest.ts"
import { folderSignature, readPluginFolder } from "./folder.ts"
import { type Manifest, NAME } from "./manifest.ts"
import { judgePackage, kindOf } from "./package.ts"
import type { PluginFolder } from "./plugin.ts"

/** A folder that holds what can be a plugin, or why it does not. `sha256` is null where it could not even be read. */
export type Installed = {
  name: string
  sha256: string | null
  manifest: Manifest | null
  codeSha256: string | null
  problems: string[]
}

export type InstalledFolder = {
  /** Reads what changed since the last time, and knows the rest. `agreed`: the hash of the folder that the owner agreed to, by name. */
  scan(agreed: (name: string) => string | null): Installed[]
  /** Changes with whatever changes in there. */
  signature(): string
  /** The whole folder as it is now. */
  read(name: string): ReturnType<typeof readPluginFolder>
  /** In the place of what was there: all of it or nothing, whenever this ends. */
  put(name: string, folder: PluginFolder): void
  remove(name: string): void
  /** The code of a plugin; `keep` holds its bytes for calls that are under way while the folder is replaced. */
  codeOf(name: string, of: { manifest: Manifest; sha256: string }): GuestCode & { keep(): void }
}

const MAX_PLUGINS = 500
const namePattern = new RegExp(NAME)

export function createInstalledFolder({ dir }: { dir: string }): InstalledFolder {
  const known = new Map<string, { signature: string; installed: Installed }>()
  let isTidy = false

  function names(): string[] {
    try {
      return readdirSync(dir)
        .filter((name) => !name.startsWith("."))
        .sort()
        .slice(0, MAX_PLUGINS)
    } catch {
      return [] // it is not there: nothing is installed
    }
  }

  /** A crash in the middle of `put` leaves the former version aside, and never half of a version under its name. */
  function tidy(): void {
    if (isTidy) return
    isTidy = true
    if (!existsSync(dir)) return
    for (const left of readdirSync(dir)) {
      const name = /^\.old-([a-z0-9-]+)\.[A-Za-z0-9_-]+$/.exec(left)?.[1]
      if (name !== undefined && !existsSync(join(dir, name))) renameSync(join(dir, left), join(dir, name))
      else if (/^\.(?:old|new)-/.test(left)) rmSync(join(dir, left), { recursive: true, force: true })
    }
  }

  function judge(name: string, agreed: string | null): Installed {
    const nothing = { name, manifest: null, codeSha256: null }
    if (!namePattern.test(name))
      return { ...nothing, sha256: null, problems: ["Its name is none for a plugin: small letters, digits and dashes"] }
    const read = readPluginFolder(join(dir, name))
    if (!read.ok) return { ...nothing, sha256: null, problems: read.problems }
    const { sha256 } = read.folder
    const judged = judgePackage(read.folder, { agreed })
    if (!judged.ok) return { ...nothing, sha256, problems: judged.problems }
    if (judged.manifest.name !== name)
      return {
        ...nothing,
        sha256,
        problems: [`plugin.json /name: it says "${judged.manifest.name}", and the folder is called ${name}`],
      }
    return { name, sha256, manifest: judged.manifest, codeSha256: judged.code.sha256, problems: [] }
  }

  return {
    scan(agreed) {
      tidy()
      const all = names()
      for (const name of known.keys()) if (!all.includes(name)) known.delete(name)
      return all.map((name) => {
        // Looked at before it is read: what changes in between is read again the next time.
        const signature = folderSignature(join(dir, name))
        const former = known.get(name)
        if (former?.signature === signature) return former.installed
        const installed = judge(name, agreed(name))
        known.set(name, { signature, installed })
        return installed
      })
    },
    signature: () =>
      names()
        .map((name) => `${name}\n${folderSignature(join(dir, name))}`)
        .join("\n\n"),
    read: (name) => readPluginFolder(join(dir, name)),
    put(name, { files }) {
      mkdirSync(dir, { recursive: true, mode: 0o700 })
      const mark = randomToken(8)
      const fresh = join(dir, `.new-${name}.${mark}`)
      const former = join(dir, `.old-${name}.${mark}`)
      const place = join(dir, name)
      mkdirSync(fresh, { mode: 0o700 })
      try {
        for (const [file, bytes] of files) writeFileSync(join(fresh, file), bytes, { mode: 0o600, flush: true })
        syncDirectory(fresh)
        if (existsSync(place)) renameSync(place, former)
        renameSync(fresh, place)
        syncDirectory(dir)
      } finally {
        if (!existsSync(place) && existsSync(former)) renameSync(former, place)
        for (const left of [fresh, former]) rmSync(left, { recursive: true, force: true })
      }
    },
    remove(name) {
      if (namePattern.test(name)) rmSync(join(dir, name), { recursive: true, force: true })
    },
    codeOf(name, { manifest, sha256 }) {
      let kept: Uint8Array | null = null
      const read = () => readFileSync(join(dir, name, manifest.entry))
      return {
        kind: kindOf(manifest.entry),
        sha256,
        read: async () => kept ?? read(),
        keep: () => void (kept ??= read()),
      }
    },
  }
}
