import { describe, expect, test } from "bun:test"
import { createHash, generateKeyPairSync } from "node:crypto"
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { makeTree } from "#test/fakes/tree.ts"
import { judgeRelease } from "#core/release.ts"
import { type BundledPackage, bundledPackages } from "#scripts/bundled-packages.ts"
import { notices, noticesText, strangeLicences } from "#scripts/notices.ts"
import { renewRelease, writeRelease } from "#scripts/release-folder.ts"
import { releaseNotes } from "#scripts/release-notes.ts"
import { checkPins, readPins, withPins, writePins } from "#scripts/release-pins.ts"
import { newSigningKey, signerOf } from "#scripts/release-sign.ts"
import { sbomOf } from "#scripts/sbom.ts"

const root = join(import.meta.dir, "../..")
const signer = signerOf(newSigningKey().pem)
const pins = { url: "https://releases.example.org/ironclaw", keys: [signer.publicKey] }
const script = "#!/bin/sh\n# pinned: begin\npinned_url=''\npinned_keys=''\n# pinned: end\n"
const request = (folder: string) => ({
  out: join(folder, "out"),
  version: "1.2.3",
  number: 4,
  created: new Date("2026-02-01T00:00:00Z"),
  days: 90,
  signers: [signer],
  pins,
  programs: new Map([["linux-x64", join(folder, "program")]]),
  others: new Map([["RELEASE-NOTES.md", "# notes\n"]]),
  scripts: new Map([["install.sh", script]]),
})

describe("the folder of a release", () => {
  test("holds what its description names, with those hashes, and nothing half-made", () => {
    using tree = makeTree({ program: "the program" })
    const { out } = request(tree.root)
    const made = writeRelease(request(tree.root))
    const text = readFileSync(join(out, "release.json"), "utf8")
    const read = judgeRelease({ text, keys: pins.keys, nowMs: Date.parse("2026-03-01"), newestSeen: 0 })
    expect(read).toEqual(made)
    expect(read.expires).toBe("2026-05-02T00:00:00.000Z")
    for (const { name, sha256, bytes } of read.files) {
      const file = readFileSync(join(out, "1.2.3", name))
      expect(createHash("sha256").update(file).digest("hex")).toBe(sha256)
      expect(file.byteLength).toBe(bytes)
    }
    expect(gunzipSync(readFileSync(join(out, "1.2.3/ironclaw-linux-x64.gz"))).toString()).toBe("the program")
    expect(readFileSync(join(out, "install.sh"), "utf8")).toContain(`pinned_url='${pins.url}'`)
    expect(readdirSync(tree.root).sort()).toEqual(["out", "program"])
  })

  test("is not made with a key that its clients do not know, and what was there stays", () => {
    using tree = makeTree({ program: "the program", "out/release.json": "old" })
    const other = signerOf(newSigningKey().pem)
    expect(() => writeRelease({ ...request(tree.root), signers: [other] })).toThrow("no key that is known here")
    expect(readFileSync(join(tree.root, "out/release.json"), "utf8")).toBe("old")
    expect(readdirSync(tree.root).sort()).toEqual(["out", "program"])
  })

  test("can be said to be the newest for longer, unless a file of it was changed", () => {
    using tree = makeTree({ program: "the program" })
    const made = writeRelease(request(tree.root))
    const later = { ...request(tree.root), created: new Date("2026-12-01T00:00:00Z") }
    expect(renewRelease(later)).toEqual({
      ...made,
      created: "2026-12-01T00:00:00.000Z",
      expires: "2027-03-01T00:00:00.000Z",
    })
    writeFileSync(join(tree.root, "out/1.2.3/RELEASE-NOTES.md"), "other")
    expect(() => renewRelease(later)).toThrow("is not what was released")
  })
})

describe("what is pinned", () => {
  test("is the same in the program and in the install scripts of this tree", () => {
    expect(checkPins(root)).toEqual([])
    expect(readPins(root)).toEqual({ url: null, keys: [] })
  })

  test("is written into all three, and a script that says something else is found", async () => {
    using tree = makeTree({
      "core/release-pins.json": '{ "url": null, "keys": [] }',
      "scripts/install.sh": script,
      "scripts/install.ps1": "# pinned: begin\n$pinned_url = ''\n$pinned_keys = ''\n# pinned: end\n",
    })
    await writePins(tree.root, pins)
    expect(checkPins(tree.root)).toEqual([])
    expect(readFileSync(join(tree.root, "scripts/install.ps1"), "utf8")).toContain(`$pinned_url = '${pins.url}'`)
    writeFileSync(join(tree.root, "scripts/install.sh"), script)
    expect(checkPins(tree.root).map(({ file }) => file)).toEqual(["scripts/install.sh"])
  })

  test("holds nothing that a shell would obey", () => {
    for (const url of ["https://x'; rm -rf /", "https://x$(id)", "https://x\ny"])
      expect(() => withPins("install.sh", script, { url, keys: [] })).toThrow("is no plain address")
    expect(() => withPins("install.sh", script, { url: null, keys: ["'; id"] })).toThrow("no ed25519 public key")
    expect(() => withPins("install.sh", "nothing", pins)).toThrow("has no lines between")
  })
})

