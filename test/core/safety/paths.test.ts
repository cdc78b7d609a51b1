/** The path gate: what text is refused, and that no link, device, race of names or closed folder leads out. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { execFileSync } from "node:child_process"
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { judgePath, openJail, type Jail } from "#core/safety/paths.ts"
import { portableSteps, systemSteps } from "#core/safety/path-steps.ts"

const allows = (path: string, use: "read" | "write" = "read") => judgePath({ root: "/srv/ws", path, use }).ok

describe("the text of a path", () => {
  test.each([
    "readme.md",
    "docs/./a.txt",
    "docs//a.txt",
    "./readme.md",
    "/srv/ws",
    "/srv/ws/docs/a.txt",
    ".",
    "a..b/c.txt",
    "..foo/bar",
    "....",
    "ünï/ços.md",
    "文件.md",
    "100% sure.md",
    "a%20b.txt",
    "~$plan.docx",
    "$(id)",
    "-rf",
    "12:30 notes.md",
  ])("that stays inside is allowed: %s", (path) => {
    expect(allows(path)).toBe(true)
  })

  test.each([
    "..",
    "../x",
    "docs/../../x",
    "docs/../readme.md",
    "/etc/passwd",
    "//etc/passwd",
    "/srv/ws-evil/x",
    "/srv/ws/../secret",
    "/srv",
    "\\\\host\\share",
    "..\\x",
    "C:\\x",
    "C:/x",
    "C:x",
    "file:///etc/passwd",
    "~/.bashrc",
    "~root/.bashrc",
    "a\0b",
    "a\nb",
    "a\u0085b",
    "\ud800",
    "%2e%2e/x",
    "..%2fx",
    "%252e%252e/x",
    "x%00.png",
    `${"a/".repeat(3000)}b`,
    "a".repeat(256),
  ])("that leaves, or is no name, is refused: %j", (path) => {
    expect(allows(path)).toBe(false)
  })

  test.each([
    ".env",
    ".ENV",
    ".env.local",
    "app/.env.production",
    ".env. ",
    "．env",
    ".e\u200bnv",
    ".ssh/config",
    "backup/.aws/credentials",
    "id_ed25519",
    "tls/server.pem",
    "server.KEY",
    ".netrc",
    ".bash_history",
    ".docker/config.json",
    ".config/gh/hosts.yml",
    "infra/prod.tfstate",
    ".ironclaw/config.toml",
  ])("that names keys or passwords is refused: %s", (path) => {
    expect(allows(path)).toBe(false)
  })

  test.each([
    ".env.example",
    "environment.ts",
    "src/.envelope",
    "id_rsa.pub",
    ".cargo/config.toml",
    "inventory/hosts.yml",
    ".docker/Dockerfile",
    "monkey.ts",
    "commit_history",
    "keys.md",
    "secrets.test.ts",
  ])("that only resembles one is allowed: %s", (path) => {
    expect(allows(path)).toBe(true)
  })

  test("that runs when the owner uses the project is closed for writing alone", () => {
    expect(allows(".git/config", "read")).toBe(true)
    expect(allows(".git/hooks/pre-commit", "write")).toBe(false)
    expect(allows(".github/workflows/ci.yml", "write")).toBe(true)
  })
})

const onLinux = process.platform === "linux"

describe.each([
  ["held folders", systemSteps],
  ["folders checked before and after", portableSteps],
])("a jail with %s", (_, steps) => {
  const base = mkdtempSync(join(tmpdir(), "ironclaw-paths-"))
  const root = join(base, "ws")
  const home = join(root, "deep", "home")
  let jail: Jail
  let socket: Server

  beforeAll(async () => {
    mkdirSync(join(root, "docs", "sub"), { recursive: true })
    mkdirSync(home, { recursive: true })
    mkdirSync(join(base, "ws-evil"))
    writeFileSync(join(root, "readme.md"), "inside")
    writeFileSync(join(root, "docs", "a.txt"), "a")
    writeFileSync(join(root, ".env"), "KEY=1")
    writeFileSync(join(home, "config.toml"), "mine")
    writeFileSync(join(base, "secret.txt"), "outside")
    symlinkSync("/etc", join(root, "link_out"))
    symlinkSync("../secret.txt", join(root, "link_file"))
    symlinkSync("..", join(root, "link_up"))
    symlinkSync("docs", join(root, "link_in"))
    symlinkSync("loop", join(root, "loop"))
    symlinkSync(join(base, "new.txt"), join(root, "dangling"))
    linkSync(join(base, "secret.txt"), join(root, "hard.txt"))
    if (onLinux) execFileSync("mkfifo", [join(root, "pipe")])
    socket = createServer()
    await new Promise<void>((resolve) => socket.listen(join(root, "sock"), resolve))
    jail = openJail({ root, closed: [home], steps })
  })
  afterAll(() => {
    jail.close()
    socket.close()
    rmSync(base, { recursive: true, force: true })
  })

  const read = (path: string) =>
    jail.withFile(path, async ({ fd }) => {
      const bytes = Buffer.alloc(100)
      return bytes.toString("utf8", 0, readSync(fd, bytes, 0, 100, 0))
    })
  const why = async (path: string) => {
    const result = await read(path)
    return result.ok ? "" : result.why
  }
  const write = (path: string) => jail.replace({ path, content: Buffer.from("new"), expected: null })

  test("reads what is inside, by its relative and its whole path", async () => {
    expect(await read("docs/a.txt")).toEqual({ ok: true, value: "a" })
    expect(await read(join(jail.root, "readme.md"))).toEqual({ ok: true, value: "inside" })
  })

  test.each(["link_out/passwd", "link_file", "link_up/secret.txt", "link_in/a.txt", "loop", "loop/x", "dangling"])(
    "follows no link: %s",
    async (path) => {
      expect(await why(path)).toContain("link")
      expect((await write(path)).ok).toBe(false)
    },
  )

  test("reads no file that has another name outside", async () => {
    expect(await why("hard.txt")).toContain("hard links")
  })

  test.if(onLinux)("waits for no pipe and opens no socket", async () => {
    expect(await why("pipe")).toContain("neither a file nor a folder")
    expect(await why("sock")).toContain("neither a file nor a folder")
  })

  test("keeps the assistant's home closed wherever it lies, and does not list it", async () => {
    expect(await why("deep/home/config.toml")).toContain("closed")
    expect((await write("deep/home/x")).ok).toBe(false)
    expect(await jail.list("deep")).toMatchObject({ ok: true, value: { entries: [], hidden: 1 } })
  })

  test("says what is missing, and what is a folder", async () => {
    expect(await read("nothing.txt")).toMatchObject({ ok: false, missing: true })
    expect(await why("docs")).toContain("is a folder")
    expect(await why("readme.md/x")).toContain("not a folder")
  })

  test("lists names by kind without following links or showing what is closed", async () => {
    const listed = await jail.list(".")
    if (!listed.ok) throw new Error(listed.why)
    const kinds = Object.fromEntries(listed.value.entries.map(({ name, kind }) => [name, kind]))
    expect(kinds).toMatchObject({
      docs: "folder",
      "readme.md": "file",
      link_out: "link",
      dangling: "link",
      sock: "other",
    })
    expect(kinds[".env"]).toBeUndefined()
    expect(listed.value.hidden).toBe(1)
    expect((await jail.list("link_out")).ok).toBe(false)
  })

  test("writes a new file whole, with the folders on its way, and leaves nothing beside it", async () => {
    expect(await write("new/folder/x.md")).toEqual({ ok: true, value: { path: "new/folder/x.md" } })
    expect(readFileSync(join(root, "new/folder/x.md"), "utf8")).toBe("new")
    expect(readdirSync(join(root, "new/folder"))).toEqual(["x.md"])
  })

  test("replaces a file only as it was read, and keeps its mode", async () => {
    writeFileSync(join(root, "run.sh"), "1", { mode: 0o755 })
    const seen = await jail.withFile("run.sh", async (file) => file)
    if (!seen.ok) throw new Error(seen.why)
    const change = { path: "run.sh", content: Buffer.from("second"), expected: seen.value }
    expect((await jail.replace(change)).ok).toBe(true)
    expect(statSync(join(root, "run.sh")).mode & 0o777).toBe(0o755)
    expect(await jail.replace(change)).toMatchObject({ ok: false, why: expect.stringContaining("changed") })
    expect(await write("run.sh")).toMatchObject({ ok: false, why: expect.stringContaining("exists already") })
    expect(readFileSync(join(root, "run.sh"), "utf8")).toBe("second")
  })

  test("removes a file only as it was read", async () => {
    writeFileSync(join(root, "old.txt"), "1")
    const seen = await jail.withFile("old.txt", async (file) => file)
    if (!seen.ok) throw new Error(seen.why)
    expect((await jail.remove({ path: "old.txt", expected: { ...seen.value, stamp: "another" } })).ok).toBe(false)
    expect((await jail.remove({ path: "old.txt", expected: seen.value })).ok).toBe(true)
    expect((await read("old.txt")).ok).toBe(false)
  })

  test("writes nothing outside by any of these ways", async () => {
    for (const path of ["../x", "link_up/x", "link_out/x", "dangling", "/tmp/x", ".git/hooks/x", ".env.local", "."]) {
      expect((await write(path)).ok).toBe(false)
    }
    expect(readdirSync(base).sort()).toEqual(["secret.txt", "ws", "ws-evil"])
    expect(readFileSync(join(base, "secret.txt"), "utf8")).toBe("outside")
  })

  test("leaves no handle open", async () => {
    if (!onLinux) return expect(systemSteps).toBe(portableSteps)
    const open = () => readdirSync("/proc/self/fd").length
    const before = open()
    for (const path of ["docs/a.txt", "link_up/x", "docs/none", "docs", "hard.txt", "deep/home/x"]) {
      await read(path)
      await jail.list(path)
      await write(path)
    }
    expect(open()).toBe(before)
  })
})

test.if(onLinux)("a folder that is swapped for a link while it is held is still the folder", async () => {
  const base = mkdtempSync(join(tmpdir(), "ironclaw-paths-"))
  const root = join(base, "ws")
  mkdirSync(root)
  mkdirSync(join(base, "evil"))
  mkdirSync(join(base, "home"))
  writeFileSync(join(root, "a.txt"), "inside")
  writeFileSync(join(base, "evil", "a.txt"), "outside")
  const jail = openJail({ root, closed: [join(base, "home")] })
  renameSync(root, join(base, "moved"))
  symlinkSync(join(base, "evil"), root)
  const text = await jail.withFile("a.txt", async ({ fd }) => readFileSync(fd, "utf8"))
  expect(text).toEqual({ ok: true, value: "inside" })
  await jail.replace({ path: "b.txt", content: Buffer.from("new"), expected: null })
  expect(readdirSync(join(base, "moved")).sort()).toEqual(["a.txt", "b.txt"])
  expect(readdirSync(join(base, "evil"))).toEqual(["a.txt"])
  jail.close()
  rmSync(base, { recursive: true, force: true })
})

test("the disk, a file, a missing folder and the assistant's own home are no project folders", () => {
  const base = mkdtempSync(join(tmpdir(), "ironclaw-paths-"))
  mkdirSync(join(base, "inner"))
  writeFileSync(join(base, "file"), "")
  const open = (root: string) => () => openJail({ root, closed: [base] })
  expect(open("/")).toThrow("whole disk")
  expect(open(base)).toThrow("assistant itself")
  expect(open(join(base, "inner"))).toThrow("assistant itself")
  expect(open(join(base, "file"))).toThrow("not a folder")
  expect(open(join(base, "none"))).toThrow("cannot be opened")
  rmSync(base, { recursive: true, force: true })
})
