/** Installing over HTTP: nothing that is named is looked at before the owner proved to be there. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { PluginStatus } from "#sandbox/plugin.ts"
import type { Plugins } from "#sandbox/plugins.ts"
import type { PluginSource } from "#sandbox/source.ts"
import { gatewayHouse, refusal } from "../../fakes/gateway.ts"
import { AT_TERMINAL, type OwnerHouse, ownerHouse } from "../../fakes/owner-house.ts"
import { pluginHouse, type PluginHouse, toolCode } from "../../fakes/plugin-house.ts"

setDefaultTimeout(60_000) // each test makes a database, on a machine that may be busy

let plugins: PluginHouse
let at: OwnerHouse
let looked: PluginSource[]
let elsewhere: string
beforeEach(async () => {
  plugins = await pluginHouse()
  looked = []
  elsewhere = mkdtempSync(join(tmpdir(), "ironclaw-elsewhere-"))
  const watched: Plugins = {
    ...plugins.plugins,
    prepareInstall(asked, signal) {
      looked.push(asked.source)
      return plugins.plugins.prepareInstall(asked, signal)
    },
  }
  at = await ownerHouse({ models: gatewayHouse().models, given: { plugins: watched } })
})
afterEach(async () => {
  await at.end()
  await plugins.close()
  rmSync(elsewhere, { recursive: true, force: true })
})

async function install(source: { path: string } | { name: string }): Promise<PluginStatus> {
  const asked = await at.atSocket.api.plugins.post({ body: { ...source, presence: { ask: { pid: AT_TERMINAL } } } })
  if (!("challenge" in asked)) throw new Error("It asked for no code")
  expect(looked).toEqual([])
  const presence = { challenge: asked.challenge.id, code: at.lastCode() }
  const done = await at.atSocket.api.plugins.post({ body: { ...source, presence } })
  if (!("plugin" in done)) throw new Error("It asked for a second code")
  return done.plugin
}

describe("installing over HTTP", () => {
  test("asks for a code that names the place, and looks at it once the code came back", async () => {
    const path = plugins.source("echo", toolCode("echo_word", "return 1"), { effects: { echo_word: "read" } })
    expect(await install({ path })).toMatchObject({ name: "echo", state: "inactive" })
    expect(at.screen.join("")).toContain(`Install the plugin that lies at ${path}`)
    expect(looked).toEqual([{ path }])
  })

  test("a token alone learns nothing of what lies on the machine, and runs nothing of it", async () => {
    const there = plugins.source("echo", toolCode("echo_word", "return 1"))
    const answers = await Promise.all(
      [there, elsewhere, "/etc/shadow", join(elsewhere, "nothing")].map(async (path) => {
        const plain = await refusal(at.overTcp.api.plugins.post({ body: { path } }))
        const asking = await refusal(
          at.overTcp.api.plugins.post({ body: { path, presence: { ask: { pid: AT_TERMINAL } } } }),
        )
        const guess = { challenge: "none", code: "123456" }
        const guessed = await refusal(at.overTcp.api.plugins.post({ body: { path, presence: guess } }))
        return [plain, asking, guessed].map((error) => (error as { code: string }).code)
      }),
    )
    for (const answer of answers)
      expect(answer).toEqual(["presence.required", "presence.no_terminal", "presence.expired"])
    expect(looked).toEqual([])
    expect(at.screen).toEqual([])
  })

  test("the code for one place is none for another", async () => {
    const asked = await at.atSocket.api.plugins.post({
      body: { path: elsewhere, presence: { ask: { pid: AT_TERMINAL } } },
    })
    if (!("challenge" in asked)) throw new Error("It asked for no code")
    const presence = { challenge: asked.challenge.id, code: at.lastCode() }
    const other = at.atSocket.api.plugins.post({ body: { path: `${elsewhere}/other`, presence } })
    expect(await refusal(other)).toMatchObject({ code: "presence.expired" })
    expect(looked).toEqual([])
  })

  test("a name that nothing has, and a body of two sources or none, are errors at once", async () => {
    const ask = { ask: { pid: AT_TERMINAL } }
    const post = (body: { path?: string; name?: string }) =>
      refusal(at.atSocket.api.plugins.post({ body: { ...body, presence: ask } }))
    expect(await post({ name: "nothing-of-the-kind" })).toMatchObject({ code: "not_found" })
    expect(await post({ path: "relative/path" })).toMatchObject({ code: "input.invalid" })
    expect(await post({})).toMatchObject({ code: "input.invalid" })
    expect(await post({ path: elsewhere, name: "weather" })).toMatchObject({ code: "input.invalid" })
    expect(at.screen).toEqual([])
  })
})

describe("taking away", () => {
  const hookCode = `import { defineHooks } from "ironclaw"
export const { describe, hook } = defineHooks({ "message.in": () => undefined })`

  test("needs a code for a plugin that judges what passes, as taking a hook away does, and for no other", async () => {
    await plugins.install(plugins.source("echo", toolCode("echo_word", "return 1"), { effects: { echo_word: "read" } }))
    await plugins.install(plugins.source("guard", hookCode, { hooks: [{ point: "message.in" }] }))
    await plugins.grant("echo")
    await plugins.grant("guard")
    expect(await at.overTcp.api.plugins({ name: "echo" }).disable.post({ body: {} })).toMatchObject({
      plugin: { state: "disabled" },
    })
    expect(await at.overTcp.api.plugins({ name: "echo" }).delete({ body: {} })).toMatchObject({ removed: true })

    const guard = at.atSocket.api.plugins({ name: "guard" })
    at.leaveTerminal()
    for (const attempt of [
      () => at.overTcp.api.plugins({ name: "guard" }).disable.post({ body: {} }),
      () => at.overTcp.api.plugins({ name: "guard" }).delete({ body: {} }),
      () => at.inProcess.api.plugins({ name: "guard" }).disable.post({ body: {} }),
      () => at.inProcess.api.plugins({ name: "guard" }).delete({ body: {} }),
    ])
      expect(await refusal(attempt())).toMatchObject({ code: expect.stringMatching(/^presence\./) })
    expect(await guard.get()).toMatchObject({ plugin: { state: "active", hooks: ["message.in"] } })

    const asked = await guard.disable.post({ body: { presence: { ask: { pid: AT_TERMINAL } } } })
    if (!("challenge" in asked)) throw new Error("It asked for no code")
    expect(at.screen.join("")).toContain("Stop the plugin guard 1.0.0, which judges what passes (message.in)")
    const presence = { challenge: asked.challenge.id, code: at.lastCode() }
    expect(await guard.disable.post({ body: { presence } })).toMatchObject({ plugin: { state: "disabled" } })
    // It judges nothing any more.
    expect(await at.overTcp.api.plugins({ name: "guard" }).delete({ body: {} })).toMatchObject({ removed: true })
  })
})
