/**
 * The plugins that are inside this program, one row for each folder of `tools/`. They are installed by name and are like any other from
 * then on: read, judged, locked away, inactive until granted. Literal specifiers, so that the compiler finds and embeds every file.
 */
import { nearest } from "#core/nearest.ts"
import { AppError } from "#core/errors.ts"
import { folderOf } from "./folder.ts"
import { judgeManifest, type Manifest } from "./manifest.ts"
import type { PluginFolder } from "./plugin.ts"

/** Files by name. Imported as text, so a text is what each gives, whatever its types say of it as a module. */
export type BundledRow = () => Promise<Readonly<Record<string, object>>>

const table: Readonly<Record<string, BundledRow>> = {
  github: async () => ({
    "plugin.json": await import("./tools/github/plugin.json", { with: { type: "text" } }),
    "plugin.ts": await import("./tools/github/plugin.ts", { with: { type: "text" } }),
  }),
  gmail: async () => ({
    "plugin.json": await import("./tools/gmail/plugin.json", { with: { type: "text" } }),
    "plugin.ts": await import("./tools/gmail/plugin.ts", { with: { type: "text" } }),
  }),
  "google-calendar": async () => ({
    "plugin.json": await import("./tools/google-calendar/plugin.json", { with: { type: "text" } }),
    "plugin.ts": await import("./tools/google-calendar/plugin.ts", { with: { type: "text" } }),
  }),
  "google-drive": async () => ({
    "plugin.json": await import("./tools/google-drive/plugin.json", { with: { type: "text" } }),
    "plugin.ts": await import("./tools/google-drive/plugin.ts", { with: { type: "text" } }),
  }),
  weather: async () => ({
    "plugin.json": await import("./tools/weather/plugin.json", { with: { type: "text" } }),
    "plugin.ts": await import("./tools/weather/plugin.ts", { with: { type: "text" } }),
  }),
  "web-search": async () => ({
    "plugin.json": await import("./tools/web-search/plugin.json", { with: { type: "text" } }),
    "plugin.ts": await import("./tools/web-search/plugin.ts", { with: { type: "text" } }),
  }),
}

/** The rows themselves, for whoever adds those of another folder. */
export const bundledTools = table
export const bundledNames: readonly string[] = Object.keys(table).sort()

export type Bundled = {
  names: readonly string[]
  /** Throws `not_found`, with the names that there are. */
  judgeName(name: string): void
  /** Throws as `judgeName`. */
  read(name: string): Promise<PluginFolder>
  /** What each says of itself. */
  manifests(): Promise<Manifest[]>
}

export function createBundled(rows: Readonly<Record<string, BundledRow>> = table): Bundled {
  const names = Object.keys(rows).sort()

  function rowOf(name: string): BundledRow {
    const row = Object.hasOwn(rows, name) ? rows[name] : undefined
    if (row) return row
    throw noSuch(name, names)
  }

  async function read(name: string): Promise<PluginFolder> {
    const files = Object.entries(await rowOf(name)()).map(([file, module]) => {
      const text: unknown = Reflect.get(module, "default")
      if (typeof text !== "string") throw new Error(`The bundled ${name}/${file} is no text`)
      return [file, new TextEncoder().encode(text)] as const
    })
    return folderOf(new Map(files))
  }

  return {
    names,
    judgeName: (name) => void rowOf(name),
    read,
    manifests: () =>
      Promise.all(
        names.map(async (name) => {
          const { files } = await read(name)
          const judged = judgeManifest(files.get("plugin.json") ?? new Uint8Array())
          if (!judged.ok) throw new Error(`The bundled plugin ${name} is wrong: ${judged.problems.join("; ")}`)
          return judged.manifest
        }),
      ),
  }
}

function noSuch(name: string, names: readonly string[]): AppError {
  const near = nearest(name, names)
  const meant = near === null ? "" : `Did you mean ${near}? `
  const offered = names.length === 0 ? "None is" : `${names.join(", ")} ${names.length === 1 ? "is" : "are"}`
  return new AppError("not_found", `No plugin inside this program is called "${name.slice(0, 80)}"`, {
    hint: `${meant}${offered} inside this program; a file or a folder is written as a path: \`ironclaw tool install ./${name.slice(0, 80)}\`.`,
  })
}
