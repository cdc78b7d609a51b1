import { describe, expect, test } from "bun:test"
import { makeTree } from "#test/fakes/tree.ts"
import { checkLayers } from "#scripts/layers.ts"

/** What each import points at, so that only its direction can be wrong. */
const targets = {
  "package.json": "{}",
  "core/schema.ts": "export const schema = 1\n",
  "core/home-lock.ts": "export const lock = 1\n",
  "core/db/open.ts": "export const open = 1\n",
  "core/safety/egress.ts": "export const egress = 1\n",
  "core/agent/turn.ts": "export const turn = 1\n",
  "core/memory/tools.ts": "export const tools = 1\n",
  "core/tools/tool.ts": "export type Tool = 1\n",
  "core/prompts/system.md": "Be kind.\n",
  "sandbox/plugin.ts": "export const plugin = 1\n",
  "gateway/server.ts": "export const server = 1\n",
  "cmd/app.ts": "export const app = 1\n",
  "test/setup.ts": "export const setup = 1\n",
  "scripts/build.ts": "export const build = 1\n",
}

function messagesFor(file: string, text: string): string[] {
  using tree = makeTree({ ...targets, [file]: text })
  return checkLayers(tree.root).map((problem) => `${problem.file}:${problem.line} ${problem.message}`)
}

describe("an import that points upward is found", () => {
  const upward: readonly (readonly [what: string, file: string, text: string])[] = [
    ["a folder", "core/x-a.ts", 'import { server } from "#gateway/server.ts"'],
    ["a type", "core/db/a.ts", 'import type { server } from "#sandbox/plugin.ts"'],
    ["a type inside a type", "core/db/a.ts", 'type A = import("#sandbox/plugin.ts").plugin'],
    ["a dynamic import", "sandbox/a.ts", 'await import("#gateway/server.ts")'],
    ["an export from", "channels/a.ts", 'export { server } from "#gateway/server.ts"'],
    ["an export of all", "channels/a.ts", 'export * from "#gateway/server.ts"'],
    ["require", "gateway/a.ts", 'require("#cmd/app.ts")'],
    ["an import equals", "gateway/a.ts", 'import app = require("#cmd/app.ts")'],
    ["channels to skills", "channels/a.ts", 'import "#skills/a.ts"'],
    ["skills to sandbox", "skills/a.ts", 'import { plugin } from "#sandbox/plugin.ts"'],
    ["the product to its tests", "cmd/a.ts", 'import { setup } from "#test/setup.ts"'],
    ["the product to scripts", "cmd/a.ts", 'import { build } from "#scripts/build.ts"'],
    ["inside core", "core/db/a.ts", 'import { egress } from "../safety/egress.ts"'],
    ["inside core, a type", "core/safety/a.ts", 'import type { turn } from "../agent/turn.ts"'],
    ["from the first row of core", "core/home-a.ts", 'import { open } from "./db/open.ts"'],
    ["from a subject to its own tools", "core/memory/a.ts", 'import { tools } from "./tools.ts"'],
    ["inside a template", "core/db/a.ts", 'const a = `${await import("#cmd/app.ts")}`'],
  ]
  for (const [what, file, text] of upward) {
    test(what, () => {
      const messages = messagesFor(file, text)
      expect(messages).toHaveLength(1)
      expect(messages[0]).toStartWith(`${file}:1 `)
    })
  }
})

describe("an import that hides where it points is found", () => {
  test("a computed one", () => expect(messagesFor("cmd/a.ts", "await import(name)")[0]).toContain("literal"))
  test("across folders by a relative path", () => {
    expect(messagesFor("cmd/a.ts", 'import "../core/schema.ts"')[0]).toContain("#core/schema.ts")
  })
  test("inside a folder by its alias", () => {
    expect(messagesFor("core/db/a.ts", 'import "#core/schema.ts"')[0]).toContain("relative")
  })
  test("without its extension", () => expect(messagesFor("core/db/a.ts", 'import "./open"')[0]).toContain("not there"))
  test("out of the project", () => expect(messagesFor("cmd/a.ts", 'import "../../x.ts"')[0]).toContain("leaves"))
})

describe("a package outside its folder is found", () => {
  const misplaced: readonly (readonly [file: string, specifier: string])[] = [
    ["gateway/a.ts", "drizzle-orm"],
    ["core/db/a.ts", "elysia"],
    ["channels/a.ts", "@elysiajs/eden"],
    ["core/db/a.ts", "@sinclair/typebox/compiler"],
    ["skills/a.ts", "@clack/prompts"],
    ["gateway/a.ts", "@extism/extism"],
    ["gateway/a.ts", "node:net"],
    ["core/llm/a.ts", "node:https"],
    ["core/tools/a.ts", "node:child_process"],
    ["cmd/a.ts", "left-pad"],
    ["gateway/a.ts", "../node_modules/@electric-sql/pglite/dist/pglite.wasm"],
  ]
  for (const [file, specifier] of misplaced) {
    test(`${specifier} in ${file}`, () => expect(messagesFor(file, `import "${specifier}"`)).toHaveLength(1))
  }
})

describe("what is allowed passes", () => {
  const allowed: readonly (readonly [file: string, text: string])[] = [
    ["core/db/a.ts", 'import { schema } from "../schema.ts"\nimport { lock } from "../home-lock.ts"'],
    ["core/agent/a.ts", 'import { egress } from "../safety/egress.ts"'],
    ["core/agent/a.ts", 'import text from "../prompts/system.md" with { type: "text" }'],
    ["core/memory/tools.ts", 'import type { Tool } from "../tools/tool.ts"'],
    ["core/jobs/a.ts", 'import { tools } from "../memory/tools.ts"'],
    ["gateway/a.ts", 'import { plugin } from "#sandbox/plugin.ts"\nimport { Elysia } from "elysia"'],
    ["cmd/a.ts", 'import manifest from "../package.json" with { type: "json" }'],
    ["core/safety/a.ts", 'import { connect } from "node:net"'],
    ["core/db/a.ts", 'import { join } from "node:path"\nimport { eq } from "drizzle-orm"'],
    ["core/db/a.ts", '// import "#cmd/app.ts"\nconst text = "import \\"#cmd/app.ts\\""'],
    ["test/a.test.ts", 'import { build } from "#scripts/build.ts"\nimport OpenAI from "openai"'],
  ]
  for (const [file, text] of allowed)
    test(`${file}: ${text.split("\n")[0]}`, () => expect(messagesFor(file, text)).toEqual([]))
})

test("a part of core without a place in the order is found", () => {
  expect(messagesFor("core/novelty/a.ts", 'import "../schema.ts"')[0]).toContain("no place")
})

test("a file that does not parse is found", () => {
  expect(messagesFor("core/db/a.ts", "import {")[0]).toContain("Does not parse")
})
