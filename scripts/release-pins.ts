/**
 * Where releases are and who signs them: core/release-pins.json is the one place, and the install scripts carry the same lines, because
 * each of them is one file that travels alone. `scripts/release.ts --pin` writes all three, and every release checks that they agree.
 */
import { join } from "node:path"
import { releaseKeyProblem } from "#core/config-problems.ts"
import { releaseKeyId } from "#core/release.ts"
import { sshPublicKey } from "./release-sign.ts"
import { type Problem, readText } from "./tree.ts"

export type Pins = { url: string | null; keys: readonly string[] }

export const installScripts = ["scripts/install.sh", "scripts/install.ps1"] as const
const pinsFile = "core/release-pins.json"

/** Two lines that both scripts have, in the language of each. */
const block = /^# pinned: begin$[^]*?^# pinned: end$/m

/** The script with these pins in the place of its own. Throws where it has no place for them. */
export function withPins(name: string, script: string, { url, keys }: Pins): string {
  // What goes between single quotes in two shells holds none.
  if (url !== null && !/^https?:\/\/[A-Za-z0-9._~:/[\]-]+$/.test(url)) throw new Error(`"${url}" is no plain address`)
  for (const key of keys) {
    const problem = releaseKeyProblem(key)
    if (problem !== null) throw new Error(problem)
  }
  if (!block.test(script)) throw new Error(`${name} has no lines between "# pinned: begin" and "# pinned: end"`)
  const rows = keys.map((key) => `${releaseKeyId(key)} ${key} ${sshPublicKey(key)}`).join("\n")
  const sigil = name.endsWith(".ps1") ? "$" : ""
  const equals = sigil === "" ? "=" : " = "
  const lines = [`${sigil}pinned_url${equals}'${url ?? ""}'`, `${sigil}pinned_keys${equals}'${rows}'`]
  return script.replace(block, () => ["# pinned: begin", ...lines, "# pinned: end"].join("\n"))
}

export function readPins(root: string): Pins {
  // Its shape is checked by core/release.ts, whose import of the same file has this type.
  return JSON.parse(readText(root, pinsFile)) as Pins
}

/** Scripts that pin something else than the program does. */
export function checkPins(root: string): Problem[] {
  const pins = readPins(root)
  return installScripts.flatMap((file) => {
    const script = readText(root, file)
    return withPins(file, script, pins) === script
      ? []
      : [{ file, message: `It pins something else than ${pinsFile}: run \`scripts/release.ts --pin\`` }]
  })
}

export async function writePins(root: string, pins: Pins): Promise<void> {
  const scripts = installScripts.map((file) => ({ file, text: withPins(file, readText(root, file), pins) }))
  await Bun.write(join(root, pinsFile), `${JSON.stringify(pins, null, 2)}\n`)
  for (const { file, text } of scripts) await Bun.write(join(root, file), text)
}
