/** The gates that read text: megabytes a second over ordinary text, and over text that is made to be slow. */
import { judgeInjection } from "#core/safety/injection.ts"
import { findLeaks } from "#core/safety/leaks.ts"
import { atLeast, type Bench, type Figure } from "./figure.ts"

const CHARACTERS = 2_000_000
/** The best of so many: what the machine does besides only ever takes away. */
const RUNS = 5
const LEAKS = { value: 100, unit: "MB/s" }
const INJECTION = { value: 20, unit: "MB/s" }
const ADVERSARIAL = { value: 10, unit: "MB/s" }

/** Beginnings of matches over and over, keys that are placeholders, encodings in encodings, characters that are not seen. */
const slow = [
  "sk-" + "ant-",
  "fm" + "1_",
  `gh${"o_"}${"a".repeat(36)} `,
  `gla${"gent-"}${"a".repeat(36)} `,
  "token=",
  "password: ",
  "_pwd=",
  "haslo",
  "密码：-",
  "令牌：a b ",
  "eyJ",
  "-----BEGIN PRIVATE KEY-----",
  "://a:",
  "%41",
  "%2541",
  "&#x41;",
  "&amp;amp;",
  "QUFB",
  "41",
  "\\u0041",
  "api_key ",
  "\u200b",
  "a\u200b",
  "a\u0300",
  "а",
  "aа",
]
const slowOrders = [
  "ignore ",
  "ignore all ",
  "send a ",
  "](http://",
  "act as ",
  "do not tell a ",
  "before you can a ",
  "system:\n",
  "system prompt: ",
  "print the ",
  "忽略你=",
  "新的指令：",
  "पिछले",
  "відтепер ти",
]

export const safety: Bench = async ({ tell }) => {
  tell("safety: ordinary text")
  const ordinary = await ordinaryText()
  const figures = [
    atLeast("leaks, ordinary text", rate(findLeaks, ordinary), LEAKS),
    atLeast("injection, ordinary text", rate(judgeInjection, ordinary), INJECTION),
  ]
  tell("safety: text that is made to be slow")
  return [...figures, worst("leaks", findLeaks, slow), worst("injection", judgeInjection, [...slow, ...slowOrders])]
}

function worst(name: string, gate: (text: string) => unknown, pieces: readonly string[]): Figure {
  const rates = pieces.map((piece) => ({ piece, mbPerSecond: rate(gate, piece.repeat(CHARACTERS / 8 / piece.length)) }))
  const slowest = rates.reduce((least, each) => (each.mbPerSecond < least.mbPerSecond ? each : least))
  return atLeast(
    `${name}, worst of ${pieces.length}: ${JSON.stringify(slowest.piece)}`,
    slowest.mbPerSecond,
    ADVERSARIAL,
  )
}

function rate(gate: (text: string) => unknown, text: string): number {
  const bytes = Buffer.byteLength(text)
  let best = 0
  for (let run = 0; run < RUNS; run++) {
    const before = performance.now()
    gate(text)
    best = Math.max(best, bytes / 1_000 / (performance.now() - before))
  }
  return best
}

/** What this project says and is made of: prose and source code. */
async function ordinaryText(): Promise<string> {
  let text = ""
  for await (const path of new Bun.Glob("{core,gateway,cmd}/**/*.{ts,md}").scan()) text += await Bun.file(path).text()
  return text.repeat(Math.ceil(CHARACTERS / text.length)).slice(0, CHARACTERS)
}
