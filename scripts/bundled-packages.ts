/**
 * The packages that are in the program: those that its sources import, and those that these need, as they lie in node_modules. A little
 * more than the bundler keeps, never less: who is named in the notices too often is wronged by nobody.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { importsOf, isProduct, readText, sourceFiles } from "./tree.ts"

export type BundledPackage = {
  name: string
  version: string
  /** As its package.json says it: an SPDX expression, or "" where it says nothing. */
  licence: string
  homepage: string
  description: string
  /** `sha512-…` of its archive, as bun.lock has it; null where it has none. */
  integrity: string | null
  /** Texts of its licence and notice files. */
  texts: readonly string[]
}

type Manifest = {
  name: string
  version: string
  license?: unknown
  homepage?: unknown
  description?: unknown
  dependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
}

const noticeFile = /^(licen[cs]e|copying|notice|unlicense)([-.].*)?$/i

/** By name. Throws where a package that is needed is not installed. */
export function bundledPackages(root: string): BundledPackage[] {
  const integrities = readIntegrities(root)
  const found = new Map<string, BundledPackage>()
  const visit = (name: string, from: string): void => {
    const folder = folderOf(name, from)
    if (folder === null) throw new Error(`The package ${name} is not installed`)
    if (found.has(folder)) return
    // Written by the package's makers, read for what they say of it.
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest
    const id = `${manifest.name}@${manifest.version}`
    found.set(folder, { ...describe(manifest, folder), integrity: integrities.get(id) ?? null })
    for (const needed of Object.keys(manifest.dependencies ?? {})) visit(needed, folder)
    for (const needed of Object.keys(manifest.peerDependencies ?? {})) {
      const isOptional = manifest.peerDependenciesMeta?.[needed]?.optional === true
      if (!isOptional && needed !== "typescript" && folderOf(needed, folder) !== null) visit(needed, folder)
    }
  }
  for (const name of importedPackages(root)) visit(name, root)
  return [...found.values()].sort((a, b) => `${a.name}@${a.version}`.localeCompare(`${b.name}@${b.version}`, "en"))
}

/** What product code imports to run it; a type leaves nothing in the program. */
function importedPackages(root: string): Set<string> {
  const names = new Set<string>()
  for (const file of sourceFiles(root).filter(isProduct)) {
    for (const { specifier, typeOnly } of importsOf(file, readText(root, file)).imports) {
      const bare = specifier.replace(/^(\.\.\/)+node_modules\//, "")
      // "ironclaw" is what bundled plugins call our own SDK.
      if (typeOnly || bare === "" || /^([.#]|node:|bun$|bun:|ironclaw$)/.test(bare)) continue
      names.add(
        bare
          .split("/")
          .slice(0, bare.startsWith("@") ? 2 : 1)
          .join("/"),
      )
    }
  }
  return names
}

/** As the resolver looks for it: from the folder upwards. */
function folderOf(name: string, from: string): string | null {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, "node_modules", name)
    if (existsSync(join(folder, "package.json"))) return folder
    if (dirname(at) === at) return null
  }
}

function describe(manifest: Manifest, folder: string): Omit<BundledPackage, "integrity"> {
  const text = (value: unknown): string => (typeof value === "string" ? value : "")
  const licence: unknown =
    typeof manifest.license === "object" && manifest.license !== null && "type" in manifest.license
      ? manifest.license.type // as packages of ten years ago say it
      : manifest.license
  return {
    name: manifest.name,
    version: manifest.version,
    licence: text(licence),
    homepage: text(manifest.homepage),
    description: text(manifest.description),
    texts: readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile() && noticeFile.test(entry.name))
      .map(({ name }) => name)
      .sort()
      .map((name) => readFileSync(join(folder, name), "utf8").replaceAll("\r\n", "\n").trim()),
  }
}

/** bun.lock is JSON with commas at ends; its rows begin with `name@version` and end with the hash. */
function readIntegrities(root: string): Map<string, string> {
  const rows = readText(root, "bun.lock").matchAll(/^ +"[^"]+": \["([^"]+)", .*"(sha512-[A-Za-z0-9+/=]+)"\],$/gm)
  return new Map([...rows].map(([, id = "", integrity = ""]) => [id, integrity]))
}
