/** `ironclaw serve` as a child process on a home of its own, and the HTTP API as a stranger's script would call it. */
import { readFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { environmentOf, type RunOptions, spawnBinary, until } from "./binary.ts"

/** A JSON body of the API; tests look into it as they please, so it has the type that JSON.parse gives. */
export type Json = ReturnType<typeof JSON.parse>

export type Answer = { status: number; headers: Headers; body: Json }

export type Service = {
  readonly pid: number
  readonly address: string
  readonly port: number
  readonly token: string
  readonly home: string
  /** `body` as JSON; a string or bytes go as they are. */
  call(
    method: string,
    path: string,
    body?: unknown,
    init?: { headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Answer>
  newSession(): Promise<string>
  /** Sends a message and waits for its turn. */
  ask(sessionId: string, content: string): Promise<Json>
  /** A bare connection, for what no well-behaved client sends. */
  rawSocket(): Promise<Socket>
  stderr(): string
  /** MiB of all the process has in memory of its own. */
  memoryMib(): number
  exited: Promise<number>
  /** SIGTERM, and the exit status. */
  stop(): Promise<number>
  /** SIGKILL: it gets no chance to tidy up. */
  kill(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const READY = /ironclaw is ready at (http:\/\/\S+)/

/** Resolves when it is ready. Throws with what it wrote where it ends before. */
export async function startService(options: RunOptions & { args?: readonly string[] }): Promise<Service> {
  const child = spawnBinary(["serve", "--port", "0", ...(options.args ?? [])], options)
  let stdout = ""
  let stderr = ""
  const reading = [gather(child.stdout, (text) => (stdout += text)), gather(child.stderr, (text) => (stderr += text))]
  const root =
    (options.environment ?? environmentOf(options.home, options.env))["IRONCLAW_HOME"] ??
    join(options.home, ".ironclaw")
  const address = await until(
    "the service is ready",
    () => {
      if (child.exitCode !== null) throw new Error(`serve ended with ${child.exitCode}:\n${stdout}${stderr}`)
      return READY.exec(stdout)?.[1]
    },
    30_000,
  )
  const token = readFileSync(join(root, "run/token"), "utf8").trim()
  // The process itself, where another program stands in front.
  const holder: Json = JSON.parse(readFileSync(join(root, "run/lock.json"), "utf8"))
  const pid = Number(holder.pid)
  const port = Number(new URL(address).port)

  const service: Service = {
    pid,
    address,
    port,
    token,
    home: options.home,
    async call(method, path, body, { headers, signal } = {}) {
      const raw = typeof body === "string" || body instanceof Uint8Array
      const response = await fetch(address + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
        ...(signal ? { signal } : {}),
      })
      const text = await response.text()
      let parsed: Json = text
      try {
        parsed = JSON.parse(text)
      } catch {
        // Not JSON: the test sees the text.
      }
      return { status: response.status, headers: response.headers, body: parsed }
    },
    async newSession() {
      const { status, body } = await service.call("POST", "/api/sessions", {})
      if (status !== 201) throw new Error(`No session: ${status} ${JSON.stringify(body)}`)
      return body.id
    },
    async ask(sessionId, content) {
      const { status, body } = await service.call("POST", `/api/sessions/${sessionId}/messages?wait=true`, { content })
      if (status !== 200) throw new Error(`No turn: ${status} ${JSON.stringify(body)}`)
      return body
    },
    rawSocket: () =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: "127.0.0.1", port }, () => resolve(socket))
        socket.on("error", reject)
      }),
    stderr: () => stderr,
    memoryMib() {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")
      return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1_024
    },
    exited: child.exited,
    async stop() {
      if (child.exitCode === null) process.kill(pid, "SIGTERM")
      const status = await child.exited
      await Promise.all(reading)
      return status
    },
    async kill() {
      if (child.exitCode === null) process.kill(pid, "SIGKILL")
      await child.exited
      await Promise.all(reading)
    },
    [Symbol.asyncDispose]: () => service.kill(),
  }
  return service
}

async function gather(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  for await (const bytes of stream) take(decoder.decode(bytes, { stream: true }))
}

/** The answer that came on a bare connection before it closed, or until `withinMs`. */
export function readSocket(socket: Socket, withinMs: number): Promise<{ text: string; closed: boolean }> {
  return new Promise((resolve) => {
    let text = ""
    const timer = setTimeout(() => resolve({ text, closed: false }), withinMs)
    const end = () => {
      clearTimeout(timer)
      resolve({ text, closed: true })
    }
    socket.on("data", (bytes) => (text += bytes.toString("latin1")))
    socket.on("close", end)
    socket.on("error", end)
  })
}
