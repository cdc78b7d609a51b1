import { expect, setDefaultTimeout, test } from "bun:test"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { countOf, modelEnvironment, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { startService } from "#test/fakes/service.ts"

setDefaultTimeout(120_000) // a whole process on a busy machine; nothing here measures

test("a hundred conversations with a slow model never wait for each other", async () => {
  using home = makeHome()
  const count = countOf("conversations", { reduced: 100, full: 250 })
  // Nobody is answered before all have asked: where one waited for another, this would wait for ever.
  const release = Promise.withResolvers<void>()
  let waiting = 0
  const model = startModelServer()
  const gate = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0, // they wait
    async fetch(request) {
      const body = await request.text()
      waiting += 1
      await release.promise
      return fetch(`${model.url}/v1/chat/completions`, { method: "POST", body })
    },
  })
  await using service = await startService({ home: home.path, env: modelEnvironment(`http://127.0.0.1:${gate.port}`) })
  try {
    const sessions = await Promise.all(Array.from({ length: count }, () => service.newSession()))
    const turns = sessions.map((id, at) => service.ask(id, `from ${at}`))
    await until("all of them are with the model at once", () => waiting === count, 60_000)
    // And whoever comes now for something else is served.
    expect((await service.call("GET", "/api/sessions")).status).toBe(200)
    release.resolve()
    expect((await Promise.all(turns)).map(({ text }) => text)).toEqual(sessions.map((_, at) => `echo: from ${at}`))
  } finally {
    release.resolve()
    await gate.stop(true)
    await model.stop()
  }
})

test("a one-word message sends at most six kilobytes to the model, with every builtin tool there", async () => {
  using home = makeHome()
  const model = startModelServer()
  mkdirSync(join(home.path, "project"))
  const project = { IRONCLAW_PROJECT_FOLDER: join(home.path, "project") }
  await using service = await startService({ home: home.path, env: { ...modelEnvironment(model.url), ...project } })
  try {
    const { body } = await service.call("GET", "/api/tools")
    await service.ask(await service.newSession(), "Hello")
    const sent = JSON.stringify(model.requests[0]?.body)
    const tools: unknown = model.requests[0]?.body["tools"]
    expect(JSON.stringify(tools)).toContain('"tool_search"')
    console.log(`${Buffer.byteLength(sent)} bytes, ${body.items.length} tools`)
    expect(Buffer.byteLength(sent)).toBeLessThanOrEqual(6_000)
  } finally {
    await model.stop()
  }
})
