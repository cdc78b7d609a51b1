/** The chat in the terminal: holds the service or attaches to it, goes on with a conversation, and leaves everything as it was. */
import { createInterface } from "node:readline"
import { type Cancel, systemClock } from "#core/clock.ts"
import type { LoadedConfig } from "#core/config.ts"
import type { SessionId } from "#core/id.ts"
import type { ShownCode } from "#core/safety/presence.ts"
import type { SessionSummary } from "#core/session/session.ts"
import { completeCommand, localCommands } from "./chat-completion.ts"
import { bodyOf, type Conversation, openConversation } from "./chat-conversation.ts"
import { createEditor } from "./chat-editor.ts"
import { type History, openHistory } from "./chat-history.ts"
import { chooseSession, type Held, holdService, lastExchange, panelLines } from "./chat-open.ts"
import { createPlainView } from "./chat-plain-view.ts"
import { createScreenView } from "./chat-screen-view.ts"
import { createScreen, type Screen } from "./chat-screen.ts"
import { holdTerminal } from "./chat-terminal.ts"
import { type ChatView, PROMPT } from "./chat-view.ts"
import type { Setting } from "./setting.ts"
import type { Ui } from "./ui.ts"
import { version } from "./version.ts"

export type ChatRequest = {
  setting: Setting
  loaded: LoadedConfig
  session: string | undefined
  agent: string | undefined
  model: string | undefined
  verbose: boolean
  ui: Ui
}

/** Where a chat is typed and shown. */
type Front = {
  view: ChatView
  width: number
  /** Lines for good, as they are. */
  print(lines: readonly string[]): void
  /** A short remark that goes away by itself. */
  hint(text: string): void
  handBack(text: string): void
  /** Draws nothing while `work` runs. */
  standAside<T>(work: () => Promise<T>): Promise<T>
  /** Whether a line that was begun was cleared. */
  clearLine(): boolean
  onLine(listener: (text: string) => void): void
  onInterrupt(listener: () => void): void
  onLeave(listener: () => void): void
  /** Where the log goes with -v, that it does not run through what is drawn. */
  log(text: string): void
  close(): void
}

/** Two Ctrl-C within this time leave. */
const TWICE_MS = 2_000
/** What a stop may take before the process ends anyway: nothing is lost by it, only the next start takes longer. */
const CLOSE_WITHIN_MS = 20_000

/** Resolves when the person leaves. Throws what opening the service or the conversation throws. */
export async function runChat(request: ChatRequest): Promise<void> {
  const { setting, ui } = request
  let log = (text: string) => ui.logMirror.write(text)
  const logMirror = { colours: ui.logMirror.colours, write: (text: string) => log(text) }
  const progress = ui.progress("Starting")
  const held = await holdService({ ...request, ui: { ...ui, logMirror } }).finally(() => progress.stop())
  let front: Front | null = null
  try {
    const chosen = await chooseSession(held.client, request)
    const problems: unknown[] = []
    const history = openHistory({ home: setting.home, onProblem: (error) => problems.push(error) })
    const drawn = ui.interactive && setting.env["TERM"] !== "dumb"
    front = drawn ? openScreen(ui, history) : openPlain(ui)
    log = front.log
    await showStart(front, { held, request, ...chosen })
    for (const problem of problems) front.view.warn(`The history is not kept: ${bodyOf(problem).message}`)
    const left = await converse(front, { held, request, history, session: chosen.session })
    front.close()
    log = (text) => ui.logMirror.write(text)
    sayGoodbye(ui, { ...left, mode: held.mode })
  } finally {
    front?.close() // again is nothing
    await closeWithin(held)
  }
}

type Talk = { held: Held; request: ChatRequest; history: History; session: SessionSummary }
type Left = { session: SessionSummary; isBusy: boolean; fault: unknown }

