/** The supply chain: few packages, exact pins, no install scripts, none younger than three days, none with a known serious hole. */
import { join } from "node:path"
import { type Problem, readText, report } from "./tree.ts"

const MAX_PACKAGES = 60 // direct ones: what a person can keep an eye on
const MIN_RELEASE_AGE_SECONDS = 3 * 24 * 3600 // most hijacked releases are found and withdrawn within three days
const AUDIT_TIMEOUT_MS = 20_000 // the registry answers in about 1 s; without a network nobody should wait long

/** npm and Bun run these by themselves. */
const lifecycleScripts = ["preinstall", "install", "postinstall", "prepare", "prepublish"]

type Manifest = Record<string, unknown>

export function judgeManifest(manifest: Manifest): Problem[] {
  const found: string[] = []
  const pins = recordOf(manifest["devDependencies"])
  for (const group of ["dependencies", "optionalDependencies", "peerDependencies"]) {
    if (Object.keys(recordOf(manifest[group])).length > 0) {
      found.push(`"${group}" must stay empty, so that npm installs nothing but Bun: use \`bun add --dev --exact\``)
    }
  }
  for (const [name, pin] of Object.entries(pins)) {
    if (typeof pin !== "string" || !/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(pin)) {
      found.push(`"${name}" is pinned to ${JSON.stringify(pin)}: pin one exact version`)
    }
  }
  const count = Object.keys(pins).length
  if (count > MAX_PACKAGES) found.push(`${count} direct packages, over ${MAX_PACKAGES}`)
  const trusted = manifest["trustedDependencies"]
  if (!Array.isArray(trusted) || trusted.length > 0) {
    found.push('"trustedDependencies" must be there and empty: without it Bun runs the install scripts of its own list')
  }
  const scripts = recordOf(manifest["scripts"])
  for (const name of lifecycleScripts)
    if (name in scripts) found.push(`The script "${name}" would run at every install`)
  const bun = /^bun@(\d+\.\d+\.\d+)$/.exec(String(manifest["packageManager"]))?.[1]
  if (!bun) found.push('"packageManager" must pin Bun exactly, as "bun@1.2.3"')
  else if (pins["@types/bun"] !== bun)
    found.push(`"@types/bun" is ${String(pins["@types/bun"])}, Bun is ${bun}: they move together`)
  return found.map((message) => ({ file: "package.json", message }))
}

export function judgeBunfig(bunfig: unknown): Problem[] {
  const install = recordOf(recordOf(bunfig)["install"])
  const found: string[] = []
  const age = install["minimumReleaseAge"]
  if (typeof age !== "number" || age < MIN_RELEASE_AGE_SECONDS) {
    found.push(`[install] minimumReleaseAge must be at least ${MIN_RELEASE_AGE_SECONDS} seconds`)
  }
  if (install["exact"] !== true) found.push("[install] exact must be true")
  return found.map((message) => ({ file: "bunfig.toml", message }))
}

export type AuditAnswer = { exitCode: number; stdout: string; stderr: string }

/** `bun audit --json`: advisories by package. No answer from the registry is a note, not a problem: offline work goes on. */
export function judgeAudit({ exitCode, stdout, stderr }: AuditAnswer): { problems: Problem[]; note: string | null } {
  const advisories = parseAudit(stdout)
  if (advisories === null)
    return { problems: [], note: `not audited: ${stderr.trim().split("\n").at(-1) || `exit ${exitCode}`}` }
  const serious = advisories.filter(({ severity }) => severity === "high" || severity === "critical")
  const problems = serious.map(({ name, severity, title }) => ({
    file: "bun.lock",
    message: `${name}: ${severity}, ${title}`,
  }))
  const rest = advisories.length - serious.length
  return { problems, note: rest > 0 ? `${rest} advisories below high` : null }
}

type Advisory = { name: string; severity: string; title: string }

function parseAudit(stdout: string): Advisory[] | null {
  const start = stdout.indexOf("{")
  if (start === -1) return null
  let answer: unknown
  try {
    answer = JSON.parse(stdout.slice(start))
  } catch {
    // Not JSON: the registry did not answer as one.
    return null
  }
  return Object.entries(recordOf(answer)).flatMap(([name, list]) =>
    (Array.isArray(list) ? list : []).map((entry: unknown) => {
      const { severity, title } = recordOf(entry)
      return { name, severity: String(severity), title: String(title) }
    }),
  )
}

async function runAudit(root: string): Promise<AuditAnswer> {
  const child = Bun.spawn([process.execPath, "audit", "--json"], {
    cwd: root,
    stdout: "pipe",
    stderr: "pipe",
    timeout: AUDIT_TIMEOUT_MS,
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { exitCode: await child.exited, stdout, stderr }
}

function recordOf(value: unknown): Record<string, unknown> {
  // Any object can be read by string keys; what they hold stays unknown.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {}
}

export async function checkPackages(root: string): Promise<{ problems: Problem[]; note: string | null }> {
  const manifest = recordOf(JSON.parse(readText(root, "package.json")))
  const audit = judgeAudit(await runAudit(root))
  const problems = [
    ...judgeManifest(manifest),
    ...judgeBunfig(Bun.TOML.parse(readText(root, "bunfig.toml"))),
    ...audit.problems,
  ]
  return { problems, note: audit.note }
}

if (import.meta.main) {
  const { problems, note } = await checkPackages(join(import.meta.dir, ".."))
  if (note !== null) console.log(note)
  report("packages", problems)
}
