import { describe, expect, test } from "bun:test"
import { judgeTerminal, linuxProcess, type ProcessFacts, terminalPath } from "#core/safety/presence-terminal.ts"

const own = { pid: 500, userId: 1_000, others: [600], executable: "/opt/ironclaw" }
const PTS_3 = (136 << 8) | 3

/** init → terminal → shell → the command that asks. */
function family(changes: Record<number, Partial<ProcessFacts>> = {}) {
  const base: Record<number, Partial<ProcessFacts>> = {
    1: { parent: 0, userId: 0 },
    500: { parent: 1, executable: "/opt/ironclaw" },
    600: { parent: 1 },
    700: { parent: 1 },
    710: { parent: 700 },
    720: { parent: 710, terminalDevice: PTS_3, foregroundGroup: 720, executable: "/opt/ironclaw" },
  }
  return (pid: number): ProcessFacts => {
    const known = base[pid] ?? changes[pid]
    if (!known) throw new Error("There is no such process")
    return {
      pid,
      parent: 1,
      userId: 1_000,
      processGroup: pid,
      foregroundGroup: -1,
      terminalDevice: 0,
      executable: "/bin/sh",
      ...base[pid],
      ...changes[pid],
    }
  }
}
const judge = (changes?: Record<number, Partial<ProcessFacts>>, pid = 720) =>
  judgeTerminal(pid, { own, facts: family(changes) })

describe("a terminal", () => {
  test("is the one of a command that the owner started from a shell, in the foreground", () => {
    expect(judge()).toEqual({ verdict: "allow", path: "/dev/pts/3" })
  })

  test.each<[string, Record<number, Partial<ProcessFacts>>]>([
    ["ironclaw started the command", { 720: { parent: 500 } }],
    ["ironclaw started the shell", { 710: { parent: 500 } }],
    ["ironclaw started the terminal", { 700: { parent: 500 } }],
    ["the holder of the home started it", { 700: { parent: 600 } }],
    ["an ironclaw on another home started it", { 700: { executable: "/opt/ironclaw" } }],
    ["it has no terminal", { 720: { terminalDevice: 0 } }],
    ["its terminal is no terminal", { 720: { terminalDevice: 1 << 8 } }],
    ["it is in the background", { 720: { foregroundGroup: 710 } }],
    ["it belongs to another user", { 720: { userId: 1_001 } }],
    ["its family cannot be followed to the end", { 700: { parent: 699 } }],
    ["its family goes round in a circle", { 700: { parent: 720 } }],
  ])("is refused where %s", (_, changes) => {
    expect(judge(changes).verdict).toBe("refuse")
  })

  test("is refused for a process that is not there", () => {
    expect(judge({}, 9_999).verdict).toBe("refuse")
  })

  test("of this very process is its own, unless ironclaw started it", () => {
    const sitting = { 500: { parent: 710, terminalDevice: PTS_3, foregroundGroup: 500 } }
    expect(judge(sitting, 500).verdict).toBe("allow")
    expect(judge({ ...sitting, 710: { parent: 600 } }, 500).verdict).toBe("refuse")
  })

  test("inside a container, where the family ends at a process without a parent, is one", () => {
    expect(judge({ 720: { parent: 0 } }).verdict).toBe("allow")
  })
})

describe("device numbers", () => {
  test("name the slave sides of pseudo-terminals, consoles and serial lines, and nothing else", () => {
    expect(terminalPath((136 << 8) | 0)).toBe("/dev/pts/0")
    expect(terminalPath((136 << 8) | 0x2c | (1 << 20))).toBe("/dev/pts/300")
    expect(terminalPath((4 << 8) | 1)).toBe("/dev/tty1")
    expect(terminalPath((4 << 8) | 64)).toBe("/dev/ttyS0")
    expect([0, 4 << 8, (5 << 8) | 0, (1 << 8) | 3, (8 << 8) | 1].map(terminalPath)).toEqual([
      null,
      null,
      null,
      null,
      null,
    ])
  })
})

describe.if(process.platform === "linux")("the kernel", () => {
  test("says of this process what this process knows of itself", () => {
    expect(linuxProcess(process.pid)).toMatchObject({
      pid: process.pid,
      parent: process.ppid,
      userId: process.getuid?.() ?? -1,
      executable: process.execPath,
    })
  })

  test("tells a child of ours at a terminal of its own from a command of the owner", async () => {
    const child = Bun.spawn(["sh", "-c", "sh -c 'read line'; true"], { terminal: { cols: 80, rows: 24 } })
    const userId = process.getuid?.() ?? -1
    const judgeAs = (pid: number) =>
      judgeTerminal(child.pid, { own: { pid, userId, others: [], executable: null }, facts: linuxProcess })
    for (let n = 0; n < 200 && judgeAs(-1).verdict === "refuse"; n++) await Bun.sleep(5)
    expect(judgeAs(-1)).toMatchObject({ verdict: "allow", path: expect.stringMatching(/^\/dev\/pts\/\d+$/) })
    expect(judgeAs(process.pid)).toEqual({ verdict: "refuse", why: "ironclaw itself started it" })
    child.kill()
    await child.exited
  })

  test("says nothing of a process that is not there", () => {
    expect(() => linuxProcess(2 ** 30)).toThrow()
  })
})
