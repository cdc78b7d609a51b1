/** Who is not known costs next to nothing: no byte of a body is taken in for them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import net from "node:net"
import { createGateway, type Gateway, type Listener } from "#gateway/server.ts"
import { gatewayHouse } from "../fakes/gateway.ts"

let gateway: Gateway
let listener: Listener
beforeAll(async () => {
  gateway = createGateway(gatewayHouse().deps)
  listener = await gateway.listen({ host: "127.0.0.1", port: 0 })
})
afterAll(() => gateway.close())

/** Sends the head of a request that announces a body, and never the body; what comes back first. */
function answerToHead(path: string, headers: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(listener.address)
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: hostname, port: Number(port) }, () =>
      socket.write(
        [`POST ${path} HTTP/1.1`, "Host: localhost", "Content-Type: application/json", ...headers, "", ""].join("\r\n"),
      ),
    )
    socket.on("error", reject)
    socket.once("data", (data) => {
      socket.destroy()
      resolve(data.toString())
    })
  })
}

describe("the answer to who has no token comes before their body", () => {
  test.each(["/api/sessions", "/v1/chat/completions", "/api/approvals/apr_0000000000000000000000/answer"])(
    "at %s",
    async (path) => {
      const announced = await answerToHead(path, ["Content-Length: 3000000"])
      expect(announced).toStartWith("HTTP/1.1 401")
      const chunked = await answerToHead(path, ["Transfer-Encoding: chunked", "Authorization: Bearer not-the-token"])
      expect(chunked).toStartWith("HTTP/1.1 401")
    },
  )
})
