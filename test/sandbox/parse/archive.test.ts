/** Archives as their makers and as attackers write them. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { decodeOpened, encodeOpened } from "#sandbox/parse/archive-answer.ts"
import { openArchive } from "#sandbox/parse/archive.ts"
import { createReadArchive } from "#sandbox/parser.ts"
import { childCommand, quietLog } from "#test/fakes/guest.ts"
import { gzipOf, pax, tarOf, zipOf } from "./archive-maker.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const MIB = 1024 * 1024

/** Its files as texts, or what is wrong with it as one text. */
function opened(archive: Uint8Array): Record<string, string> | string {
  const result = openArchive(archive)
  if (!result.ok) return result.problems.join("\n")
  return Object.fromEntries(result.files.map(({ name, bytes }) => [name, new TextDecoder().decode(bytes)]))
}

const folder = mkdtempSync(join(tmpdir(), "ironclaw-archive-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("archives as their makers write them", () => {
  mkdirSync(join(folder, "made"))
  const longName = `${"long-".repeat(22)}.txt`
  const files = {
    "plugin.json": "{}",
    "plugin.ts": "let x = 1\n".repeat(2_000),
    [longName]: "x",
    "grüße.md": "",
    ".hidden": "y",
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, "made", name), text)
  const under = (prefix: string) =>
    Object.fromEntries(Object.entries(files).map(([name, text]) => [prefix + name, text]))

  for (const [what, args, prefix] of [
    ["of a folder", ["-cf"], "made/"],
    ["in the form of POSIX", ["--format=pax", "-cf"], "made/"],
    ["in the form of GNU", ["--format=gnu", "-cf"], "made/"],
    ["with gzip", ["-czf"], "made/"],
    ["of what is in it", ["-C", "made", "-czf"], ""],
  ] as const)
    test.skipIf(!Bun.which("tar"))(`a tar ${what}`, async () => {
      const out = join(folder, "made.tar")
      const child = Bun.spawn(["tar", ...args.slice(0, -1), args.at(-1) ?? "", out, prefix === "" ? "." : "made"], {
        cwd: folder,
      })
      expect(await child.exited).toBe(0)
      expect(opened(await Bun.file(out).bytes())).toEqual(under(prefix))
    })

  for (const [what, args] of [
    ["of a folder", []],
    ["stored", ["-0"]],
    ["without extra fields", ["-X"]],
  ] as const)
    test.skipIf(!Bun.which("zip"))(`a zip ${what}`, async () => {
      const out = join(folder, "made.zip")
      rmSync(out, { force: true })
      const child = Bun.spawn(["zip", "-q", "-r", ...args, out, "made"], { cwd: folder, env: { LC_ALL: "C.UTF-8" } })
      expect(await child.exited).toBe(0)
      const told = opened(await Bun.file(out).bytes())
      // Old zips give names beyond ASCII twice, which is refused in words.
      if (typeof told === "string") expect(told).toMatch(/second name|encoding/)
      else expect(told).toEqual(under("made/"))
    })

  test("our own, in every form that is read", () => {
    const text = "hello ".repeat(100)
    expect(
      opened(zipOf([{ name: "a.txt", text }, { name: "b/" }, { name: "b/c.txt", text: "", stored: true }])),
    ).toEqual({ "a.txt": text, "b/c.txt": "" })
    expect(opened(zipOf([{ name: "a.txt", text, follows: true }], { comment: "made by hand" }))).toEqual({
      "a.txt": text,
    })
    expect(
      opened(
        tarOf([
          { name: "./", kind: "5" },
          { name: "./a.txt", text },
          { name: "b/", kind: "5" },
        ]),
      ),
    ).toEqual({ "a.txt": text })
    expect(opened(tarOf([{ name: "a.txt", text, prefix: "deep/er" }]))).toEqual({ "deep/er/a.txt": text })
    expect(
      opened(
        gzipOf(
          tarOf([
            { name: "pax", kind: "g", text: pax("comment", "0123") },
            { name: "x", kind: "x", text: pax("mtime", "1.5") + pax("path", "ä/b.txt") },
            { name: "b.txt", text },
          ]),
        ),
      ),
    ).toEqual({ "ä/b.txt": text })
  })
})

