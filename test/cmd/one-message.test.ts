import { expect, test } from "bun:test"
import { sendOneMessage } from "#cmd/lib/one-message.ts"
import { createUi } from "#cmd/lib/ui.ts"
import type { Client } from "#gateway/client.ts"

const session = { id: "ses_1" }

/** A service whose every message is a command with this reply. */
function serviceThatSays(text: string): Client {
  const one = { messages: { post: () => Promise.resolve({ command: { text } }) } }
  const sessions = Object.assign(() => one, { post: () => Promise.resolve(session) })
  return { api: { sessions } } as unknown as Client
}

test("what a command tells, such as the whole conversation with pages in it, is nothing that the terminal obeys", async () => {
  const shown: string[] = []
  const terminal = { write: (text: string) => void shown.push(text), isTTY: true, columns: 80 }
  const ui = createUi({ json: false, verbose: false, out: terminal, err: terminal, stdinIsTTY: false, env: {} })
  const outcome = await sendOneMessage({
    client: serviceThatSays("# Chat\n\u001b]0;owned\u0007\u001b[2J\u202emoc"),
    ui,
    signal: new AbortController().signal,
    text: "/export",
    session: undefined,
    agent: undefined,
    model: undefined,
    stream: false,
    onSession() {},
  })
  outcome.show()
  expect(shown.join("")).toContain("# Chat\n\\u001b]0;owned\\u0007\\u001b[2J\\u202emoc\n")
})
