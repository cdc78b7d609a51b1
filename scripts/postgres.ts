/**
 * A private PostgreSQL 15 with pgvector for the tests, from the machine's own Debian archive: nothing is installed but a compiler where
 * that is missing. Debian 12 has no pgvector, and newer Debian's binary needs a newer libc, so its source is compiled here (2 s).
 * As a program it prints the URL and runs until Ctrl-C.
 */
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { type AptEnvironment, CommandFailed, folder, makeApt, reasonAgainstApt, run } from "./debian.ts"

export type Postgres = { url: string; stop: () => Promise<void> }
export type PostgresOrReason = { postgres: Postgres } | { reason: string }

const MAJOR = "15"
/** Where pgvector's source is from: the first Debian that has it. */
const SOURCE_SUITE = "trixie"
/** `nobody`: PostgreSQL refuses to run as root, and needs no more than this user has. */
const NOBODY = 65534
const READY_TIMEOUT_MS = 30_000 // it answers in about 0.3 s
const STOP_TIMEOUT_MS = 10_000 // a fast shutdown takes about 0.2 s

/** Why there can be no server here; null where there can. */
function reasonAgainst(): string | null {
  const reason = reasonAgainstApt()
  if (reason !== null) return reason
  if (Bun.which("setpriv") === null) return "there is no setpriv"
  return null
}

/** Starts a server of its own in a folder of its own, or says why not. `durable` as in earnest; tests need not wait for the disk. */
export async function startPostgres({ durable = false }: { durable?: boolean } = {}): Promise<PostgresOrReason> {
  const reason = reasonAgainst()
  if (reason !== null) return { reason }
  const work = mkdtempSync(join(tmpdir(), "ironclaw-pg-"))
  chmodSync(work, 0o711)
  const clear = (): void => rmSync(work, { recursive: true, force: true })
  // Whoever ends us while this takes its seconds leaves nothing behind.
  process.on("exit", clear)
  try {
    await prepare(work)
    return { postgres: await serve(work, durable) }
  } catch (error) {
    clear()
    if (error instanceof CommandFailed) return { reason: error.message }
    throw error
  }
}

/** Puts PostgreSQL, relocated, and pgvector under `work/pg`. */
async function prepare(work: string): Promise<void> {
  const apt = makeApt(work, "machine", null)
  // Only a list that was fetched tells which release it is of.
  await run(["apt-get", "update", "-qq"], apt)
  const archive = await findArchive(apt)
  if (Bun.which("gcc") === null) {
    await run(["apt-get", "update", "-qq"])
    await run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "gcc", "libc6-dev"])
  }
  const newer = makeApt(
    work,
    SOURCE_SUITE,
    `deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${archive} ${SOURCE_SUITE} main\n`,
  )
  await run(["apt-get", "update", "-qq"], newer)
  const [pg, dev, source] = ["pg", "dev", "source"].map((name) => folder(work, name))
  if (pg === undefined || dev === undefined || source === undefined) throw new Error("three names give three folders")
  await Promise.all([bringServer(work, pg, apt), bringHeaders(dev, apt), bringSource(source, newer)])
  await compileVector({ pg, dev, source })
}

/** The machine's own Debian archive, as its apt is configured. */
async function findArchive(apt: AptEnvironment): Promise<string> {
  const codename = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? ""
  const listed = await run(
    ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
    apt,
  )
  const rows = listed.split("\n").map((line) => line.split(" "))
  const uri = rows.find(([, release, component]) => release === codename && component === "main")?.[0]
  if (uri === undefined) throw new CommandFailed(`apt knows no main archive of "${codename}"`)
  return uri
}

/** The server from where it is installed, or from its packages, unpacked beside what the machine has. It finds its files relative to itself. */
async function bringServer(work: string, pg: string, apt: AptEnvironment): Promise<void> {
  if (!existsSync(`/usr/lib/postgresql/${MAJOR}/bin/postgres`)) {
    await run(
      ["apt-get", "install", "-y", "-qq", "--download-only", "--no-install-recommends", `postgresql-${MAJOR}`],
      apt,
    )
    const archives = join(work, "apt-machine/cache/archives")
    for (const file of readdirSync(archives))
      if (file.endsWith(".deb")) await run(["dpkg-deb", "-x", join(archives, file), pg])
    return
  }
  for (const part of [`lib/postgresql/${MAJOR}`, `share/postgresql/${MAJOR}`]) {
    cpSync(join("/usr", part), join(pg, "usr", part), { recursive: true, dereference: true })
  }
}

/** Headers only: installing the package would bring clang and LLVM. */
async function bringHeaders(dev: string, apt: AptEnvironment): Promise<void> {
  await run(["apt-get", "download", "-qq", `postgresql-server-dev-${MAJOR}`, "libpq-dev"], { cwd: dev, ...apt })
  for (const file of readdirSync(dev)) if (file.endsWith(".deb")) await run(["dpkg-deb", "-x", join(dev, file), dev])
}

async function bringSource(source: string, apt: AptEnvironment): Promise<void> {
  await run(["apt-get", "source", "--download-only", "-qq", "pgvector"], { cwd: source, ...apt })
  const archive = readdirSync(source).find((name) => name.includes(".orig.tar"))
  if (archive === undefined) throw new CommandFailed("The source package of pgvector has no upstream archive")
  await run(["tar", "xf", archive, "--strip-components=1"], { cwd: source })
}

