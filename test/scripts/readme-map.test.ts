import { describe, expect, test } from "bun:test"
import { makeTree } from "#test/fakes/tree.ts"
import { checkReadme, gatesOfMap, pathsOfTree, sectionOf } from "#scripts/readme-map.ts"

const gate = "/**\n * Question: may it?\n * Fails closed by: no.\n * Known limits: many.\n * Source: none.\n */\n"

const readme = `# Name
## The tree
\`\`\`
core/           what it is
  safety/       the gates
    paths.ts    one
test/           the tests
\`\`\`
## The security map
| gate | question | file | if unsure |
|---|---|---|---|
| path | inside? | \`core/safety/paths.ts\` | refuse |
## End
`

const good = { "README.md": readme, "core/safety/paths.ts": gate, "test/core/safety/paths.test.ts": "" }

function messagesFor(changes: Record<string, string>, leaveOut: readonly string[] = []): string[] {
  const files = Object.entries({ ...good, ...changes }).filter(([path]) => !leaveOut.includes(path))
  using tree = makeTree(Object.fromEntries(files))
  return checkReadme(tree.root).map(({ file, message }) => `${file}: ${message}`)
}

test("a README that tells the truth passes", () => expect(messagesFor({})).toEqual([]))

describe("a README that does not is found", () => {
  test("a path that is not there", () => {
    expect(messagesFor({ "README.md": readme.replace("paths.ts    one", "gone.ts     one") })).toEqual([
      'README.md: The tree names "core/safety/gone.ts", which is not there',
    ])
  })
  test("a source folder that the tree leaves out", () => {
    expect(messagesFor({ "gateway/server.ts": "" })).toEqual(['README.md: The tree does not name the folder "gateway"'])
  })
  test("a folder at the top that nobody planned", () => expect(messagesFor({ "lib/a.ts": "" })).toHaveLength(1))
  test("no tree at all", () =>
    expect(messagesFor({ "README.md": readme.replace("The tree", "Elsewhere") })).toHaveLength(1))
  test("no security map at all", () => {
    expect(messagesFor({ "README.md": readme.replace("The security map", "Elsewhere") })).toHaveLength(1)
  })
  test("a gate that is not there", () => {
    expect(messagesFor({}, ["core/safety/paths.ts"]).join()).toContain("The security map names")
  })
  test("a gate without a test of its name", () => {
    expect(messagesFor({ "test/a.ts": "" }, ["test/core/safety/paths.test.ts"]).join()).toContain(
      "test/core/safety/paths.test.ts",
    )
  })
  for (const line of ["Question:", "Fails closed by:", "Known limits:", "Source:"]) {
    test(`a gate whose header lacks "${line}"`, () => {
      expect(messagesFor({ "core/safety/paths.ts": gate.replace(line, "") }).join()).toContain(`"${line}"`)
    })
  }
  test("a gate that the map does not name", () => {
    expect(messagesFor({ "core/safety/hosts.ts": gate }).join()).toContain("core/safety/hosts.ts")
  })
})

describe("reading Markdown", () => {
  test("a section ends at the next heading of its level, not at a comment in a code block", () => {
    expect(sectionOf("## A\n```\n# not a heading\n```\n### sub\nx\n## B\ny", "A")).toBe(
      "```\n# not a heading\n```\n### sub\nx",
    )
  })
  test("a heading that is not there is null", () => expect(sectionOf("# A", "B")).toBeNull())
  test("children stand under their folder, and end with it", () => {
    expect(pathsOfTree("```\na/ x\n  b/\n    c.ts y\n  d.ts\ne/\n```")).toEqual(["a", "a/b", "a/b/c.ts", "a/d.ts", "e"])
  })
  test("several files in one row are several gates", () => {
    expect(gatesOfMap("| a | b | c |\n|---|---|---|\n| x | y | `a.ts` + `b.ts` | z |")).toEqual(["a.ts", "b.ts"])
  })
})
