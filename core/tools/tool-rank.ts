/**
 * Which tools fit a need that is told in plain words: BM25 over names, descriptions and parameters, with endings taken off and everyday
 * words counted for one another. No model and no vectors: the same words find the same tools, in less than a millisecond.
 */
import { nearest } from "../nearest.ts"
import { STOP_WORDS, stemOf, synonymsOf } from "./tool-words.ts"

export type RankedTool = {
  name: string
  provider: string
  description: string
  /** A JSON Schema of an object. */
  input: { properties?: Readonly<Record<string, { description?: unknown }>> }
}

/** How much a word counts by where it stands: a name is chosen with more care than a parameter. */
const NAME_WEIGHT = 3
const PROVIDER_WEIGHT = 2
const DESCRIPTION_WEIGHT = 2
const PARAMETER_WEIGHT = 0.7
/** Of a word that only means the same, that only begins the same, or that is probably a slip. */
const SYNONYM_SHARE = 0.6
const PREFIX_SHARE = 0.5
const SLIP_SHARE = 0.4
/** Shorter words begin like too many others. */
const MIN_PREFIX = 4
/** Robertson's k1; a small b, since a long description of a tool is no worse a match than a short one. */
const K1 = 1.2
const B = 0.3
/** More words than any need takes; the rest of a longer text is not looked at. */
const MAX_WORDS = 24
const MAX_KEPT = 100

export type ToolRank = (query: string) => readonly { name: string; score: number }[]

/** Made once for a set of tools. The answer is best first, without those that no word fits; equal ones by name. */
export function createToolRank(tools: readonly RankedTool[]): ToolRank {
  const bags = tools.map((tool) => ({ name: tool.name, bag: bagOf(tool) }))
  const sizes = bags.map(({ bag }) => [...bag.values()].reduce((sum, weight) => sum + weight, 0))
  const meanSize = sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, sizes.length)
  const holders = new Map<string, number>()
  for (const { bag } of bags) for (const word of bag.keys()) holders.set(word, (holders.get(word) ?? 0) + 1)
  const vocabulary = [...holders.keys()]
  /** What it says that a tool has one of these words. */
  const rarityOf = (words: ReadonlySet<string>) => {
    const count = bags.filter(({ bag }) => words.values().some((word) => bag.has(word))).length
    return Math.log(1 + (bags.length - count + 0.5) / (count + 0.5))
  }

  /**
   * The words of the tools that a word of the query stands for, and what each is worth. One that stands in for it counts as rare as all of
   * them together: "print" is no better a sign than "read" for being the rarer word of the two.
   */
  function worthOf(word: string): Map<string, number> {
    const shares = wordsFor(word)
    const together = rarityOf(new Set(shares.keys()))
    return new Map(
      [...shares].map(([known, share]) => [known, share === 1 ? rarityOf(new Set([known])) : share * together]),
    )
  }

  function wordsFor(word: string): Map<string, number> {
    const found = new Map<string, number>()
    const add = (known: string, share: number) => {
      if (holders.has(known)) found.set(known, Math.max(share, found.get(known) ?? 0))
    }
    add(word, 1)
    for (const other of synonymsOf(word)) add(other, SYNONYM_SHARE)
    if (word.length >= MIN_PREFIX)
      for (const known of vocabulary)
        if (known !== word && (known.startsWith(word) || (known.length >= MIN_PREFIX && word.startsWith(known))))
          add(known, PREFIX_SHARE)
    if (found.size === 0 && word.length >= MIN_PREFIX) add(nearest(word, vocabulary) ?? "", SLIP_SHARE)
    return found
  }

  /** A conversation's searches are asked about at each of its steps. */
  const answered = new Map<string, ReturnType<ToolRank>>()
  return (query) => {
    const answer = answered.get(query) ?? answerTo(query)
    if (answered.size >= MAX_KEPT) answered.clear()
    answered.set(query, answer)
    return answer
  }

  function answerTo(query: string): ReturnType<ToolRank> {
    const wanted = [...new Set(wordsIn(query))].slice(0, MAX_WORDS).map(worthOf)
    const named = query.trim().toLowerCase()
    return bags
      .map(({ name, bag }, at) => {
        const length = K1 * (1 - B + (B * (sizes[at] ?? 0)) / meanSize)
        // Of the words that one word stands for, the best counts: three synonyms in one tool are not three reasons.
        let matched = 0
        const sum = wanted.reduce((total, words) => {
          let best = 0
          for (const [word, worth] of words) {
            const weight = bag.get(word) ?? 0
            if (weight > 0) best = Math.max(best, (worth * weight * (K1 + 1)) / (weight + length))
          }
          if (best > 0) matched += 1
          return total + best
        }, 0)
        // Two words of a need in one tool say more than one rare word.
        const score = sum * Math.sqrt(matched)
        return { name, score: name.toLowerCase() === named ? Number.POSITIVE_INFINITY : score }
      })
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1))
  }
}

function bagOf({ name, provider, description, input }: RankedTool): Map<string, number> {
  const bag = new Map<string, number>()
  // Said twice is not meant twice.
  const add = (text: string, weight: number) => {
    for (const word of new Set(wordsIn(text))) bag.set(word, Math.max(weight, bag.get(word) ?? 0))
  }
  for (const [parameter, schema] of Object.entries(input.properties ?? {})) {
    add(parameter, PARAMETER_WEIGHT)
    if (typeof schema.description === "string") add(schema.description, PARAMETER_WEIGHT)
  }
  add(description, DESCRIPTION_WEIGHT)
  add(provider.replace(/^[a-z]+:|@.*$/g, " "), provider === "builtin" ? 0 : PROVIDER_WEIGHT)
  add(name, NAME_WEIGHT)
  bag.delete("")
  return bag
}

/** Folded words without endings: small letters, no accents, `readFile` and `read_file` as two words. */
function wordsIn(text: string): string[] {
  return text
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/\S+@\S+/g, " email ") // an address means that kind of thing, not the words in it
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "" && !STOP_WORDS.has(word))
    .map(stemOf)
}
