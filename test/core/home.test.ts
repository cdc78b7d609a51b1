import { afterAll, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  chownSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import { createPrivateFile, readPrivateFile, writePrivateFile } from "#core/home-file.ts"
import { readLock, requireLock, takeLock } from "#core/home-lock.ts"
import { findSocket, localToken, prepareSocket, removeSocket } from "#core/home-socket.ts"
import { openHome } from "#core/home.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-home-test-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))
let count = 0
const fresh = () => join(base, `home-${++count}`)
const open = (path: string) => openHome({ env: {}, explicit: path })
const modeOf = (path: string) => statSync(path).mode & 0o777
const isRoot = process.getuid?.() === 0

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof AppError) return error.code
    throw error
  }
  return "no error"
}

describe("opening a home", () => {
  test("the default is .ironclaw in the user's home, closed to others, and is not announced", () => {
    const userHome = fresh()
    mkdirSync(userHome)
    const home = openHome({ env: { HOME: userHome } })
    expect(home.root).toBe(join(userHome, ".ironclaw"))
    expect(modeOf(home.root)).toBe(0o700)
    expect(home.from).toBe("default")
    expect(home.announcement).toBeNull()
  })

  test("a home from the environment is announced; a flag wins over it", () => {
    const path = fresh()
    const home = openHome({ env: { IRONCLAW_HOME: path } })
    expect(home.announcement).toContain(path)
    const other = fresh()
    expect(openHome({ env: { IRONCLAW_HOME: path }, explicit: other })).toMatchObject({
      root: other,
      from: "flag",
      announcement: null,
    })
  })

  test("a tilde that no shell expanded means the user's home", () => {
    const userHome = fresh()
    mkdirSync(userHome)
    expect(openHome({ env: { HOME: userHome, IRONCLAW_HOME: "~/claw" } }).root).toBe(join(userHome, "claw"))
  })

  test("folders are made 0700 on first need and not before, whatever the umask", () => {
    const before = process.umask(0o000)
    try {
      const home = open(fresh())
      expect(existsSync(home.paths.logs)).toBe(false)
      expect(modeOf(home.folder("logs"))).toBe(0o700)
    } finally {
      process.umask(before)
    }
  })

  test("a home that others can enter is refused with the chmod that closes it", () => {
    const path = `${fresh()} with space`
    mkdirSync(path)
    chmodSync(path, 0o750)
    expect(() => open(path)).toThrow(`chmod 700 '${path}'`)
    expect(codeOf(() => open(path))).toBe("home.too_open")
    chmodSync(path, 0o700)
    expect(open(path).root).toBe(path)
  })

  test.if(isRoot)("a home that another user owns is refused, even when we could write to it", () => {
    const path = fresh()
    mkdirSync(path, { mode: 0o700 })
    chownSync(path, 65534, 65534)
    expect(codeOf(() => open(path))).toBe("home.not_yours")
  })

  test("a folder inside the home that was opened to others is refused too", () => {
    const home = open(fresh())
    mkdirSync(home.paths.run)
    chmodSync(home.paths.run, 0o755)
    expect(codeOf(() => home.folder("run"))).toBe("home.too_open")
  })

  test("a home that cannot be made says why", () => {
    const file = fresh()
    writeFileSync(file, "")
    expect(() => open(join(file, "home"))).toThrow("a part of the path is a file")
    expect(codeOf(() => open(file))).toBe("home.not_writable")
  })

  test("a symlink to the user's own closed folder is a fine home", () => {
    const target = fresh()
    mkdirSync(target, { mode: 0o700 })
    const link = fresh()
    symlinkSync(target, link)
    expect(open(link).root).toBe(target)
  })
})