describe("an archive that would lead out, or somewhere else", () => {
  const names: readonly (readonly [string, string])[] = [
    ["../evil", "leads out"],
    ["a/../../evil", "leads out"],
    ["a/..", "leads out"],
    ["/etc/passwd", "absolute"],
    ["C:/windows", "no part of a name"],
    ["C:evil", "no part of a name"],
    ["..\\evil", "no part of a name"],
    ["a\\b", "no part of a name"],
    ["plugin.ts:stream", "no part of a name"],
    ["a//b", "empty steps"],
    ["a/./b", "empty steps"],
    ["plugin.ts.", "leave away"],
    ["plugin.ts ", "leave away"],
    ["NUL", "a device's"],
    ["con.txt", "a device's"],
    ["dir/aux.json", "a device's"],
    ["a\u202Etxt.exe", "nobody sees"],
    ["a\nb", "nobody sees"],
    ["x".repeat(201), "more than 200"],
  ]
  for (const [name, why] of names)
    test(`${JSON.stringify(name.slice(0, 30))} is refused from a zip and from a tar`, () => {
      expect(opened(zipOf([{ name, text: "x" }]))).toContain(why)
      expect(
        opened(
          tarOf([
            { name: "long", kind: "x", text: pax("path", name) },
            { name: "x", text: "x" },
          ]),
        ),
      ).toContain(why)
    })

  test("a NUL in a name, and names that are no UTF-8", () => {
    expect(opened(zipOf([{ name: "plugin.ts\0.png", text: "x" }]))).toContain("nobody sees")
    expect(opened(tarOf([{ name: "a\0b", text: "x" }]))).toContain("goes on behind its end")
    expect(opened(zipOf([{ name: "ä", text: "x", flags: 0 }]))).toContain("an encoding that it does not say")
  })

  test("links, devices and pipes, of every kind", () => {
    for (const kind of ["1", "2", "3", "4", "6", "7", "S", "K", "V", "M", "D"])
      expect(opened(tarOf([{ name: "a", text: "", kind, link: "/etc/passwd" }]))).not.toBeObject()
    for (const mode of [0o120777, 0o020644, 0o060644, 0o010644, 0o140644])
      expect(opened(zipOf([{ name: "a", text: "/etc/passwd", mode }]))).toContain("a link or a device")
    expect(opened(zipOf([{ name: "a", text: "x", mode: 0o040755 }]))).toContain("a folder by one account")
    expect(
      opened(
        tarOf([
          { name: "r", kind: "x", text: pax("linkpath", "/etc") },
          { name: "a", text: "x" },
        ]),
      ),
    ).toContain("or a link")
  })

  test("two files that some system takes for one", () => {
    for (const [one, two] of [
      ["a.txt", "a.txt"],
      ["Plugin.ts", "plugin.ts"],
      ["ﬁle", "file"],
      ["stra\u00dfe", "strasse"],
      ["e\u0301", "\u00e9"],
      ["a", "a/b"],
      ["A", "a/b"],
    ] as const) {
      const entries = [one, two].map((name) => ({ name, text: "x" }))
      expect(opened(zipOf(entries))).not.toBeObject()
      expect(opened(tarOf(entries))).not.toBeObject()
    }
    expect(opened(zipOf([{ name: "a", text: "x" }, { name: "a/" }]))).toContain("a file and a folder")
    expect(
      opened(
        zipOf([
          { name: "ab", text: "x" },
          { name: "ac", text: "y" },
        ]),
      ),
    ).toEqual({ ab: "x", ac: "y" })
  })
})

