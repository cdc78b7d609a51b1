import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { smallDisk } from "#test/fakes/small-disk.ts"
import { speaker, startReleaseServer, testSigner } from "#test/fakes/release-server.ts"

const script = readFileSync(join(import.meta.dir, "../../scripts/install.sh"), "utf8")
const server = startReleaseServer(new Map([["install.sh", script]]))
const base = mkdtempSync(join(tmpdir(), "ironclaw-install-"))
let home = ""
let bin = ""

beforeAll(() => server.publish({ version: "9.9.9", number: 7, program: speaker({ version: "9.9.9", number: 7 }) }))
beforeEach(() => {
  home = mkdtempSync(join(base, "home-"))
  bin = join(home, ".local/bin")
  server.bend = null
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  if (disk !== null) Bun.spawnSync(["umount", "-l", disk])
  rmSync(base, { recursive: true, force: true })
})

type Shell = { name: string; argv: string[]; path: string }
const standardPath = "/usr/bin:/bin"

/** A PATH on which these programs are and nothing else. */
function pathOf(names: readonly string[], { besides }: { besides?: string } = {}): string {
  const folder = mkdtempSync(join(base, "path-"))
  if (besides !== undefined) Bun.spawnSync([besides, "--install", "-s", folder])
  for (const name of names) {
    const found = Bun.which(name, { PATH: standardPath })
    if (found === null) continue
    rmSync(join(folder, name), { force: true })
    symlinkSync(found, join(folder, name))
  }
  return folder
}

/** What the script uses, aside from what fetches and what verifies. */
const plainTools =
  "uname ldd getconf sed grep head cat cut tr wc awk df mktemp mkdir rm mv ln cp chmod date expr cmp gzip base64 sha256sum find sync env sh du dirname".split(
    " ",
  )

const busybox = process.env["IRONCLAW_TEST_BUSYBOX"] ?? Bun.which("busybox")
const shells: Shell[] = [
  { name: "dash", argv: ["/bin/dash"], path: standardPath },
  { name: "bash", argv: ["bash", "--posix"], path: standardPath },
  { name: "dash, wget and ssh-keygen", argv: ["/bin/dash"], path: pathOf([...plainTools, "wget", "ssh-keygen"]) },
]
if (busybox === null) console.log("Skipped: the install script under busybox, which is not on this machine")
else {
  shells.push({
    name: "busybox sh, its own tools",
    argv: [busybox, "sh"],
    path: pathOf(["openssl", "env"], { besides: busybox }),
  })
}
const dash = shells[0] ?? { name: "", argv: [], path: "" }

const disk = smallDisk(join(base, "disk"))

type Given = { shell?: Shell; env?: Record<string, string>; text?: string }

