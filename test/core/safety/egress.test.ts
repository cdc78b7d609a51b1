import { afterEach, describe, expect, test } from "bun:test"
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib"
import { AppError } from "#core/errors.ts"
import type { EgressCaller } from "#core/safety/egress.ts"
import { createEgress, defaultLimits, systemNetwork } from "#core/safety/egress.ts"
import { connectBySocket } from "#core/safety/egress-pool.ts"
import { createFakeClock } from "../../fakes/clock.ts"
import {
  type Answer,
  createFakeInternet,
  type FakeInternet,
  PUBLIC,
  startPlainSite,
  startRawSite,
} from "./fake-internet.ts"

const opened: { close: () => void }[] = []
afterEach(() => {
  for (const one of opened.splice(0)) one.close()
})

function internet(changes: Parameters<typeof createFakeInternet>[0] = {}): FakeInternet {
  const made = createFakeInternet(changes)
  opened.push(made)
  return made
}

async function plainSite(answer: Answer): Promise<{ port: number; url: string; caller: Partial<EgressCaller> }> {
  const site = await startPlainSite(answer)
  opened.push(site)
  return {
    ...site,
    url: `http://127.0.0.1:${site.port}/`,
    caller: { local: [{ scheme: "http", host: "127.0.0.1", port: site.port }] },
  }
}

async function rawSite(
  answer: Parameters<typeof startRawSite>[0],
): Promise<{ url: string; caller: Partial<EgressCaller> }> {
  const site = await startRawSite(answer)
  opened.push(site)
  return {
    url: `http://127.0.0.1:${site.port}/`,
    caller: { local: [{ scheme: "http", host: "127.0.0.1", port: site.port }] },
  }
}

