/** The ways out of a process that guard-probe.ts tries, and the exempt ones. Loaded after the guard, as every dependency is. */
import { connect as bunConnect, fetch as bunFetch, spawn as bunSpawn } from "bun"
import { exec, execSync, spawn, spawnSync } from "node:child_process"
import dgram from "node:dgram"
import { lookup } from "node:dns"
import { lookup as lookupPromise, Resolver } from "node:dns/promises"
import http from "node:http"
import http2 from "node:http2"
import { connect, createServer, Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import { Worker as NodeWorker } from "node:worker_threads"
import { systemClock } from "#core/clock.ts"
import { createEgress, defaultLimits, systemNetwork } from "#core/safety/egress.ts"
import { runProgram } from "#core/hooks/program.ts"
import { allowDatabase, claimPass, guardRefusals } from "#core/guard.ts"

const listen = claimPass("listener")
const ownService = claimPass("own-service")
const startChild = claimPass("sandbox-child")
const hookProgram = { argv: ["/bin/sh", "-c", "cat; env | grep -c KEPT; true"], files: [] }

const SETTLE_MS = 400 // a socket on loopback connects, and a child of nothing starts, in a few

const ACCEPT_MS = 15 // the server learns of a connection a little later than the client

/** `refused`: an error came back. `worked`: it got through. `hits`: connections and requests that the server on loopback saw meanwhile. */
export type Probe = {
  ways: Record<string, { outcome: string; hits: number }>
  exempt: Record<string, string>
  refusals: number
  environment: string[]
}

export async function probe(): Promise<Probe> {
  let hits = 0
  const server = createServer((socket) => {
    hits++
    socket.on("error", () => {}) // some ways hang up at once
    socket.on("data", () => {
      hits++ // also on a connection that was open already
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhit")
    })
  })
  await new Promise<void>((resolve) => listen(() => server.listen(0, "127.0.0.1", resolve)))
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const url = `http://127.0.0.1:${port}/`
  const bytes = { socket: { data() {} } }

  const tries: Record<string, () => unknown> = {
    fetch: () => fetch(url),
    "Bun.fetch": () => Bun.fetch(url),
    "fetch of bun": () => bunFetch(url),
    WebSocket: () => eventOf(new WebSocket(`ws://127.0.0.1:${port}`)),
    "a subclass of WebSocket": () => eventOf(new (class extends WebSocket {})(`ws://127.0.0.1:${port}`)),
    Worker: () => eventOf(new Worker("data:text/javascript,postMessage(1)")),
    "Worker of node": () => new NodeWorker("1", { eval: true }),
    "net.connect": () => socketOf(connect(port, "127.0.0.1")),
    "Socket.connect": () => socketOf(new Socket().connect(port, "127.0.0.1")),
    "a Unix socket": () => socketOf(connect("/nowhere/at/all.sock")),
    "tls.connect": () => socketOf(connectTls(port, "127.0.0.1")),
    "http.get": () => socketOf(http.get(url)),
    "http2.connect": () => socketOf(http2.connect(url)),
    "Bun.connect": () => Bun.connect({ hostname: "127.0.0.1", port, ...bytes }),
    "connect of bun": () => bunConnect({ hostname: "127.0.0.1", port, ...bytes }),
    "net.Server.listen": () => socketOf(createServer().listen(0, "127.0.0.1")),
    "Bun.serve": () => Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") }),
    "Bun.listen": () => Bun.listen({ hostname: "127.0.0.1", port: 0, ...bytes }),
    "Bun.udpSocket": () => Bun.udpSocket({ hostname: "127.0.0.1" }),
    dgram: () => dgram.createSocket("udp4").send("x", port, "127.0.0.1"),
    "dns.lookup": () => lookup("localhost", () => {}),
    "dns.promises.lookup": () => lookupPromise("localhost"),
    "dns Resolver": () => new Resolver().resolve4("localhost").catch(unlessRefused),
    "Bun.dns.lookup": () => Bun.dns.lookup("localhost"),
    "Bun.spawn": () => Bun.spawn(["true"]),
    "spawn of bun": () => bunSpawn(["true"]),
    "Bun.spawnSync": () => Bun.spawnSync(["true"]),
    "Bun.$": () => Bun.$`true`.quiet(),
    spawn: () => socketOf(spawn("true")),
    exec: () => socketOf(exec("true")),
    spawnSync: () => spawnSync("true"),
    execSync: () => execSync("true"),
    "Bun.SQL": () => new Bun.SQL("postgres://127.0.0.1:1/x"),
    "Bun.RedisClient": () => new Bun.RedisClient("redis://127.0.0.1:1"),
    "Bun.S3Client": () => new Bun.S3Client({}),
  }

  const ways: Probe["ways"] = {}
  for (const [name, way] of Object.entries(tries)) {
    const before = hits
    const outcome = await outcomeOf(way)
    await Bun.sleep(ACCEPT_MS)
    ways[name] = { outcome, hits: hits - before }
  }

  const egress = createEgress({
    ...systemNetwork,
    clock: systemClock,
    onRequest: () => {},
    scanRequest: () => ({ verdict: "allow" }),
    scanResponse: (_caller, _response, body) => body,
    limits: defaultLimits,
  })
  const local = [{ scheme: "http" as const, host: "127.0.0.1", port }]
  const fetchLocal = egress.fetchFor({ principal: "p", agentId: "main", purpose: "probe", allow: [], local })
  const exempt: Probe["exempt"] = {
    egress: await (await fetchLocal(url)).text(),
    "our own service": await (await ownService(() => fetch(url))).text(),
    "a listener": String(
      listen(() => Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") })).hostname,
    ),
    "a child": await new Response(startChild(() => Bun.spawn(["echo", "started"], { stdout: "pipe" })).stdout).text(),
    "a hook's program": await runProgram(hookProgram, {
      input: "asked ",
      signal: new AbortController().signal,
      clock: systemClock,
    }).then((result) => (result.ok ? result.text : `${result.fault}: ${result.detail}`)),
    "the database before it is allowed": await outcomeOf(() => socketOf(connect(port, "localhost"))),
    "a second claim": await outcomeOf(() => claimPass("egress")),
    "a second claim of the hooks'": await outcomeOf(() => claimPass("hook-program")),
  }
  allowDatabase({ host: "localhost", port })
  exempt["the database"] = await outcomeOf(() => socketOf(connect(port, "localhost")))
  exempt["the database's host at another port"] = await outcomeOf(() => socketOf(connect(port + 1, "localhost")))

  const listing = ["sh", "-c", "env | sed 's/=.*//'"]
  const inherited = await new Response(startChild(() => Bun.spawn(listing, { stdout: "pipe" })).stdout).text()
  const inheritedByNode = String(startChild(() => spawnSync("sh", listing.slice(1))).stdout)
  return {
    ways,
    exempt,
    refusals: guardRefusals().length,
    environment: [...new Set(`${inherited}${inheritedByNode}`.trim().split("\n"))],
  }
}

/** For a name server that is not there: it was asked all the same. */
function unlessRefused(error: unknown): void {
  if (codeOf(error) === "guard.refused") throw error
}

async function outcomeOf(way: () => unknown): Promise<string> {
  try {
    await way()
    return "worked"
  } catch (error) {
    return `refused ${codeOf(error)}`
  }
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : String(error)
}

/** What comes of a socket, a request or a child: its first sign of life, or its error. */
function socketOf(emitter: { once(event: string, call: (value: unknown) => void): unknown }): Promise<void> {
  return new Promise((resolve, reject) => {
    for (const event of ["connect", "response", "spawn", "listening"]) emitter.once(event, () => resolve())
    emitter.once("error", reject)
    setTimeout(() => resolve(), SETTLE_MS)
  })
}

function eventOf(target: EventTarget): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ["open", "message", "error"]) target.addEventListener(event, () => resolve())
    setTimeout(() => resolve(), SETTLE_MS)
  })
}
