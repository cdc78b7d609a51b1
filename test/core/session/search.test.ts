import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { openRig, type Rig } from "./rig.ts"
import { engines } from "../db/memory.ts"

describe.each(engines())("on $name", ({ open }) => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig(open)
  }, 30_000) // the first database of a process is made from nothing, on a machine that may be busy
  afterAll(() => rig.close())

  const found = async (text: string, agentId?: string) =>
    (await rig.store.search({ text, ...(agentId ? { agentId } : {}) })).map(({ snippet }) => snippet)

  test("a word is found, with its session, role, time and a bounded snippet around it", async () => {
    const id = (
      await rig.store.create({ agentId: "main", place: { channel: "api", peer: "p", topic: "s" }, title: "Fruit" })
    ).id
    const messageId = await rig.say(id, {
      text: `${"filler ".repeat(300)}the persimmon is ripe ${"filler ".repeat(300)}`,
    })
    const [hit] = await rig.store.search({ text: "persimmon" })
    expect(hit).toMatchObject({ sessionId: id, messageId, title: "Fruit", role: "person" })
    expect(hit?.snippet).toContain("the persimmon is ripe")
    expect(hit?.snippet.length).toBeLessThanOrEqual(200)
    expect(hit?.at).toMatch(/^\d{4}-.*Z$/)
  })

  test("all words must be there, each as the beginning of a word", async () => {
    const id = await rig.session()
    await rig.say(id, { text: "deployment of the zeppelin" })
    await rig.say(id, { text: "deployment of the balloon" })
    expect(await found("deploy zepp")).toEqual(["deployment of the zeppelin"])
  })

  test("quotes, minus and or mean what they mean in a web search", async () => {
    const id = await rig.session()
    await rig.say(id, { text: "red quokka" })
    await rig.say(id, { text: "quokka red" })
    await rig.say(id, { text: "blue numbat" })
    expect(await found('"red quokka"')).toEqual(["red quokka"])
    expect(await found("quokka -red")).toEqual([])
    expect((await found("numbat or quokka")).toSorted()).toEqual(["blue numbat", "quokka red", "red quokka"])
  })

  test("of equal matches the newest comes first", async () => {
    const id = await rig.session()
    for (const n of [1, 2, 3]) await rig.say(id, { text: `axolotl number ${n}` })
    expect(await found("axolotl")).toEqual(["axolotl number 3", "axolotl number 2", "axolotl number 1"])
  })

  test("a part of a word and a text without blanks are found too", async () => {
    const id = await rig.session()
    await rig.say(id, { text: "明天在柏林开会讨论预算" })
    await rig.say(id, { text: "Donaudampfschifffahrt" })
    expect(await found("柏林")).toEqual(["明天在柏林开会讨论预算"])
    expect(await found("dampfschiff")).toEqual(["Donaudampfschifffahrt"])
  })

  test("addresses and paths are words", async () => {
    const id = await rig.session()
    await rig.say(id, { text: "see https://example.com/a/b?c=d or mail wombat@example.org" })
    expect(await found("example.com")).toHaveLength(1)
    expect(await found("wombat@example.org")).toHaveLength(1)
  })

  test("a summary is no hit, for it repeats what is found anyway; what was undone is", async () => {
    const id = await rig.session()
    await rig.say(id, { role: "summary", text: "about a capybara", coversTo: 1 })
    expect(await found("capybara")).toEqual([])
    await rig.turn(id, "a pangolin", "indeed")
    await rig.store.undo(id)
    expect(await found("pangolin")).toEqual(["a pangolin"])
  })

  test("only the agent asked for is searched", async () => {
    const id = await rig.session()
    await rig.say(id, { text: "okapi", agentId: "work" })
    expect(await found("okapi", "main")).toEqual([])
    expect(await found("okapi", "work")).toEqual(["okapi"])
  })

  test.each([
    "",
    "   ",
    "'",
    "''':*",
    "\\",
    "a'b\\c",
    "& | ! ( ) <-> :*",
    "foo &",
    "!",
    '"',
    '"unclosed',
    "-",
    "or",
    "OR OR",
    "%_%",
    "\0",
    "a\0b",
    "\ud800",
    "x\udfffy",
    "😀",
    "<script>",
    "w".repeat(5_000),
    "語".repeat(5_000),
    "\u{1F469}\u200d\u{1F4BB} ".repeat(2_000),
    "many ".repeat(3_000),
    "'; drop table messages; --",
    "$1 ${x}",
    "a:b:c *",
  ])("no text makes the search fail: %p", async (text) => {
    expect(Array.isArray(await rig.store.search({ text }))).toBe(true)
  })

  test.each([0, -1, Number.NaN, 1e9, 2.5])("a limit beyond reason does not make it fail: %p", async (limit) => {
    expect(Array.isArray(await rig.store.search({ text: "axolotl", limit }))).toBe(true)
  })

  test("the search uses the index over words", async () => {
    await rig.writer.commit({
      statements: [
        {
          sql: `insert into messages (id, session_id, agent_id, role, text, labels)
          select 'msg_' || lpad(to_hex(n), 32, '0'), id, 'main', 'person', 'filler number ' || n, '{}'
          from generate_series(1, 3000) n, (select id from sessions limit 1) s`,
          params: [],
        },
        { sql: "analyze messages", params: [] },
      ],
    })
    const plan = await rig.db.query({
      sql: "explain select id from messages where to_tsvector('simple', left(text, 100000)) @@ to_tsquery('simple', $1::text)",
      params: ["'axolotl':*"],
    })
    expect(plan.some((row) => String(row["QUERY PLAN"]).includes("messages_words"))).toBe(true)
  })
})
