/** Programs for the tests from the machine's own Debian archive, unpacked beside what the machine has: nothing is installed by it. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const COMMAND_TIMEOUT_MS = 180_000 // the slowest, the download of 60 MB, takes seconds on a good line

export class CommandFailed extends Error {}

export async function run(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const child = Bun.spawn([...command], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive", ...options.env },
    stdout: "pipe",
    stderr: "pipe",
    timeout: COMMAND_TIMEOUT_MS,
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  const code = await child.exited
  if (code === 0) return stdout
  const tail = `${stdout}${stderr}`.trim().split("\n").slice(-3).join(" | ")
  throw new CommandFailed(`${command[0] ?? ""} ${command[1] ?? ""} ended with ${code}: ${tail}`)
}

/** Why nothing can be had from an archive here; null where it can. */
export function reasonAgainstApt(): string | null {
  if (process.platform !== "linux") return `${process.platform} has no Debian archive`
  if (process.getuid?.() !== 0) return "not root"
  if (Bun.which("apt-get") === null) return "there is no apt-get"
  return null
}

export type AptEnvironment = { env: Record<string, string> }

/** apt with lists and a cache of its own, so that the machine's stay as they are; with its own sources where some are given. */
export function makeApt(work: string, name: string, sources: string | null): AptEnvironment {
  const dir = folder(work, `apt-${name}`)
  for (const sub of ["state/lists/partial", "cache/archives/partial"]) mkdirSync(join(dir, sub), { recursive: true })
  writeFileSync(join(dir, "status"), "")
  writeFileSync(join(dir, "sources.list"), sources ?? "")
  const isolated =
    sources === null
      ? []
      : [
          `Dir::State::status "${dir}/status";`,
          `Dir::Etc::sourcelist "${dir}/sources.list";`,
          'Dir::Etc::sourceparts "-";',
          'Dir::Etc::preferencesparts "-";',
        ]
  const lines = [
    `Dir::State::lists "${dir}/state/lists";`,
    `Dir::Cache "${dir}/cache";`,
    // Its own user may not write here, and what it fetches is signed.
    'APT::Sandbox::User "root";',
    ...isolated,
  ]
  writeFileSync(join(dir, "apt.conf"), `${lines.join("\n")}\n`)
  return { env: { APT_CONFIG: join(dir, "apt.conf") } }
}

export function folder(work: string, name: string): string {
  const path = join(work, name)
  mkdirSync(path, { recursive: true })
  return path
}

/** A program of a package, by its path in there, unpacked under `work`; or why there is none. */
export async function bringProgram(
  work: string,
  { from, path }: { from: string; path: string },
): Promise<{ program: string } | { reason: string }> {
  const reason = reasonAgainstApt()
  if (reason !== null) return { reason }
  try {
    const apt = makeApt(work, from, null)
    await run(["apt-get", "update", "-qq"], apt)
    const into = folder(work, from)
    await run(["apt-get", "download", "-qq", from], { cwd: into, ...apt })
    for (const file of readdirSync(into))
      if (file.endsWith(".deb")) await run(["dpkg-deb", "-x", join(into, file), into])
    return { program: join(into, path) }
  } catch (error) {
    if (error instanceof CommandFailed) return { reason: error.message }
    throw error
  }
}

/** Programs of packages with all that those need and this machine lacks, in a folder for PATH; or why there are none. */
export async function bringPackages(
  work: string,
  { from, programs }: { from: readonly string[]; programs: readonly string[] },
): Promise<{ path: string } | { reason: string }> {
  const reason = reasonAgainstApt()
  if (reason !== null) return { reason }
  try {
    const name = from.join("-")
    const apt = makeApt(work, name, null)
    await run(["apt-get", "update", "-qq"], apt)
    await run(["apt-get", "install", "-y", "-qq", "--download-only", "--no-install-recommends", ...from], apt)
    const into = folder(work, name)
    const archives = join(work, `apt-${name}`, "cache/archives")
    for (const file of readdirSync(archives))
      if (file.endsWith(".deb")) await run(["dpkg-deb", "-x", join(archives, file), into])
    rmSync(archives, { recursive: true })
    const libraries = [...new Bun.Glob("usr/lib/**/*.so*").scanSync({ cwd: into, onlyFiles: false })]
    const folders = [...new Set(libraries.map((file) => dirname(join(into, file))))]
    const path = folder(work, `${name}-bin`)
    for (const program of programs) {
      // Only these programs see the libraries that came with them.
      const lines = [
        `#!/bin/sh`,
        `LD_LIBRARY_PATH='${folders.join(":")}' exec '${join(into, "usr/bin", program)}' "$@"`,
      ]
      writeFileSync(join(path, program), `${lines.join("\n")}\n`, { mode: 0o755 })
    }
    return { path }
  } catch (error) {
    if (error instanceof CommandFailed) return { reason: error.message }
    throw error
  }
}
