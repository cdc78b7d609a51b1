/** Names of documents: one spelling, no lookalikes, no paths of the host. */
import { describe, expect, test } from "bun:test"
import { foldPath, isPromptFile, judgeMemoryPath } from "#core/memory/path.ts"

describe("judgeMemoryPath", () => {
  test.each([
    ["notes/travel.md", "notes/travel.md"],
    ["./SOUL.md", "SOUL.md"],
    ["notes//a.md", "notes/a.md"],
    ["notes/a.md/", "notes/a.md"],
    ["cafe\u0301.md", "caf\u00e9.md"],
    ["文件（一）.md", "文件（一）.md"],
    ["Привет.md", "Привет.md"],
    ["v1..v2.md", "v1..v2.md"],
    ["100% sure.md", "100% sure.md"],
    ["souls.md", "souls.md"],
    ["people/Soul.md", "people/Soul.md"],
  ])("spells %j as %j", (path, spelled) => {
    expect(judgeMemoryPath(path)).toEqual({ ok: true, path: spelled })
  })

  test.each([
    "",
    "  ",
    "/",
    "/etc/passwd",
    "~/notes.md",
    "../x",
    "a/../../x",
    "a/../SOUL.md",
    "C:\\x",
    "C:x",
    "a\\b",
    "file:///x",
    "a\0b",
    "a\nb",
    "a\u202Eb",
    "a\u200Bb",
    "\ud800",
    "%2e%2e/x",
    "a%2Fb",
    "a/ b",
    "x".repeat(201),
  ])("refuses %j", (path) => {
    expect(judgeMemoryPath(path).ok).toBe(false)
  })

  test.each(["soul.md", "Agents.MD", "SОUL.md", "ＳOUL.md", "memory.md", "./USER.MD"])(
    "refuses %j, which could be taken for a document of the prompt",
    (path) => {
      expect(judgeMemoryPath(path).ok).toBe(false)
    },
  )
})

test("paths that a person would take for the same fold alike, others do not", () => {
  expect(foldPath("Notes/А.md")).toBe(foldPath("notes/a.md"))
  expect(foldPath("notes/b.md")).not.toBe(foldPath("notes/d.md"))
})

test("a document of the prompt is one at the root alone", () => {
  expect(isPromptFile("SOUL.md")).toBe(true)
  expect(isPromptFile("old/SOUL.md")).toBe(false)
  expect(isPromptFile("MEMORY.md")).toBe(false)
})
