import { expect, test } from "bun:test"
import { quoteStanding, STANDING_HEADING, standingParts } from "#core/session/standing.ts"

const message = (text: string, n = 0) => ({ id: `msg_${n}`, text })

test.each([
  "Always ask me before you delete a mail.",
  "never send anything to my ex",
  "From now on, answer in French.",
  "Remember: I am allergic to nuts",
  "Don't touch the calendar on Fridays",
  "do not book without asking",
  "ask me first, please",
  "Check with me before paying.",
  "Whenever a bill comes in, file it",
  "Call me Ada",
  "Make sure the tests pass before you push",
  "Frag mich immer vorher",
  "Ab jetzt bitte auf Deutsch",
  "Réponds toujours en français",
  "Nunca borres nada",
  "Никогда не удаляй письма",
  "以后都用中文回答",
  "必ず確認して",
])("an instruction is recognised: %s", (text) => {
  expect(standingParts(text)).toEqual([text])
})

test.each([
  "What is the weather in Oslo?",
  "never mind",
  "Remember when we met in Rome?",
  "ok",
  "Translate this: good night",
])("ordinary text is none: %s", (text) => {
  expect(standingParts(text)).toEqual([])
})

test("a short message is quoted whole, so that its condition stays with it", () => {
  expect(standingParts("Yes, clean up the inbox. But never delete anything I starred.")).toEqual([
    "Yes, clean up the inbox. But never delete anything I starred.",
  ])
})

test("of a long message only the sentences that stand are quoted", () => {
  const text = `${"Here is the report of the day. ".repeat(40)}Always file it under Reports.\n${"More of it. ".repeat(40)}`
  expect(standingParts(text)).toEqual(["Always file it under Reports."])
})

test("instructions are quoted verbatim under the heading, oldest first, once each", () => {
  const quoted = quoteStanding(
    [message("Always be brief.", 1), message("hello", 2), message("Never\nshout.", 3), message("Always be brief.", 4)],
    { maxCharacters: 1_000 },
  )
  expect(quoted).toBe(`${STANDING_HEADING}\n\n> Never\n> shout.\n\n> Always be brief.`)
})

test("over the cap the newest stay and the others are named by handle", () => {
  const many = Array.from({ length: 30 }, (_, n) => message(`Always do thing number ${n}.`, n))
  const quoted = quoteStanding(many, { maxCharacters: 100 })
  expect(quoted).toContain("> Always do thing number 29.")
  expect(quoted).not.toContain("> Always do thing number 0.")
  expect(quoted).toContain("27 older ones")
  expect(quoted).toContain("msg_26")
})

test("no instructions give no heading", () => {
  expect(quoteStanding([message("hello")], { maxCharacters: 100 })).toBe("")
})

test("a hostile long message takes no long time and no room", () => {
  const text = `${"a".repeat(200_000)} always ${"never ".repeat(50_000)}`
  expect(standingParts(text).join("").length).toBeLessThanOrEqual(1_200)
})