/** From the first line to the moment of leaving. */
async function converse(front: Front, { held, request, history, session: first }: Talk): Promise<Left> {
  const { client } = held
  const over = Promise.withResolvers<unknown>()
  const open = (session: SessionSummary) =>
    openConversation({
      client,
      view: front.view,
      clock: systemClock,
      session,
      model: request.model,
      ownerAt: !request.ui.interactive ? "pipe" : held.mode === "own" ? "own terminal" : "attached terminal",
      standAside: front.standAside,
      handBack: front.handBack,
      onMove: (id) => void move(id),
      onFault: over.resolve,
    })
  let conversation: Conversation = await open(first)
  /** Lines go one after the other, and into the conversation that the one before left open. */
  let moving: Promise<void> = Promise.resolve()

  async function move(id: SessionId): Promise<void> {
    const work = async () => {
      const next = await open(await client.api.sessions({ id }).get())
      conversation.close()
      conversation = next
    }
    moving = work().catch((error: unknown) => front.view.problem(bodyOf(error)))
    await moving
  }
  const leave = () => over.resolve(null)
  const twice = createTwice(leave)

  front.onLine((text) => {
    if (!conversation.isAnswer(text)) history.add(text)
    if (text.trim() === "/quit" || text.trim() === "/exit") return leave()
    void moving
      .then(() => conversation.send(text))
      .then(() => {
        if (text.trim() === "/help") front.view.note(keyHelp)
      })
  })
  front.onInterrupt(() => {
    if (conversation.isBusy) {
      if (twice.press()) return
      front.hint("Stopping … Ctrl-C again leaves")
      void conversation.stop()
    } else if (front.clearLine()) twice.forget()
    else if (!twice.press()) front.hint("Ctrl-C again leaves")
  })
  front.onLeave(leave)
  // A pipe may end at whoever asked for the code.
  const showNoCodes = request.ui.interactive ? held.showCodes((code) => front.view.question(codeText(code))) : () => {}
  for (const name of ["SIGTERM", "SIGHUP"] as const) process.once(name, leave)

  const fault = await over.promise
  const left = { session: conversation.session, isBusy: conversation.isBusy, fault }
  conversation.close()
  showNoCodes()
  return left
}

/** A code that another command or page asked for; its words are those of the change. */
function codeText({ code, words }: ShownCode): string {
  return [
    "ironclaw asks the owner:",
    words,
    `Code: ${code.slice(0, 3)} ${code.slice(3)}   (two minutes; type it where you asked for it, and only if you did)`,
  ].join("\n")
}

const usageWidth = Math.max(...localCommands.map(({ usage }) => usage.length))
const keyHelp = [
  ...localCommands.map(({ usage, help }) => `${usage.padEnd(usageWidth)}  ${help}`),
  "Enter sends; Alt-Enter, or a backslash at the end, begins another line; Tab completes; the arrow keys bring back what was typed.",
  "Ctrl-C stops what runs, or clears the line; twice leaves, as does Ctrl-D on an empty line.",
].join("\n")

function createTwice(onTwice: () => void): { press(): boolean; forget(): void } {
  let waiting: Cancel | null = null
  const forget = () => {
    waiting?.()
    waiting = null
  }
  return {
    forget,
    press() {
      if (waiting) {
        onTwice()
        return true
      }
      waiting = systemClock.after(TWICE_MS, () => (waiting = null))
      return false
    },
  }
}

async function showStart(
  front: Front,
  { held, request, session, isNew }: { held: Held; request: ChatRequest; session: SessionSummary; isNew: boolean },
): Promise<void> {
  const { client, mode } = held
  const { style } = request.ui
  const status = await client.api.status.get()
  const past = isNew ? [] : await lastExchange(client, session, front.width)
  front.print([
    ...panelLines(
      {
        version,
        model: request.model ?? session.model ?? status.model,
        addresses: status.addresses,
        session,
        isNew: isNew || past.length === 0,
        mode,
        envFile: request.setting.home.envFile,
      },
      { width: front.width, style },
    ),
    "",
    ...(past.length === 0 ? [] : [...past.map(style.dim), ""]),
  ])
}

