import { describe, expect, test } from "bun:test"
import { createUi, tableLines, type Terminal, truncate, visible } from "#cmd/lib/ui.ts"
import { AppError } from "#core/errors.ts"

const plain = { bold: String, dim: String, red: String, green: String, yellow: String, cyan: String }

function screen(change: Partial<{ isTTY: boolean; columns: number }> = {}) {
  const written: string[] = []
  const terminal: Terminal = { write: (text) => void written.push(text), isTTY: true, columns: 80, ...change }
  return { terminal, text: () => written.join("") }
}
function make({
  json = false,
  isTTY = true,
  env = {},
}: { json?: boolean; isTTY?: boolean; env?: Record<string, string> } = {}) {
  const out = screen({ isTTY })
  const err = screen({ isTTY })
  return {
    ui: createUi({ json, verbose: false, out: out.terminal, err: err.terminal, stdinIsTTY: isTTY, env }),
    out,
    err,
  }
}

describe("colours", () => {
  test("are on for a terminal, and off for pipes, NO_COLOR, CI and a dumb terminal", () => {
    const coloured = (options: Parameters<typeof make>[0]) => make(options).ui.style.red("x") !== "x"
    expect(coloured({})).toBe(true)
    expect(coloured({ isTTY: false })).toBe(false)
    for (const env of [{ NO_COLOR: "1" }, { NO_COLOR: "0" }, { CI: "true" }, { TERM: "dumb" }])
      expect(coloured({ env })).toBe(false)
    expect(coloured({ env: { NO_COLOR: "" } })).toBe(true)
  })
})

describe("--json", () => {
  test("prints one document, and nothing else on stdout", () => {
    const { ui, out } = make({ json: true })
    ui.print("words")
    ui.table([1], [{ title: "n", value: String }], "none")
    ui.content("text")
    ui.document({ a: 1 })
    expect(out.text()).toBe('{"ok":true,"data":{"a":1}}\n')
    expect(() => ui.document({})).toThrow("exactly one")
  })

  test("tells errors as a document with code, message and hint", () => {
    const { ui, out, err } = make({ json: true })
    expect(ui.fail(new AppError("not_found", "There is no x"))).toBe(1)
    expect(JSON.parse(out.text())).toEqual({
      ok: false,
      error: { code: "not_found", message: "There is no x", hint: expect.any(String) },
    })
    expect(err.text()).toBe("")
  })
})

describe("errors", () => {
  test("go to stderr with their hint; wrong usage is 2", () => {
    const { ui, out, err } = make({ isTTY: false })
    expect(ui.fail(new AppError("usage.wrong", "No such flag", { hint: "Do this." }))).toBe(2)
    expect(err.text()).toBe("Error: No such flag\nDo this.\n")
    expect(out.text()).toBe("")
  })

  test("that are faults say no more than their name", () => {
    const { ui, err } = make({ isTTY: false })
    expect(ui.fail(new TypeError("password hunter2"))).toBe(1)
    expect(err.text()).toContain("TypeError")
    expect(err.text()).not.toContain("hunter2")
  })
})

describe("texts of others", () => {
  test("cannot command the terminal, and stay whole in a pipe", () => {
    const text = "a\u001b]0;owned\u0007b\u202ec\n"
    const onScreen = make()
    onScreen.ui.content(text)
    expect(onScreen.out.text()).toBe("a\\u001b]0;owned\\u0007b\\u202ec\n")
    const inPipe = make({ isTTY: false })
    inPipe.ui.content(text)
    expect(inPipe.out.text()).toBe(text)
    expect(visible("a\u061cb\u2028c\u2029d")).toBe("a\\u061cb\\u2028c\\u2029d")
    expect(visible("tab\tline\nnormal äöü 日本 👩‍👩‍👧")).toBe("tab\tline\nnormal äöü 日本 👩‍👩‍👧")
  })
})

test("a text that grows is one text: nothing comes between its pieces", () => {
  for (const isTTY of [true, false]) {
    const { ui, out } = make({ isTTY })
    for (const piece of ["one wo", "rd and an", "other"]) ui.piece(piece)
    ui.print()
    expect(out.text()).toBe("one word and another\n")
  }
})

describe("tables", () => {
  const columns = [
    { title: "name", value: (row: [string, number]) => row[0], shrinks: true },
    { title: "size", value: (row: [string, number]) => String(row[1]), align: "right" as const },
  ]

  test("are aligned by what a terminal shows, not by code units", () => {
    const lines = tableLines(
      [
        ["日本", 1],
        ["ab", 200],
        ["e\u0301", 3],
      ],
      columns,
      { width: null, style: plain },
    )
    expect(lines).toEqual(["NAME  SIZE", "日本     1", "ab     200", "e\u0301        3"])
    expect(new Set(lines.map((line) => Bun.stringWidth(line)))).toEqual(new Set([10]))
  })

  test("are cut to the terminal, and not at all in a pipe", () => {
    const rows: [string, number][] = [["x".repeat(100), 12]]
    expect(tableLines(rows, columns, { width: 40, style: plain })[1]).toBe(`${"x".repeat(33)}…    12`)
    expect(tableLines(rows, columns, { width: null, style: plain })[1]).toContain("x".repeat(100))
  })

  test("keep a row on a line whatever is in it", () => {
    expect(tableLines([["a\r\nb\u001b[2J", 1]], columns, { width: null, style: plain })).toHaveLength(2)
    expect(tableLines([["a\r\nb\u001b[2J", 1]], columns, { width: null, style: plain })[1]).toStartWith("a b\\u001b[2J")
  })

  test("say so when there is nothing", () => {
    const { ui, out } = make({ isTTY: false })
    ui.table([], columns, "No sessions yet.")
    expect(out.text()).toBe("No sessions yet.\n")
  })

  test("never cut an emoji in half", () => {
    expect(truncate("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", 4)).toBe("👩‍👩‍👧…")
  })
})

describe("progress", () => {
  test("is seen on a terminal, cleared at its end, and absent elsewhere", () => {
    const seen = make()
    const progress = seen.ui.progress("Working")
    expect(seen.err.text()).toContain("Working")
    progress.stop()
    expect(seen.err.text()).toEndWith("\r\u001b[K")
    for (const options of [{ isTTY: false }, { env: { CI: "1" } }, { json: true }]) {
      const { ui, err } = make(options)
      ui.progress("Working").stop()
      expect(err.text()).toBe("")
    }
  })
})