async function install(args: readonly string[] = [], { shell = dash, env = {}, text }: Given = {}) {
  const file = join(mkdtempSync(join(base, "script-")), "install.sh")
  writeFileSync(file, text ?? readFileSync(join(server.folder, "install.sh"), "utf8"))
  const child = Bun.spawn([...shell.argv, file, ...args], {
    cwd: home,
    env: { HOME: home, PATH: shell.path, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, stdout, stderr }
}

/** Nothing is there but what should be: no half files, no folders of work. */
function left(): string[] {
  return existsSync(bin) ? readdirSync(bin).sort() : []
}

describe.each(shells)("under $name", (shell) => {
  test("the newest release is installed, and starts", async () => {
    const { status, stdout, stderr } = await install([], { shell })
    expect(stderr).toBe("")
    expect(status).toBe(0)
    expect(stdout).toContain(`${join(bin, "ironclaw")} is ironclaw 9.9.9`)
    expect(stdout).toContain(`export PATH="${bin}:$PATH"`)
    expect(left()).toEqual(["ironclaw"])
    expect(Bun.spawnSync([join(bin, "ironclaw"), "--version"]).stdout.toString()).toStartWith("ironclaw 9.9.9 ")
  })

  test("what is signed by somebody else is not", async () => {
    const other = testSigner()
    const real = readFileSync(join(server.folder, "release.json"))
    server.publish({
      version: "9.9.9",
      number: 7,
      program: speaker({ version: "9.9.9", number: 7 }),
      signers: [other],
      pins: { url: null, keys: [other.publicKey] },
    })
    const forged = new Uint8Array(readFileSync(join(server.folder, "release.json")))
    // The same key id as ours, so that it is the signature that is judged.
    const id = /"key":"([0-9a-f]+)"/.exec(real.toString())?.[1] ?? ""
    const text = Buffer.from(forged)
      .toString()
      .replace(/"key":"[0-9a-f]+"/, `"key":"${id}"`)
    server.publish({ version: "9.9.9", number: 7, program: speaker({ version: "9.9.9", number: 7 }) })
    for (const sent of [forged, new Uint8Array(Buffer.from(text))]) {
      server.bend = (path) => (path.endsWith("release.json") ? sent : null)
      const { status, stderr } = await install([], { shell })
      expect(stderr).toContain("is not signed by a key that this script knows")
      expect(status).toBe(1)
      expect(left()).toEqual([])
    }
  })

  test("a program that was changed or cut short on the way is not", async () => {
    server.bend = (path, bytes) =>
      path.endsWith(".gz") ? bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte)) : null
    expect((await install([], { shell })).stderr).toContain("is not what was signed")
    server.bend = (path, bytes) => (path.endsWith(".gz") ? bytes.slice(0, -5) : null)
    expect((await install([], { shell })).stderr).toContain("was cut short")
    expect(left()).toEqual([])
  })

  test("an expired release is not", async () => {
    server.publish({
      version: "9.9.9",
      number: 7,
      program: speaker({ version: "9.9.9", number: 7 }),
      created: new Date("2025-01-01T00:00:00Z"),
    })
    const { status, stderr } = await install([], { shell })
    server.publish({ version: "9.9.9", number: 7, program: speaker({ version: "9.9.9", number: 7 }) })
    expect(stderr).toContain("held until 2025-04-01")
    expect(status).toBe(1)
    expect(left()).toEqual([])
  })

  test("an older one does not take the place of a newer one, and the one before is kept", async () => {
    mkdirSync(bin, { recursive: true })
    const dest = join(bin, "ironclaw")
    writeFileSync(dest, speaker({ version: "10.0.0", number: 8 }), { mode: 0o755 })
    const older = await install([], { shell })
    expect(older.stderr).toContain("Release 8 is installed")
    expect(older.status).toBe(1)
    writeFileSync(dest, speaker({ version: "9.0.0", number: 6 }))
    const newer = await install([], { shell })
    expect(newer.stderr).toBe("")
    expect(newer.stdout).toContain("stays the old one until it is restarted")
    expect(left()).toEqual([".ironclaw.previous", "ironclaw"])
    expect(readFileSync(join(bin, ".ironclaw.previous"), "utf8")).toContain("9.0.0")
  })

  test("--uninstall removes it and says what stays", async () => {
    await install([], { shell })
    mkdirSync(join(home, ".ironclaw"))
    const { status, stdout } = await install(["--uninstall"], { shell })
    expect(status).toBe(0)
    expect(stdout).toContain(`Removed ${join(bin, "ironclaw")}`)
    expect(stdout).toContain(`What stays is yours: ${join(home, ".ironclaw")}`)
    expect(left()).toEqual([])
    expect(existsSync(join(home, ".ironclaw"))).toBe(true)
  })
})

