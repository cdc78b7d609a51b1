import { expect, test } from "bun:test"
import type { ModelRequest } from "#core/llm/model.ts"
import { int, t } from "#core/schema.ts"
import { createRegistry } from "#core/tools/registry.ts"
import { defineTool, type Tool } from "#core/tools/tool.ts"
import { findTools, toolSearchTools } from "#core/tools/tool-search.ts"
import { agentHouse } from "#test/fakes/agent-house.ts"
import { oneModel, type ScriptStep, scriptedModel } from "#test/fakes/model.ts"
import { builtinsWithoutDeps } from "./builtins.ts"
import { catalogue, NEEDS } from "./tool-needs.ts"

const look = (query: string): ScriptStep => ({ call: [{ id: "1", name: "tool_search", arguments: { query } }] })
const namesOf = (request: ModelRequest | undefined) => request?.tools.map(({ name }) => name) ?? []
const resultOf = (request: ModelRequest | undefined) => {
  const last = request?.messages.findLast((message) => message.role === "tool")
  return last?.role === "tool" ? last.text : ""
}

async function houseWith(steps: ScriptStep[], tools: Tool[] = catalogue()) {
  const model = scriptedModel(steps)
  const house = await agentHouse({
    models: oneModel(model),
    furnish: ({ registry }) => ({ tools: [...tools, ...toolSearchTools({ registry })] }),
  })
  return { model, house }
}

test("of plainly told needs at least 95 in 100 find their tool among the eight answers", () => {
  const { registry } = createRegistry([...builtinsWithoutDeps(), ...catalogue()])
  expect(NEEDS.length).toBeGreaterThan(100)
  const missed = NEEDS.filter(([query, tool]) => {
    const found = findTools(registry, { query, allowed: null })
    expect(found.length).toBeLessThanOrEqual(8)
    return ![tool].flat().some((name) => found.includes(name))
  })
  expect(missed.length / NEEDS.length).toBeLessThanOrEqual(0.05)
})

test("beyond twenty tools a few are shown; what was found is shown from the next step on, behind them, in an order that stays", async () => {
  const { model, house } = await houseWith([
    look("send an email"),
    { call: [{ id: "2", name: "gmail_send", arguments: { to: "a@example.org" } }] },
    look("will it rain"),
    { say: "Done" },
  ])
  const { received } = await house.say("Mail Anna")
  await house.say("Thank you", { sessionId: received.sessionId })
  await house.say("Something else")
  await house.close()

  const [first, second, third, fourth, nextTurn, fresh] = model.requests.map(namesOf)
  expect(first).toEqual(["tool_search"]) // of the few, this house has no other
  expect(second?.[0]).toBe("tool_search")
  expect(second).toContain("gmail_send")
  expect(second?.length).toBeLessThanOrEqual(9)
  expect(JSON.parse(resultOf(model.requests[1])).tools[0]).toEqual({
    name: "gmail_send",
    from: "plugin:gmail",
    description: "Send an email.",
    parameters: expect.objectContaining({ type: "object" }),
  })
  expect(resultOf(model.requests[2])).toBe("gmail_send ran")
  expect(third).toEqual(second ?? [])
  expect(fourth?.slice(0, second?.length)).toEqual(second ?? [])
  expect(fourth).toContain("weather_forecast")
  expect(nextTurn).toEqual(fourth ?? [])
  expect(fresh).toEqual(["tool_search"])
})

test("up to twenty tools all are shown, and no search", async () => {
  const { model, house } = await houseWith([{ say: "Hello" }], catalogue().slice(0, 20))
  await house.say("Hi")
  await house.close()
  expect(namesOf(model.requests[0])).toHaveLength(20)
  expect(namesOf(model.requests[0])).not.toContain("tool_search")
})

