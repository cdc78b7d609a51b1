/** A child as an attacker would have it, once it is theirs: says what its argument tells it to, in answer to the first call. */
import { readSync, writeSync } from "node:fs"
import { encodeFrame, readFrame } from "#sandbox/child/frames.ts"

const send = (...frame: Parameters<typeof encodeFrame>) => void writeSync(1, encodeFrame(...frame))
const receive = () => readFrame((into) => readSync(0, into))
const lie = process.argv[2] ?? ""

const lies: Record<string, () => void> = {
  "unknown kind": () => void writeSync(1, new Uint8Array([5, 0, 0, 0, 99, 0, 0, 0, 0])),
  "huge length": () => void writeSync(1, new Uint8Array([0xff, 0xff, 0xff, 0xff])),
  "header beyond frame": () => void writeSync(1, new Uint8Array([5, 0, 0, 0, 18, 99, 0, 0, 0])),
  "no JSON": () => void writeSync(1, new Uint8Array([6, 0, 0, 0, 18, 1, 0, 0, 0, 0x7b])),
  "wrong header": () => send("done", { fuel: 1 }),
  "more in header": () => send("done", { fuel: "1", extra: true }),
  "parent's kind": () => send("answer", {}),
  "ready again": () => send("ready", { parts: [], missing: [] }),
  "unknown function": () => send("ask", { name: "constructor" }),
  "header injection": () => send("ask", { name: "http", method: "GET\r\nX: y", url: "https://a", headers: {} }),
  "parent's reason": () => send("failed", { reason: "cancelled", words: "", fuel: "0" }),
  "large output": () => send("done", { fuel: "1" }, new Uint8Array(2_000)),
  "two questions": () => {
    send("ask", { name: "memory_read" }, new TextEncoder().encode("{}"))
    send("ask", { name: "memory_read" }, new TextEncoder().encode("{}"))
  },
  "logs without end": () => {
    for (let line = 0; line < 500; line++) send("log", { level: "info", line: "x" })
  },
  grows: () => {
    // Half a GiB, touched: more than a guest and its runtime may take together.
    const held = Array.from({ length: 8 }, () => new Uint8Array(64 * 1024 * 1024).fill(1))
    Bun.sleepSync(2_000)
    send("done", { fuel: String(held.length) })
  },
  "dies of its lock": () => send("done", { fuel: "1" }, new TextEncoder().encode("alive")),
  sleeps: () => Bun.sleepSync(60_000),
  "gives other": () => send("done", { fuel: "0" }, new TextEncoder().encode('{"title":1}')),
  ends: () => process.exit(0),
  "answers the next call": () => {
    send("done", { fuel: "1" }, new TextEncoder().encode("one"))
    send("done", { fuel: "1" }, new TextEncoder().encode("two"))
  },
  "answers unasked": () => {
    send("done", { fuel: "1" }, new TextEncoder().encode("one"))
    Bun.sleepSync(300)
    send("done", { fuel: "1" }, new TextEncoder().encode("two"))
  },
}

if (lie === "dies of its lock" && !process.argv.includes("--unlocked")) process.exit(1)
if (lie === "late with its lock" && !process.argv.includes("--unlocked")) Bun.sleepSync(60_000)
if (lie === "never ready") Bun.sleepSync(60_000)
send("ready", { parts: ["everything, of course"], missing: [] })
if (lie === "ends unread") {
  Bun.sleepSync(300)
  process.exit(0)
}
for (let frame = receive(); frame !== null; frame = receive()) {
  if (frame.kind === "load") send("loaded", {})
  else if (frame.kind === "call") lies[lie]?.()
}
