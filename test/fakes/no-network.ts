/** Closes every way from a test to another machine: what is not loopback, a Unix socket or a made-up name of this machine is refused at once. */
import dgram from "node:dgram"
import dns from "node:dns"
import net from "node:net"

const loopback = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\]|::ffff:127(\.\d{1,3}){3})$/i

function refuse(host: unknown): never {
  throw new Error(`A test wanted to reach "${String(host)}": tests talk to loopback only, give it a fake`)
}

function hostOfConnect(args: readonly unknown[]): unknown {
  const first = Array.isArray(args[0]) ? (args[0] as unknown[])[0] : args[0] // node passes its normalised arguments as one array
  if (typeof first === "object" && first !== null) {
    if ("path" in first && first.path) return "localhost"
    if ("unix" in first && first.unix) return "localhost"
    if ("hostname" in first) return first.hostname // as Bun.connect names it
    return "host" in first && first.host ? first.host : "localhost"
  }
  if (typeof first === "string" && Number.isNaN(Number(first))) return "localhost" // a Unix socket's path
  return typeof args[1] === "string" ? args[1] : "localhost"
}

function check(host: unknown): void {
  if (typeof host !== "string" || !loopback.test(host)) refuse(host)
}

/** For `setup.ts`: changes this process for good. */
export function forbidNetwork(): void {
  const realFetch = globalThis.fetch
  const guardedFetch = async (
    input: string | URL | Request,
    init?: RequestInit & { unix?: string },
  ): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (init?.unix === undefined && /^https?:$/.test(url.protocol)) check(url.hostname)
    return realFetch(input, init)
  }
  globalThis.fetch = Object.assign(guardedFetch, { preconnect: realFetch.preconnect })

  const RealWebSocket = globalThis.WebSocket
  globalThis.WebSocket = new Proxy(RealWebSocket, {
    construct(target, args: unknown[], newTarget) {
      const url = String(args[0])
      if (!url.startsWith("ws+unix:")) check(new URL(url).hostname)
      return Reflect.construct(target, args, newTarget) as WebSocket // a proxy of a constructor constructs what it does
    },
  })

  // Methods are patched in place, whoever imported the module before.
  const realConnect = net.Socket.prototype.connect
  net.Socket.prototype.connect = new Proxy(realConnect, {
    apply(target, self, args: unknown[]) {
      check(hostOfConnect(args))
      return Reflect.apply(target, self, args) as net.Socket // as above
    },
  })
  guardNames(dns)
  guardNames(dns.promises)
  dgram.Socket.prototype.send = () => refuse("a UDP peer")
  const realBunConnect = Bun.connect
  Bun.connect = new Proxy(realBunConnect, {
    apply(target, self, args: unknown[]) {
      check(hostOfConnect(args))
      return Reflect.apply(target, self, args) as Promise<never> // as above
    },
  })
}

/** Every lookup and resolve takes the name first. */
function guardNames(module: object): void {
  for (const [name, method] of Object.entries(module)) {
    if (typeof method !== "function" || !/^(lookup|resolve|reverse)/.test(name)) continue
    const guarded = new Proxy(method as () => unknown, {
      apply(target, self, args: unknown[]) {
        check(args[0])
        return Reflect.apply(target, self, args)
      },
    })
    try {
      Object.defineProperty(module, name, { value: guarded, configurable: true, writable: true })
    } catch {
      // A frozen module keeps its own: what it then connects to is still judged above.
    }
  }
}
