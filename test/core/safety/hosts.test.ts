import { describe, expect, test } from "bun:test"
import { type HostRule, judgeUrl, type LocalEndpoint } from "#core/safety/hosts.ts"

const allow: HostRule[] = [
  { host: "api.example.com", pathPrefix: "/v1", methods: ["GET", "POST"] },
  { host: "*.example.org" },
  { host: "bücher.example", pathPrefix: "/lesen/" },
]
const local: LocalEndpoint[] = [
  { scheme: "http", host: "127.0.0.1", port: 11434 },
  { scheme: "http", host: "localhost", port: 8080 },
  { scheme: "http", host: "::1", port: 1234 },
  { scheme: "https", host: "gpu.lan", port: 8443 },
  { scheme: "http", host: "169.254.169.254", port: 80 },
]

function verdict(url: string, method = "GET"): string {
  return judgeUrl(url, method, { allow, local }).verdict
}

describe("a public URL", () => {
  test.each([
    "https://api.example.com/v1",
    "https://api.example.com/v1/",
    "https://api.example.com/v1/models?redirect=https%3A%2F%2Fevil.example&x=@#part",
    "https://API.Example.COM:443/v1/models",
    "https://api.example.com/v1/a/../models",
    "https://api.example.com/v1//models",
    "https://api.example.com/v1/files/a%20b%2Fc.txt",
    "https://api.example.com/v1/compare/main...dev",
    "https://api.example.com/v1/100%25",
    "https://a.example.org/",
    "https://a.b.c.example.org/anything/%2e%2e/at%2fall",
    "https://bücher.example/lesen/1",
    "https://xn--bcher-kva.example/lesen/1",
  ])("inside the rules is allowed: %s", (url) => expect(verdict(url)).toBe("allow"))

  test.each([
    ["another scheme", "http://api.example.com/v1"],
    ["another scheme", "ftp://api.example.com/v1"],
    ["another scheme", "wss://api.example.com/v1"],
    ["another scheme", "javascript:alert(1)"],
    ["another scheme", "file:///etc/passwd"],
    ["another scheme", "blob:https://api.example.com/v1"],
    ["no scheme", "//api.example.com/v1"],
    ["too few slashes", "https:api.example.com/v1"],
    ["too few slashes", "https:/api.example.com/v1"],
    ["too many slashes", "https:///api.example.com/v1"],
    ["another port", "https://api.example.com:80/v1"],
    ["another port", "https://api.example.com:8443/v1"],
    ["a user name", "https://user@api.example.com/v1"],
    ["an empty user name", "https://@api.example.com/v1"],
    ["an empty password", "https://:@api.example.com/v1"],
    ["the host as a user name", "https://api.example.com@evil.example/v1"],
    ["a backslash", "https://api.example.com\\@evil.example/v1"],
    ["a tab", "https://api.exa\tmple.com/v1"],
    ["a line break", "https://api.example.com/v1\r\nHost: evil.example"],
    ["a space", " https://api.example.com/v1"],
    ["a NUL", "https://api.example.com/v1\u0000"],
    ["a non-breaking space", "https://api.example.com\u00a0/v1"],
    ["half a surrogate pair", "https://api.example.com/v1/\ud800"],
    ["a trailing dot", "https://api.example.com./v1"],
    ["two trailing dots", "https://api.example.com../v1"],
    ["a percent-encoded host", "https://api%2eexample.com/v1"],
    ["a confusable letter", "https://api.exаmple.com/v1"],
    ["a longer host", "https://api.example.com.evil.example/v1"],
    ["a host that only ends alike", "https://evilexample.org/"],
    ["the wildcard's own name", "https://example.org/"],
    ["a literal wildcard", "https://*.example.org/"],
    ["a special name", "https://localhost/v1"],
    ["a single label", "https://intranet/v1"],
    ["another path", "https://api.example.com/v2"],
    ["a path that only begins alike", "https://api.example.com/v1x"],
    ["dot segments", "https://api.example.com/v1/../admin"],
    ["encoded dots", "https://api.example.com/v1/%2e%2e/admin"],
    ["half-encoded dots", "https://api.example.com/v1/.%2e/admin"],
    ["an encoded slash", "https://api.example.com/v1/..%2fadmin"],
    ["an encoded backslash", "https://api.example.com/v1/..%5cadmin"],
    ["twice encoded dots", "https://api.example.com/v1/%252e%252e%252fadmin"],
    ["five times encoded dots", "https://api.example.com/v1/%252525252e%252525252e/admin"],
    ["a path parameter", "https://api.example.com/v1/..;/admin"],
    ["overlong UTF-8", "https://api.example.com/v1/%c0%ae%c0%ae/admin"],
    ["an encoded NUL", "https://api.example.com/v1/%00"],
    ["an encoded line break", "https://api.example.com/v1/%0d%0aHost:x"],
    ["a double slash first", "https://api.example.com//v1/models"],
  ])("with %s is refused: %j", (_what, url) => expect(verdict(url)).toBe("deny"))

  test.each([
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "[::1]",
    "[::ffff:169.254.169.254]",
    "8.8.8.8",
    "①②⑦.⓪.⓪.①",
  ])("with an address instead of a name is refused, even where a rule names it: %s", (host) =>
    expect(judgeUrl(`https://${host}/`, "GET", { allow: [{ host }], local: [] }).verdict).toBe("deny"),
  )

  test("is judged by method", () => {
    expect(verdict("https://api.example.com/v1", "POST")).toBe("allow")
    expect(verdict("https://api.example.com/v1", "DELETE")).toBe("deny")
    expect(verdict("https://a.example.org/", "DELETE")).toBe("allow")
    expect(verdict("https://a.example.org/", "CONNECT")).toBe("deny")
    expect(verdict("https://a.example.org/", "get")).toBe("deny")
    expect(verdict("https://a.example.org/", "GET /evil HTTP/1.1\r\n")).toBe("deny")
  })

  test("longer than any server takes is refused", () => {
    expect(verdict(`https://a.example.org/${"a".repeat(8000)}`)).toBe("allow")
    expect(verdict(`https://a.example.org/${"a".repeat(9000)}`)).toBe("deny")
    expect(verdict(`https://${"a.".repeat(130)}example.org/`)).toBe("deny")
    expect(verdict(`https://${"a".repeat(64)}.example.org/`)).toBe("deny")
  })

  test("keeps no fragment, and is the very URL that will be requested", () => {
    const judged = judgeUrl("https://api.example.com/v1/%7Ex?a=b#secret", "GET", { allow, local })
    expect(judged).toMatchObject({ verdict: "allow", kind: "public" })
    expect(judged.url?.href).toBe("https://api.example.com/v1/%7Ex?a=b")
  })
})

