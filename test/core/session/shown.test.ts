import { expect, test } from "bun:test"
import { headAndTail } from "#core/session/shown.ts"

const HANDLE = "msg_0123456789abcdef0123456789abcdef"
const NOTE =
  /^([^]*)\n\[… (\d+) characters left out; read them with result_read handle=(msg_[0-9a-f]{32}) offset=(\d+)\]\n([^]*)$/

function parts(shown: string) {
  const [, head = "", left = "", handle = "", offset = "", tail = ""] = NOTE.exec(shown) ?? []
  return { head, left: Number(left), handle, offset: Number(offset), tail }
}

test("a text that fits is shown as it is", () => {
  expect(headAndTail("short", 5, HANDLE)).toBe("short")
})

test("a long text shows head, tail, how much is missing, and where to read it", () => {
  const text = Array.from({ length: 1_000 }, (_, line) => `line ${line}\n`).join("")
  const { head, left, handle, offset, tail } = parts(headAndTail(text, 400, HANDLE))
  expect(handle).toBe(HANDLE)
  expect(text.startsWith(head)).toBe(true)
  expect(text.endsWith(tail)).toBe(true)
  expect(head.length).toBe(offset)
  expect(head.length + left + tail.length).toBe(text.length)
  expect(head.length + tail.length).toBe(400)
})

test("no surrogate pair is split at either cut, wherever the cuts fall", () => {
  for (let lead = 0; lead < 4; lead++) {
    for (let max = 20; max < 30; max++) {
      const text = "a".repeat(lead) + "😀".repeat(200)
      const shown = headAndTail(text, max, HANDLE)
      expect(shown.isWellFormed()).toBe(true)
      const { head, left, tail } = parts(shown)
      expect(head.length + left + tail.length).toBe(text.length)
    }
  }
})
