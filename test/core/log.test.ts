import { afterAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, unlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { createLog, type LogDeps } from "#core/log.ts"

const base = mkdtempSync(join(tmpdir(), "ironclaw-log-test-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))

function make(change: Partial<LogDeps> = {}) {
  const dir = mkdtempSync(join(base, "dir-"))
  const mirrored: string[] = []
  const log = createLog({
    dir,
    level: "info",
    redact: (text) => text.replaceAll("sk-live-123", "[redacted:test]"),
    clock: systemClock,
    maxBytes: 1_000_000,
    files: 2,
    mirror: { write: (text) => mirrored.push(text), colours: false },
    ...change,
  })
  const path = join(dir, "ironclaw.log")
  const raw = (name = "ironclaw.log") => readFileSync(join(dir, name), "utf8")
  const lines = (name?: string): Record<string, unknown>[] =>
    raw(name)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
  return { log, dir, path, raw, lines, mirrored }
}

describe("lines", () => {
  test("are JSON objects with time, level, message and fields, 0600", async () => {
    const { log, lines, path } = make()
    log.child({ area: "gateway" }).info("Listening", { port: 3000 })
    await log.close()
    expect(lines()).toEqual([
      { at: expect.stringMatching(/^\d{4}-.*Z$/), level: "info", message: "Listening", area: "gateway", port: 3000 },
    ])
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test("below the level are not written; the level can change while running", async () => {
    const { log, lines } = make()
    log.debug("no")
    log.setLevel("debug")
    log.debug("yes")
    await log.close()
    expect(lines().map((line) => line["message"])).toEqual(["yes"])
  })

  test("cannot be forged by fields or line breaks", async () => {
    const { log, lines } = make()
    log.info('a\n{"level":"error"}', { level: "error", message: "forged", at: "never" })
    await log.close()
    expect(lines()).toHaveLength(1)
    expect(lines()[0]).toMatchObject({ level: "info", message: 'a\n{"level":"error"}' })
  })

  test("take anything: errors with causes, circles, big numbers, bytes, lone surrogates", async () => {
    const { log, lines } = make()
    const circle: Record<string, unknown> = {}
    circle["self"] = circle
    log.info("x", {
      error: new Error("outer", { cause: new TypeError("inner") }),
      circle,
      big: 10n,
      bytes: new Uint8Array(3),
      half: "\ud800",
      none: undefined,
      nan: Number.NaN,
      call: () => 1,
      date: new Date(Number.NaN),
    })
    await log.close()
    expect(lines()[0]).toMatchObject({
      error: {
        name: "Error",
        message: "outer",
        stack: expect.stringContaining("at "),
        cause: { name: "TypeError", message: "inner" },
      },
      big: "10",
      bytes: "[3 bytes]",
      half: "\ufffd",
      nan: "NaN",
      call: "[function]",
      date: "Invalid Date",
    })
  })

  test("are bounded", async () => {
    const { log, raw } = make()
    log.info("x".repeat(1_000_000), { list: Array.from({ length: 10_000 }, () => "y") })
    await log.close()
    expect(raw().length).toBeLessThan(6_000)
  })
})

describe("redaction", () => {
  test("reaches messages, nested fields, names, error messages and the mirror", async () => {
    const { log, raw, mirrored } = make()
    log.error("key sk-live-123", {
      deep: [{ x: "sk-live-123" }],
      "sk-live-123": 1,
      error: new Error("bad sk-live-123"),
    })
    await log.close()
    expect(raw() + mirrored.join("")).not.toContain("sk-live-123")
    expect(raw()).toContain("[redacted:test]")
  })

  test("hides fields that are secret by name, and only those", async () => {
    const { log, lines } = make()
    log.info("x", {
      apiKey: "a",
      password: "b",
      headers: { Authorization: "c", "set-cookie": "d" },
      tokens: 12,
      keyId: "k1",
      secretary: "Ann",
    })
    await log.close()
    expect(lines()[0]).toMatchObject({
      apiKey: "[redacted]",
      password: "[redacted]",
      headers: { Authorization: "[redacted]", "set-cookie": "[redacted]" },
      tokens: 12,
      keyId: "k1",
      secretary: "Ann",
    })
  })

  test("leaves out the bound values of a database error", async () => {
    const { log, raw } = make()
    log.error("x", { error: new Error("Failed query: insert into t values ($1)\nparams: dear diary") })
    await log.close()
    expect(raw()).toContain("Failed query")
    expect(raw()).not.toContain("dear diary")
  })

  test("sees a secret whole that lies across the cut of a long text", async () => {
    const { log, raw } = make()
    log.info(`${"x".repeat(4_090)}sk-live-123${"y".repeat(100)}`)
    await log.close()
    expect(raw()).not.toContain("sk-liv")
  })

  test("that throws loses the line, not the caller, and the loss is told", async () => {
    let broken = true
    const { log, lines } = make({
      redact: (text) => {
        if (broken) throw new Error("boom")
        return text
      },
    })
    log.info("one")
    broken = false
    log.info("two")
    await log.close()
    expect(lines().map((line) => line["message"])).toEqual(["Log lines were lost", "two"])
  })
})

describe("files", () => {
  test("are set aside by size and only so many are kept", async () => {
    const { log, dir, lines } = make({ maxBytes: 300, files: 2 })
    for (let n = 0; n < 12; n++) {
      log.info(`line ${n}`)
      await log.flush()
    }
    await log.close()
    expect(existsSync(join(dir, "ironclaw.log.3"))).toBe(false)
    const kept = ["ironclaw.log.2", "ironclaw.log.1", "ironclaw.log"].flatMap((name) =>
      lines(name).map((line) => line["message"]),
    )
    expect(kept.at(-1)).toBe("line 11")
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => `line ${12 - kept.length + n}`))
    for (const name of ["ironclaw.log", "ironclaw.log.1", "ironclaw.log.2"])
      expect(statSync(join(dir, name)).size).toBeLessThanOrEqual(300)
  })

  test("that someone else moved away are made anew", async () => {
    const { log, path, lines } = make()
    log.info("one")
    await log.flush()
    unlinkSync(path)
    log.info("two")
    await log.close()
    expect(lines().map((line) => line["message"])).toEqual(["two"])
  })

  test("on a full disk lose lines without an error, and tell how many once there is room", async () => {
    const { log, path, lines } = make()
    symlinkSync("/dev/full", path)
    log.info("lost one")
    log.error("lost two")
    await log.flush()
    log.info("lost three")
    await log.flush()
    unlinkSync(path)
    log.info("kept")
    await log.close()
    expect(lines()).toMatchObject([{ message: "Log lines were lost", lost: 3, why: "ENOSPC" }, { message: "kept" }])
  })

  test("that cannot be made at all harm nobody", async () => {
    const { log, dir } = make()
    rmSync(dir, { recursive: true })
    log.error("x")
    await log.close()
    expect(existsSync(dir)).toBe(false)
  })

  test("hold everything when the process ends at once", async () => {
    const dir = mkdtempSync(join(base, "dir-"))
    const script = `import { createLog } from "#core/log.ts"; import { systemClock } from "#core/clock.ts"
      const log = createLog({ dir: ${JSON.stringify(dir)}, level: "info", redact: (t) => t, clock: systemClock, maxBytes: 1e6, files: 1, mirror: null })
      for (let n = 0; n < 1000; n++) log.info("line", { n })
      process.exit(3)`
    const child = Bun.spawn([process.execPath, "-e", script], { cwd: import.meta.dir, env: {}, stderr: "inherit" })
    expect(await child.exited).toBe(3)
    expect(readFileSync(join(dir, "ironclaw.log"), "utf8").trimEnd().split("\n")).toHaveLength(1000)
  })
})

describe("the mirror", () => {
  test("shows one readable line with control characters made visible", async () => {
    const { log, mirrored } = make()
    log.warn("Odd\u001b[31m\nthing", { path: "/a b", n: 1 })
    await log.close()
    expect(mirrored).toHaveLength(1)
    expect(mirrored[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}Odd\\u001b\[31m ⏎ thing path="\/a b" n=1\n$/)
  })

  test("is coloured only where asked", async () => {
    const out: string[] = []
    const { log } = make({ mirror: { write: (text) => out.push(text), colours: true } })
    log.error("x")
    await log.close()
    expect(out[0]).toStartWith("\u001b[31m")
    expect(out[0]).toEndWith("\u001b[0m\n")
  })
})