describe("a key", () => {
  test("that is none, or of another kind, is refused without being shown", () => {
    expect(() => signerOf("s3cret")).toThrow("The signing key is no PEM private key")
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    expect(() => signerOf(privateKey.export({ format: "pem", type: "pkcs8" }))).toThrow("no ed25519 key")
  })

  test("is made by the command, for its owner alone, and takes no file's place", async () => {
    using tree = makeTree({})
    const path = join(tree.root, "key.pem")
    const run = () => Bun.spawnSync([process.execPath, join(root, "scripts/release.ts"), "--new-key", path])
    const first = run()
    expect(first.exitCode).toBe(0)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(first.stdout.toString()).toContain(signerOf(readFileSync(path, "utf8")).publicKey)
    expect(run().exitCode).toBe(1)
  })

  test("that is not pinned releases nothing", () => {
    const child = Bun.spawnSync([process.execPath, join(root, "scripts/release.ts")], {
      env: { ...process.env, IRONCLAW_RELEASE_KEY: newSigningKey().pem },
    })
    expect(child.stderr.toString()).toContain("is not pinned")
    expect(child.exitCode).toBe(1)
  })
})

describe("the notes of a release", () => {
  const changelog =
    "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.3] - 2026-02-01\n\n### Added\n\n- this\n\n## [1.2.2]\n\n"
  test("are the section of its version", () => {
    expect(releaseNotes(changelog, "1.2.3")).toBe("# ironclaw 1.2.3\n\n### Added\n\n- this\n")
  })
  test("are asked for where there are none", () => {
    expect(() => releaseNotes(changelog, "1.3.0")).toThrow('no section "## [1.3.0]"')
    expect(() => releaseNotes(changelog, "1.2.2")).toThrow("says nothing of 1.2.2")
  })
})

describe("what is in the program", () => {
  const packages = bundledPackages(root)
  const named = (name: string) => packages.find((each) => each.name === name)

  test("are the packages that it imports and those that these need, not those that build and check it", () => {
    for (const name of ["elysia", "@electric-sql/pglite", "@clack/core", "postgres"]) expect(named(name)).toBeDefined()
    for (const name of ["typescript", "oxlint", "knip", "drizzle-kit", "@types/bun"])
      expect(named(name)).toBeUndefined()
    expect(packages.filter(({ integrity }) => integrity === null)).toEqual([])
  })

  test("has only licences that somebody has looked at", () => {
    expect(strangeLicences(packages)).toEqual([])
    const strange: BundledPackage = {
      name: "x",
      version: "1.0.0",
      licence: "AGPL-3.0",
      homepage: "",
      description: "",
      integrity: null,
      texts: [],
    }
    expect(strangeLicences([strange, { ...strange, licence: "(AGPL-3.0 OR MIT)" }])).toEqual(["x@1.0.0: AGPL-3.0"])
    expect(strangeLicences([{ ...strange, licence: "" }])).toEqual(["x@1.0.0: no licence"])
    expect(noticesText([strange], { own: "own", runtime: "bun" })).toContain("Its licence is AGPL-3.0")
  })

  test("is named in the notices, each with its text, and a text stands there once", () => {
    const text = notices(root)
    for (const { name, version } of packages) expect(text).toContain(`${name} ${version}`)
    for (const each of packages.flatMap(({ texts }) => texts)) expect(text).toContain(each)
    expect(text.split("Permission is hereby granted, free of charge").length).toBeGreaterThan(10)
    expect(text).toContain("PostgreSQL Global Development Group")
    expect(text).toContain(`Bun ${Bun.version}`)
  })

  test("is in the bill of materials, by name, version and hash, the same each time", () => {
    const subject = { version: "1.2.3", commit: "abc", created: "2026-02-01T00:00:00.000Z", bunVersion: "1.4.5" }
    const sbom = sbomOf(packages, subject)
    expect(sbomOf(bundledPackages(root), subject)).toEqual(sbom)
    expect(sbom.components.length).toBe(packages.length + 1)
    const scoped = sbom.components.find(({ name }) => name === "@electric-sql/pglite")
    expect(scoped?.purl).toMatch(/^pkg:npm\/%40electric-sql\/pglite@\d/)
    expect(sbom.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(new Set(sbom.dependencies[0]?.dependsOn).size).toBe(sbom.components.length)
  })
})
