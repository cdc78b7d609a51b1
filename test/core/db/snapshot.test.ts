/** The snapshot of the build: used when it is this build's, ignored otherwise. */
import { describe, expect, test } from "bun:test"
import { openSnapshot, sealSnapshot, snapshotStamp } from "#core/db/snapshot.ts"

const tar = new Uint8Array(10_000).fill(7)

describe("a snapshot", () => {
  test("comes back as it was", () => {
    expect(openSnapshot(new Uint8Array(sealSnapshot(tar)))).toEqual(tar)
  })

  test("of other migrations is ignored", () => {
    const sealed = new Uint8Array(sealSnapshot(tar))
    sealed[0] = sealed[0] === 48 ? 49 : 48
    expect(openSnapshot(sealed)).toBeNull()
  })

  test("that was cut off or is no snapshot is ignored or refused, never used", () => {
    expect(openSnapshot(new Uint8Array())).toBeNull()
    expect(openSnapshot(new Uint8Array(500))).toBeNull()
    const sealed = new Uint8Array(sealSnapshot(tar))
    expect(openSnapshot(sealed.subarray(0, sealed.length - 5))).toBeNull()
  })

  test("has a stamp of 64 hex digits, which is the head of the file", () => {
    expect(snapshotStamp()).toMatch(/^[0-9a-f]{64}$/)
    expect(new TextDecoder().decode(sealSnapshot(tar).subarray(0, 64))).toBe(snapshotStamp())
  })
})
