/** json_query: parts of a JSON value by JSONPath (RFC 9535), so that a model need not read the whole. */
import { JSONPathEnvironment } from "json-p3"
import { t } from "../schema.ts"
import { defineTool, type Tool } from "./tool.ts"

const MAX_JSON_CHARACTERS = 512 * 1024 // queried in some 0.2 s at worst, during which the process does nothing else
const MAX_DEPTH = 64 // of the value; what a descent visits grows with it
const MAX_RESULTS = 500

const environment = new JSONPathEnvironment({ maxRecursionDepth: MAX_DEPTH + 2 })

export function jsonTools(): Tool[] {
  const query = defineTool({
    name: "json_query",
    description: "Pick parts out of JSON by JSONPath (RFC 9535).",
    input: t.Object(
      {
        json: t.String({ minLength: 1, maxLength: MAX_JSON_CHARACTERS }),
        query: t.String({ minLength: 1, maxLength: 500, description: "e.g. $.items[?@.price < 10].name or $..id" }),
      },
      { additionalProperties: false },
    ),
    effect: () => "read",
    needs: () => [],
    timeoutMs: 5_000,
    async run({ json, query }, { labels, source }) {
      const value = parseJson(json)
      if (!value) return { failed: "That is no JSON" }
      if (depthOf(json) > MAX_DEPTH) return { failed: `The value is nested deeper than ${MAX_DEPTH} levels` }
      const refusal = judgeQuery(query)
      if (refusal) return { failed: refusal }
      const results = select(query, value.parsed)
      if (!results)
        return {
          failed: "That is no JSONPath of RFC 9535: it begins with $, names are .name or ['name'], filters [?@.a > 1]",
        }
      const more = results.length > MAX_RESULTS
      const data = {
        results: results.slice(0, MAX_RESULTS),
        ...(more ? { note: `only the first ${MAX_RESULTS}: narrow it` } : {}),
      }
      return { data, labels: [...labels], source }
    },
  })
  return [query]
}

/**
 * Why a query could take longer than the value is large, or null. Nothing can interrupt one that runs, so what multiplies is refused:
 * a second descent, queries of the whole inside a filter, many selectors in one bracket, and JavaScript's regular expressions.
 */
export function judgeQuery(query: string): string | null {
  const bare = query.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, "''")
  const count = (part: string) => bare.split(part).length - 1
  if (count("..") > 1) return "A query may descend (..) once: name the way to the second"
  if (count("$") > 1) return "A filter may only look at its own item (@), not at the whole ($)"
  if (count(",") > 4) return "A query may have at most four commas: make two queries of it"
  if (count("?") > 3) return "A query may have at most three filters"
  if (/\b(?:match|search)\s*\(/.test(bare))
    return "match() and search() are not offered: compare with ==, or pick more and look"
  return null
}

type JsonValue = Parameters<typeof environment.query>[1]

function parseJson(text: string): { parsed: JsonValue } | null {
  try {
    // What JSON.parse returns is a JSON value by definition.
    return { parsed: JSON.parse(text) as JsonValue }
  } catch {
    // The parser's message quotes the text; that it is none is all there is to say.
    return null
  }
}

/** How deep the brackets nest outside of strings. */
function depthOf(json: string): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let at = 0; at < json.length; at++) {
    const character = json[at]
    if (inString) {
      if (character === "\\") at++
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === "{" || character === "[") deepest = Math.max(deepest, ++depth)
    else if (character === "}" || character === "]") depth--
  }
  return deepest
}

function select(query: string, value: JsonValue): unknown[] | null {
  try {
    const results: unknown[] = []
    for (const node of environment.lazyQuery(query, value)) {
      results.push(node.value)
      if (results.length > MAX_RESULTS) break
    }
    return results
  } catch {
    // The library throws for what it cannot parse; the caller says what a query looks like.
    return null
  }
}
