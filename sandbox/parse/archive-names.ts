/**
 * Which names a file may have that comes out of an archive: plainly relative paths of ordinary names, no two of which some file system
 * would take for one. The names that Windows keeps for devices are ordinary nowhere.
 */

const MAX_NAME = 200
const DEVICES = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$)(?:\.|$)/i

/** Null: it may. `name` as the archive has it, without the slash at the end of a folder's. */
export function judgeEntryName(name: string): string | null {
  if (name === "") return "it has no name"
  if (name.length > MAX_NAME) return `its name has more than ${MAX_NAME} characters`
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u.test(name)) return "its name holds characters that nobody sees"
  if (/[\\:*?"<>|]/.test(name)) return "its name holds characters that are no part of a name everywhere"
  if (name.startsWith("/")) return "its path is absolute"
  for (const part of name.split("/")) {
    if (part === "..") return "its path leads out of the archive"
    if (part === "" || part === ".") return "its path has empty steps"
    if (/^[ ]|[ .]$/.test(part)) return "its name begins or ends with what some systems leave away"
    if (DEVICES.test(part)) return "its name is a device's on some systems"
  }
  return null
}

/** Equal for names that some file system takes for one: case, width and composed letters do not count. */
export function foldEntryName(name: string): string {
  return name.normalize("NFKC").toUpperCase().toLowerCase()
}

/** Files that have the name of another, or of a folder. */
export function judgeTogether(names: readonly string[], folderNames: readonly string[]): string[] {
  const files = new Map<string, string>()
  const folders = new Set(folderNames.map(foldEntryName))
  const problems: string[] = []
  for (const name of names) {
    const folded = foldEntryName(name)
    const same = files.get(folded)
    if (same !== undefined)
      problems.push(
        `${quoted(name)}: ${same === name ? "it is there twice" : `some systems take it for ${quoted(same)}`}`,
      )
    files.set(folded, name)
    const parts = folded.split("/")
    for (let end = 1; end < parts.length; end++) folders.add(parts.slice(0, end).join("/"))
  }
  for (const [folded, name] of files)
    if (folders.has(folded)) problems.push(`${quoted(name)}: it is a file and a folder`)
  return problems
}

/** For a sentence: bounded, and nothing in it that could look like ours. */
export function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 80))
}
