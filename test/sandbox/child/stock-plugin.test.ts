import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { childCommand, codeOf, guestCall, quietLog, textOf } from "#test/fakes/guest.ts"

/** Written as Extism's plugin kit for C is: its imports by their names, its blocks by byte. */
const source = `
typedef unsigned long long u64; typedef unsigned char u8;
#define IMPORT(n) __attribute__((import_module("extism:host/env"), import_name(#n)))
#define EXPORT(n) __attribute__((export_name(#n)))
IMPORT(alloc) u64 alloc(u64); IMPORT(free) void release(u64); IMPORT(length) u64 length(u64);
IMPORT(store_u8) void store(u64, int); IMPORT(load_u8) int load(u64);
IMPORT(input_offset) u64 input_offset(void); IMPORT(input_length) u64 input_length(void); IMPORT(input_load_u8) int input_load(u64);
IMPORT(output_set) void output(u64, u64); IMPORT(error_set) void fail_with(u64);
IMPORT(config_get) u64 config(u64); IMPORT(var_get) u64 var_get(u64); IMPORT(var_set) void var_set(u64, u64);
IMPORT(http_request) u64 http(u64, u64); IMPORT(http_status_code) int status(void); IMPORT(http_headers) u64 headers(void);
IMPORT(log_warn) void warn(u64);
static u64 text(const char *s) { u64 n = 0; while (s[n]) n++; u64 at = alloc(n); for (u64 i = 0; i < n; i++) store(at + i, s[i]); return at; }
EXPORT(upper) int upper(void) {
  u64 n = input_length(), at = alloc(n + 10);
  for (u64 i = 0; i < n; i++) { int c = input_load(i); store(at + i, c >= 'a' && c <= 'z' ? c - 32 : c); }
  output(at, n); return 0;
}
EXPORT(churn) int churn(void) {
  for (int i = 0; i < 200; i++) { u64 at = alloc(1000000); store(at, 1); release(at); }
  output(text("done"), 4); return 0;
}
EXPORT(settings) int settings(void) {
  u64 key = text("unit"); u64 value = config(key);
  var_set(key, value); u64 kept = var_get(key);
  if (config(text("constructor")) != 0) { fail_with(text("a key that nobody set")); return 1; }
  output(kept, length(kept)); return 0;
}
EXPORT(get) int get(void) {
  u64 body = http(input_offset(), 0);
  if (status() != 203) { fail_with(text("status")); return 1; }
  u64 all = headers(); warn(body); output(all, length(all)); return 0;
}
EXPORT(broken) int broken(void) { fail_with(text("it is broken")); return 1; }
`

const clang = Bun.which("clang") ?? Bun.which("clang-14") ?? Bun.which("clang-19")
const linker = Bun.which("wasm-ld") ?? Bun.which("wasm-ld-14") ?? Bun.which("wasm-ld-19")

describe.skipIf(clang === null || linker === null)("a plugin in C, built by clang", () => {
  const folder = mkdtempSync(join(tmpdir(), "ironclaw-stock-"))
  const sandbox = createSandbox({ command: childCommand, clock: systemClock, log: quietLog })
  afterAll(async () => {
    await sandbox.stopAll()
    rmSync(folder, { recursive: true })
  })

  test("runs unchanged", async () => {
    writeFileSync(join(folder, "plugin.c"), source)
    const flags = ["--target=wasm32-unknown-unknown", "-nostdlib", "-O2", `-fuse-ld=${linker}`, "-Wl,--no-entry"]
    const built = Bun.spawnSync([clang ?? "", ...flags, "-o", "plugin.wasm", "plugin.c"], { cwd: folder })
    expect(built.stderr.toString()).toBe("")
    const code = codeOf("wasm", readFileSync(join(folder, "plugin.wasm")))
    const lines: string[] = []
    const host = {
      functions: {},
      log: (level: string, line: string) => void lines.push(`${level} ${line}`),
      http: () => Promise.resolve({ status: 203, headers: { etag: "1" }, body: new TextEncoder().encode("body") }),
    }
    const run = async (name: string, input: unknown) => {
      const result = await sandbox.call(guestCall({ code, name, input, host, config: { unit: "C" } }))
      return result.ok ? textOf(result.output) : `${result.reason}: ${result.words}`
    }
    expect(await run("upper", "köln")).toBe('"KöLN"')
    // 200 MB in all, one MB at a time: what is freed does not count.
    expect(await run("churn", null)).toBe("done")
    expect(await run("settings", null)).toBe("C")
    expect(await run("get", { url: "https://example.com" })).toBe('{"etag":"1"}')
    expect(lines).toEqual(["warn body"])
    expect(await run("broken", null)).toBe("trap: it is broken")
  })
})

/** Go's own way of making a module: its runtime and collector inside, and WASI for what it asks of a system. */
const goSource = `
package main

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoad(at uint64) uint32

//go:wasmimport extism:host/env alloc
func alloc(n uint64) uint64

//go:wasmimport extism:host/env store_u8
func store(at uint64, b uint32)

//go:wasmimport extism:host/env output_set
func output(at uint64, n uint64)

//go:wasmexport upper
func upper() int32 {
	n := inputLength()
	text := make([]byte, n)
	for i := range text {
		text[i] = byte(inputLoad(uint64(i)))
	}
	seen := map[string]int{}
	for _, b := range text {
		seen[string(b)]++
	}
	at := alloc(n)
	for i, b := range text {
		if b >= 'a' && b <= 'z' {
			b -= 32
		}
		store(at+uint64(i), uint32(b))
	}
	output(at, n)
	return 0
}

func main() {}
`

const go = Bun.which("go")
const goVersion = go === null ? "" : Bun.spawnSync([go, "env", "GOVERSION"]).stdout.toString()
/** Before 1.24 it could export no function. */
const exportsFunctions = Number(/^go1\.(\d+)/.exec(goVersion)?.[1] ?? 0) >= 24

describe.skipIf(!exportsFunctions)("a plugin in Go, built by its own compiler", () => {
  const folder = mkdtempSync(join(tmpdir(), "ironclaw-stock-go-"))
  const sandbox = createSandbox({ command: childCommand, clock: systemClock, log: quietLog })
  afterAll(async () => {
    await sandbox.stopAll()
    rmSync(folder, { recursive: true })
  })

  test(
    "runs unchanged, with a collector of its own",
    async () => {
      writeFileSync(join(folder, "main.go"), goSource)
      writeFileSync(join(folder, "go.mod"), "module example.org/stock\n\ngo 1.24\n")
      const built = Bun.spawnSync([go ?? "", "build", "-buildmode=c-shared", "-o", "plugin.wasm", "."], {
        cwd: folder,
        env: {
          ...process.env,
          GOOS: "wasip1",
          GOARCH: "wasm",
          GOPROXY: "off",
          GOCACHE: join(folder, "cache"),
          GOPATH: join(folder, "path"),
          GOTOOLCHAIN: "local",
        },
      })
      expect(built.stderr.toString()).toBe("")
      const code = codeOf("wasm", readFileSync(join(folder, "plugin.wasm")))
      for (const input of ["köln", "b".repeat(20_000)]) {
        const result = await sandbox.call(guestCall({ code, name: "upper", input }))
        expect(result.ok ? textOf(result.output) : `${result.reason}: ${result.words}`).toBe(
          JSON.stringify(input.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())),
        )
      }
    },
    240_000, // it compiles Go's library, on a machine that may be busy
  )
})