/** The code of the error that a promise rejects with; "none" where it does not. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return "none"
  } catch (error) {
    return error instanceof AppError ? error.code : String(error)
  }
}

const head = "HTTP/1.1 200 OK\r\n"

describe("a request inside the rules", () => {
  test("goes to the judged address, with its name in TLS and Host, and leaves one record", async () => {
    const net = internet()
    net.name("api.example.com", [PUBLIC])
    const seen: string[] = []
    await net.site(PUBLIC, (request, answer) => {
      seen.push(`${request.method} ${request.headers.host} ${request.url}`)
      answer.end(JSON.stringify({ ok: true }))
    })
    const response = await net.fetchFor({ sessionId: "ses_1", turnId: "trn_1" })(
      "https://api.example.com/v1/x?key=hunter2",
      { method: "POST", body: "hello" },
    )
    expect(await response.json()).toEqual({ ok: true })
    expect({ status: response.status, url: response.url, redirected: response.redirected }).toEqual({
      status: 200,
      url: "https://api.example.com/v1/x?key=hunter2",
      redirected: false,
    })
    expect(seen).toEqual(["POST api.example.com /v1/x?key=hunter2"])
    expect(net.lookups).toEqual(["api.example.com"])
    expect(net.connections).toEqual([PUBLIC])
    expect(net.records).toHaveLength(1)
    expect(net.records[0]).toMatchObject({
      principal: "builtin:test",
      agentId: "main",
      sessionId: "ses_1",
      turnId: "trn_1",
      method: "POST",
      scheme: "https",
      host: "api.example.com",
      port: 443,
      address: PUBLIC,
      path: "/v1/x?key",
      status: 200,
      outcome: "done",
      verdicts: { egress: "allow", leak: "allow" },
      bytesIn: 11,
    })
    expect(net.records[0]?.bytesOut).toBeGreaterThan(5)
    expect(JSON.stringify(net.records)).not.toContain("hunter2")
    expect(net.egress.inFlight()).toEqual([])
  })

  test("uses an idle connection again, but never another principal's", async () => {
    const net = internet()
    net.name("api.example.com", [PUBLIC])
    await net.site(PUBLIC, (_request, answer) => answer.end("x"))
    for (let i = 0; i < 3; i++) await (await net.fetchFor()("https://api.example.com/")).text()
    expect(net.egress.counters()).toMatchObject({ requests: 3, connections: 1, lookups: 1 })
    await (await net.fetchFor({ principal: "plugin:other" })("https://api.example.com/")).text()
    expect(net.egress.counters()).toMatchObject({ connections: 2, lookups: 2 })
  })

  test.each([
    ["a string", "héllo", "text/plain;charset=UTF-8"],
    ["bytes", new TextEncoder().encode("héllo"), undefined],
    ["a blob", new Blob(["héllo"], { type: "text/csv" }), "text/csv"],
    ["parameters", new URLSearchParams({ a: "héllo" }), "application/x-www-form-urlencoded;charset=UTF-8"],
    ["a stream", new Blob(["héllo"]).stream(), undefined],
  ])("may send %s", async (_what, body, type) => {
    const net = internet()
    const site = await plainSite(async (request, answer) => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(Buffer.from(part))
      answer.end(
        JSON.stringify({
          type: request.headers["content-type"],
          length: request.headers["content-length"],
          body: Buffer.concat(parts).toString(),
        }),
      )
    })
    const sent = await (await net.fetchFor(site.caller)(site.url, { method: "POST", body })).json()
    expect(sent).toMatchObject({ body: expect.stringMatching(/h(é|%C3%A9)llo/) })
    expect((sent as { type?: string }).type?.toLowerCase()).toBe(type?.toLowerCase())
  })

  test("takes a Request object, and says that a POST without a body is empty", async () => {
    const net = internet()
    const site = await plainSite((request, answer) =>
      answer.end(`${request.method} ${request.headers["content-length"]} ${String(request.headers["x-a"])}`),
    )
    const request = new Request(site.url, { method: "POST", headers: { "x-a": "b" } })
    expect(await (await net.fetchFor(site.caller)(request)).text()).toBe("POST 0 b")
  })

  test.each([204, 304])("may be answered with %d and no body", async (status) => {
    const net = internet()
    const site = await plainSite((_request, answer) => answer.writeHead(status).end())
    const response = await net.fetchFor(site.caller)(site.url)
    expect({ status: response.status, body: response.body }).toEqual({ status, body: null })
    expect(net.records).toMatchObject([{ outcome: "done", status }])
  })

  test("streams: each piece arrives when it is sent, and nothing is read ahead", async () => {
    const net = internet()
    const turns = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const site = await plainSite(async (_request, answer) => {
      answer.write("one")
      await turns[0]?.promise
      answer.write("two")
      await turns[1]?.promise
      answer.end("three")
    })
    const reader = (await net.fetchFor(site.caller)(site.url)).body?.getReader()
    const text = async () => new TextDecoder().decode((await reader?.read())?.value)
    expect(await text()).toBe("one")
    expect(net.egress.inFlight()).toMatchObject([{ principal: "builtin:test", bytesIn: 3 }])
    turns[0]?.resolve()
    expect(await text()).toBe("two")
    turns[1]?.resolve()
    expect(await text()).toBe("three")
    expect((await reader?.read())?.done).toBe(true)
    expect(net.records).toMatchObject([{ outcome: "done", bytesIn: 11 }])
  })
})

describe("names and addresses", () => {
  test("nothing is looked up before the whole URL passed", async () => {
    const net = internet()
    for (const url of [
      "https://evil.example/",
      "http://api.example.com/",
      "https://api.example.com:8443/",
      "https://u@api.example.com/",
      "https://api.example.com.evil.example/",
    ]) {
      expect(await codeOf(net.fetchFor()(url))).toBe("egress.refused")
    }
    expect(net.lookups).toEqual([])
    expect(net.connections).toEqual([])
    expect(net.records.map(({ outcome }) => outcome)).toEqual(Array(5).fill("refused"))
  })

  test.each([
    ["loopback", ["127.0.0.1"]],
    ["private", ["10.0.0.5"]],
    ["metadata", ["169.254.169.254"]],
    ["mapped metadata", ["::ffff:169.254.169.254"]],
    ["NAT64", ["64:ff9b::7f00:1"]],
    ["6to4", ["2002:7f00:1::"]],
    ["one of several", [PUBLIC, "192.168.1.1"]],
    ["no address at all", ["localhost"]],
  ])("a name that leads to %s is refused, and nothing is connected to", async (_what, answers) => {
    const net = internet()
    net.name("api.example.com", answers)
    expect(await codeOf(net.fetchFor()("https://api.example.com/"))).toBe("egress.refused")
    expect(net.connections).toEqual([])
    expect(net.records).toMatchObject([{ outcome: "refused", address: null }])
  })

  test("a name that changes its answer after the check gains nothing: it is asked once", async () => {
    const net = internet()
    net.name("api.example.com", [PUBLIC], ["127.0.0.1"])
    await net.site(PUBLIC, (_request, answer) => answer.setHeader("connection", "close").end("public"))
    expect(await (await net.fetchFor()("https://api.example.com/")).text()).toBe("public")
    expect(net.lookups).toHaveLength(1)
    expect(await codeOf(net.fetchFor()("https://api.example.com/"))).toBe("egress.refused")
    expect(net.connections).toEqual([PUBLIC])
  })

  test("a name without an address, and one that cannot be resolved, are told apart from a refusal", async () => {
    const net = internet()
    net.name("api.example.com", [])
    expect(await codeOf(net.fetchFor()("https://api.example.com/"))).toBe("egress.dns")
    expect(
      await codeOf(net.fetchFor({ allow: [{ host: "nowhere.example.com" }] })("https://nowhere.example.com/")),
    ).toBe("egress.dns")
    expect(net.records.map(({ outcome }) => outcome)).toEqual(["failed", "failed"])
  })

  test("the next address is tried where one refuses", async () => {
    const net = internet()
    net.name("api.example.com", ["2606:4700::1", PUBLIC])
    await net.site(PUBLIC, (_request, answer) => answer.end("second"))
    expect(await (await net.fetchFor()("https://api.example.com/")).text()).toBe("second")
    expect(net.connections).toEqual(["2606:4700::1", PUBLIC])
    expect(net.records).toMatchObject([{ address: PUBLIC }])
  })

  test("a certificate for another name ends it", async () => {
    const net = internet()
    net.name("wrong.example.com", [PUBLIC])
    await net.site(PUBLIC, (_request, answer) => answer.end("x"))
    expect(await codeOf(net.fetchFor({ allow: [{ host: "wrong.example.com" }] })("https://wrong.example.com/"))).toBe(
      "egress.tls",
    )
  })

  test("a certificate that nobody vouches for ends it, whatever the environment says", async () => {
    const net = internet()
    await net.site("127.0.0.1", (_request, answer) => answer.end("x"))
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0"
    try {
      const port = net.portOf("127.0.0.1")
      const real = createEgress({
        ...systemNetwork,
        clock: createFakeClock(),
        onRequest: () => {},
        scanRequest: () => ({ verdict: "allow" }),
        scanResponse: (_c, _r, body) => body,
        limits: defaultLimits,
      })
      opened.push(real)
      const fetch = real.fetchFor({
        principal: "p",
        agentId: "main",
        purpose: "test",
        allow: [],
        local: [{ scheme: "https", host: "localhost", port }],
      })
      expect(await codeOf(fetch(`https://localhost:${port}/`))).toBe("egress.tls")
    } finally {
      delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]
    }
  })

  test("localhost is this machine, whatever a name server says", async () => {
    const net = internet()
    net.name("localhost", ["10.0.0.1"])
    const site = await plainSite((_request, answer) => answer.end("here"))
    const fetch = net.fetchFor({ local: [{ scheme: "http", host: "localhost", port: site.port }] })
    expect(await (await fetch(`http://localhost:${site.port}/`)).text()).toBe("here")
    expect(net.lookups).toEqual([])
  })

  test("a local endpoint's name may lead to the owner's network, but not to metadata", async () => {
    const net = internet()
    net.name("gpu.lan", ["192.168.1.9"])
    net.name("bait.lan", ["169.254.169.254"])
    const fetch = net.fetchFor({
      local: [
        { scheme: "http", host: "gpu.lan", port: 8000 },
        { scheme: "http", host: "bait.lan", port: 8000 },
      ],
    })
    expect(await codeOf(fetch("http://gpu.lan:8000/"))).toBe("egress.unreachable")
    expect(net.connections).toEqual(["192.168.1.9"])
    expect(await codeOf(fetch("http://bait.lan:8000/"))).toBe("egress.refused")
    expect(net.connections).toEqual(["192.168.1.9"])
  })
})

describe("redirects", () => {
  async function redirecting(location: string, status = 302) {
    const net = internet()
    net.name("api.example.com", [PUBLIC])
    net.name("files.example.com", ["93.184.216.35"])
    const seen: { host: string; url: string; method: string; headers: Record<string, unknown>; body: string }[] = []
    const answerer =
      (own: string): Answer =>
      async (request, answer) => {
        const parts: Buffer[] = []
        for await (const part of request) parts.push(Buffer.from(part))
        seen.push({
          host: own,
          url: request.url ?? "",
          method: request.method ?? "",
          headers: request.headers,
          body: Buffer.concat(parts).toString(),
        })
        if (request.url === "/v1/start") answer.writeHead(status, { location }).end()
        else if (request.url?.startsWith("/v1/loop"))
          answer.writeHead(302, { location: `/v1/loop${seen.length}` }).end()
        else answer.end("arrived")
      }
    await net.site(PUBLIC, answerer("api"))
    await net.site("93.184.216.35", answerer("files"))
    const allow = [{ host: "api.example.com", pathPrefix: "/v1" }, { host: "files.example.com" }]
    return { net, seen, allow }
  }

  test.each([
    ["this machine", "http://127.0.0.1:1/"],
    ["metadata", "https://169.254.169.254/latest/"],
    ["another host", "https://evil.example/"],
    ["another scheme", "http://api.example.com/v1/x"],
    ["another port", "https://api.example.com:8443/v1/x"],
    ["a user name", "https://api.example.com@evil.example/"],
    ["a relative path outside", "/admin"],
    ["dot segments outside", "../../x"],
    ["the same scheme, another host", "//evil.example/v1"],
    ["a backslash", "https:\\\\evil.example/"],
    ["data", "data:text/plain,x"],
    ["a file", "file:///etc/passwd"],
    ["a script", "javascript:alert(1)"],
    ["nothing that parses", "https://["],
  ])("to %s are refused", async (_what, location) => {
    const { net, seen, allow } = await redirecting(location)
    expect(await codeOf(net.fetchFor({ allow })("https://api.example.com/v1/start"))).toBe("egress.refused")
    expect(seen).toHaveLength(1)
    expect(net.records).toMatchObject([
      { outcome: "refused", status: 302, verdicts: { redirect: expect.stringContaining("deny") } },
    ])
  })

  test("to a local endpoint are refused, even one of this principal", async () => {
    const site = await plainSite((_request, answer) => answer.end("inside"))
    const { net, seen, allow } = await redirecting(site.url)
    expect(await codeOf(net.fetchFor({ allow, ...site.caller })("https://api.example.com/v1/start"))).toBe(
      "egress.refused",
    )
    expect(seen).toHaveLength(1)
  })

  test("inside the rules are followed, with the headers of the caller", async () => {
    const { net, seen, allow } = await redirecting("/v1/next?a=b")
    const response = await net.fetchFor({ allow })("https://api.example.com/v1/start", {
      headers: { authorization: "Bearer mine", "x-key": "k" },
    })
    expect(await response.text()).toBe("arrived")
    expect({ url: response.url, redirected: response.redirected }).toEqual({
      url: "https://api.example.com/v1/next?a=b",
      redirected: true,
    })
    expect(seen[1]?.headers).toMatchObject({ authorization: "Bearer mine", "x-key": "k" })
    expect(net.records).toMatchObject([{ hops: ["api.example.com"], outcome: "done", status: 200 }])
  })

  test("to another allowed host lose every header that may hold a key", async () => {
    const { net, seen, allow } = await redirecting("https://files.example.com/x")
    const headers = { authorization: "Bearer mine", cookie: "c=1", "x-api-key": "k", accept: "text/html" }
    expect(await (await net.fetchFor({ allow })("https://api.example.com/v1/start", { headers })).text()).toBe(
      "arrived",
    )
    expect(seen[1]?.host).toBe("files")
    expect(seen[1]?.headers).toMatchObject({ accept: "text/html", host: "files.example.com" })
    for (const name of ["authorization", "cookie", "x-api-key"]) expect(seen[1]?.headers).not.toHaveProperty(name)
  })

  test("lose an injected secret, on the same host too", async () => {
    const { net, seen, allow } = await redirecting("/v1/next")
    const credentials = [
      { origin: "https://api.example.com", header: "x-key", value: "s3cr3t-value", secretName: "api_key" },
    ]
    await (await net.fetchFor({ allow, credentials })("https://api.example.com/v1/start")).text()
    expect(seen[0]?.headers["x-key"]).toBe("s3cr3t-value")
    expect(seen[1]?.headers).not.toHaveProperty("x-key")
  })

  test("turn a POST into a GET without its body, except 307 and 308", async () => {
    const plain = await redirecting("/v1/next", 302)
    await (
      await plain.net.fetchFor({ allow: plain.allow })("https://api.example.com/v1/start", {
        method: "POST",
        body: "secret",
      })
    ).text()
    expect(plain.seen[1]).toMatchObject({ method: "GET", body: "" })
    const kept = await redirecting("/v1/next", 307)
    await (
      await kept.net.fetchFor({ allow: kept.allow })("https://api.example.com/v1/start", {
        method: "POST",
        body: "secret",
      })
    ).text()
    expect(kept.seen[1]).toMatchObject({ method: "POST", body: "secret" })
  })

  test("never carry a body to another host", async () => {
    const { net, seen, allow } = await redirecting("https://files.example.com/x", 307)
    expect(
      await codeOf(net.fetchFor({ allow })("https://api.example.com/v1/start", { method: "POST", body: "secret" })),
    ).toBe("egress.refused")
    expect(seen).toHaveLength(1)
  })

  test("end after three", async () => {
    const { net, seen, allow } = await redirecting("/v1/loop")
    expect(await codeOf(net.fetchFor({ allow })("https://api.example.com/v1/start"))).toBe("egress.refused")
    expect(seen).toHaveLength(4)
  })

  test("are handed over unfollowed where the caller wants it, and are an error where it wants that", async () => {
    const { net, seen, allow } = await redirecting("https://evil.example/")
    const response = await net.fetchFor({ allow })("https://api.example.com/v1/start", { redirect: "manual" })
    expect({ status: response.status, location: response.headers.get("location") }).toEqual({
      status: 302,
      location: "https://evil.example/",
    })
    expect(await codeOf(net.fetchFor({ allow })("https://api.example.com/v1/start", { redirect: "error" }))).toBe(
      "egress.refused",
    )
    expect(seen).toHaveLength(2)
  })

  test("are not followed from a local endpoint", async () => {
    const net = internet()
    const site = await plainSite((_request, answer) => answer.writeHead(302, { location: "/elsewhere" }).end())
    expect(await codeOf(net.fetchFor(site.caller)(site.url))).toBe("egress.refused")
  })
})

describe("headers", () => {
  test.each([
    ["Host", "evil.example"],
    ["Connection", "upgrade"],
    ["Transfer-Encoding", "chunked"],
    ["Proxy-Authorization", "Basic eA=="],
    ["Upgrade", "websocket"],
    ["TE", "trailers"],
    ["Expect", "100-continue"],
    ["X-A", "b\r\nX-Injected: 1"],
    ["X-A", "b\nX-Injected: 1"],
    ["X-A", "trailing\r\n"],
    ["X-A", "nul\u0000"],
    ["X-A", "wide ✓"],
    ["X-A\r\nX-B", "c"],
    ["X A", "c"],
    ["", "c"],
  ])("%j with the value %j is refused, and nothing leaves", async (name, value) => {
    const net = internet()
    expect(await codeOf(net.fetchFor()("https://api.example.com/", { headers: [[name, value]] }))).toBe(
      "egress.refused",
    )
    expect(net.lookups).toEqual([])
  })

  test("more than any server takes are refused", async () => {
    const net = internet()
    expect(await codeOf(net.fetchFor()("https://api.example.com/", { headers: { "x-a": "b".repeat(40_000) } }))).toBe(
      "egress.refused",
    )
  })

  test("that say how long the body is or how it may be packed are ours", async () => {
    const net = internet()
    const site = await plainSite((request, answer) =>
      answer.end(`${request.headers["content-length"]} ${String(request.headers["accept-encoding"])}`),
    )
    const init = { method: "POST", body: "four", headers: { "content-length": "9999", "accept-encoding": "evil" } }
    expect(await (await net.fetchFor(site.caller)(site.url, init)).text()).toBe("4 gzip, br, zstd")
  })

  test("and a body on a GET are refused", async () => {
    const net = internet()
    // A fetch that is shaped like the global one may be handed anything.
    expect(await codeOf(net.fetchFor()("https://api.example.com/", { method: "GET", body: "x" }))).toBe(
      "egress.refused",
    )
  })
})

describe("bounds", () => {
  const bomb = Buffer.alloc(20_000_000)

  test.each([
    ["gzip", gzipSync(bomb)],
    ["br", brotliCompressSync(bomb)],
    ["zstd", zstdCompressSync(bomb)],
  ])("a %s bomb is cut off", async (encoding, packed) => {
    const net = internet()
    const site = await plainSite((_request, answer) => answer.setHeader("content-encoding", encoding).end(packed))
    const response = await net.fetchFor(site.caller)(site.url)
    expect(await codeOf(response.bytes())).toBe("egress.too_large")
    expect(net.records).toMatchObject([{ outcome: "failed", why: expect.stringContaining("unpacks to") }])
    expect(net.egress.inFlight()).toEqual([])
  })

  test.each([
    ["gzip", gzipSync("hello ".repeat(1000))],
    ["br", brotliCompressSync("hello ".repeat(1000))],
    ["zstd", zstdCompressSync("hello ".repeat(1000))],
  ])("ordinary %s is unpacked, and says so no more", async (encoding, packed) => {
    const net = internet()
    const site = await plainSite((_request, answer) => answer.setHeader("content-encoding", encoding).end(packed))
    const response = await net.fetchFor(site.caller)(site.url)
    expect(response.headers.get("content-encoding")).toBeNull()
    expect(await response.text()).toBe("hello ".repeat(1000))
    expect(net.records).toMatchObject([{ bytesIn: packed.byteLength, outcome: "done" }])
  })

  test.each(["gzip, gzip", "compress", "__proto__"])("the encoding %j is refused", async (encoding) => {
    const net = internet()
    const site = await plainSite((_request, answer) => answer.setHeader("content-encoding", encoding).end("x"))
    expect(await codeOf((await net.fetchFor(site.caller)(site.url)).text())).toBe("egress.garbled")
  })

  test("a packed body that is damaged or cut is an error", async () => {
    const net = internet()
    const whole = gzipSync("hello ".repeat(1000))
    for (const body of [whole.subarray(0, 20), Buffer.from("no gzip at all")]) {
      const site = await plainSite((_request, answer) => answer.setHeader("content-encoding", "gzip").end(body))
      expect(await codeOf((await net.fetchFor(site.caller)(site.url)).text())).toBe("egress.garbled")
    }
  })

  test("an announced size above the cap is refused before a byte of it", async () => {
    const net = internet()
    const site = await rawSite((socket) => socket.write(`${head}Content-Length: 10737418240\r\n\r\n`))
    expect(await codeOf(net.fetchFor(site.caller)(site.url))).toBe("egress.too_large")
  })

  test("an endless chunked body is cut off at the cap", async () => {
    const net = internet()
    let sent = 0
    const site = await rawSite((socket) => {
      socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`)
      const chunk = `10000\r\n${"a".repeat(65_536)}\r\n`
      const more = (): void => {
        while (!socket.destroyed && sent < 100_000_000) {
          sent += 65_536
          if (!socket.write(chunk)) return void socket.once("drain", more)
        }
      }
      more()
    })
    const fetch = net.fetchFor({ ...site.caller, caps: { maxResponseBytes: 1_000_000 } })
    expect(await codeOf((await fetch(site.url)).text())).toBe("egress.too_large")
    expect(sent).toBeLessThan(50_000_000)
  })

  test("a request body above the cap never leaves, streamed or not", async () => {
    const net = internet()
    let requests = 0
    const site = await plainSite((_request, answer) => (requests++, answer.end()))
    const fetch = net.fetchFor({ ...site.caller, caps: { maxRequestBytes: 1000 } })
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(600)) })
    for (const body of ["a".repeat(1001), new Uint8Array(1001), endless]) {
      expect(await codeOf(fetch(site.url, { method: "POST", body }))).toBe("egress.too_large")
    }
    expect(requests).toBe(0)
  })

  test.each([
    [
      "endless headers",
      (text: (more: string) => void) => {
        for (let i = 0; i < 200; i++) text(`X-${i}: ${"b".repeat(1000)}\r\n`)
      },
      "egress.too_large",
    ],
    [
      "interim answers without end",
      (text: (more: string) => void) => {
        for (let i = 0; i < 50; i++) text("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
      },
      "egress.garbled",
    ],
    [
      "two lengths for one body",
      (text: (more: string) => void) =>
        text(`Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`),
      "egress.garbled",
    ],
    ["no HTTP", (text: (more: string) => void) => text("\u0000\u0001garbage\r\n\r\n"), "egress.garbled"],
    [
      "another protocol",
      (text: (more: string) => void) =>
        text("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
      "egress.garbled",
    ],
  ])("an answer of %s is refused", async (what, send, code) => {
    const net = internet()
    const site = await rawSite((socket) => {
      if (["endless headers", "two lengths for one body"].includes(what)) socket.write(head)
      send((more) => void socket.write(more))
    })
    expect(await codeOf(net.fetchFor(site.caller)(site.url))).toBe(code)
    expect(net.egress.inFlight()).toEqual([])
  })

  test("a body that breaks off is an error, not a short text", async () => {
    const net = internet()
    for (const body of ["Content-Length: 30\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]) {
      const site = await rawSite((socket) => socket.end(`${head}${body}`))
      const response = await net.fetchFor(site.caller)(site.url)
      expect(await codeOf(response.text())).toBe("egress.unreachable")
    }
    expect(net.records.map(({ outcome }) => outcome)).toEqual(["failed", "failed"])
  })

  test("more requests at a time than allowed are refused at once, and the place comes back", async () => {
    const net = internet()
    const gate = Promise.withResolvers<void>()
    const site = await plainSite(async (_request, answer) => (await gate.promise, answer.end("x")))
    const fetch = net.fetchFor({ ...site.caller, caps: { maxInFlight: 2 } })
    const two = [fetch(site.url), fetch(site.url)]
    expect(await codeOf(fetch(site.url))).toBe("egress.busy")
    const other = net.fetchFor({ ...site.caller, principal: "plugin:other" })(site.url)
    gate.resolve()
    for (const response of await Promise.all([...two, other])) await response.text()
    expect(await (await fetch(site.url)).text()).toBe("x")
  })
})

describe("time", () => {
  test("a server that never answers is given up", async () => {
    const clock = createFakeClock()
    const net = internet({ clock })
    const asked = Promise.withResolvers<void>()
    const site = await rawSite(() => asked.resolve())
    const answer = codeOf(net.fetchFor(site.caller)(site.url))
    await asked.promise
    await clock.advance(29_999)
    expect(net.egress.inFlight()).toHaveLength(1)
    await clock.advance(1)
    expect(await answer).toBe("egress.timeout")
    expect(net.records).toMatchObject([{ outcome: "failed", durationMs: 30_000 }])
  })

  test("a body that stops in the middle is given up, read or unread", async () => {
    const clock = createFakeClock()
    const net = internet({ clock })
    const site = await rawSite((socket) => socket.write(`${head}Content-Length: 30\r\n\r\nhello`))
    const read = await net.fetchFor(site.caller)(site.url)
    const unread = await net.fetchFor(site.caller)(site.url)
    const text = codeOf(read.text())
    await Bun.sleep(20)
    await clock.advance(30_000)
    expect(await text).toBe("egress.timeout")
    expect(await codeOf(unread.text())).toBe("egress.timeout")
    expect(net.egress.inFlight()).toEqual([])
    expect(clock.waiting()).toBe(0)
  })

  test("a body that drips is given up when its whole time is over; a stream without one goes on", async () => {
    const clock = createFakeClock()
    const net = internet({ clock })
    const drips: ((text: string) => void)[] = []
    const site = await rawSite((socket) => {
      socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`)
      drips.push((text) => void socket.write(`1\r\n${text}\r\n`))
    })
    const readers = []
    for (const totalMs of [60_000, null]) {
      readers.push((await net.fetchFor({ ...site.caller, caps: { totalMs } })(site.url)).body?.getReader())
    }
    for (let i = 0; i < 3; i++) {
      for (const [which, reader] of readers.entries()) {
        drips[which]?.("x")
        expect((await reader?.read())?.value).toHaveLength(1)
      }
      await clock.advance(19_000)
    }
    await clock.advance(3_000)
    expect(await codeOf(readers[0]?.read() ?? Promise.resolve())).toBe("egress.timeout")
    drips[1]?.("y")
    expect((await readers[1]?.read())?.value).toHaveLength(1)
  })

  test("an address that does not let itself be connected to is given up", async () => {
    const clock = createFakeClock()
    const net = internet({
      clock,
      connect: ({ signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    })
    net.name("api.example.com", [PUBLIC])
    const answer = codeOf(net.fetchFor()("https://api.example.com/"))
    await Bun.sleep(5)
    await clock.advance(10_000)
    expect(await answer).toBe("egress.timeout")
  })

  test("a name server that does not answer is given up", async () => {
    const clock = createFakeClock()
    const net = internet({ clock, resolve: () => new Promise(() => {}) })
    const answer = codeOf(net.fetchFor()("https://api.example.com/"))
    await Bun.sleep(5)
    await clock.advance(10_000)
    expect(await answer).toBe("egress.timeout")
  })
})

describe("stopping", () => {
  const reason = new Error("the turn was stopped")

  test("before anything was sent", async () => {
    const net = internet()
    expect(await codeOf(net.fetchFor()("https://api.example.com/", { signal: AbortSignal.abort(reason) }))).toBe(
      String(reason),
    )
    expect(net.lookups).toEqual([])
  })

  test("while the answer is awaited closes the connection", async () => {
    const net = internet()
    const stop = new AbortController()
    const closed = Promise.withResolvers<void>()
    const site = await rawSite((socket) => {
      socket.on("close", () => closed.resolve())
      stop.abort(reason)
    })
    expect(await codeOf(net.fetchFor(site.caller)(site.url, { signal: stop.signal }))).toBe(String(reason))
    await closed.promise
    expect(net.records).toMatchObject([{ outcome: "failed", why: "stopped" }])
  })

  test("in the middle of a body errors the reader, closes the connection and keeps what came", async () => {
    const net = internet()
    const stop = new AbortController()
    const closed = Promise.withResolvers<void>()
    const site = await rawSite((socket) => {
      socket.on("close", () => closed.resolve())
      socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`)
    })
    const reader = (await net.fetchFor(site.caller)(site.url, { signal: stop.signal })).body?.getReader()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("hello")
    const next = codeOf(reader?.read() ?? Promise.resolve())
    stop.abort(reason)
    expect(await next).toBe(String(reason))
    await closed.promise
    expect(net.egress.inFlight()).toEqual([])
  })

  test("by the reader, which has enough, closes the connection", async () => {
    const net = internet()
    const closed = Promise.withResolvers<void>()
    const site = await rawSite((socket) => {
      socket.on("close", () => closed.resolve())
      socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`)
    })
    await (await net.fetchFor(site.caller)(site.url)).body?.cancel()
    await closed.promise
    expect(net.records).toMatchObject([{ outcome: "done", why: "the reader had enough" }])
  })

  test("by a lockdown ends every request, or those of one principal", async () => {
    const net = internet()
    const site = await rawSite(() => {})
    const mine = codeOf(net.fetchFor(site.caller)(site.url))
    const other = codeOf(net.fetchFor({ ...site.caller, principal: "plugin:other" })(site.url))
    await Bun.sleep(10)
    net.egress.abortAll(new AppError("egress.refused", "Locked down"), "plugin:other")
    expect(await other).toBe("egress.refused")
    expect(net.egress.inFlight()).toMatchObject([{ principal: "builtin:test" }])
    net.egress.abortAll(new AppError("egress.refused", "Locked down"))
    expect(await mine).toBe("egress.refused")
  })
})

describe("scanning and secrets", () => {
  test("the request is scanned as the caller gave it, then the secret is put in, toward its origin only", async () => {
    const scanned: string[] = []
    const net = internet({
      scanRequest(caller, { url, headers, body }) {
        scanned.push(
          `${caller.principal} ${url.pathname} ${headers.get("authorization")} ${Buffer.from(body ?? []).toString()}`,
        )
        return { verdict: "allow" }
      },
    })
    const site = await plainSite((request, answer) =>
      answer.end(request.headers.authorization === "Bearer s3cr3t-value" ? "authorised" : "not"),
    )
    const credential = { header: "authorization", value: "Bearer s3cr3t-value", secretName: "model_key" }
    const credentials = [{ ...credential, origin: `http://127.0.0.1:${site.port}` }]
    expect(
      await (
        await net.fetchFor({ ...site.caller, credentials })(`${site.url}v1`, { method: "POST", body: "hi" })
      ).text(),
    ).toBe("authorised")
    expect(scanned).toEqual(["builtin:test /v1 null hi"])
    expect(net.records[0]?.secretNames).toEqual(["model_key"])
    const elsewhere = [{ ...credential, origin: `http://127.0.0.1:${site.port + 1}` }]
    expect(await (await net.fetchFor({ ...site.caller, credentials: elsewhere })(site.url)).text()).toBe("not")
    expect(net.records[1]?.secretNames).toEqual([])
  })

  test("a secret that the server echoes is taken out, split over chunks or in a header", async () => {
    const net = internet()
    const site = await plainSite((_request, answer) => {
      answer.setHeader("x-echo", "Bearer s3cr3t-value")
      answer.write("you sent Bearer s3cr")
      answer.write("3t-")
      setTimeout(() => answer.end("value, or s3cr3t-value; s3cr"), 5)
    })
    const credentials = [
      {
        origin: `http://127.0.0.1:${site.port}`,
        header: "authorization",
        value: "Bearer s3cr3t-value",
        secretName: "k",
      },
    ]
    const response = await net.fetchFor({ ...site.caller, credentials })(site.url)
    expect(response.headers.get("x-echo")).toBe("[REDACTED]")
    expect(await response.text()).toBe("you sent [REDACTED], or [REDACTED]; s3cr")
  })

  test("a scan that refuses, or breaks, refuses the request before a name is resolved", async () => {
    for (const scanRequest of [
      () => ({ verdict: "deny" as const, why: "a key in the body" }),
      () => Promise.reject(new Error("broken: hunter2")),
    ]) {
      const net = internet({ scanRequest })
      const error: unknown = await net
        .fetchFor()("https://api.example.com/", { method: "POST", body: "hunter2" })
        .catch((thrown) => thrown)
      expect(error).toMatchObject({ code: "egress.refused" })
      expect(String(error)).not.toContain("hunter2")
      expect(net.lookups).toEqual([])
      expect(net.records).toMatchObject([{ outcome: "refused", verdicts: { leak: expect.stringContaining("deny") } }])
    }
  })

  test("the answer passes the scan as a stream, and a scan that breaks reaches the reader", async () => {
    const upper = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) =>
        controller.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase())),
    })
    const net = internet({ scanResponse: (_caller, _response, body) => body.pipeThrough(upper) })
    const site = await plainSite((_request, answer) => answer.end("quiet"))
    expect(await (await net.fetchFor(site.caller)(site.url)).text()).toBe("QUIET")
    const broken = internet({
      scanResponse: () => {
        throw new Error("broken")
      },
    })
    expect(await codeOf(broken.fetchFor(site.caller)(site.url))).toBe("egress.refused")
    expect(broken.egress.inFlight()).toEqual([])
  })

  test("what cannot be recorded is an error, not a silent success", async () => {
    const net = internet({ onRequest: () => Promise.reject(new AppError("internal", "The audit log is full")) })
    const site = await plainSite((_request, answer) => answer.end("x"))
    const response = await net.fetchFor(site.caller)(site.url)
    expect(await codeOf(response.text())).toBe("internal")
  })
})

test("an idle connection that the server closed is replaced for a GET, and an error for a POST", async () => {
  const net = internet()
  let connections = 0
  const { createServer } = await import("node:net")
  const server = createServer((socket) => {
    connections++
    let requests = 0
    socket.on("error", () => {})
    // The second request on one connection is cut off without an answer, as by a server that closed it meanwhile.
    socket.on("data", () =>
      ++requests === 1 ? socket.write(`${head}Content-Length: 1\r\n\r\nx`) : socket.resetAndDestroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  opened.push({ close: () => void server.close() })
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const fetch = net.fetchFor({ local: [{ scheme: "http", host: "127.0.0.1", port }] })
  const url = `http://127.0.0.1:${port}/`
  expect(await (await fetch(url)).text()).toBe("x")
  expect(await (await fetch(url)).text()).toBe("x")
  expect(connections).toBe(2)
  expect(await codeOf(fetch(url, { method: "POST", body: "once" }))).toBe("egress.unreachable")
  expect(connections).toBe(2)
})

test("the real connect speaks to exactly the address that it was given", async () => {
  const site = await plainSite((_request, answer) => answer.end("x"))
  const socket = await connectBySocket({
    address: "127.0.0.1",
    port: site.port,
    serverName: null,
    signal: new AbortController().signal,
  })
  expect(socket.remoteAddress).toBe("127.0.0.1")
  socket.destroy()
})
