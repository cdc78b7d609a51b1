import { afterAll, expect, test } from "bun:test"
import { startModelServer } from "./model-server.ts"

const server = startModelServer()
afterAll(() => server.stop())

test("as a process it prints its address, takes scripts and shows requests", async () => {
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/model-server.ts`, "--port", "0"], { stdout: "pipe" })
  try {
    const { value } = await child.stdout.getReader().read()
    const { url }: { url: string } = JSON.parse(new TextDecoder().decode(value))
    await fetch(`${url}/__script`, { method: "POST", body: JSON.stringify([{ text: "scripted" }]) })
    const send = () =>
      fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        body: JSON.stringify({ stream: false, messages: [{ role: "user", content: "hi" }] }),
      })
    const first: unknown = await (await send()).json()
    const second: unknown = await (await send()).json()
    expect(first).toMatchObject({ choices: [{ message: { content: "scripted" } }] })
    expect(second).toMatchObject({ choices: [{ message: { content: "echo: hi" } }] })
    expect(await (await fetch(`${url}/__requests`)).json()).toHaveLength(2)
  } finally {
    child.kill()
  }
})

test("a cut breaks the connection after half of the answer", async () => {
  server.script({ text: "a long enough answer to have a middle", fault: "cut" })
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    body: '{"stream":true,"messages":[]}',
  })
  expect(response.status).toBe(200)
  expect(response.text()).rejects.toThrow()
})
