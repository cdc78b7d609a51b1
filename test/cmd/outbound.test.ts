/** What a tool sends is read before it leaves: nothing is looked up, and the record says which secret it was, never its value. */
import { afterEach, describe, expect, test } from "bun:test"
import { scansFor } from "#cmd/lib/outbound.ts"
import { createFakeInternet, type FakeInternet } from "../core/safety/fake-internet.ts"

const value = `correct${"-horse"}-battery-7!`
let net: FakeInternet | undefined
afterEach(() => net?.close())

describe("what a tool sends", () => {
  const written: Record<string, string> = {
    "as it is": value,
    "in base64": Buffer.from(`x${value}`).toString("base64"),
    "in hex": Buffer.from(value).toString("hex"),
    reversed: Array.from(value).toReversed().join(""),
    "split by zero-width characters": Array.from(value).join("\u200b"),
  }
  for (const [how, text] of Object.entries(written)) {
    test(`is kept back where it carries a secret of this house ${how}, in the body and in the address`, async () => {
      net = createFakeInternet(scansFor(() => [{ name: "DB_PASSWORD", value }]))
      const fetch = net.fetchFor()
      for (const request of [
        () => fetch("https://api.example.com/", { method: "POST", body: JSON.stringify({ note: text }) }),
        () => fetch(`https://api.example.com/?q=${encodeURIComponent(text)}`),
      ]) {
        const error: unknown = await request().catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ code: "egress.refused" })
        expect(String(error)).toContain("DB_PASSWORD")
        expect(String(error)).not.toContain(value)
      }
      expect(net.lookups).toEqual([])
      expect(JSON.stringify(net.records)).not.toContain("horse")
    })
  }

  test("is kept back where it only looks like a secret, and not where it says something of one", () => {
    const { scanRequest } = scansFor(() => [])
    const caller = { purpose: "tool:http_request" } as Parameters<typeof scanRequest>[0] // the scan reads nothing else of it
    const judged = (body: string) =>
      scanRequest(caller, {
        url: new URL("https://api.example.com/"),
        headers: new Headers(),
        body: new TextEncoder().encode(body),
      } as Parameters<typeof scanRequest>[1])
    expect(judged(`key gh${"p_"}${"aB3dE5gH7jK9".repeat(3)}`)).toMatchObject({ verdict: "deny" })
    expect(judged("The password is with Mia, and the token expires on Monday.")).toEqual({ verdict: "allow" })
  })
})
