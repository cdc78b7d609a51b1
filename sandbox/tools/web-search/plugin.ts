/**
 * The web, searched with the owner's SearXNG, Brave Search or Tavily: one tool, and the owner's settings say who is asked. What is searched
 * for goes to whoever searches, so the tool counts as one that sends, with GET as much as with POST: where text from outside had a hand
 * in the words, and else until the owner grants it for good, they are asked first.
 */
import {
  config,
  definePlugin,
  defineTool,
  fieldsOf,
  hasSecret,
  http,
  type HttpResponse,
  itemsOf,
  textOf,
  withQuery,
} from "ironclaw"

type Asked = {
  query: string
  count?: number
  page?: number
  freshness?: "day" | "week" | "month" | "year"
  site?: string
  country?: string
  language?: string
  safesearch?: "off" | "moderate" | "strict"
  news?: boolean
}
type Result = { title: string; url: string; snippet: string; age?: string }
type Found = { results: Result[]; answer?: string; hints?: string[]; more: boolean; leftOut?: number }
type Provider = {
  name: string
  isSetUp: () => boolean
  setUp: string
  /** What of the question it has no way to say. */
  ignores: readonly ("country" | "language" | "safesearch")[]
  search: (asked: Asked & { count: number; page: number }) => Found
}

const MAX_SNIPPET = 600
const MAX_COUNT = 20
const DEFAULT_COUNT = 8

// ── Who can be asked ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const searxng: Provider = {
  name: "searxng",
  isSetUp: () => (config["searxng_url"] ?? "") !== "",
  setUp: "`ironclaw tool config web-search searxng_url http://127.0.0.1:8888`",
  ignores: ["country"],
  search(asked) {
    const url = withQuery(`${config["searxng_url"] ?? ""}/search`, {
      q: withSite(asked),
      format: "json",
      categories: asked.news === true ? "news" : "general",
      pageno: asked.page,
      language: languageOf(asked),
      time_range: asked.freshness,
      safesearch: { off: 0, moderate: 1, strict: 2 }[safesearchOf(asked)],
    })
    const answer = http({ url, headers: { accept: "application/json" } })
    if (answer.status === 403)
      throw new Error(
        "Your SearXNG does not answer in JSON (403). Add json to search.formats in its settings.yml, and start it again.",
      )
    if (!answer.ok) throw new Error(refusalOf("Your SearXNG", answer))
    const body = jsonOf("Your SearXNG", answer)
    const all = itemsOf(body["results"]).map((one) => resultOf(one, { snippet: "content", age: ["publishedDate"] }))
    const silent = itemsOf(body["unresponsive_engines"]).map((one) => itemsOf(one).map(textOf).join(": "))
    if (all.length === 0 && silent.length > 0)
      throw new Error(
        `None of the engines of your SearXNG answered (${plain(silent.join("; "), 300)}). Try again in some minutes.`,
      )
    const answers = itemsOf(body["answers"]).map((one) => textOf(one) || textOf(fieldsOf(one)["answer"]))
    return {
      results: all.slice(0, asked.count),
      answer: answers.join("\n"),
      hints: [...itemsOf(body["corrections"]), ...itemsOf(body["suggestions"])].map(textOf),
      more: all.length > 0,
      leftOut: all.length - asked.count,
    }
  },
}

const brave: Provider = {
  name: "brave",
  isSetUp: () => hasSecret("brave_api_key"),
  setUp: "`ironclaw secret set BRAVE_API_KEY` with a key from https://api-dashboard.search.brave.com/app/keys",
  ignores: [],
  search(asked) {
    if (asked.page > 10) throw new Error("Brave has at most ten pages: narrow the question instead")
    const url = withQuery("https://api.search.brave.com/res/v1/web/search", {
      q: withSite(asked),
      count: asked.count,
      offset: asked.page - 1,
      country: countryOf(asked)?.toUpperCase(),
      search_lang: languageOf(asked)?.toLowerCase(),
      safesearch: safesearchOf(asked),
      freshness: asked.freshness && { day: "pd", week: "pw", month: "pm", year: "py" }[asked.freshness],
      text_decorations: false,
      result_filter: asked.news === true ? "news,web" : "web",
    })
    const answer = http({ url, headers: { accept: "application/json" } })
    // An unknown token is no 401 here: it fails the check of the request's form.
    if (answer.status === 401 || answer.status === 403 || /SUBSCRIPTION_TOKEN_INVALID/.test(wordsOf(answer)))
      throw new Error(
        `Brave Search does not accept the key (${answer.status}). The owner sets another: ${brave.setUp}.`,
      )
    if (!answer.ok) throw new Error(refusalOf("Brave Search", answer))
    const body = jsonOf("Brave Search", answer)
    const query = fieldsOf(body["query"])
    const listed = [body["news"], body["web"]].flatMap((group) => itemsOf(fieldsOf(group)["results"]))
    return {
      results: listed
        .slice(0, asked.count)
        .map((one) => resultOf(one, { snippet: "description", age: ["page_age", "age"] })),
      hints: [textOf(query["altered"])],
      more: query["more_results_available"] === true,
    }
  },
}

