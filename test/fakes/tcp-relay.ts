/** A relay in front of a server, so that a test can take the server away and bring it back without touching it. */
import { connect, createServer, type Server, type Socket } from "node:net"

export type TcpRelay = {
  port: number
  /** Ends every connection and accepts no more. */
  cut(): void
  mend(): Promise<void>
  stop(): Promise<void>
}

export async function startTcpRelay(to: { host: string; port: number }): Promise<TcpRelay> {
  const open = new Set<Socket>()
  let server: Server | null = null

  async function listen(port: number): Promise<number> {
    const started = createServer((near) => {
      const far = connect(to)
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        open.add(one)
        one.pipe(other)
        one.on("error", () => other.destroy())
        one.on("close", () => {
          open.delete(one)
          other.destroy()
        })
      }
    })
    server = started
    await new Promise<void>((resolve, reject) => {
      started.once("error", reject)
      started.listen(port, "127.0.0.1", resolve)
    })
    const address = started.address()
    return typeof address === "object" && address ? address.port : port
  }

  const cut = () => {
    server?.close()
    server = null
    for (const socket of open) socket.destroy()
  }
  const port = await listen(0)
  return {
    port,
    cut,
    mend: async () => void (await listen(port)),
    stop: async () => cut(),
  }
}
