/** Plugins from an address, and what the owner knows of their bytes beforehand. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { AppError } from "#core/errors.ts"
import { resealPlugins } from "#sandbox/pins.ts"
import { sha256Of } from "#sandbox/folder.ts"
import type { KnownOfSource, PluginSource } from "#sandbox/source.ts"
import { PUBLIC } from "#test/core/safety/fake-internet.ts"
import { pluginHouse, type PluginHouse, toolCode } from "../fakes/plugin-house.ts"
import { makePublisher } from "../fakes/publisher.ts"
import { gzipOf, tarOf, zipOf } from "./parse/archive-maker.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const SITE = "https://api.example.com"
const mia = makePublisher()
const eve = makePublisher()

let at: PluginHouse
/** What the site has, by path: a file, or where it sends on to. */
const site = new Map<string, Uint8Array | { to: string }>()
const asked: string[] = []
beforeAll(async () => {
  at = await pluginHouse()
  await at.internet.site(PUBLIC, (request, answer) => {
    asked.push(`${request.headers.host}${request.url}`)
    const found = site.get(request.url ?? "")
    if (found === undefined) return answer.writeHead(404).end("no")
    if ("to" in found) return answer.writeHead(302, { location: found.to }).end()
    answer.setHeader("content-type", "text/html") // servers say what they like
    answer.end(found)
  })
  for (const name of ["api.example.com", "files.example.com"]) at.internet.name(name, [PUBLIC])
  at.internet.name("inner.example.org", ["10.0.0.7"])
})
afterAll(() => at.close())
beforeEach(() => {
  asked.length = 0
  at.internet.records.length = 0
})

function zipped(name: string, { version = "1.0.0", says = "hello", more = {} } = {}): Uint8Array {
  const manifest = { name, version, entry: "plugin.ts", effects: { [`${name}_tool`]: "read" }, ...more }
  return zipOf([
    { name: "plugin.json", text: JSON.stringify(manifest) },
    { name: "plugin.ts", text: toolCode(`${name}_tool`, `return ${JSON.stringify(says)}`) },
  ])
}
function served(path: string, bytes: Uint8Array): PluginSource {
  site.set(path, bytes)
  return { url: SITE + path }
}
const there = () => (existsSync(at.dir) ? readdirSync(at.dir).sort() : [])

async function refused(source: PluginSource, known: KnownOfSource = {}): Promise<string> {
  const before = there()
  const error = await at.install(source, known).catch((thrown: unknown) => thrown)
  if (!(error instanceof AppError)) throw new Error(`It was ${JSON.stringify(error)}`)
  expect(there()).toEqual(before)
  return `${error.code}: ${error.message}`
}