const tavily: Provider = {
  name: "tavily",
  isSetUp: () => hasSecret("tavily_api_key"),
  setUp: "`ironclaw secret set TAVILY_API_KEY` with a key from https://app.tavily.com",
  ignores: ["country", "language", "safesearch"],
  search(asked) {
    if (asked.page > 1)
      throw new Error(`Tavily has no second page: ask for up to ${MAX_COUNT} results, or in other words`)
    const answer = http({
      url: "https://api.tavily.com/search",
      method: "POST",
      headers: { accept: "application/json" },
      body: {
        query: asked.query,
        max_results: asked.count,
        topic: asked.news === true ? "news" : "general",
        include_answer: false,
        ...(asked.freshness === undefined ? {} : { time_range: asked.freshness }),
        ...(asked.site === undefined ? {} : { include_domains: [siteOf(asked.site)] }),
      },
    })
    if (answer.status === 401 || answer.status === 403)
      throw new Error(`Tavily does not accept the key (${answer.status}). The owner sets another: ${tavily.setUp}.`)
    // Numbers of its own: what the plan holds, and what may be paid on top.
    if (answer.status === 432 || answer.status === 433)
      throw new Error(
        `The owner's plan at Tavily is used up (${answer.status}): it goes on with the next month, or with another plan at https://app.tavily.com.`,
      )
    if (!answer.ok) throw new Error(refusalOf("Tavily", answer))
    const body = jsonOf("Tavily", answer)
    return {
      results: itemsOf(body["results"]).map((one) => resultOf(one, { snippet: "content", age: ["published_date"] })),
      more: false,
    }
  },
}

/** In this order where the owner does not say: their own machine first, which nobody bills and nobody else reads. */
const providers = [searxng, brave, tavily]

function chosen(): Provider {
  const wanted = config["provider"] ?? "auto"
  const named = providers.find(({ name }) => name === wanted)
  if (named) {
    if (named.isSetUp()) return named
    throw new Error(`The owner chose ${named.name} for searches, and it is not set up yet: ${named.setUp}.`)
  }
  const found = providers.find(({ isSetUp }) => isSetUp())
  if (found) return found
  const ways = providers.map(({ name, setUp }) => `${name}: ${setUp}`)
  throw new Error(`Nobody is set up to search with. The owner picks one, in a terminal. ${ways.join("; ")}.`)
}

// ── The words of the question ────────────────────────────────────────────────────────────────────────────────────────────────────────

const countryOf = ({ country }: Asked) => country ?? config["country"]
const languageOf = ({ language }: Asked) => language ?? config["language"]
const safesearchOf = ({ safesearch }: Asked): "off" | "moderate" | "strict" => {
  const set = safesearch ?? config["safesearch"]
  return set === "off" || set === "strict" ? set : "moderate"
}
const withSite = ({ query, site }: Asked) => (site === undefined ? query : `${query} site:${siteOf(site)}`)

function siteOf(site: string): string {
  const host = /^(?:https?:\/\/)?((?:[\p{L}\p{N}_-]+\.)+[\p{L}\p{N}-]+)\/?$/u.exec(site.trim())?.[1]
  if (host === undefined) throw new Error(`${JSON.stringify(site)} is no site: write example.com`)
  return host.toLowerCase()
}

// ── What comes back ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function jsonOf(who: string, answer: HttpResponse): Record<string, unknown> {
  try {
    return fieldsOf(answer.json())
  } catch {
    throw new Error(`${who} answered with what is no JSON. Try again in some minutes.`)
  }
}