describe("a zip that tells two readers two things", () => {
  const cases: Readonly<Record<string, Uint8Array>> = {
    "another name beside the data": zipOf([{ name: "good.ts", text: "x", local: { name: "evil.ts" } }]),
    "another size beside the data": zipOf([{ name: "a", text: "xxxx", local: { size: 2 } }]),
    "another packed size beside the data": zipOf([{ name: "a", text: "xxxx", local: { packed: 2 } }]),
    "another checksum beside the data": zipOf([{ name: "a", text: "xxxx", local: { crc: 2 } }]),
    "other flags beside the data": zipOf([{ name: "a", text: "xxxx", local: { flags: 1 } }]),
    "another method beside the data": zipOf([{ name: "a", text: "xxxx", local: { method: 0 } }]),
    "another size behind the data": zipOf([{ name: "a", text: "xxxx", follows: true, local: { size: 9 } }]),
    "a size that is not that of the data": zipOf([{ name: "a", text: "xxxx", size: 3 }]),
    "a larger size than the data has": zipOf([{ name: "a", text: "xxxx", size: 5 }]),
    "a checksum of other data": zipOf([{ name: "a", text: "xxxx", crc: 1 }]),
    "a stored file of two sizes": zipOf([{ name: "a", text: "xxxx", stored: true, size: 5 }]),
    "an encrypted file": zipOf([{ name: "a", text: "xxxx", flags: 1 }]),
    "a strongly encrypted file": zipOf([{ name: "a", text: "xxxx", flags: 0x41 }]),
    "a list that is masked": zipOf([{ name: "a", text: "xxxx", flags: 0x2000 }]),
    "a method that nobody reads": zipOf([{ name: "a", text: "xxxx", method: 99 }]),
    "a second name": zipOf([{ name: "a", text: "x", extra: Buffer.from("\x75\x70\x06\x00\x01\0\0\0\0b", "latin1") }]),
    "sizes of 64 bits": zipOf([
      { name: "a", text: "x", extra: Buffer.from("\x01\x00\x08\x00\0\0\0\0\0\0\0\0", "latin1") },
    ]),
    "extra fields that go on": zipOf([{ name: "a", text: "x", extra: Buffer.from("\x99\x99\xff\x00", "latin1") }]),
    "a folder with bytes in it": zipOf([{ name: "a/", text: "x" }]),
    "two entries of one place": zipOf([
      { name: "a", text: "x" },
      { name: "a", text: "x", at: 0 },
    ]),
    "bytes that belong to no entry": zipOf([{ name: "a", text: "x" }], { between: "hidden" }),
    "bytes before the first": Buffer.concat([Buffer.from("PK\x03\x04"), zipOf([{ name: "a", text: "x" }])]),
    "bytes behind the end": zipOf([{ name: "a", text: "x" }], { behind: "more" }),
    "a second end in the comment": (() => {
      const inner = Buffer.from(zipOf([])).toString("latin1")
      return zipOf([{ name: "a", text: "x" }], { comment: inner })
    })(),
    "no entries at all": zipOf([]),
    "nothing but its first bytes": Buffer.from("PK\x03\x04"),
  }
  for (const [what, archive] of Object.entries(cases)) test(what, () => expect(opened(archive)).toBeString())

  test("every cut and every flipped byte of a good one is an answer, never a fault of ours", () => {
    const good = zipOf([
      { name: "a.txt", text: "hello hello hello" },
      { name: "b.txt", text: "x", follows: true },
    ])
    expect(opened(good)).toBeObject()
    for (let length = 0; length < good.length; length++) expect(opened(good.slice(0, length))).toBeString()
    for (let at = 0; at < good.length; at++)
      for (const flip of [0x01, 0x80, 0xff]) {
        const bad = Uint8Array.from(good)
        bad[at] = (bad[at] ?? 0) ^ flip
        const told = opened(bad)
        // Versions and times are nobody's business; a name may become another name in both places only by two flips.
        if (typeof told !== "string") expect(told).toEqual({ "a.txt": "hello hello hello", "b.txt": "x" })
      }
  })
})