describe("private files", () => {
  test("a file is replaced whole, 0600, and leaves nothing beside it", () => {
    const home = open(fresh())
    const path = join(home.root, "x")
    writeFileSync(path, "old", { mode: 0o644 })
    writePrivateFile(path, "new")
    expect(readFileSync(path, "utf8")).toBe("new")
    expect(modeOf(path)).toBe(0o600)
    expect(readdirNames(home.root)).toEqual(["x"])
  })

  test("of two creations the first wins and the second says so", () => {
    const path = join(open(fresh()).root, "x")
    expect(createPrivateFile(path, "first")).toBe(true)
    expect(createPrivateFile(path, "second")).toBe(false)
    expect(readPrivateFile(path)).toBe("first")
  })

  test("a planted symlink is neither written through nor read", () => {
    const home = open(fresh())
    const victim = join(home.root, "victim")
    writeFileSync(victim, "untouched", { mode: 0o600 })
    const path = join(home.root, "x")
    symlinkSync(victim, path)
    expect(codeOf(() => readPrivateFile(path))).toBe("home.unsafe_file")
    expect(createPrivateFile(path, "mine")).toBe(false)
    writePrivateFile(path, "mine")
    expect(readFileSync(victim, "utf8")).toBe("untouched")
    expect(lstatSync(path).isSymbolicLink()).toBe(false)
  })

  test("a file that others can read is refused", () => {
    const path = join(open(fresh()).root, "x")
    writeFileSync(path, "open")
    chmodSync(path, 0o640)
    expect(codeOf(() => readPrivateFile(path))).toBe("home.unsafe_file")
  })
})

describe("the token", () => {
  test("is made once, 0600, with 256 random bits, and read by everyone after", () => {
    const home = open(fresh())
    const token = localToken(home)
    expect(token).toMatch(/^[\w-]{43}$/)
    expect(localToken(open(home.root))).toBe(token)
    expect(modeOf(join(home.paths.run, "token"))).toBe(0o600)
  })

  test("four processes that need it at once agree on it", async () => {
    const root = open(fresh()).root
    const script = `import { openHome } from "#core/home.ts"; import { localToken } from "#core/home-socket.ts"
      await Bun.stdout.write(localToken(openHome({ env: {}, explicit: ${JSON.stringify(root)} })))`
    const outputs = await Promise.all(Array.from({ length: 4 }, () => runScript(script)))
    expect(new Set(outputs).size).toBe(1)
    expect(outputs[0]).toHaveLength(43)
  })
})

describe("the lock", () => {
  test("is held by one, tells others who and where, and is free after release", async () => {
    const home = open(fresh())
    expect(readLock(home)).toBeNull()
    const lock = takeLock({ home, clock: systemClock, what: "serve", as: "service" })
    expect(lock).not.toBeNull()
    expect(takeLock({ home, clock: systemClock, what: "serve", as: "service" })).toBeNull()
    lock?.announce("127.0.0.1:3000")
    expect(readLock(home)).toMatchObject({ pid: process.pid, address: "127.0.0.1:3000", what: "serve", as: "service" })
    const refused = await requireLock({ home, clock: systemClock, what: "serve", as: "service" }).catch(String)
    expect(refused).toContain(`pid ${process.pid} at 127.0.0.1:3000`)
    lock?.release()
    lock?.release()
    expect(readLock(home)).toBeNull()
    const again = takeLock({ home, clock: systemClock, what: "serve", as: "service" })
    expect(again?.holder.address).toBeNull()
    again?.release()
  })

  test("held by a verb is waited for by a service", async () => {
    const home = open(fresh())
    const verb = takeLock({ home, clock: systemClock, what: "memory list", as: "verb" })
    const waiting = requireLock({ home, clock: systemClock, what: "serve", as: "service" })
    expect(readLock(home)?.what).toBe("memory list")
    verb?.release()
    const service = await waiting
    expect(readLock(home)).toMatchObject({ what: "serve", as: "service" })
    service.release()
  })

  test("of another process is seen, and taken over when that process is killed", async () => {
    const home = open(fresh())
    const child = Bun.spawn([process.execPath, "-e", holdScript(home.root)], {
      cwd: import.meta.dir,
      stdout: "pipe",
      stderr: "inherit",
      env: {},
    })
    const reader = child.stdout.getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("held\n")
    expect(readLock(home)).toMatchObject({ pid: child.pid, what: "child" })
    expect(takeLock({ home, clock: systemClock, what: "test", as: "verb" })).toBeNull()
    child.kill("SIGKILL")
    await child.exited
    expect(existsSync(join(home.paths.run, "lock.json"))).toBe(true) // what the dead left behind fools nobody
    expect(readLock(home)).toBeNull()
    const lock = takeLock({ home, clock: systemClock, what: "test", as: "verb" })
    expect(lock?.holder.pid).toBe(process.pid)
    lock?.release()
  })

  test("looking at it does not make a home's folders", () => {
    const home = open(fresh())
    expect(readLock(home)).toBeNull()
    expect(existsSync(home.paths.run)).toBe(false)
  })

  test("eight processes that want it at once: exactly one gets it", async () => {
    const root = open(fresh()).root
    const script = `import { openHome } from "#core/home.ts"; import { takeLock } from "#core/home-lock.ts"; import { systemClock } from "#core/clock.ts"
      const lock = takeLock({ home: openHome({ env: {}, explicit: ${JSON.stringify(root)} }), clock: systemClock, what: "race", as: "verb" })
      await Bun.stdout.write(lock ? "got" : "not\\n"); await Bun.stdin.text(); lock?.release()`
    const children = Array.from({ length: 8 }, () =>
      Bun.spawn([process.execPath, "-e", script], {
        cwd: import.meta.dir,
        stdin: "pipe",
        stdout: "pipe",
        stderr: "inherit",
        env: {},
      }),
    )
    const answers = await Promise.all(
      children.map(async (child) => new TextDecoder().decode((await child.stdout.getReader().read()).value)),
    )
    for (const child of children) void child.stdin.end()
    await Promise.all(children.map((child) => child.exited))
    expect(answers.filter((answer) => answer.startsWith("got"))).toHaveLength(1)
  })
})