function resultOf(given: unknown, { snippet, age }: { snippet: string; age: string[] }): Result {
  const one = fieldsOf(given)
  const extra = itemsOf(one["extra_snippets"]).map(textOf)
  const when = age.map((key) => textOf(one[key])).find((text) => text !== "")
  return {
    title: plain(textOf(one["title"]), 200),
    url: textOf(one["url"]).slice(0, 2_000),
    snippet: plain([textOf(one[snippet]), ...extra].join(" "), MAX_SNIPPET),
    ...(when === undefined ? {} : { age: plain(when, 40) }),
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  "#39": "'",
  "#x27": "'",
  nbsp: " ",
}

/** One line without the marks that engines put around the words that they found; markup that a page speaks of stays. */
function plain(text: string, max: number): string {
  const line = text
    .replaceAll(/<\/?(?:strong|b|em|i|mark|br)\s*\/?>/gi, "")
    .replaceAll(/&(#?\w{2,6});/g, (whole, name: string) => ENTITIES[name.toLowerCase()] ?? whole)
    .replaceAll(/\s+/g, " ")
    .trim()
  return line.length > max ? `${line.slice(0, max).toWellFormed()}…` : line
}

function refusalOf(who: string, answer: HttpResponse): string {
  const { status, headers } = answer
  const words = wordsOf(answer)
  const said = words ? ` It says: ${words}` : ""
  if (status === 402) return `The owner's plan at ${who} is used up, or not paid (402).${said}`
  if (status === 429) {
    const wait = secondsIn(headers)
    return `${who} had too many searches (429). ${wait === null ? "Wait a minute; where the month's number is used up, that does not help." : `Wait ${inWords(wait)}.`}${said}`
  }
  if (status >= 500) return `${who} is out of order at the moment (${status}). Try again in some minutes.`
  if (status === 400 || status === 422) return `${who} does not take the question as it is (${status}).${said}`
  return `${who} refuses (${status}).${said}`
}

/** How long it takes until all limits that are used up have room again: Brave names several, in the same order in each header. */
function secondsIn(headers: HttpResponse["headers"]): number | null {
  const given = /^\d{1,7}$/.exec(headers["retry-after"] ?? "")?.[0]
  if (given !== undefined) return Number(given)
  const numbers = (name: string) => (headers[name] ?? "").split(",").map((part) => Number.parseInt(part, 10))
  const left = numbers("x-ratelimit-remaining")
  const used = numbers("x-ratelimit-reset").filter((seconds, at) => seconds > 0 && left[at] === 0)
  return used.length === 0 ? null : Math.max(...used)
}

const inWords = (seconds: number) =>
  seconds < 7_200
    ? `${seconds} s`
    : seconds < 172_800
      ? `${Math.ceil(seconds / 3_600)} hours`
      : `${Math.ceil(seconds / 86_400)} days`

/** Brave: error.code and error.detail; Tavily: detail.error. */
function wordsOf(answer: HttpResponse): string {
  if (answer.ok) return ""
  try {
    const body = fieldsOf(answer.json())
    const error = fieldsOf(body["error"])
    const { detail } = body
    const words = [textOf(error["code"]), textOf(error["detail"]), textOf(detail), textOf(fieldsOf(detail)["error"])]
    return plain(words.filter(Boolean).join(": "), 300)
  } catch {
    return ""
  }
}

// ── The tool ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const webSearch = defineTool({
  name: "web_search",
  description:
    "Search the web. Gives numbered results with title, address and a few lines; read a page itself for more. Short words find more than sentences; put nothing private into them.",
  input: {
    type: "object",
    properties: {
      query: { type: "string", minLength: 1, maxLength: 400 },
      count: { type: "integer", minimum: 1, maximum: MAX_COUNT, description: `Default ${DEFAULT_COUNT}` },
      page: { type: "integer", minimum: 1, maximum: 20, description: "Default 1" },
      freshness: { type: "string", enum: ["day", "week", "month", "year"], description: "Not older than this" },
      site: { type: "string", minLength: 4, maxLength: 200, description: "Only from here, such as example.com" },
      country: { type: "string", minLength: 2, maxLength: 2, description: "Two letters, such as DE" },
      language: { type: "string", minLength: 2, maxLength: 8, description: "Such as de" },
      safesearch: { type: "string", enum: ["off", "moderate", "strict"] },
      news: { type: "boolean", description: "News rather than pages" },
    },
    required: ["query"],
    additionalProperties: false,
  },
  run({ count = DEFAULT_COUNT, page = 1, ...asked }: Asked) {
    const provider = chosen()
    const { results, answer = "", hints = [], more, leftOut = 0 } = provider.search({ ...asked, count, page })
    const first = (page - 1) * count
    const ignored = provider.ignores.filter((key) => asked[key] !== undefined)
    return {
      by: provider.name,
      results: results.map((result, at) => ({ n: first + at + 1, ...result })),
      ...(results.length === 0 ? { note: "Nothing was found: try fewer or other words" } : {}),
      ...(answer === "" ? {} : { answer: plain(answer, MAX_SNIPPET) }),
      ...(hints.some(Boolean)
        ? {
            also_try: hints
              .filter(Boolean)
              .slice(0, 5)
              .map((hint) => plain(hint, 100)),
          }
        : {}),
      ...(leftOut > 0 ? { left_out: `${leftOut} more on this page: ask with a larger count` } : {}),
      ...(more && results.length > 0 ? { next_page: page + 1 } : {}),
      ...(ignored.length === 0 ? {} : { not_regarded: `${provider.name} has no ${ignored.join(", ")}` }),
    }
  },
})

export const { describe, call } = definePlugin(webSearch)