describe("a plugin from an address", () => {
  test("is fetched once through the gate, on record, and is what its bytes say", async () => {
    const status = await at.install(served("/files/fetched?version=1", zipped("fetched")))
    expect(status).toMatchObject({ name: "fetched", state: "inactive", publisher: null })
    expect(asked).toEqual(["api.example.com/files/fetched?version=1"])
    expect(at.internet.records).toMatchObject([
      {
        principal: "owner",
        purpose: "plugin.install",
        method: "GET",
        host: "api.example.com",
        outcome: "done",
        status: 200,
      },
    ])
    await at.grant("fetched")
    expect((await at.call("fetched_tool")).told).toMatchObject({ state: "done", text: "hello" })
    const script = served("/raw/word-count.ts", Buffer.from(toolCode("count_tool", "return 1")))
    expect(await at.install(script)).toMatchObject({ name: "word-count", state: "inactive" })
    expect(
      await at.install(
        served(
          "/x.tar.gz",
          gzipOf(
            tarOf([
              {
                name: "p-1/plugin.json",
                text: JSON.stringify({ name: "tarred", version: "1.0.0", entry: "plugin.ts" }),
              },
              { name: "p-1/plugin.ts", text: toolCode("tarred_tool", "return 1") },
            ]),
          ),
        ),
      ),
    ).toMatchObject({ name: "tarred" })
  })

  test("follows redirects to public hosts, each on record, and to nowhere else", async () => {
    site.set("/latest", { to: "https://files.example.com/moved" })
    site.set("/moved", { to: "/file.zip" })
    site.set("/file.zip", zipped("moved"))
    expect(await at.install({ url: `${SITE}/latest` })).toMatchObject({ name: "moved" })
    expect(at.internet.records.map(({ host, path, status }) => `${host}${path} ${status}`)).toEqual([
      "api.example.com/latest 302",
      "files.example.com/moved 302",
      "files.example.com/file.zip 200",
    ])
    for (const to of [
      "http://files.example.com/file.zip",
      "https://files.example.com:8443/file.zip",
      "https://127.0.0.1/file.zip",
      "https://169.254.169.254/latest/meta-data",
      "https://[::1]/file.zip",
      "https://localhost/file.zip",
      "https://printer.local/file.zip",
      "https://user:pass@files.example.com/file.zip",
      "file:///etc/passwd",
      "data:text/plain,x",
      "//",
    ]) {
      site.set("/away", { to })
      expect(`${to} ${await refused({ url: `${SITE}/away` })}`).toContain("egress.refused")
    }
    site.set("/inner", { to: "https://inner.example.org/file.zip" })
    expect(await refused({ url: `${SITE}/inner` })).toContain("egress.refused")
    site.set("/round", { to: "/round" })
    expect(await refused({ url: `${SITE}/round` })).toContain("more than 5 redirects")
    expect(at.internet.connections).not.toContain("10.0.0.7")
  })

  test("is no address that is not https to a public host by name: refused before anything is asked", async () => {
    for (const url of [
      "http://api.example.com/x.zip",
      "https://127.0.0.1/x.zip",
      "https://10.0.0.1/x.zip",
      "https://localhost/x.zip",
      "https://api.example.com:8443/x.zip",
      "https://u:p@api.example.com/x.zip",
      "file:///etc/passwd",
      "ftp://api.example.com/x",
      "https://",
      "nonsense",
    ])
      expect(await refused({ url })).toContain("input.invalid: /url")
    expect(asked).toEqual([])
    expect(at.internet.records).toEqual([])
  })

  test("that is a page, is not there, or is too large, is refused in words", async () => {
    expect(await refused(served("/page", Buffer.from("<!doctype html><title>Sign in</title>")))).toContain(
      "it is a web page",
    )
    expect(await refused({ url: `${SITE}/nothing` })).toContain("answered with the status 404")
    expect(await refused(served("/huge", new Uint8Array(33 * 1024 * 1024)))).toContain("egress.too_large")
    expect(await refused(served("/slip", zipOf([{ name: "../evil", text: "x" }])))).toContain("leads out")
  })
})

describe("a new version of a granted plugin", () => {
  test("that came from an address is active by itself only where its bytes are known, whatever it asks for", async () => {
    await at.install(served("/a1", zipped("addressed")))
    await at.grant("addressed")
    // The very bytes that were agreed to.
    expect(await at.install(served("/a1", zipped("addressed")))).toMatchObject({ state: "active", changes: [] })
    const second = zipped("addressed", { version: "2.0.0", says: "somebody else's" })
    expect(await at.install(served("/a2", second))).toMatchObject({ state: "inactive" })
    const { changes, replaces } = await at.plugins.prepareInstall(
      { source: served("/a2", second), known: {} },
      new AbortController().signal,
    )
    expect({ changes, replaces }).toEqual({
      changes: ["~ its files, which came from an address without a hash or a signature that you know"],
      replaces: "1.0.0",
    })
    expect((await at.call("addressed_tool")).told?.state).toBe("refused")
    expect(await at.install(served("/a2", second), { sha256: sha256Of(second) })).toMatchObject({
      state: "active",
      version: "2.0.0",
    })
  })

  test("that its publisher signed long ago is not active by itself in the place of a newer one", async () => {
    const old = zipped("rolled", { version: "1.9.0" })
    const now = zipped("rolled", { version: "1.10.0" })
    await at.install(served("/r2", now), { key: mia.key, signature: mia.sign(now) })
    await at.grant("rolled")
    expect(await at.install(served("/r1", old), { signature: mia.sign(old) })).toMatchObject({ state: "inactive" })
    const asked = { source: served("/r1", old), known: { signature: mia.sign(old) } }
    expect((await at.plugins.prepareInstall(asked, new AbortController().signal)).changes).toEqual([
      "~ its version, which is older (1.9.0) than the one that you granted (1.10.0)",
    ])
    const next = zipped("rolled", { version: "1.11.0" })
    expect(await at.install(served("/r3", next), { signature: mia.sign(next) })).toMatchObject({ state: "active" })
  })
})

