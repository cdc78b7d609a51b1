/** Changes to the home's `.env`: one name at a time, all other lines as they were. What must not stand in config.toml is kept there. */
import { parseEnv } from "node:util"
import { readText } from "./config-file.ts"
import { AppError } from "./errors.ts"
import { writePrivateFile } from "./home-file.ts"
import type { Home } from "./home.ts"

/** Sets a name, or takes it out with null. Throws `config.invalid` for a value that cannot be written on one line, `home.not_writable`. */
export function setEnvValue(home: Home, name: string, value: string | null): void {
  const before = readText(home.envFile) ?? ""
  const isOfName = (line: string) => new RegExp(`^\\s*(?:export\\s+)?${name}\\s*=`).test(line)
  const kept = before.split("\n").filter((line) => !isOfName(line))
  while (kept.at(-1) === "") kept.pop()
  const lines = value === null ? kept : [...kept, `${name}=${quoted(value)}`]
  const after = lines.length === 0 ? "" : `${lines.join("\n")}\n`
  // Read back as the start will read it: a value that comes out different would be found wrong much later.
  const wanted = { ...parseEnv(before), [name]: value ?? undefined }
  if (!Bun.deepEquals(definedOnly(parseEnv(after)), definedOnly(wanted))) {
    throw new AppError("config.invalid", `${name} cannot be written into ${home.envFile}`, {
      hint: `Write the line ${name}=… there by hand, with an editor.`,
    })
  }
  if (after !== before) writePrivateFile(home.envFile, after)
}

function quoted(value: string): string {
  const mark = ["'", "`", '"'].find((each) => !value.includes(each)) // the last one expands \n, so it comes last
  return /^[\w@%+=:,./-]+$/.test(value) || mark === undefined ? value : `${mark}${value}${mark}`
}

function definedOnly(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value ? [[name, value]] : [])))
}
