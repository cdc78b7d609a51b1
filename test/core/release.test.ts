import { describe, expect, test } from "bun:test"
import { judgeRelease, type Release, releaseFileFor, releaseKeyId, releasePath } from "#core/release.ts"
import { releaseKeyProblem } from "#core/config-problems.ts"
import { manifestText, newSigningKey, sealRelease, signerOf } from "#scripts/release-sign.ts"

const signer = signerOf(newSigningKey().pem)
const other = signerOf(newSigningKey().pem)
const nowMs = Date.parse("2026-03-01T00:00:00Z")
const release: Release = {
  product: "ironclaw",
  version: "1.2.3",
  number: 7,
  created: "2026-02-01T00:00:00.000Z",
  expires: "2026-05-01T00:00:00.000Z",
  files: [
    { target: "linux-x64", name: "ironclaw-linux-x64.gz", bytes: 10, sha256: "a".repeat(64), unpacked: 30 },
    { target: "any", name: "sbom.cdx.json", bytes: 10, sha256: "b".repeat(64), unpacked: 0 },
  ],
}
const text = sealRelease(release, [signer])
const judge = (question: Partial<Parameters<typeof judgeRelease>[0]> = {}) =>
  judgeRelease({ text, keys: [signer.publicKey], nowMs, newestSeen: 0, ...question })

describe("a release is taken", () => {
  test("when a known key signed it, and it holds now", () => {
    expect(judge()).toEqual(release)
    expect(judge({ newestSeen: 7 })).toEqual(release)
    expect(judge({ keys: [other.publicKey, signer.publicKey] })).toEqual(release)
  })

  test("when one of two signatures is by a known key, which is how a key is changed", () => {
    const both = sealRelease(release, [other, signer])
    expect(judge({ text: both })).toEqual(release)
    expect(judge({ text: both, keys: [other.publicKey] })).toEqual(release)
  })

  test("by a clock that runs behind a little", () => {
    expect(judge({ nowMs: Date.parse("2026-01-31T12:00:00Z") })).toEqual(release)
  })
})

describe("a release is refused", () => {
  const code = (question: Parameters<typeof judge>[0]) => {
    try {
      judge(question)
    } catch (error) {
      return error instanceof Error && "code" in error ? error.code : error
    }
    return "taken"
  }
  const bend = (change: (envelope: { signed: string; signatures: Record<string, string>[] }) => void) => {
    const envelope = JSON.parse(text)
    change(envelope)
    return JSON.stringify(envelope)
  }
  const resigned = (changed: object) => sealRelease({ ...release, ...changed }, [signer])

  test("when no key is known, or another one", () => {
    expect(code({ keys: [] })).toBe("release.no_key")
    expect(code({ keys: [other.publicKey] })).toBe("release.unsigned")
    expect(code({ keys: ["", "AAAA", "not a key"] })).toBe("release.unsigned")
  })

  test("when any byte of it was changed after it was signed", () => {
    const signed = Buffer.from(manifestText({ ...release, version: "6.6.6" })).toString("base64")
    expect(code({ text: bend((envelope) => (envelope.signed = signed)) })).toBe("release.unsigned")
  })

  test("when the signature is another's under our key's name", () => {
    const theirs = JSON.parse(sealRelease(release, [other])).signatures[0].ed25519
    const forged = bend(({ signatures }) => {
      for (const each of signatures) each["ed25519"] = theirs
    })
    expect(code({ text: forged })).toBe("release.unsigned")
  })

  test("when it is no release at all", () => {
    for (const bad of ["", "{}", "null", "<html>", text.slice(0, -20), bend((envelope) => (envelope.signatures = []))])
      expect(code({ text: bad })).toBe("release.unsigned")
    expect(code({ text: " ".repeat(10_000_000) + text })).toBe("release.unsigned")
  })

  test("when what is signed is not understood, another product, or without a time", () => {
    for (const changed of [
      { product: "ironfist" },
      { version: "../../etc" },
      { number: 0 },
      { expires: "" },
      { expires: release.created },
      { extra: 1 },
      { files: [{ ...release.files[0], name: "../up" }] },
    ]) {
      expect(code({ text: resigned(changed) })).toBe("release.unsigned")
    }
  })

  test("when it has expired, or comes from the future", () => {
    expect(code({ nowMs: Date.parse(release.expires) })).toBe("release.expired")
    expect(code({ nowMs: Date.parse("2026-01-30T23:00:00Z") })).toBe("release.expired")
  })

  test("when a newer one was seen", () => {
    expect(code({ newestSeen: 8 })).toBe("release.older")
  })
})

test("the program for a machine is found by its target, and what is no program is none", () => {
  const file = releaseFileFor(release, "linux-x64")
  expect(releasePath(release, file)).toBe("1.2.3/ironclaw-linux-x64.gz")
  expect(() => releaseFileFor(release, "any")).toThrow("has no program for any; it has linux-x64")
})

test("keys are told apart, and what is none is said to be none", () => {
  expect(releaseKeyId(signer.publicKey)).not.toBe(releaseKeyId(other.publicKey))
  expect(releaseKeyProblem(signer.publicKey)).toBeNull()
  expect(releaseKeyProblem("ssh-ed25519 AAAA")).toContain("is no ed25519 public key")
})
