/** Brave Search, Tavily and SearXNG as their documentation describes them: the same made-up results in the form of each. */
import { createVendorServer, type VendorServer } from "./vendor-server.ts"

export const BRAVE_KEY = "a-brave-key-0123456789"
export const TAVILY_KEY = "a-tavily-key-0123456789"

/** One page more of these is there than any test asks for. */
const page = (number: number, count: number) =>
  Array.from({ length: count }, (_, at) => {
    const n = (number - 1) * count + at + 1
    return { n, title: `Result ${n}`, url: `https://site-${n}.example.org/page`, text: `What it says ${n}` }
  })

export function braveServer(): VendorServer {
  return createVendorServer(({ method, path, query, headers }) => {
    if (method !== "GET" || path !== "/res/v1/web/search") return { status: 404 }
    if (headers["x-subscription-token"] !== BRAVE_KEY)
      return {
        status: 422,
        body: {
          type: "ErrorResponse",
          error: {
            status: 422,
            code: "SUBSCRIPTION_TOKEN_INVALID",
            detail: "The provided subscription token is invalid.",
          },
        },
      }
    if (query["q"]?.includes("nothing")) return { body: { type: "search", query: { more_results_available: false } } }
    const results = page(Number(query["offset"] ?? 0) + 1, Number(query["count"] ?? 20)).map(
      ({ title, url, text }) => ({
        title,
        url,
        description: `${text} &amp; <strong>more</strong>`,
        age: "2 days ago",
        page_age: "2026-05-30T10:00:00",
        language: "en",
      }),
    )
    const news = query["result_filter"]?.includes("news")
      ? {
          news: {
            results: [{ title: "News", url: "https://news.example.org/", description: "New", age: "1 hour ago" }],
          },
        }
      : {}
    return {
      body: {
        type: "search",
        query: { original: query["q"], more_results_available: true },
        ...news,
        web: { type: "search", results },
      },
    }
  })
}

export function tavilyServer(): VendorServer {
  return createVendorServer(({ method, path, headers, body }) => {
    if (method !== "POST" || path !== "/search") return { status: 404 }
    if (headers["authorization"] !== `Bearer ${TAVILY_KEY}`)
      return { status: 401, body: { detail: { error: "Unauthorized: missing or invalid API key." } } }
    // What was sent is an object of ours.
    const given = body as { query: string; max_results: number; topic: string }
    const results = page(1, given.query.includes("nothing") ? 0 : given.max_results).map(({ title, url, text, n }) => ({
      title,
      url,
      content: text,
      score: 1 / n,
      raw_content: null,
      ...(given.topic === "news" ? { published_date: "Sat, 30 May 2026 10:00:00 GMT" } : {}),
    }))
    return { body: { query: given.query, answer: null, images: [], results, response_time: 1.2 } }
  })
}

export function searxngServer(): VendorServer {
  return createVendorServer(({ path, query }) => {
    if (path !== "/search") return { status: 404 }
    if (query["format"] !== "json") return { status: 403, body: "<title>403 Forbidden</title>" }
    const results = query["q"]?.includes("nothing") ? [] : page(Number(query["pageno"] ?? 1), 12)
    return {
      body: {
        query: query["q"],
        number_of_results: 0,
        results: results.map(({ title, url, text }) => ({
          title,
          url,
          content: text,
          engine: "one",
          engines: ["one"],
          publishedDate: "2026-05-30T10:00:00",
        })),
        answers: [{ answer: "42", url: null }],
        corrections: ["correct"],
        infoboxes: [],
        suggestions: ["suggested"],
        unresponsive_engines: [["two", "timeout"]],
      },
    }
  })
}