describe("a tar that is wrong", () => {
  const a = { name: "a", text: "x" }
  const cases: Readonly<Record<string, Uint8Array>> = {
    "without its end": tarOf([a], { end: 0 }),
    "with more behind its end": tarOf([a], { behind: "more" }),
    "with a wrong checksum": tarOf([{ ...a, sum: 1 }]),
    "of an old form": tarOf([{ ...a, magic: "\0\0\0\0\0\0\0\0" }]),
    "with a size that is none": tarOf([{ ...a, size: "zzzzzzzzzzz\0" }]),
    "with a size of 64 bits": tarOf([{ ...a, size: "\x80\0\0\0\0\0\0\0\0\0\0\x01" }]),
    "with a size beyond the archive": tarOf([{ ...a, size: 4_096 }]),
    "with a folder that has bytes": tarOf([{ name: "a/", text: "x", kind: "5" }]),
    "with two names for a file": tarOf([
      { name: "l", kind: "L", text: "b" },
      { name: "x", kind: "x", text: pax("path", "c") },
      a,
    ]),
    "with a name for all files": tarOf([{ name: "g", kind: "g", text: pax("path", "c") }, a]),
    "with a size from elsewhere": tarOf([{ name: "x", kind: "x", text: pax("size", "1") }, a]),
    "with holes": tarOf([{ name: "x", kind: "x", text: pax("GNU.sparse.name", "c") }, a]),
    "with a record that lies about its length": tarOf([{ name: "x", kind: "x", text: "99 path=c\n" }, a]),
    "with a name and no file": tarOf([a, { name: "l", kind: "L", text: "b" }]),
    "in gzip that is cut off": gzipOf(tarOf([a])).slice(0, 40),
    "in gzip with more behind it": Buffer.concat([gzipOf(tarOf([a])), Buffer.from("more")]),
    "gzip around no tar": gzipOf(Buffer.from("hello")),
    "gzip in gzip": gzipOf(gzipOf(tarOf([a]))),
    "no archive": Buffer.from("hello"),
    nothing: new Uint8Array(),
  }
  for (const [what, archive] of Object.entries(cases)) test(what, () => expect(opened(archive)).toBeString())

  test("every cut and every flipped byte of a good one's headers is an answer, never a fault of ours", () => {
    const good = tarOf([
      { name: "x", kind: "x", text: pax("path", "a.txt") },
      { name: "a", text: "hello" },
      { name: "b/", kind: "5" },
    ])
    expect(opened(good)).toEqual({ "a.txt": "hello" })
    // One empty block is an end too, as most readers have it.
    for (let length = 0; length < good.length - 512; length += 7) expect(opened(good.slice(0, length))).toBeString()
    for (let at = 0; at < good.length; at++)
      for (const flip of [0x01, 0x80, 0xff]) {
        const bad = Uint8Array.from(good)
        bad[at] = (bad[at] ?? 0) ^ flip
        const told = opened(bad)
        // No checksum covers what is in a file or in a record: then it is another text, or another name that was judged.
        if (typeof told !== "string") expect(Object.keys(told)).toHaveLength(1)
      }
  })
})

