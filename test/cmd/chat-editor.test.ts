/** The line that is typed: keys in, text and wishes out. */
import { describe, expect, test } from "bun:test"
import { completeCommand } from "#cmd/lib/chat-completion.ts"
import { createEditor, type Editor, type Key, type Wish } from "#cmd/lib/chat-editor.ts"

function key(name: string, { ctrl = false, meta = false, sequence = "" } = {}): Key {
  return { name, ctrl, meta, shift: false, sequence }
}
const enter = key("return", { sequence: "\r" })
const ctrl = (letter: string) => key(letter, { ctrl: true })

function type(editor: Editor, text: string): void {
  for (const character of text) editor.press({ sequence: character, ctrl: false, meta: false, shift: false })
}
function paste(editor: Editor, text: string): void {
  editor.press(key("paste-start", { sequence: "\u001b[200~" }))
  for (const character of text)
    editor.press({
      sequence: character,
      name: character === "\r" ? "return" : undefined,
      ctrl: false,
      meta: false,
      shift: false,
    })
  editor.press(key("paste-end", { sequence: "\u001b[201~" }))
}
const make = (history: readonly string[] = []) => createEditor({ history, complete: completeCommand })
const submitted = (wish: Wish) => (wish.do === "submit" ? wish.text : null)

describe("typing", () => {
  test("Enter hands over what was typed and leaves an empty line", () => {
    const editor = make()
    type(editor, "hello")
    expect(submitted(editor.press(enter))).toBe("hello")
    expect(editor.text).toBe("")
  })
  test("Enter on nothing does nothing", () => {
    const editor = make()
    type(editor, "  ")
    expect(editor.press(enter)).toEqual({ do: "nothing" })
  })
  test("a backslash at the end, Alt-Enter and Ctrl-J begin another line", () => {
    const editor = make()
    type(editor, "a\\")
    editor.press(enter)
    type(editor, "b")
    editor.press(key("return", { meta: true }))
    type(editor, "c")
    editor.press(key("enter", { sequence: "\n" }))
    type(editor, "d")
    expect(submitted(editor.press(enter))).toBe("a\nb\nc\nd")
  })
  test("the cursor steps over an emoji of several code points at once", () => {
    const editor = make()
    type(editor, "a👨‍👩‍👧")
    editor.press(key("backspace"))
    expect(editor.text).toBe("a")
  })
  test("words and lines are cut and put back", () => {
    const editor = make()
    type(editor, "one two three")
    editor.press(ctrl("w"))
    expect(editor.text).toBe("one two ")
    editor.press(ctrl("a"))
    editor.press(ctrl("y"))
    expect(editor.text).toBe("threeone two ")
    editor.press(ctrl("k"))
    expect(editor.text).toBe("three")
  })
  test("Ctrl-C is an interrupt, Ctrl-D leaves only on an empty line", () => {
    const editor = make()
    expect(editor.press(ctrl("c"))).toEqual({ do: "interrupt" })
    type(editor, "x")
    expect(editor.press(ctrl("d"))).toEqual({ do: "nothing" })
    editor.press(key("backspace"))
    expect(editor.press(ctrl("d"))).toEqual({ do: "leave" })
  })
  test("unknown keys write nothing", () => {
    const editor = make()
    editor.press(key("undefined", { sequence: "\u001b[13;2u" }))
    expect(editor.text).toBe("")
  })
})

describe("pasting", () => {
  test("line breaks in it send nothing", () => {
    const editor = make()
    paste(editor, "one\r\ntwo\rthree")
    expect(editor.text).toBe("one\ntwo\nthree")
    expect(submitted(editor.press(enter))).toBe("one\ntwo\nthree")
  })
  test("control characters in it are left out", () => {
    const editor = make()
    paste(editor, "a\u001b[31mb\u0003\tc")
    expect(editor.text).toBe("a[31mb\tc")
  })
  test("a long one stands as one word and is whole in the message", () => {
    const editor = make()
    const long = "line\n".repeat(500)
    type(editor, "see ")
    paste(editor, long)
    expect(editor.text).toBe("see [pasted 1: 501 lines]")
    expect(submitted(editor.press(enter))).toBe(`see ${long}`)
  })
})

describe("history", () => {
  test("the arrows go back and forth and keep the line that was begun", () => {
    const editor = make(["first", "second"])
    type(editor, "new")
    editor.press(key("up"))
    expect(editor.text).toBe("second")
    editor.press(key("up"))
    editor.press(key("up"))
    expect(editor.text).toBe("first")
    editor.press(key("down"))
    editor.press(key("down"))
    expect(editor.text).toBe("new")
  })
  test("what was sent just now is the first to come back", () => {
    const history = ["old"]
    const editor = make(history)
    type(editor, "now")
    editor.press(enter)
    history.push("now")
    editor.press(key("up"))
    expect(editor.text).toBe("now")
  })
  test("within several lines the arrows move the cursor", () => {
    const editor = make(["old"])
    paste(editor, "ab\ncd")
    editor.press(key("up"))
    type(editor, "X")
    expect(editor.text).toBe("abX\ncd")
  })
  test("a text that could not be sent comes before what was typed since", () => {
    const editor = make()
    type(editor, "next")
    editor.restore("lost")
    expect(editor.text).toBe("lost\nnext")
  })
})

describe("completion", () => {
  const tab = key("tab")
  test("one command that fits is written out", () => {
    const editor = make()
    type(editor, "/he")
    editor.press(tab)
    expect(editor.text).toBe("/help")
  })
  test("several that fit are offered, and what they share is written", () => {
    const editor = make()
    type(editor, "/s")
    const wish = editor.press(tab)
    expect(editor.text).toBe("/s")
    expect(wish.do === "offer" ? wish.options : []).toContain("/steer")
  })
  test("a command's words are completed too", () => {
    const editor = make()
    type(editor, "/thinking h")
    editor.press(tab)
    expect(editor.text).toBe("/thinking high")
  })
  test("ordinary text is left alone", () => {
    const editor = make()
    type(editor, "he/lp")
    expect(editor.press(tab)).toEqual({ do: "nothing" })
    expect(editor.text).toBe("he/lp")
  })
})

describe("layout", () => {
  test("lines fit the width, and the cursor is where the next character goes", () => {
    const editor = make()
    type(editor, "宽字abcdef")
    const { lines, row, column } = editor.layout({ width: 8, prompt: "> " })
    expect(lines).toEqual(["> 宽字ab", "  cdef"])
    expect({ row, column }).toEqual({ row: 1, column: 6 })
  })
  test("a full last line puts the cursor below it", () => {
    const editor = make()
    type(editor, "abcdef")
    expect(editor.layout({ width: 8, prompt: "> " })).toEqual({ lines: ["> abcdef", "  "], row: 1, column: 2 })
  })
  test("direction characters are spelled out", () => {
    const editor = make()
    paste(editor, "a\u202eb")
    expect(editor.layout({ width: 40, prompt: "> " }).lines).toEqual(["> a\\u202eb"])
  })
})
