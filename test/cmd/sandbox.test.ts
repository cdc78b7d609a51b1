import { describe, expect, test } from "bun:test"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { checkCode } from "#sandbox/check-code.ts"
import { makeModule } from "../sandbox/module-maker.ts"

const entry = join(import.meta.dir, "../../cmd/ironclaw.ts")
const folder = mkdtempSync(join(tmpdir(), "ironclaw-sandbox-"))

async function sandbox(...args: string[]) {
  const child = Bun.spawn([process.execPath, entry, "sandbox", ...args], {
    env: { IRONCLAW_HOME: join(folder, "home") },
    cwd: folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { status: await child.exited, out, err }
}

const lines = (out: string) =>
  out
    .trimEnd()
    .split("\n")
    .map((line): unknown => JSON.parse(line))

describe("ironclaw sandbox", () => {
  test("check says of each file whether it may run, what it asks for and what it offers", async () => {
    const good = makeModule({
      imports: [{ module: "extism:host/env", name: "input_length", results: [0x7e] }],
      memory: [2],
      functions: [{ export: "call", code: [] }],
    })
    writeFileSync(join(folder, "good.wasm"), good)
    writeFileSync(
      join(folder, "bad.wasm"),
      makeModule({ imports: [{ module: "env", name: "fork" }], functions: [{ code: [] }] }),
    )
    writeFileSync(
      join(folder, "good.ts"),
      'import { http } from "ironclaw"\nexport const call = (a: string) => http({ url: a })',
    )
    writeFileSync(join(folder, "bad.js"), 'import { rm } from "node:fs"\nexport const call = rm')
    const { status, out } = await sandbox("check", "good.wasm", "bad.wasm", "good.ts", "bad.js")
    expect(status).toBe(0)
    expect(lines(out)).toEqual([
      {
        file: "good.wasm",
        verdict: "accepted",
        why: null,
        imports: ["extism:host/env input_length"],
        exports: ["call"],
        memoryPages: 2,
      },
      expect.objectContaining({ file: "bad.wasm", verdict: "refused", why: expect.stringContaining("env fork") }),
      { file: "good.ts", verdict: "accepted", why: null, imports: ["ironclaw"], exports: ["call"], memoryPages: null },
      expect.objectContaining({ file: "bad.js", verdict: "refused", why: expect.stringContaining("node:fs") }),
    ])
  })

  test("check reads no script that is larger than one may be: it would take this process's time", async () => {
    const large = new TextEncoder().encode("let a;".repeat(800_000))
    expect(checkCode("plugin.ts", large)).toMatchObject({
      verdict: "refused",
      why: expect.stringContaining("over 4194304"),
    })
  })

  test("check of a file that is not there says so", async () => {
    expect((await sandbox("check", "nowhere.wasm")).status).toBe(1)
    expect((await sandbox("check")).status).toBe(2)
  })

  test.skipIf(process.platform !== "linux")("test proves the lock", async () => {
    const proof = await sandbox("test", "--json")
    expect(proof.status).toBe(0)
    expect(JSON.parse(proof.out).data.acts).toContainEqual({
      act: "exec",
      verdict: "proven",
      withoutLock: true,
      withLock: false,
    })
  })

  test.skipIf(process.platform !== "linux")("status names the parts of the lock", async () => {
    const { out } = await sandbox("status", "--json")
    expect(JSON.parse(out).data.lock).toMatchObject({
      state: "locked",
      parts: expect.arrayContaining(["system calls"]),
    })
  })
})
