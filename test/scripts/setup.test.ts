import { describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { makeTree } from "#test/fakes/tree.ts"
import { binaryPath, isFresh, sourceStamp, stampPath } from "#scripts/freshness.mjs"
import { bunPackages, diagnose } from "#scripts/setup.mjs"
import { verbFor } from "#scripts/start.mjs"

describe("which package holds this machine's Bun", () => {
  const machines: readonly (readonly [platform: string, arch: string, musl: boolean, first: string])[] = [
    ["linux", "x64", false, "@oven/bun-linux-x64"],
    ["linux", "arm64", false, "@oven/bun-linux-aarch64"],
    ["linux", "x64", true, "@oven/bun-linux-x64-musl"],
    ["linux", "arm64", true, "@oven/bun-linux-aarch64-musl"],
    ["darwin", "arm64", false, "@oven/bun-darwin-aarch64"],
    ["darwin", "x64", false, "@oven/bun-darwin-x64"],
    ["win32", "x64", false, "@oven/bun-windows-x64"],
  ]
  for (const [platform, arch, musl, first] of machines) {
    test(first, () => expect(bunPackages({ platform, arch, musl })[0]).toBe(first))
  }
  test("an old x64 processor has another to fall back to", () => {
    expect(bunPackages({ platform: "linux", arch: "x64", musl: false })).toContain("@oven/bun-linux-x64-baseline")
  })
  test("a machine without a Bun is told so", () => {
    expect(() => bunPackages({ platform: "linux", arch: "ia32", musl: false })).toThrow(
      "There is no Bun for linux/ia32",
    )
  })
})

describe("what a failure of npm or Bun means", () => {
  const outputs: readonly (readonly [output: string, words: string])[] = [
    ["npm error code ENOTFOUND\nnpm error getaddrinfo ENOTFOUND registry.example", "cannot be reached"],
    ["npm error code ECONNREFUSED", "cannot be reached"],
    ["error: GET https://registry.example/elysia - ConnectionRefused", "cannot be reached"],
    ["npm error code ENOSPC\nnpm error nospc no space left on device, write", "disk is full"],
    ["npm error code EACCES\nnpm error syscall mkdir", "not writable"],
    ["npm error code SELF_SIGNED_CERT_IN_CHAIN", "NODE_EXTRA_CA_CERTS"],
    [
      "npm error code ETARGET\nnpm error notarget No matching version found for bun@9.9.9",
      "does not have that version",
    ],
    ["error: lockfile had changes, but lockfile is frozen", "bun install"],
    ["Illegal instruction", "lines above"],
  ]
  for (const [output, words] of outputs)
    test(output.split("\n")[0] ?? "", () => expect(diagnose(output)).toContain(words))
})

describe("what npm start runs", () => {
  test("without arguments a chat on a terminal, the service otherwise", () => {
    expect(verbFor([], true)).toEqual(["run"])
    expect(verbFor([], false)).toEqual(["serve"])
  })
  test("a message is a run, terminal or not", () => {
    expect(verbFor(["-m", "hello"], false)).toEqual(["run", "-m", "hello"])
    expect(verbFor(["--json", "--message=hello"], false)).toEqual(["run", "--json", "--message=hello"])
  })
  test("a verb stays what it is", () => expect(verbFor(["status", "--json"], false)).toEqual(["status", "--json"]))
  test("a verb stays what it is behind the flags that every verb takes", () => {
    for (const args of [
      ["--json", "status"],
      ["-v", "usage"],
      ["--home", "/srv/claw", "status"],
      ["--set", "log.level=debug", "--home=/srv/claw", "session", "list"],
    ])
      expect(verbFor(args, false)).toEqual(args)
    expect(verbFor(["--home", "status"], false)).toEqual(["serve", "--home", "status"])
    expect(verbFor(["--set", "gateway.port=0"], false)).toEqual(["serve", "--set", "gateway.port=0"])
    expect(verbFor(["-v"], true)).toEqual(["run", "-v"])
  })
  test("a message is one however it is written", () => {
    expect(verbFor(["-mhello"], false)).toEqual(["run", "-mhello"])
    expect(verbFor(["--home", "/srv/claw", "-m", "hello"], false)).toEqual([
      "run",
      "--home",
      "/srv/claw",
      "-m",
      "hello",
    ])
  })
  test("--version and --help are the program's own", () => {
    expect(verbFor(["--version"], false)).toEqual(["--version"])
    expect(verbFor(["--help"], true)).toEqual(["--help"])
  })
})

describe("the binary is fresh", () => {
  function makeBuilt() {
    const tree = makeTree({ "core/a.ts": "1", "cmd/ironclaw.ts": "1", "package.json": "{}", "README.md": "1" })
    mkdirSync(join(tree.root, "dist"))
    writeFileSync(binaryPath(tree.root), "")
    writeFileSync(stampPath(tree.root), sourceStamp(tree.root))
    return tree
  }
  const changes: readonly (readonly [what: string, stale: boolean, change: (root: string) => void])[] = [
    ["as long as nothing changes", false, () => {}],
    ["when only the README changed", false, (root) => writeFileSync(join(root, "README.md"), "22")],
    ["not when a source was written", true, (root) => writeFileSync(join(root, "core/a.ts"), "22")],
    ["not when a source has another time", true, (root) => utimesSync(join(root, "core/a.ts"), 1, 1)],
    ["not when a source is new", true, (root) => writeFileSync(join(root, "core/b.ts"), "")],
    ["not when a source is gone", true, (root) => rmSync(join(root, "core/a.ts"))],
    ["not when the packages changed", true, (root) => writeFileSync(join(root, "bun.lock"), "1")],
    ["not when it is not there", true, (root) => rmSync(binaryPath(root))],
  ]
  for (const [what, stale, change] of changes) {
    test(what, () => {
      using tree = makeBuilt()
      change(tree.root)
      expect(isFresh(tree.root)).toBe(!stale)
      expect(existsSync(stampPath(tree.root))).toBe(true)
    })
  }
})