describe("the socket", () => {
  test("is in run/, works, and what a dead holder left is removed", async () => {
    const home = open(fresh())
    expect(findSocket(home)).toBeNull()
    await serveOnce(home.root)
    expect(prepareSocket(home)).toBe(join(home.paths.run, "ironclaw.sock"))
  })

  test("of a home with a long path is in a short private folder that run/ records", async () => {
    const home = open(join(base, "long-".repeat(30)))
    const path = await serveOnce(home.root)
    expect(Buffer.byteLength(path)).toBeLessThanOrEqual(100)
    expect(existsSync(path)).toBe(false) // and its folder went with it
    expect(findSocket(home)).toBeNull()
  })

  test("a recorded folder that others can enter is refused", () => {
    const home = open(join(base, "loong-".repeat(30)))
    const path = prepareSocket(home)
    writeFileSync(path, "")
    chmodSync(join(path, ".."), 0o777)
    expect(codeOf(() => findSocket(home))).toBe("home.too_open")
    expect(codeOf(() => prepareSocket(home))).toBe("home.too_open")
    removeSocket(home, path)
  })
})

async function serveOnce(root: string): Promise<string> {
  const home = open(root)
  writeFileSync(prepareSocket(home), "left by a dead holder")
  const path = prepareSocket(home)
  const server = Bun.serve({ unix: path, fetch: () => new Response("alive") })
  expect(modeOf(join(path, ".."))).toBe(0o700)
  expect(findSocket(home)).toBe(path)
  const answer = await fetch("http://localhost/", { unix: path })
  expect(await answer.text()).toBe("alive")
  await server.stop(true)
  removeSocket(home, path)
  return path
}

function holdScript(root: string): string {
  return `import { openHome } from "#core/home.ts"; import { takeLock } from "#core/home-lock.ts"; import { systemClock } from "#core/clock.ts"
    const lock = takeLock({ home: openHome({ env: {}, explicit: ${JSON.stringify(root)} }), clock: systemClock, what: "child", as: "verb" })
    await Bun.stdout.write(lock ? "held\\n" : "busy\\n"); await Bun.sleep(60_000); lock?.release()`
}

async function runScript(script: string): Promise<string> {
  const child = Bun.spawn([process.execPath, "-e", script], {
    cwd: import.meta.dir,
    stdout: "pipe",
    stderr: "inherit",
    env: {},
  })
  return new Response(child.stdout).text()
}

function readdirNames(path: string): string[] {
  return [...new Bun.Glob("*").scanSync({ cwd: path, dot: true })].toSorted()
}
