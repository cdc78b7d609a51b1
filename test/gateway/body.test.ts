import { describe, expect, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import { AppError } from "#core/errors.ts"
import { type BodyLimits, cleaned, readJsonBody } from "#gateway/body.ts"
import { createFakeClock } from "../fakes/clock.ts"

const limits: BodyLimits = { maxBytes: 1_000, textFields: new Set(["content"]) }
const read = (
  body: string | Uint8Array<ArrayBuffer>,
  {
    type = "application/json",
    clock = systemClock,
    ...given
  }: Partial<BodyLimits> & { type?: string; clock?: typeof systemClock } = {},
) =>
  readJsonBody(
    new Request("http://localhost/", { method: "POST", body, headers: { "content-type": type } }),
    { ...limits, ...given },
    clock,
  )
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "accepted",
    (error: unknown) => (error instanceof AppError ? error.code : "no AppError"),
  )

// In the manner of the JSON test suites: what every parser must take, and what none may.
const valid = [
  "{}",
  "[]",
  "null",
  "0",
  "-0",
  "1E-2",
  '"\\u00e9\\/\\n"',
  '{"a":{"a":1},"a":2}',
  " [ 1 , 2 ] \n",
  '"\u2028"',
  '{"":0}',
  "123456789012345678901234567890",
]
const invalid = [
  "{",
  "}",
  "[1,]",
  "[,1]",
  "{a:1}",
  "{'a':1}",
  '{"a":1,}',
  '{"a" 1}',
  "[1 2]",
  "01",
  "+1",
  ".5",
  "1.",
  "0x1",
  "NaN",
  "Infinity",
  "undefined",
  "True",
  '"\t"',
  '"\\x41"',
  '"\\u12"',
  '"unclosed',
  "[1]]",
  "[1]x",
  "/* c */ 1",
  "// c\n1",
  '{"a":1}{"b":2}',
  "\u00a0[]",
  '"a" "b"',
]

describe("JSON", () => {
  test.each(valid)("%p is accepted", async (text) => expect(await codeOf(read(text))).toBe("accepted"))
  test.each(invalid)("%p is refused", async (text) => expect(await codeOf(read(text))).toBe("input.invalid"))

  test("that is not UTF-8 is refused, a byte order mark is not", async () => {
    expect(await codeOf(read(new Uint8Array([0x22, 0xff, 0x22])))).toBe("input.invalid")
    expect(await codeOf(read(new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])))).toBe("input.invalid")
    expect(await codeOf(read(new Uint8Array([0x22, 0x00, 0x61, 0x00, 0x22])))).toBe("input.invalid")
    expect(await read(new Uint8Array([0xef, 0xbb, 0xbf, 0x5b, 0x5d]))).toEqual([])
  })

  test("nested 64 deep is accepted, deeper is refused, and 100,000 deep breaks nothing", async () => {
    const nested = (depth: number) => read("[".repeat(depth) + "]".repeat(depth), { maxBytes: 1_000_000 })
    expect(await codeOf(nested(64))).toBe("accepted")
    expect(await codeOf(nested(65))).toBe("input.invalid")
    expect(await codeOf(nested(100_000))).toBe("input.invalid")
    expect(await codeOf(read('{"a":'.repeat(50_000), { maxBytes: 1_000_000 }))).toBe("input.invalid")
  })

  test("cannot reach an object's prototype", async () => {
    expect(await codeOf(read('{"__proto__":{"isOwner":true}}'))).toBe("input.invalid")
    expect(await codeOf(read('{"a":[{"__proto__":1}]}'))).toBe("input.invalid")
  })
})

describe("the type", () => {
  test.each([
    "application/json",
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "application/merge-patch+json",
  ])("%p is JSON", async (type) => expect(await codeOf(read("{}", { type }))).toBe("accepted"))
  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "text/json",
    "application/jsonx",
  ])("%p is not", async (type) => expect(await codeOf(read("{}", { type }))).toBe("input.not_json"))
  test("of nothing does not matter", async () => {
    expect(await readJsonBody(new Request("http://localhost/", { method: "POST" }), limits, systemClock)).toBeNull()
    expect(await read("", { type: "text/plain" })).toBeNull()
  })
})

describe("the size", () => {
  test("is what was counted, not what was announced", async () => {
    let sent = 0
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(400).fill(32))
        sent += 400
      },
    })
    const request = new Request("http://localhost/", {
      method: "POST",
      body: endless,
      headers: { "content-type": "application/json" },
    })
    expect(await codeOf(readJsonBody(request, limits, systemClock))).toBe("input.too_large")
    expect(sent).toBeLessThan(4_000)
  })

  test("that is announced as too large is refused before a byte is read", async () => {
    let pulled = false
    const body = new ReadableStream<Uint8Array>({ pull: () => void (pulled = true) }, { highWaterMark: 0 })
    const request = new Request("http://localhost/", {
      method: "POST",
      body,
      headers: { "content-type": "application/json", "content-length": "1001" },
    })
    expect(await codeOf(readJsonBody(request, limits, systemClock))).toBe("input.too_large")
    expect(pulled).toBe(false)
  })

  test("up to the limit is accepted", async () => {
    expect(await codeOf(read(JSON.stringify("x".repeat(998))))).toBe("accepted")
    expect(await codeOf(read(JSON.stringify("x".repeat(999))))).toBe("input.too_large")
  })
})

test("a body that never ends is given up after a minute", async () => {
  const clock = createFakeClock()
  const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array([0x7b])) })
  const request = new Request("http://localhost/", {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  })
  const code = codeOf(readJsonBody(request, limits, clock))
  await clock.advance(60_000)
  expect(await code).toBe("input.too_slow")
  expect(clock.waiting()).toBe(0)
})

describe("texts that the database cannot hold", () => {
  test("are mended in messages", () => {
    expect(cleaned({ content: "a\0b\ud800c\udc00" }, limits.textFields)).toEqual({ content: "a\ufffdb\ufffdc\ufffd" })
    expect(cleaned({ messages: [{ content: [{ text: "\0" }] }] }, "all")).toEqual({
      messages: [{ content: [{ text: "\ufffd" }] }],
    })
  })
  test("are refused in ids, names and keys", () => {
    for (const value of [
      { title: "a\0" },
      { title: "\ud800" },
      { path: ["\0"] },
      { "a\0": 1 },
      { content: { "\udc00": 1 } },
      "\0",
    ]) {
      expect(() => cleaned(value, limits.textFields)).toThrow()
    }
  })
  test("do not include emoji, right-to-left text or control characters", () => {
    const value = { title: "👩‍👩‍👧 שלום \u0007\u007f" }
    expect(cleaned(structuredClone(value), limits.textFields)).toEqual(value)
  })
})
