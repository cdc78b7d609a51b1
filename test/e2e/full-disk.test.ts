import { afterAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { modelEnvironment, runBinary, until } from "#test/fakes/binary.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { type Json, startService } from "#test/fakes/service.ts"

setDefaultTimeout(120_000) // a whole process on a busy machine; nothing here measures

/** Holds a new home (about 60 MB with the write-ahead log) and little more. */
const SIZE_MB = 120

const mounted: string[] = []
afterAll(() => {
  for (const path of mounted) {
    Bun.spawnSync(["umount", "-l", path])
    rmSync(path, { recursive: true, force: true })
  }
})

/** A small file system of its own; null with the reason where none can be mounted. */
function smallDisk(): string | null {
  const path = mkdtempSync(join(tmpdir(), "ironclaw-disk-"))
  const { exitCode, stderr } = Bun.spawnSync([
    "mount",
    "-t",
    "tmpfs",
    "-o",
    `size=${SIZE_MB}m,mode=0700`,
    "tmpfs",
    path,
  ])
  if (exitCode === 0) {
    mounted.push(path)
    return path
  }
  rmSync(path, { recursive: true, force: true })
  console.log(`Skipped: no small disk could be mounted (${stderr.toString().trim()})`)
  return null
}

/** Takes all the room there is; gives a function that gives it back. */
function fill(disk: string): () => void {
  const file = join(disk, "ballast")
  const { bavail, bsize } = statfsSync(disk)
  try {
    writeFileSync(file, new Uint8Array(bavail * bsize))
  } catch {
    // What was written until the disk was full stays, which is the point.
  }
  return () => rmSync(file)
}

const disk = smallDisk()

test.skipIf(disk === null)(
  "a full disk refuses what cannot be kept, loses nothing that was promised, and is forgotten when there is room",
  async () => {
    const home = disk ?? ""
    const model = startModelServer()
    const env = modelEnvironment(model.url)
    let service = await startService({ home, env })
    try {
      const id = await service.newSession()
      const promised: string[] = []
      const send = async (content: string) => {
        const answer = await service.call("POST", `/api/sessions/${id}/messages`, { content })
        if (answer.status === 202) promised.push(String(answer.body.messageId))
        return answer
      }
      expect((await send("before")).status).toBe(202)
      const free = fill(home)
      const big = "words that need room on the disk ".repeat(10_000)
      let refused: Json = null
      for (let at = 0; at < 300 && refused === null; at++) {
        const answer = await send(`${at} ${big}`)
        if (answer.status !== 202) refused = answer
      }
      expect(refused?.status).toBe(507)
      expect(refused?.body.error.code).toBe("db.full_disk")
      expect(refused?.body.error.hint).not.toBe("")
      // Reading goes on, and the log did not end the process.
      expect((await service.call("GET", `/api/sessions/${id}`)).status).toBe(200)
      expect((await service.call("GET", "/health")).status).toBe(200)

      free()
      await until("messages are taken again", async () => (await send("after")).status === 202, 30_000)
      const ids = async () => {
        const all: string[] = []
        for (let cursor = ""; ;) {
          const { body } = await service.call(
            "GET",
            `/api/sessions/${id}/messages?limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
          )
          all.push(...body.items.map((item: Json) => item.id))
          if (!body.next) return new Set(all)
          cursor = body.next
        }
      }
      const before = await ids()
      expect(promised.filter((one) => !before.has(one))).toEqual([])
      // A turn that had no room to end comes back when its lease has run out, half a minute later, and so do those behind it.
      const { body: turn } = await service.call("POST", `/api/sessions/${id}/messages?wait=true`, {
        content: "and now?",
      })
      expect(turn.text).toBe("echo: and now?")

      await service.stop()
      service = await startService({ home, env })
      const after = await ids()
      expect(promised.filter((one) => !after.has(one))).toEqual([])
    } finally {
      await service.kill()
      await model.stop()
    }
  },
)

test.skipIf(disk === null)("a first start without room says so, and the next one with room works", async () => {
  const home = smallDisk() ?? ""
  const free = fill(home)
  const { status, stdout } = await runBinary(["run", "--json", "-m", "hello"], { home })
  expect(status).toBe(1)
  const { error } = JSON.parse(stdout)
  expect(["db.full_disk", "home.not_writable"]).toContain(error.code)
  expect(error.message).toMatch(/full/)
  free()
  expect((await runBinary(["run", "-m", "hello"], { home })).status).toBe(0)
})