describe("what the owner knows of the bytes", () => {
  test("is held against them: of a file its own hash, of a folder the one that is shown", async () => {
    const bytes = zipped("known")
    const source = served("/known.zip", bytes)
    expect(await refused(source, { sha256: "0".repeat(64) })).toContain(`Its sha256 is ${sha256Of(bytes)}`)
    expect(await at.install(source, { sha256: sha256Of(bytes).toUpperCase() })).toMatchObject({ name: "known" })
    const path = at.source("known-folder", toolCode("kf_tool", "return 1"))
    expect(await refused({ path }, { sha256: "0".repeat(64) })).toContain("Its sha256 is")
    const { sha256 } = await at.install(path)
    expect(await at.install(path, { sha256: sha256 ?? "" })).toMatchObject({ sha256 })
  })

  test("and all that is wrong with it is said at once, before anything is opened or asked", async () => {
    const all = await refused(
      { path: "relative.zip" },
      { sha256: "xyz", key: "nonsense", signature: "http://api.example.com/s" },
    )
    for (const field of ["/path", "/sha256", "/key", "/signature"]) expect(all).toContain(field)
    expect(await refused({ path: "/x.zip" }, { key: mia.key })).toContain("without a signature")
    expect(
      await refused(served("/two.zip", zipOf([{ name: "../evil", text: "x" }])), {
        sha256: "0".repeat(64),
        key: mia.key,
        signature: eve.sign(new Uint8Array()),
      }),
    ).toMatch(/sha256[^]*signature/)
    // A hash that is wrong is not opened: nothing is said of what is in it.
    expect(
      await refused(served("/two.zip", zipOf([{ name: "../evil", text: "x" }])), { sha256: "0".repeat(64) }),
    ).not.toContain("leads out")
  })
})

