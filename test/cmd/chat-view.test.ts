import { expect, test } from "bun:test"
import { spokenLines } from "#cmd/lib/chat-view.ts"

test("what stands in two columns keeps the second where it wraps, and no column holds what a terminal obeys", () => {
  expect(spokenLines("/help  Shows these commands, all of them", 30)).toEqual([
    "/help  Shows these commands, ",
    "       all of them",
  ])
  const page = "x\u001b]0;owned\u0007\u202e  \u001b[2Jhello"
  expect(spokenLines(`Message from the assistant:\n${page}`, 80)).toEqual([
    "Message from the assistant:",
    "x\\u001b]0;owned\\u0007\\u202e  \\u001b[2Jhello",
  ])
})