test("it shows no tool that the turn may not use, and is there for an agent whose list is long and does not name it", async () => {
  const allowed = catalogue()
    .map(({ name }) => name)
    .filter((name) => !name.startsWith("gmail"))
  const { model, house } = await houseWith([look("send an email with gmail"), look("gmail_send"), { say: "No" }])
  await house.db.query({ sql: "update agents set allowed_tools = $1 where id = 'main'", params: [allowed] })
  await house.say("Mail Anna")
  await house.close()
  expect(namesOf(model.requests[0])).toEqual(["tool_search"])
  for (const request of model.requests.slice(1)) {
    expect(resultOf(request)).toStartWith('{"tools":[')
    expect(resultOf(request)).not.toMatch(/gmail/i)
    expect(namesOf(request).join()).not.toContain("gmail")
  }
})

test("a call of a tool that was not shown runs through the pipeline like any other, and is shown from then on", async () => {
  const exec = catalogue().map((tool) =>
    tool.name === "k8s_restart" ? { ...tool, effect: () => "exec" as const } : tool,
  )
  const { model, house } = await houseWith(
    [
      { call: [{ id: "1", name: "weather_current", arguments: { place: "Oslo" } }] },
      { call: [{ id: "2", name: "no_such_tool", arguments: {} }] },
      { call: [{ id: "3", name: "k8s_restart", arguments: { deployment: "web" } }] },
    ],
    exec,
  )
  const { outcome } = await house.say("Weather?")
  await house.close()
  expect(resultOf(model.requests[1])).toBe("weather_current ran")
  expect(namesOf(model.requests[1])).toEqual(["tool_search", "weather_current"])
  expect(resultOf(model.requests[2])).toContain("look for one with tool_search")
  expect(outcome?.state).toBe("suspended") // what has an effect asks as ever
})

test("words that fit nothing get names, a slip is understood, and large schemas never make an answer too long", async () => {
  const large = Array.from({ length: 30 }, (_, at) => ({
    ...defineTool({
      name: `archive_${at}`,
      description: "Store a parcel in the archive",
      input: t.Object(
        Object.fromEntries(
          Array.from({ length: 150 }, (_, field) => [`field_${field}`, int({ description: "x".repeat(60) })]),
        ),
      ),
      effect: () => "read",
      needs: () => [],
      timeoutMs: 1_000,
      run: async () => ({ data: "", labels: [] }),
    }),
    provider: "plugin:archive@1",
  }))
  const { model, house } = await houseWith(
    [look("zzzz qqqq"), look("store a parcel"), look("send an emial"), { say: "Done" }],
    [...catalogue(), ...large],
  )
  await house.say("Go")
  await house.close()
  const nothing = JSON.parse(resultOf(model.requests[1]))
  expect(nothing.tools).toEqual([])
  expect(nothing.names).toHaveLength(60)
  const many = resultOf(model.requests[2])
  expect(many.length).toBeLessThan(16_000)
  expect(JSON.parse(many).tools).toHaveLength(8)
  expect(JSON.parse(many).tools[7].parameters).toStartWith("too long")
  expect(namesOf(model.requests[3])).toContain("archive_0")
  expect(JSON.parse(resultOf(model.requests[3])).tools[0].name).toBe("gmail_send")
})

test("what falls out of thirty tools in use is what was used longest ago", async () => {
  const names = catalogue().map(({ name }) => name)
  const call = (name: string, at: number): ScriptStep => ({ call: [{ id: `${at}`, name, arguments: {} }] })
  const used = [...names.slice(0, 30), names[0] ?? ""]
  const model = scriptedModel([...used.map(call), { say: "Done" }])
  const house = await agentHouse({
    models: oneModel(model),
    maxIterations: 40,
    furnish: ({ registry }) => ({ tools: [...catalogue(), ...toolSearchTools({ registry })] }),
  })
  await house.say("Use them")
  await house.close()
  const last = namesOf(model.requests.at(-1))
  expect(last).toHaveLength(25)
  expect(last).toContain(names[0] ?? "")
  expect(last).toContain(names[29] ?? "")
  expect(last).not.toContain(names[1] ?? "")
})