async function compileVector({ pg, dev, source }: { pg: string; dev: string; source: string }): Promise<void> {
  const include = join(dev, "usr/include/postgresql")
  const flags = [
    "-O2",
    "-ftree-vectorize",
    "-fassociative-math",
    "-fno-signed-zeros",
    "-fno-trapping-math",
    "-fPIC",
    "-D_GNU_SOURCE",
  ]
  const paths = [`-I${include}/${MAJOR}/server`, `-I${include}`, `-I${source}/src`]
  const waiting = readdirSync(join(source, "src")).filter((name) => name.endsWith(".c"))
  const objects = waiting.map((name) => join(source, `${name}.o`))
  const compileNext = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      await run(["gcc", ...flags, ...paths, "-c", join(source, "src", name), "-o", join(source, `${name}.o`)])
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, compileNext))
  await run(["gcc", "-shared", "-o", join(pg, `usr/lib/postgresql/${MAJOR}/lib/vector.so`), ...objects, "-lm"])
  const extension = join(pg, `usr/share/postgresql/${MAJOR}/extension`)
  const control = readFileSync(join(source, "vector.control"), "utf8")
  const version = /default_version = '([^']+)'/.exec(control)?.[1] ?? ""
  writeFileSync(join(extension, "vector.control"), control)
  cpSync(join(source, "sql/vector.sql"), join(extension, `vector--${version}.sql`))
}

async function serve(work: string, durable: boolean): Promise<Postgres> {
  const bin = join(work, "pg/usr/lib/postgresql", MAJOR, "bin")
  const data = folder(work, "data")
  const socket = folder(work, "socket")
  const password = Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url")
  const passwordFile = join(work, "password")
  writeFileSync(passwordFile, password)
  for (const path of [data, socket, passwordFile]) {
    chmodSync(path, path === passwordFile ? 0o400 : 0o700)
    chownSync(path, NOBODY, NOBODY)
  }
  // Libraries that were unpacked beside it, where the machine lacks them.
  const libraries = readdirSync(join(work, "pg/usr/lib")).filter((name) => name.endsWith("-linux-gnu"))
  const env = { LD_LIBRARY_PATH: libraries.map((name) => join(work, "pg/usr/lib", name)).join(":"), HOME: data }
  const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--"]
  const init = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
  await run([...asNobody, join(bin, "initdb"), "-D", data, "-U", "ironclaw", `--pwfile=${passwordFile}`, ...init], {
    env,
    cwd: data,
  })
  rmSync(passwordFile)
  const port = await freePort()
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: socket,
    max_connections: "200", // test files open pools side by side
    ...(durable ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
  }
  const server = Bun.spawn(
    [
      ...asNobody,
      join(bin, "postgres"),
      "-D",
      data,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    {
      cwd: data,
      env: { ...process.env, LC_ALL: "C", ...env },
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(join(work, "server.log")),
    },
  )
  const stop = async (): Promise<void> => {
    server.kill("SIGINT") // "fast": open connections are ended
    const late = setTimeout(() => server.kill("SIGKILL"), STOP_TIMEOUT_MS)
    await server.exited
    clearTimeout(late)
    rmSync(work, { recursive: true, force: true })
  }
  try {
    await waitUntilReady({ bin, socket, port, env, hasEnded: () => server.exitCode !== null })
    const admin = { ...env, PGPASSWORD: password }
    await run([join(bin, "createdb"), "-h", socket, "-p", String(port), "-U", "ironclaw", "ironclaw"], { env: admin })
  } catch (error) {
    const log = readFileSync(join(work, "server.log"), "utf8").trim().split("\n").slice(-3).join(" | ")
    await stop()
    throw new CommandFailed(`${error instanceof Error ? error.message : String(error)} (${log})`)
  }
  return { url: `postgres://ironclaw:${password}@127.0.0.1:${port}/ironclaw`, stop }
}

type Readiness = { bin: string; socket: string; port: number; env: Record<string, string>; hasEnded: () => boolean }

async function waitUntilReady({ bin, socket, port, env, hasEnded }: Readiness): Promise<void> {
  const startedMs = performance.now()
  while (performance.now() - startedMs < READY_TIMEOUT_MS) {
    if (hasEnded()) throw new CommandFailed("postgres ended while starting")
    try {
      await run([join(bin, "pg_isready"), "-q", "-h", socket, "-p", String(port)], { env })
      return
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error
      await Bun.sleep(50)
    }
  }
  throw new CommandFailed(`postgres was not ready after ${READY_TIMEOUT_MS} ms`)
}

/** A port that was free a moment ago: good enough for a server that nobody else knows of. */
async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const probe = createServer().on("error", reject)
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address()
    probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
  })
  return promise
}

if (import.meta.main) {
  const outcome = await startPostgres({ durable: !process.argv.includes("--fast") })
  if ("reason" in outcome) {
    console.error(`No PostgreSQL here: ${outcome.reason}`)
    process.exitCode = 1
  } else {
    console.log(outcome.postgres.url)
    const end = Promise.withResolvers<void>()
    process.on("SIGINT", () => end.resolve())
    process.on("SIGTERM", () => end.resolve())
    // Signals alone keep no program alive.
    const alive = setInterval(() => {}, 60_000)
    await end.promise
    clearInterval(alive)
    await outcome.postgres.stop()
  }
}