describe("a signed plugin", () => {
  test("is installed only where the signature is right; its publisher is kept, and shown", async () => {
    const bytes = zipped("signed")
    const source = served("/signed.zip", bytes)
    expect(await refused(source, { key: mia.key, signature: eve.sign(bytes) })).toContain("not by that key")
    expect(await refused(source, { key: mia.key, signature: mia.sign(zipped("other")) })).toContain("not by that key")
    expect(await refused(source, { signature: mia.sign(bytes) })).toContain("no key of its publisher")
    site.set("/signed.zip.minisig", Buffer.from(mia.minisign(bytes, { hashed: true })))
    const known = { key: mia.minisignKey, signature: `${SITE}/signed.zip.minisig` }
    expect(await at.install(source, known)).toMatchObject({ name: "signed", state: "inactive", publisher: mia.key })
    expect(await at.grant("signed")).toMatchObject({ state: "active", publisher: mia.key })
    const path = join(at.root, "signed.zip")
    writeFileSync(path, bytes)
    expect(await at.install({ path }, { key: mia.key, signature: mia.sign(bytes) })).toMatchObject({ state: "active" })
  })

  test("is followed by itself only by what the same key signed", async () => {
    const next = (version: string) => zipped("signed", { version, says: version })
    const second = next("2.0.0")
    // The key is known by now.
    const now = await at.install(served("/2", second), { signature: mia.sign(second) })
    expect(now).toMatchObject({ state: "active", version: "2.0.0", publisher: mia.key, changes: [] })
    expect((await at.call("signed_tool")).told?.text).toBe("2.0.0")

    const unsigned = await at.install(served("/3", next("3.0.0")))
    expect(unsigned).toMatchObject({ state: "inactive", publisher: null })
    expect(unsigned.changes).toContain(`~ it is not signed by the publisher whose key you gave (${mia.key})`)
    expect((await at.call("signed_tool")).told?.state).toBe("refused")

    const fourth = next("4.0.0")
    const stolen = await at.install(served("/4", fourth), { key: eve.key, signature: eve.sign(fourth) })
    expect(stolen).toMatchObject({ state: "inactive", publisher: eve.key })
    expect(stolen.changes).toContain(`~ it is signed with another key (${eve.key}) than you gave (${mia.key})`)
    expect(await refused(served("/4", fourth), { signature: eve.sign(fourth) })).toContain("not by that key")
    // It was not written over by what was refused.
    expect(await at.plugins.get("signed")).toMatchObject({ version: "4.0.0", state: "inactive", publisher: eve.key })

    expect(await at.install(served("/2", second), { signature: mia.sign(second) })).toMatchObject({
      state: "active",
      version: "2.0.0",
    })
  })

  test("and its owner may agree to another key, or once to none", async () => {
    const third = zipped("signed", { version: "3.0.0" })
    await at.install(served("/3", third))
    const { changes } = await at.plugins.prepareGrant("signed", new AbortController().signal)
    expect(changes?.join()).toContain("not signed by the publisher")
    expect(await at.grant("signed")).toMatchObject({ state: "active", publisher: null, changes: [] })
    // From then on as before.
    expect((await at.install(served("/5", zipped("signed", { version: "5.0.0" })))).state).toBe("inactive")
    const sixth = zipped("signed", { version: "6.0.0" })
    expect(await at.install(served("/6", sixth), { signature: mia.sign(sixth) })).toMatchObject({ state: "active" })
    const seventh = zipped("signed", { version: "7.0.0" })
    await at.install(served("/7", seventh), { key: eve.key, signature: eve.sign(seventh) })
    expect(await at.grant("signed")).toMatchObject({ state: "active", publisher: eve.key })
    const eighth = zipped("signed", { version: "8.0.0" })
    expect(await at.install(served("/8", eighth), { signature: eve.sign(eighth) })).toMatchObject({ state: "active" })
    const ninth = zipped("signed", { version: "9.0.0" })
    expect((await at.install(served("/9", ninth), { key: mia.key, signature: mia.sign(ninth) })).state).toBe("inactive")
  })

  test("is dropped by hand as anything is: inactive, and signed by nobody", async () => {
    at.drop("signed", toolCode("signed_tool", "return 1"), { version: "9.9.9", effects: { signed_tool: "read" } })
    const status = await at.plugins.get("signed")
    expect(status).toMatchObject({ state: "inactive", publisher: null })
    expect(status.changes.join()).toContain("not signed by the publisher")
  })

  test("has its key in sealed rows: one that somebody else wrote counts for nothing, and a new master key keeps them", async () => {
    const bytes = zipped("sealed")
    await at.install(served("/sealed.zip", bytes), { key: mia.key, signature: mia.sign(bytes) })
    await at.grant("sealed")
    const seals = at.badSeals.length
    await at.db.query({ sql: "update plugin_signatures set key = $1 where plugin = 'sealed'", params: [eve.key] })
    expect(await at.plugins.get("sealed")).toMatchObject({ publisher: null })
    expect(at.badSeals.slice(seals).join()).toContain("signature of plugin sealed")
    await at.db.query({ sql: "update plugins set publisher = null where name = 'sealed'", params: [] })
    expect(await at.plugins.get("sealed")).toMatchObject({ state: "broken" })
    await at.plugins.remove("sealed")
    expect(await at.db.query({ sql: "select 1 from plugin_signatures where plugin = 'sealed'", params: [] })).toEqual(
      [],
    )
  })

  test("keeps its publisher under another master key", async () => {
    const bytes = zipped("resealed")
    await at.install(served("/resealed.zip", bytes), { key: mia.key, signature: mia.sign(bytes) })
    await at.grant("resealed")
    const keyOf = (fill: number) =>
      ({ derive: () => new Uint8Array(32).fill(fill) }) as unknown as Parameters<typeof resealPlugins>[1]["from"]
    const before = await at.pins.list()
    expect(before.signatures.map(({ plugin }) => plugin)).toContain("resealed")
    await at.db.batch(await resealPlugins(at.db, { from: keyOf(7), to: keyOf(8) })) // the house's own key is sevens
    expect((await at.pins.list()).signatures).toEqual([])
    await at.db.batch(await resealPlugins(at.db, { from: keyOf(8), to: keyOf(7) }))
    expect((await at.pins.list()).signatures).toEqual(before.signatures)
    expect(await at.plugins.get("resealed")).toMatchObject({ state: "active", publisher: mia.key })
  })

  test("inside this program, or in a folder, there is nothing to sign", async () => {
    expect(await refused({ name: "weather" }, { key: mia.key, signature: mia.sign(new Uint8Array()) })).toContain(
      "/signature",
    )
    const path = at.source("unsigned-folder", toolCode("uf_tool", "return 1"))
    expect(await refused({ path }, { key: mia.key, signature: mia.sign(new Uint8Array()) })).toContain("a folder")
  })
})