test.each([
  "*",
  "*.com",
  "*.",
  "",
  "https://api.example.com",
  "api.example.com/",
  "api.example.com:443x",
  "user@api.example.com",
  "**.example.com",
  "api.*.com",
  "127.0.0.1",
  "localhost",
  "api.example.com.",
])("a rule that is not well-formed matches nothing: %j", (host) =>
  expect(judgeUrl("https://api.example.com/", "GET", { allow: [{ host }], local: [] }).verdict).toBe("deny"),
)

test("a path prefix that does not begin with a slash matches nothing", () => {
  expect(
    judgeUrl("https://api.example.com/v1", "GET", { allow: [{ host: "api.example.com", pathPrefix: "v1" }], local: [] })
      .verdict,
  ).toBe("deny")
})

describe("a local endpoint", () => {
  test.each([
    "http://127.0.0.1:11434/api/chat",
    "http://localhost:8080/",
    "http://LOCALHOST:8080/v1?x",
    "http://[::1]:1234/",
    "https://gpu.lan:8443/v1",
  ])("is allowed exactly: %s", (url) =>
    expect(judgeUrl(url, "POST", { allow, local })).toMatchObject({ verdict: "allow", kind: "local" }),
  )

  test.each([
    "http://127.0.0.1:11435/",
    "http://127.0.0.1/",
    "https://127.0.0.1:11434/",
    "http://127.1:11434/",
    "http://2130706433:11434/",
    "http://0x7f.0.0.1:11434/",
    "http://127.0.0.1.:11434/",
    "http://localhost:11434/",
    "http://localhost.:8080/",
    "http://localhost.evil.example:8080/",
    "http://127.0.0.1.nip.io:11434/",
    "http://user@127.0.0.1:11434/",
    "http://127.0.0.1:11434@evil.example/",
    "http://[::ffff:127.0.0.1]:11434/",
    "http://[0:0::1]:1234/",
    "http://gpu.lan:8443/",
  ])("is not %s", (url) => expect(verdict(url)).toBe("deny"))

  test("is refused at a metadata address, whoever named it", () => {
    expect(judgeUrl("http://169.254.169.254/latest", "GET", { allow, local })).toMatchObject({
      verdict: "deny",
      why: expect.stringContaining("link-local"),
    })
  })

  test("of another principal is none", () => {
    expect(judgeUrl("http://127.0.0.1:11434/", "GET", { allow, local: [] }).verdict).toBe("deny")
  })
})
