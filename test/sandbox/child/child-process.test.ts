import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { startChild } from "#sandbox/child/child-process.ts"
import { codeOf, guestCall } from "#test/fakes/guest.ts"
import { until } from "#test/fakes/until.ts"

const liar = join(import.meta.dir, "lying-child.ts")
const call = guestCall({
  code: codeOf("js", ""),
  name: "a",
  limits: { maxOutputBytes: 1_000, timeoutMs: 5_000 },
  host: { functions: { memory_read: () => Bun.sleep(20) }, log() {} },
})

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1")
  } catch {
    return ""
  }
}

function startLiar(lie: string) {
  return startChild({ command: [process.execPath, liar, lie], kind: "wasm", clock: systemClock, isLocked: true })
}

async function liedTo(lie: string) {
  const child = startLiar(lie)
  await child.ready()
  const result = await child.call(call)
  await child.exited
  return { reason: result.ok ? "ok" : result.reason, isAlive: child.isAlive() }
}

describe("a child that is not believed", () => {
  for (const lie of [
    "unknown kind",
    "huge length",
    "header beyond frame",
    "no JSON",
    "wrong header",
    "more in header",
    "parent's kind",
    "ready again",
    "unknown function",
    "header injection",
    "parent's reason",
    "large output",
    "two questions",
    "logs without end",
  ]) {
    test(`is killed for: ${lie}`, async () => {
      expect(await liedTo(lie)).toEqual({ reason: "protocol", isAlive: false })
    })
  }

  for (const lie of ["answers the next call", "answers unasked"]) {
    test(`is killed, and not asked again: ${lie}`, async () => {
      const child = startLiar(lie)
      await child.ready()
      expect(await child.call(call)).toMatchObject({ ok: true, output: new TextEncoder().encode("one") })
      await child.exited
      expect(await child.call(call)).toMatchObject({ ok: false, reason: "protocol" })
    })
  }

  test("ends while much is still being written to it, and that is no fault of this process", async () => {
    const unheard: unknown[] = []
    const hear = (error: unknown) => void unheard.push(error)
    process.on("unhandledRejection", hear)
    try {
      const child = startLiar("ends unread")
      await child.ready()
      const loaded = await child.load({ part: "js" }, new Uint8Array(4 * 1024 * 1024)).catch((error: unknown) => error)
      expect(loaded).toMatchObject({ reason: "crashed" })
      await Bun.sleep(100)
      expect(unheard).toEqual([])
    } finally {
      process.off("unhandledRejection", hear)
    }
  })

  test.skipIf(process.platform !== "linux")("is killed when its process grows beyond what it may use", async () => {
    expect(await liedTo("grows")).toEqual({ reason: "memory", isAlive: false })
  })

  test.skipIf(process.platform !== "linux")("does not outlive its parent, not even in an endless loop", async () => {
    const parent = Bun.spawn([process.execPath, join(import.meta.dir, "orphan-child.ts")], {
      stdout: "pipe",
      stderr: "inherit",
    })
    const { value } = await parent.stdout.getReader().read()
    const pid = Number(new TextDecoder().decode(value))
    expect(pid).toBeGreaterThan(0)
    parent.kill("SIGKILL")
    await parent.exited
    // One that ended and that nobody has asked about yet is a zombie, and has no command line any more.
    await until("the end of the child", () => commandLine(pid) === "")
  })

  test("is told apart from one that ends", async () => {
    expect(await liedTo("ends")).toEqual({ reason: "crashed", isAlive: false })
  })

  test("is killed when it is late to say that it is ready", async () => {
    const child = startChild({
      command: [process.execPath, "-e", "process.exit(3)"],
      kind: "wasm",
      clock: systemClock,
      isLocked: true,
    })
    expect(await child.ready().catch(String)).toContain("Its process ended by itself")
  })
})