function openScreen(ui: Ui, history: History): Front {
  const terminal = holdTerminal()
  const editor = createEditor({ history: history.entries, complete: completeCommand })
  const colours = ui.style.dim("x") !== "x"
  let screen: Screen | null = null
  const drawnOn = (): Screen =>
    (screen ??= createScreen({ terminal, clock: systemClock, frame: (size) => view.frame(size) }))
  const view = createScreenView({ screen: drawnOn, editor, style: ui.style, colours, clock: systemClock })
  const early: string[] = [] // typed while the conversation is being opened
  let onLine: (text: string) => void = (text) => void early.push(text)
  let onInterrupt = () => {}
  let onLeave = () => {}
  terminal.onKey((key) => {
    const wish = editor.press(key)
    if (wish.do === "submit") onLine(wish.text)
    else if (wish.do === "interrupt") onInterrupt()
    else if (wish.do === "leave") onLeave()
    else if (wish.do === "redraw") drawnOn().clear()
    else if (wish.do === "offer") view.hint(wish.options.join("  "))
    drawnOn().refresh()
  })
  terminal.onEnd(() => onLeave())
  const interrupted = () => onInterrupt()
  process.on("SIGINT", interrupted) // from another process: the keyboard's comes as a key
  return {
    view,
    width: Math.max(10, terminal.columns - 1),
    print: (lines) => drawnOn().commit(lines),
    hint: view.hint,
    handBack: (text) => {
      editor.restore(text)
      drawnOn().refresh()
    },
    standAside: (work) => drawnOn().standAside(work),
    clearLine() {
      const hadText = editor.text !== ""
      editor.clear()
      drawnOn().refresh()
      return hadText
    },
    onLine(listener) {
      onLine = listener
      for (const text of early.splice(0)) listener(text)
    },
    onInterrupt: (listener) => (onInterrupt = listener),
    onLeave: (listener) => (onLeave = listener),
    log: (text) => drawnOn().commit(text.replace(/\n$/, "").split("\n")),
    close() {
      view.finish()
      screen?.close()
      terminal.close()
      process.off("SIGINT", interrupted)
    },
  }
}

function openPlain(ui: Ui): Front {
  const write = (text: string) => void process.stdout.write(text)
  const lines = createInterface({ input: process.stdin, terminal: false })
  let typed: string[] = []
  let isClosed = false
  let onInterrupt = () => {}
  const interrupted = () => onInterrupt()
  process.on("SIGINT", interrupted)
  const view = createPlainView({ write, style: ui.style })
  return {
    view,
    width: ui.width,
    print(texts) {
      for (const text of texts) write(`${text}\n`)
      write(PROMPT)
    },
    hint: (text) => write(`\n${text}\n${PROMPT}`), // behind the ^C that the terminal shows
    handBack: (text) => view.note(`Not sent: ${text}`),
    standAside: (work) => work(),
    clearLine: () => false, // the terminal itself holds what is being typed
    onLine(listener) {
      lines.on("line", (line) => {
        if (line.endsWith("\\")) return void typed.push(line.slice(0, -1))
        const text = [...typed, line].join("\n")
        typed = []
        if (text.trim() === "") write(PROMPT)
        else listener(text)
      })
    },
    onInterrupt: (listener) => (onInterrupt = listener),
    onLeave: (listener) => void lines.on("close", listener),
    log: (text) => ui.logMirror.write(text),
    close() {
      if (isClosed) return
      isClosed = true
      lines.close()
      write("\n")
      process.off("SIGINT", interrupted)
    },
  }
}

function sayGoodbye(ui: Ui, { session, isBusy, fault, mode }: Left & { mode: Held["mode"] }): void {
  if (fault !== null) throw fault
  if (isBusy)
    ui.note(
      mode === "own"
        ? "What is being done is put aside, and goes on when ironclaw starts again."
        : "What is being done goes on in the service.",
    )
  ui.note(`\`ironclaw\` goes on with this conversation, \`ironclaw run --session ${session.id}\` from anywhere.`)
}

async function closeWithin(held: Held): Promise<void> {
  const isLate = systemClock.sleep(CLOSE_WITHIN_MS).then(() => "late")
  if ((await Promise.race([held.close(), isLate])) === "late") process.exit(0)
}
