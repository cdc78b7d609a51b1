/** The part of the terminal that is redrawn: whatever changes, what is seen is what was meant, and what scrolled away is written once. */
import { describe, expect, test } from "bun:test"
import { createEditor } from "#cmd/lib/chat-editor.ts"
import { createScreenView } from "#cmd/lib/chat-screen-view.ts"
import { createScreen, type Frame, type Screen } from "#cmd/lib/chat-screen.ts"
import { createUi } from "#cmd/lib/ui.ts"
import { createFakeClock } from "../fakes/clock.ts"

/** A terminal that knows the few moves that the screen makes, and throws at any other. */
function makeTerminal(columns: number, rows: number) {
  let lines: string[] = [""]
  let row = 0
  let column = 0
  let resized = () => {}
  function put(character: string) {
    if (column >= columns) return // no automatic line break, as the screen asks
    const line = (lines[row] ?? "").padEnd(column)
    lines[row] = line.slice(0, column) + character + line.slice(column + 1)
    column += 1
  }
  function write(text: string) {
    for (const [part, move = "", count, name] of text.matchAll(/(\u001b\[\??([\d;]*)([A-Za-z]))|\r|\n|[^]/g)) {
      const times = Number(count || 1)
      if (part === "\r") column = 0
      else if (part === "\n") {
        row += 1
        lines[row] ??= ""
      } else if (move === "") put(part)
      else if (name === "A") row = Math.max(0, row - times)
      else if (name === "B") row = Math.min(lines.length - 1, row + times)
      else if (name === "C") column += times
      else if (name === "J" && count === "") {
        lines = lines.slice(0, row + 1)
        lines[row] = (lines[row] ?? "").slice(0, column)
      } else if (name === "K") lines[row] = ""
      else if (!["h", "l", "m"].includes(name ?? "")) throw new Error(`An unknown move: ${JSON.stringify(move)}`)
    }
  }
  return {
    columns,
    rows,
    write,
    onResize: (listener: () => void) => void (resized = listener),
    resize: () => resized(),
    seen: () => lines.join("\n").trimEnd().split(/ *\n/),
    cursor: () => ({ row, column }),
  }
}

const FRAME_MS = 50

describe("frames", () => {
  test("the next frame replaces the one before, longer or shorter, and the cursor is where it says", async () => {
    const clock = createFakeClock()
    const terminal = makeTerminal(40, 10)
    let frame: Frame = { lines: ["one", "> "], row: 1, column: 2 }
    const screen = createScreen({ terminal, clock, frame: () => frame })
    const shown = async (next: Frame) => {
      frame = next
      screen.refresh()
      await clock.advance(FRAME_MS)
      return terminal.seen()
    }
    expect(await shown(frame)).toEqual(["one", ">"])
    expect(await shown({ lines: ["one", "two", "three", "> x"], row: 3, column: 3 })).toEqual([
      "one",
      "two",
      "three",
      "> x",
    ])
    expect(terminal.cursor()).toEqual({ row: 3, column: 3 })
    expect(await shown({ lines: ["three", "> "], row: 1, column: 2 })).toEqual(["three", ">"])
    expect(await shown({ lines: ["a", "b", "c"], row: 0, column: 1 })).toEqual(["a", "b", "c"])
    expect(terminal.cursor()).toEqual({ row: 0, column: 1 })
    expect(await shown({ lines: ["a", "B", "c"], row: 2, column: 0 })).toEqual(["a", "B", "c"])
  })
  test("what is written for good stands above, once", async () => {
    const clock = createFakeClock()
    const terminal = makeTerminal(40, 10)
    const screen = createScreen({ terminal, clock, frame: () => ({ lines: ["tail", "> "], row: 1, column: 2 }) })
    screen.refresh()
    await clock.advance(FRAME_MS)
    screen.commit(["first", "second"])
    screen.commit(["third"])
    await clock.advance(FRAME_MS)
    expect(terminal.seen()).toEqual(["first", "second", "third", "tail", ">"])
    screen.close()
    expect(terminal.seen()).toEqual(["first", "second", "third"])
  })
  test("while another process writes nothing is drawn, and what it wrote stays", async () => {
    const clock = createFakeClock()
    const terminal = makeTerminal(40, 10)
    const screen = createScreen({ terminal, clock, frame: () => ({ lines: ["tail", "> "], row: 1, column: 2 }) })
    screen.commit(["said"])
    await clock.advance(FRAME_MS)
    await screen.standAside(async () => {
      terminal.write("Code: 123 456\r\n")
      screen.commit(["meanwhile"])
      await clock.advance(FRAME_MS)
      expect(terminal.seen()).toEqual(["said", "Code: 123 456"])
    })
    await clock.advance(FRAME_MS)
    expect(terminal.seen()).toEqual(["said", "Code: 123 456", "meanwhile", "tail", ">"])
  })
  test("a frame that did not change writes no line again", async () => {
    const clock = createFakeClock()
    const written: string[] = []
    const terminal = { ...makeTerminal(40, 10), write: (text: string) => void written.push(text) }
    const screen = createScreen({ terminal, clock, frame: () => ({ lines: ["same", "> "], row: 1, column: 2 }) })
    for (let round = 0; round < 3; round++) {
      screen.refresh()
      await clock.advance(FRAME_MS)
    }
    expect(written.filter((text) => text.includes("same"))).toHaveLength(1)
  })
})

function makeChat(columns = 60, rows = 20) {
  const clock = createFakeClock()
  const terminal = makeTerminal(columns, rows)
  const silent = { write() {}, isTTY: false, columns }
  const { style } = createUi({ json: false, verbose: false, out: silent, err: silent, stdinIsTTY: false, env: {} })
  const editor = createEditor({ history: [], complete: (text) => ({ text, options: [] }) })
  const view = createScreenView({ screen: () => screen, editor, style, colours: false, clock })
  const screen: Screen = createScreen({ terminal, clock, frame: (size) => view.frame(size) })
  const seen = async () => {
    await clock.advance(FRAME_MS)
    return terminal.seen()
  }
  return { view, terminal, seen, clock }
}
const call = { callId: "call_1", tool: "time_now", preview: '{"zone":"UTC"}' }

describe("a turn", () => {
  test("tokens show as they come, and stand formatted at the end", async () => {
    const { view, seen } = makeChat()
    view.person("hi")
    view.running("Working")
    view.text("Some **bo")
    expect(await seen()).toEqual(["> hi", "", "Some **bo", "", "Working … Ctrl-C stops", ">"])
    view.text("ld**.\n\n```js\nlet a")
    expect(await seen()).toContain("  let a")
    view.text(" = 1\n```\n")
    view.running(null)
    view.endTurn("model · 5 ms")
    expect(await seen()).toEqual(["> hi", "", "Some bold.", "", "  js", "  let a = 1", "", "model · 5 ms", "", ">"])
  })
  test("a tool's line is updated in place, and two follow each other without a gap", async () => {
    const { view, seen } = makeChat()
    view.toolStarted(call)
    view.toolStarted({ ...call, callId: "call_2", tool: "file_read" })
    expect(await seen()).toEqual(['· time_now {"zone":"UTC"} …', '· file_read {"zone":"UTC"} …', ">"])
    view.toolFinished({
      ...call,
      callId: "call_2",
      tool: "file_read",
      outcome: "refused",
      preview: "Not inside the project",
      durationMs: 3,
    })
    view.toolFinished({ ...call, outcome: "done", durationMs: 12 })
    view.text("So.")
    view.endTurn("model")
    expect(await seen()).toEqual([
      '· time_now {"zone":"UTC"} … done 12 ms',
      '· file_read {"zone":"UTC"} … refused 3 ms',
      "  Not inside the project",
      "",
      "So.",
      "",
      "model",
      "",
      ">",
    ])
  })
  test("a question is written whole, however long, and how to answer it stands above the line to type", async () => {
    const { view, seen } = makeChat(60, 12)
    view.text("I will ask.")
    view.question(Array.from({ length: 30 }, (_, at) => `line ${at}\u001b[2J`).join("\n"))
    view.asking("[y] once")
    const shown = await seen()
    expect(shown[0]).toBe("I will ask.")
    expect(shown.slice(2, 32)).toEqual(Array.from({ length: 30 }, (_, at) => `line ${at}\\u001b[2J`))
    expect(shown.slice(-3)).toEqual(["", "[y] once", ">"])
    view.asking(null)
    expect(await seen()).not.toContain("[y] once")
  })
  test("a thought is one line, and gone when the answer comes", async () => {
    const { view, seen } = makeChat()
    view.thinking("Let me\nsee")
    expect(await seen()).toEqual(["~ Let me see", ">"])
    view.text("Yes")
    expect(await seen()).toEqual(["Yes", ">"])
  })
  test("a remark does not break a paragraph in two", async () => {
    const { view, seen } = makeChat()
    view.text("One sen")
    view.note("remark")
    view.text("tence.\n\n")
    view.endTurn("model")
    expect(await seen()).toEqual(["One sentence.", "", "remark", "", "model", "", ">"])
  })
  test("a long block shows its end while it grows, and no more rows than there are", async () => {
    const { view, seen, terminal } = makeChat(40, 12)
    view.text(`\`\`\`\n${Array.from({ length: 50 }, (_, at) => `line ${at}`).join("\n")}`)
    const growing = await seen()
    expect(growing[0]).toBe("…")
    expect(growing).toContain("  line 49")
    expect(growing.length).toBeLessThan(terminal.rows)
    view.endTurn("model")
    expect((await seen()).slice(0, 3)).toEqual(["  line 0", "  line 1", "  line 2"])
  })
  test("a long message is shown by its first lines", async () => {
    const { view, seen } = makeChat()
    view.person(Array.from({ length: 100 }, (_, at) => `line ${at}`).join("\n"))
    expect((await seen()).slice(-4)).toEqual(["  line 19", "  … and 80 more lines", "", ">"])
  })
  test("tool and message texts reach the terminal without commands", async () => {
    const { view, seen } = makeChat()
    view.person("a\u001b[2Jb")
    view.toolStarted({ ...call, preview: "\u001b]0;x\u0007" })
    view.toolFinished({ ...call, outcome: "failed", preview: "\u001b[2J\u202e", durationMs: 1 })
    view.thinking("\u001b[2J")
    view.queued(["\u001b[2J"])
    view.note("\u001b[2J")
    view.problem({ message: "\u001b[2J", hint: "\u009b2J" })
    view.endTurn("\u001b[2J") // the fake terminal throws at a move that is not the screen's own
    expect((await seen()).join("\n")).toContain("> a\\u001b[2Jb")
    expect((await seen()).join("\n")).toContain("\\u202e")
  })
})
