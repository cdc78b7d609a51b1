import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { startChild } from "#sandbox/child/child-process.ts"
import { codeOf, guestCall } from "#test/fakes/guest.ts"

const liar = join(import.meta.dir, "lying-child.ts")
const call = guestCall({
  code: codeOf("js", ""),
  name: "a",
  limits: { maxOutputBytes: 1_000, timeoutMs: 5_000 },
  host: { functions: { memory_read: () => Bun.sleep(20) }, log() {} },
})

async function liedTo(lie: string) {
  const child = startChild({ command: [process.execPath, liar, lie], kind: "wasm", clock: systemClock, isLocked: true })
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
