/** What is new in a version, from CHANGELOG.md. */

/** The section of this version; throws where there is none, or nothing in it. */
export function releaseNotes(changelog: string, version: string): string {
  const lines = changelog.split("\n")
  const start = lines.findIndex((line) => line.startsWith(`## [${version}]`))
  if (start === -1) {
    throw new Error(
      `CHANGELOG.md has no section "## [${version}]": move what is under [Unreleased] there, with today's date`,
    )
  }
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith("## "))
  const body = lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join("\n")
  if (body.trim() === "") throw new Error(`CHANGELOG.md says nothing of ${version}`)
  return `# ironclaw ${version}\n\n${body.trim()}\n`
}
