/** A small internet on loopback for the egress gate's tests: made-up names and addresses, real HTTP and TLS servers behind them. */
import http, { type IncomingMessage, type ServerResponse } from "node:http"
import https from "node:https"
import { connect as connectPlain, createServer, type Server, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import type { Clock } from "#core/clock.ts"
import { systemClock } from "#core/clock.ts"
import {
  createEgress,
  defaultLimits,
  type Egress,
  type EgressCaller,
  type EgressDeps,
  type EgressFetch,
  type EgressRecord,
} from "#core/safety/egress.ts"

/** A public address that no name has unless a test says so. */
export const PUBLIC = "93.184.216.34"

/** What a test server does with a request; a promise is not waited for. */
export type Answer = (request: IncomingMessage, answer: ServerResponse) => unknown

export type FakeInternet = {
  /** Serves HTTPS at `address` as `api.example.com`, `files.example.com` and `*.example.org`. */
  site(address: string, answer: Answer): Promise<void>
  /** Serves HTTPS as this host of the real internet, at an address of its own. */
  vendor(host: string, answer: Answer): Promise<void>
  /** The real port of the site at `address`. */
  portOf(address: string): number
  /** Answers for `name`, one list for each look-up; the last one stays. */
  name(name: string, ...answers: string[][]): void
  /** Names looked up, in order. */
  lookups: string[]
  /** Addresses connected to, in order. */
  connections: string[]
  records: EgressRecord[]
  egress: Egress
  fetchFor(caller?: Partial<EgressCaller>): EgressFetch
  close(): void
}

export function createFakeInternet(changes: Partial<EgressDeps> & { clock?: Clock } = {}): FakeInternet {
  const ports = new Map<string, number>()
  const names = new Map<string, string[][]>()
  const servers: Server[] = []
  /** Hosts that the certificate below does not hold: their servers show it as `api.example.com`. */
  const vendors = new Set<string>()
  const lookups: string[] = []
  const connections: string[] = []
  const records: EgressRecord[] = []
  const egress = createEgress({
    clock: systemClock,
    async resolve(host) {
      lookups.push(host)
      const answers = names.get(host)
      const answer = answers && answers.length > 1 ? answers.shift() : answers?.[0]
      if (!answer) throw new Error("ENOTFOUND")
      return answer
    },
    connect({ address, port, serverName, signal }) {
      connections.push(address)
      return new Promise((resolve, reject) => {
        // What is on loopback already (local endpoints) keeps its own port; a public address is looked up among the sites.
        const realPort = ports.get(address) ?? (address.startsWith("127.") ? port : 1)
        const socket: Socket =
          serverName === null
            ? connectPlain({ host: "127.0.0.1", port: realPort })
            : connectTls({
                host: "127.0.0.1",
                port: realPort,
                servername: vendors.has(serverName) ? "api.example.com" : serverName,
                ca: testAuthority,
              })
        signal.addEventListener("abort", () => (socket.destroy(), reject(signal.reason)), { once: true })
        socket.once("error", reject)
        socket.once(serverName === null ? "connect" : "secureConnect", () => resolve(socket))
      })
    },
    onRequest: (record) => void records.push(record),
    scanRequest: () => ({ verdict: "allow" }),
    scanResponse: (_caller, _response, body) => body,
    limits: defaultLimits,
    ...changes,
  })
  async function site(address: string, answer: Answer): Promise<void> {
    const server = https.createServer(
      { key: testKey, cert: testCertificate },
      (request, reply) => void answer(request, reply),
    )
    servers.push(server)
    ports.set(address, await listening(server))
  }

  return {
    site,
    async vendor(host, answer) {
      const address = `93.184.217.${vendors.size + 1}`
      vendors.add(host)
      names.set(host, [[address]])
      await site(address, answer)
    },
    portOf: (address) => ports.get(address) ?? 0,
    name: (name, ...answers) => void names.set(name, answers),
    lookups,
    connections,
    records,
    egress,
    fetchFor: (caller = {}) =>
      egress.fetchFor({
        principal: "builtin:test",
        agentId: "main",
        purpose: "test",
        allow: [{ host: "api.example.com" }],
        local: [],
        ...caller,
      }),
    close() {
      egress.close()
      for (const server of servers) server.close()
    },
  }
}

/** A plain HTTP server on loopback, as an owner's model server is. */
export async function startPlainSite(answer: Answer): Promise<{ port: number; close: () => void }> {
  const server = http.createServer((request, reply) => void answer(request, reply))
  return { port: await listening(server), close: () => void server.close() }
}

/** A server that sends these bytes to whoever writes to it, and then does what `then` says. */
export async function startRawSite(answer: (socket: Socket) => void): Promise<{ port: number; close: () => void }> {
  const server = createServer((socket) => {
    socket.on("error", () => {}) // the client hangs up: that is what the tests are about
    socket.once("data", () => answer(socket))
  })
  return { port: await listening(server), close: () => void server.close() }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (typeof address !== "object" || address === null) throw new Error("The test server has no port")
  return address.port
}

// Made for these tests alone and valid until 2126: an authority, and one certificate for the three names above.
export const testAuthority = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUannnbs6mxz2zer5PNnzIKAOJQBMwCgYIKoZIzj0EAwIw
IjEgMB4GA1UEAwwXaXJvbmNsYXcgdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMTY1
MTMzWhgPMjEyNjEwMjkxNjUxMzNaMCIxIDAeBgNVBAMMF2lyb25jbGF3IHRlc3Qg
YXV0aG9yaXR5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf1FGx3OFC31HHuOX
Ij1OtVoCBcHWkrqkwi8o2aW1Y80X0IAosUoevV6wtRo3wypAjReAO+28u+b9ey42
oKW8CaNTMFEwHQYDVR0OBBYEFCEiaVSPz4rK4u0Ba9MBHqwQg7WTMB8GA1UdIwQY
MBaAFCEiaVSPz4rK4u0Ba9MBHqwQg7WTMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZI
zj0EAwIDRwAwRAIgIY14pgSkxsJ9vf9Eb2fIjXmWpl7uCB5+rB5oPegl9q4CIBJy
baOyiDuKYz8Aho7uMs1f0L8jXatxe00VFv5bL/Fi
-----END CERTIFICATE-----`
const testKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXUpRPVr49CzwJRLS
hlJi8zNfhjXlgnGiDjMjSg+ntZqhRANCAAT6n0btpotRFoNStnNZhiFBPay1vRkl
pd2W3j51BDAg8+lhoQaw95Asr7W9a7RW65NxRCr8vnESuw68xsPDUWez
-----END PRIVATE KEY-----`
const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBwjCCAWegAwIBAgIUTo7BHHy4Y+oUplRHTDyEfNEYzP0wCgYIKoZIzj0EAwIw
IjEgMB4GA1UEAwwXaXJvbmNsYXcgdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMTY1
MTMzWhgPMjEyNjEwMjkxNjUxMzNaMBoxGDAWBgNVBAMMD2FwaS5leGFtcGxlLmNv
bTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPqfRu2mi1EWg1K2c1mGIUE9rLW9
GSWl3ZbePnUEMCDz6WGhBrD3kCyvtb1rtFbrk3FEKvy+cRK7DrzGw8NRZ7OjgYAw
fjA8BgNVHREENTAzgg9hcGkuZXhhbXBsZS5jb22CEWZpbGVzLmV4YW1wbGUuY29t
gg0qLmV4YW1wbGUub3JnMB0GA1UdDgQWBBQtqwR1x5Dft8PwPvVg4IRzm8kFkzAf
BgNVHSMEGDAWgBQhImlUj8+KyuLtAWvTAR6sEIO1kzAKBggqhkjOPQQDAgNJADBG
AiEAiu6udCwpEVRG73qdzoFm6rxm2p8iN+FSm5aXy7fZ7pkCIQDRgCmBOfWlKL3j
wpaFRIJGDG68C1NU+/XYV4Q3EJlFxQ==
-----END CERTIFICATE-----`
