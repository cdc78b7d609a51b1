import { describe, expect, test } from "bun:test"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { proveLock } from "#sandbox/child/lock-proof.ts"
import { acts } from "#sandbox/child/probe.ts"
import { childCommand } from "#test/fakes/guest.ts"

describe.skipIf(process.platform !== "linux")("the lock", () => {
  test("forbids every act that works without it", async () => {
    const { acts: rows } = await proveLock({
      command: childCommand,
      folder: join(mkdtempSync(join(tmpdir(), "ironclaw-lock-")), "run"),
    })
    expect(rows.map(({ act }) => act)).toEqual([...acts])
    expect(rows.filter(({ withLock }) => withLock)).toEqual([])
    // These need no right that a user or a container may lack: without them the rest would prove nothing.
    const plain = ["connect", "listen", "open", "create", "fork", "exec", "kill another", "signal another's thread"]
    expect(rows.filter(({ act, withoutLock }) => plain.includes(act) && !withoutLock)).toEqual([])
  })
})
