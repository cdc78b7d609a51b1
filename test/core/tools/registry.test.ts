import { expect, test } from "bun:test"
import { int, t } from "#core/schema.ts"
import { createRegistry } from "#core/tools/registry.ts"
import { defineTool } from "#core/tools/tool.ts"

const tool = defineTool({
  name: "a_tool",
  description: "Does it",
  input: t.Object(
    {
      maxLength: t.Optional(int({ minimum: 1, maximum: 9 })),
      how: t.Union([t.Literal("fast"), t.Literal("well")], { description: "How" }),
      either: t.Union([t.Literal("x"), t.Null()]),
      names: t.Array(t.String({ minLength: 1, maxLength: 50 }), { maxItems: 3 }),
      headers: t.Record(t.String(), t.String()),
      any: t.Object({}, { additionalProperties: true }),
      pattern: t.String({ pattern: "^a" }),
    },
    { additionalProperties: false },
  ),
  effect: () => "read",
  needs: () => [],
  timeoutMs: 1_000,
  run: async () => ({ data: null }),
})

test("a tool is offered without the bounds that only the shape gate needs, and its card keeps them", () => {
  const { registry } = createRegistry([tool])
  expect(registry.offers(null)).toEqual([
    {
      name: "a_tool",
      description: "Does it",
      parameters: {
        type: "object",
        required: ["how", "either", "names", "headers", "any", "pattern"],
        properties: {
          maxLength: { type: "integer" },
          how: { type: "string", enum: ["fast", "well"], description: "How" },
          either: { anyOf: [{ const: "x", type: "string" }, { type: "null" }] },
          names: { type: "array", items: { type: "string" } },
          headers: { type: "object", additionalProperties: { type: "string" } },
          any: { type: "object", properties: {}, additionalProperties: true },
          pattern: { type: "string" },
        },
      },
    },
  ])
  expect(registry.find("a_tool")?.input).toBe(tool.input)
})

test("a card has no body, and the body is taken by name", () => {
  const { registry, take } = createRegistry([tool])
  expect(registry.find("a_tool")).not.toHaveProperty("run")
  expect(take("a_tool", "builtin")).toBe(tool.run)
  expect(take("another", "builtin")).toBeUndefined()
})

test("tools of others come and go as one, and a body is taken of the provider that was found and of no other", () => {
  const first = { ...tool, name: "b_tool", provider: "plugin:b@1" }
  const second = { ...first, provider: "plugin:b@2", run: async () => ({ data: "second" }) }
  const { registry, take, supply } = createRegistry([tool])
  supply([first])
  expect(registry.offers(null).map(({ name }) => name)).toEqual(["a_tool", "b_tool"])
  expect(take("b_tool", "plugin:b@1")).toBe(first.run)
  supply([second])
  expect(take("b_tool", "plugin:b@1")).toBeUndefined()
  expect(take("b_tool", "plugin:b@2")).toBe(second.run)
  expect(() => supply([{ ...second, name: "a_tool" }])).toThrow("Two tools")
  expect(registry.find("b_tool")?.provider).toBe("plugin:b@2")
  supply([])
  expect(registry.find("b_tool")).toBeUndefined()
  expect(registry.find("a_tool")).toBeDefined()
})
