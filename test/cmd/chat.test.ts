/** The chat as a person has it: a pseudo terminal, the program, the built-in demo. */
import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { makeHome } from "../fakes/home.ts"

const root = join(import.meta.dir, "..", "..")
const PATIENCE_MS = 15_000

/** `ironclaw` in a terminal of its own. Windows has no pseudo terminal in this runtime. */
function startChat(home: string, ...args: string[]) {
  let output = ""
  const decoder = new TextDecoder()
  const terminal = new Bun.Terminal({
    cols: 80,
    rows: 24,
    data: (_, bytes) => void (output += decoder.decode(bytes, { stream: true })),
  })
  const child = Bun.spawn([process.execPath, "cmd/ironclaw.ts", ...args], {
    cwd: root,
    terminal,
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      TERM: "xterm-256color",
      IRONCLAW_HOME: home,
      LLM_BACKEND: "demo",
      GATEWAY_PORT: "0",
    },
  })
  return {
    child,
    write: (text: string) => void terminal.write(text),
    raw: () => output,
    /** Resolves once all of these were shown, in this order, from here on. */
    async shows(...texts: string[]) {
      const endsMs = performance.now() + PATIENCE_MS
      for (;;) {
        const seen = Bun.stripANSI(output)
        let at = 0
        for (const text of texts) at = at === -1 ? -1 : seen.indexOf(text, at)
        if (at !== -1) return void (output = "")
        if (performance.now() > endsMs) throw new Error(`Not shown: ${texts.join(" | ")}\n${seen}`)
        await Bun.sleep(20)
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      await child.exited
      terminal.close()
    },
  }
}

test.skipIf(process.platform === "win32")(
  "it greets, answers, runs a tool, keeps history, leaves cleanly, and goes on where it was",
  async () => {
    using home = makeHome()
    {
      await using chat = startChat(home.path)
      await chat.shows("ironclaw", "demo/demo", "No model is set up", "A new conversation")
      chat.write("what time is it?\r")
      await chat.shows("· time_now", "done", "It is 20", "demo/demo ·")
      chat.write("\u001b[200~two\nlines\u001b[201~\r")
      await chat.shows("> two", "  lines", "demo/demo ·")
      chat.write("/title My chat\r")
      await chat.shows('called "My chat"')
      chat.write("half a li")
      await chat.shows("half a li")
      chat.write("\u0003")
      chat.write("\u0003")
      await chat.shows("Ctrl-C again leaves")
      chat.write("\u0003")
      await chat.shows("goes on with this conversation")
      expect(await chat.child.exited).toBe(0)
    }
    expect(existsSync(join(home.path, "run", "lock.json"))).toBe(false)
    const history = readFileSync(join(home.path, "chat-history"), "utf8")
    expect(history).toBe('"what time is it?"\n"two\\nlines"\n"/title My chat"\n')

    await using again = startChat(home.path)
    await again.shows('"My chat" goes on', "> two")
    again.write("\u001b[A") // the history of the chat before
    await again.shows("/title My chat")
    again.write("\u0015\u0004") // clears the line, then Ctrl-D on the empty one
    expect(await again.child.exited).toBe(0)
    expect(again.raw()).toContain("\u001b[?2004l")
  },
  60_000,
)