describe("an archive that explodes", () => {
  test("by its ratio, its sum, its number, its largest file", () => {
    expect(opened(zipOf([{ name: "a", text: new Uint8Array(20 * MIB) }]))).toContain("hundred times")
    expect(opened(gzipOf(tarOf([{ name: "a", text: new Uint8Array(20 * MIB) }])))).toContain("hundred times")
    expect(opened(gzipOf(new Uint8Array(80 * MIB)))).toContain("unpacks to more than")
    expect(opened(zipOf([{ name: "a", text: new Uint8Array(33 * MIB), stored: true }]))).toContain("more than 33554432")
    const large = { text: new Uint8Array(22 * MIB), stored: true }
    expect(opened(zipOf(["a", "b", "c"].map((name) => ({ name, ...large }))))).toContain("together")
    const many = Array.from({ length: 201 }, (_, index) => ({ name: `f${index}`, text: "x" }))
    expect(opened(zipOf(many))).toContain("more than 200 entries")
    expect(opened(tarOf(many))).toContain("more than 200 entries")
    const records = Array.from({ length: 500 }, () => ({ name: "g", kind: "g", text: pax("comment", "x") }))
    expect(opened(tarOf(records))).toContain("too much")
  })

  test("entries that say they are small and unpack to more are damaged, and unpack no further", () => {
    const text = new Uint8Array(8 * MIB)
    expect(opened(zipOf([{ name: "a", text, size: 10 }]))).toContain("more than it says")
    expect(opened(zipOf([{ name: "a", text, size: 0 }]))).toContain("more than it says")
  })

  test("and where a text shrinks to a twentieth, it is a text", () => {
    const text = Array.from({ length: 200_000 }, (_, index) => `line ${index % 5_000}\n`).join("")
    expect(opened(zipOf([{ name: "a", text }]))).toEqual({ a: text })
  })

  test("everything that is wrong is said at once", () => {
    const told = opened(
      zipOf([
        { name: "../a", text: "x" },
        { name: "b", text: "x", mode: 0o120777 },
        { name: "NUL" },
        { name: "C", text: "x" },
        { name: "c", text: "x" },
      ]),
    )
    expect(typeof told === "string" ? told.split("\n") : []).toHaveLength(4)
  })
})

describe("in a child", () => {
  const sandbox = createSandbox({ command: childCommand, clock: systemClock, log: quietLog })
  const read = createReadArchive({ sandbox })
  const signal = new AbortController().signal
  afterAll(() => sandbox.stopAll())

  test("files come back byte for byte, and the child ends with the call", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000))
    const result = await read(
      zipOf([
        { name: "a.bin", text: bytes },
        { name: "b.txt", text: "" },
      ]),
      signal,
    )
    if (!result.ok) throw new Error(result.problems.join())
    expect(result.files.map(({ name }) => name)).toEqual(["a.bin", "b.txt"])
    expect(Buffer.compare(result.files[0]?.bytes ?? new Uint8Array(), bytes)).toBe(0)
    expect(sandbox.status().children).toEqual([])
  })

  test("the largest that is taken comes through, and a bomb does not", async () => {
    const large = { text: crypto.getRandomValues(new Uint8Array(65_536)), stored: true }
    const text = Buffer.concat(Array.from({ length: 16 * 15 }, () => large.text))
    const result = await read(
      zipOf([
        { name: "a", text, stored: true },
        { name: "b", text, stored: true },
      ]),
      signal,
    )
    expect(result.ok).toBe(true)
    expect(await read(gzipOf(new Uint8Array(300 * MIB)), signal)).toMatchObject({ ok: false })
    expect(await read(new Uint8Array(34 * MIB), signal)).toEqual({
      ok: false,
      problems: ["It could not be opened: it is larger than a parser takes"],
    })
  })

  test("a child that fell to an archive cannot name a file that leads out", () => {
    const evil = (name: string) => encodeOpened({ ok: true, files: [{ name, bytes: new Uint8Array(1) }] })
    expect(decodeOpened(evil("plugin.ts"))).toMatchObject({ ok: true })
    for (const name of ["../a", "/a", "", "NUL", "a\0"]) expect(decodeOpened(evil(name))).toBeNull()
    const whole = evil("a")
    expect(decodeOpened(whole.slice(0, -1))).toBeNull()
    expect(decodeOpened(Buffer.concat([whole, Buffer.from("x")]))).toBeNull()
    expect(decodeOpened(new Uint8Array([255, 255, 255, 255]))).toBeNull()
    expect(decodeOpened(new Uint8Array())).toBeNull()
  })
})