describe("the install script", () => {
  test("runs from a pipe, and a half of it runs nothing", async () => {
    const text = readFileSync(join(server.folder, "install.sh"))
    const piped = async (input: Uint8Array) => {
      const child = Bun.spawn(["/bin/dash", "-s", "--", "--prefix", join(home, "opt")], {
        cwd: home,
        env: { HOME: home, PATH: standardPath },
        stdin: input,
        stdout: "pipe",
        stderr: "pipe",
      })
      const words = (await child.stdout.text()) + (await child.stderr.text())
      return { status: await child.exited, words }
    }
    const before = server.asked.length
    for (const share of [0.3, 0.6, 0.95]) await piped(text.subarray(0, Math.floor(text.length * share)))
    await piped(text.subarray(0, -10)) // without its last line
    expect(server.asked.length).toBe(before)
    expect(readdirSync(home)).toEqual([])
    expect((await piped(text)).words).toContain(`${join(home, "opt/bin/ironclaw")} is ironclaw 9.9.9`)
  })

  test("says what is wrong with what it is told", async () => {
    expect((await install(["--frefix"])).stderr).toContain('There is no option "--frefix"')
    expect((await install(["--prefix"])).stderr).toContain("--prefix needs a value")
    expect((await install(["--version", "1.0.0"])).stderr).toContain("The newest release is 9.9.9, not 1.0.0")
    expect((await install(["--version=9.9.9"])).status).toBe(0)
  })

  test.each([
    ["http://example.org/releases", "is not https"],
    ["http://127.0.0.1.example.org", "is not https"],
    ["http://127.0.0.1:80@example.org", "is no plain address"],
    ["ftp://example.org", "does not begin with https://"],
    ["file:///etc", "does not begin with https://"],
  ])("takes nothing from %s", async (url, why) => {
    const { status, stderr } = await install([], { env: { IRONCLAW_RELEASE_URL: url } })
    expect(stderr).toContain(why)
    expect(status).toBe(1)
  })

  test("knows no address and no key unless they were pinned", async () => {
    expect((await install([], { text: script })).stderr).toContain("No release address is known")
    const { stderr } = await install(["--url", server.url], { text: script })
    expect(stderr).toContain("knows no key by which a release could be verified")
  })

  test("says that nobody answers, that the server lacks it, and that a page is no release", async () => {
    const nobody = await install(["--url", "http://127.0.0.1:9/releases"])
    expect(nobody.stderr).toContain("Nobody answers at http://127.0.0.1:9/releases/release.json")
    expect((await install(["--url", `${server.url}/elsewhere`])).stderr).toContain("The server does not have")
    server.bend = () => new Response("<html>Welcome to our hotel</html>")
    expect((await install()).stderr).toContain("is no release")
    expect(left()).toEqual([])
  })

  test("says which tool is missing", async () => {
    const without = async (names: string[]) =>
      (await install([], { shell: { ...dash, path: pathOf([...plainTools, ...names]) } })).stderr
    expect(await without(["openssl"])).toContain("neither curl nor wget")
    expect(await without(["curl"])).toContain("nothing that can verify an ed25519 signature")
    expect(left()).toEqual([])
  })

  test("says that there is nothing for this machine", async () => {
    const path = pathOf([...plainTools, "curl", "openssl"])
    const pretend = (system: string, machine: string) => {
      rmSync(join(path, "uname"), { force: true })
      writeFileSync(join(path, "uname"), `#!/bin/sh\n[ "$1" = -s ] && echo ${system} || echo ${machine}\n`, {
        mode: 0o755,
      })
      return install([], { shell: { ...dash, path } })
    }
    expect((await pretend("Plan9", "x86_64")).stderr).toContain("There is no ironclaw for Plan9")
    expect((await pretend("Linux", "mips")).stderr).toContain("no ironclaw for a mips processor")
    expect((await pretend("MINGW64_NT-10.0", "x86_64")).stderr).toContain("install.ps1")
    expect((await pretend("Darwin", "arm64")).stdout).toContain("for darwin-arm64")
  })

  test("replaces nothing by a program that does not start here, or is another", async () => {
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, "ironclaw"), speaker({ version: "1.0.0", number: 1 }), { mode: 0o755 })
    for (const [program, why] of [
      ["#!/bin/sh\necho 'Illegal instruction' >&2; exit 132\n", "AVX2"],
      [speaker({ version: "6.6.6", number: 7 }), "not ironclaw 9.9.9"],
    ] as const) {
      server.publish({ version: "9.9.9", number: 7, program })
      expect((await install()).stderr).toContain(why)
      expect(left()).toEqual(["ironclaw"])
      expect(readFileSync(join(bin, "ironclaw"), "utf8")).toContain("1.0.0")
    }
    server.publish({ version: "9.9.9", number: 7, program: speaker({ version: "9.9.9", number: 7 }) })
  })

  test("puts it where it is told, whatever the path holds, and never into a folder of that name", async () => {
    const prefix = join(home, "with 'quotes' and $dollars")
    expect((await install(["--prefix", prefix])).status).toBe(0)
    expect(existsSync(join(prefix, "bin/ironclaw"))).toBe(true)
    mkdirSync(join(bin, "ironclaw"), { recursive: true })
    expect((await install()).stderr).toContain("is a folder")
    expect(readdirSync(join(bin, "ironclaw"))).toEqual([])
  })

  test("the same release again keeps the version before, and a kept one that is the installed one is no hindrance", async () => {
    mkdirSync(bin, { recursive: true })
    const previous = join(bin, ".ironclaw.previous")
    writeFileSync(join(bin, "ironclaw"), speaker({ version: "9.0.0", number: 6 }), { mode: 0o755 })
    linkSync(join(bin, "ironclaw"), previous)
    expect((await install()).status).toBe(0)
    expect((await install()).status).toBe(0)
    expect(readFileSync(previous, "utf8")).toContain("9.0.0")
    expect(left()).toEqual([".ironclaw.previous", "ironclaw"])
  })

  test("two at once leave one whole program", async () => {
    const slow = await Promise.all([install(), install(), install()])
    expect(slow.map(({ status }) => status)).toEqual([0, 0, 0])
    expect(left().filter((name) => name.startsWith(".ironclaw-install"))).toEqual([])
    expect(Bun.spawnSync([join(bin, "ironclaw")]).stdout.toString()).toStartWith("ironclaw 9.9.9")
  })

  test("killed in the middle it has changed nothing, and the next one works", async () => {
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, "ironclaw"), speaker({ version: "9.0.0", number: 6 }), { mode: 0o755 })
    const arrived = Promise.withResolvers<void>()
    server.bend = (path, bytes) => {
      if (!path.endsWith(".gz")) return null
      arrived.resolve()
      return new Response(new ReadableStream({ start: (controller) => controller.enqueue(bytes.slice(0, 50)) }))
    }
    const file = join(server.folder, "install.sh")
    const child = Bun.spawn(["/bin/dash", file], {
      env: { HOME: home, PATH: standardPath },
      stdout: "ignore",
      stderr: "ignore",
    })
    await arrived.promise
    child.kill("SIGKILL")
    await child.exited
    expect(readFileSync(join(bin, "ironclaw"), "utf8")).toContain("9.0.0")
    server.bend = null
    expect((await install()).status).toBe(0)
    expect(readFileSync(join(bin, "ironclaw"), "utf8")).toContain("9.9.9")
    await install(["--uninstall"])
    expect(left()).toEqual([])
  })

  test.skipIf(disk === null)(
    "says that the disk is full, before it begins or in the middle, and leaves nothing",
    async () => {
      const prefix = disk ?? ""
      const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(40_000))).toString("base64")
      server.publish({
        version: "9.9.9",
        number: 7,
        program: `${speaker({ version: "9.9.9", number: 7 })}# ${noise}\n`,
      })
      const before = await install(["--prefix", prefix])
      expect(before.stderr).toContain("There is no room left")
      // As if the room went while it worked.
      const path = pathOf([...plainTools, "curl", "openssl"])
      rmSync(join(path, "df"))
      writeFileSync(join(path, "df"), "#!/bin/sh\necho Filesystem; echo disk 9 9 999999999 0% /\n", { mode: 0o755 })
      const during = await install(["--prefix", prefix], { shell: { ...dash, path } })
      server.publish({ version: "9.9.9", number: 7, program: speaker({ version: "9.9.9", number: 7 }) })
      expect(during.stderr).toContain("There is no room left")
      expect(readdirSync(join(prefix, "bin"))).toEqual([])
      expect((await install(["--prefix", prefix])).status).toBe(0)
    },
  )

  test("builds the checkout that it lies in", async () => {
    const tree = join(home, "checkout")
    mkdirSync(join(tree, "scripts"), { recursive: true })
    mkdirSync(join(home, "tools"))
    writeFileSync(join(tree, "package.json"), '{\n  "name": "ironclaw",\n  "version": "5.5.5",\n}\n')
    writeFileSync(join(tree, "scripts/build.ts"), "")
    writeFileSync(join(tree, "scripts/install.sh"), script)
    const program = speaker({ version: "5.5.5", number: 0 }).replaceAll("$", "\\$")
    writeFileSync(join(home, "tools/npm"), `#!/bin/sh\nmkdir -p dist; cat > dist/ironclaw <<'END'\n${program}END\n`)
    writeFileSync(join(home, "tools/node"), "#!/bin/sh\n")
    for (const name of ["npm", "node"]) chmodSync(join(home, "tools", name), 0o755)
    const child = Bun.spawn(["/bin/dash", "scripts/install.sh"], {
      cwd: tree,
      env: { HOME: home, PATH: `${join(home, "tools")}:${standardPath}` },
      stdout: "pipe",
      stderr: "pipe",
    })
    expect(await child.stderr.text()).toBe("")
    expect(await child.stdout.text()).toContain("is ironclaw 5.5.5")
    expect(existsSync(join(bin, "ironclaw"))).toBe(true)
  })
})
