/**
 * Where a provider sends the owner's browser after a login: the gateway's open path, where a public address is configured, or a listener
 * of one login on loopback. What is shown is one of three pages without a word of what came in; the request is a state to look for and
 * nothing more.
 */
import { Elysia } from "elysia"
import { claimPass } from "#core/guard.ts"
import type { LoginPage } from "#sandbox/login-desk.ts"
import { CALLBACK_PATH } from "#sandbox/login-desk.ts"
import type { GatewayDeps } from "./deps.ts"

const texts: Record<LoginPage, { status: number; words: string }> = {
  done: { status: 200, words: "You are logged in. This page can be closed; the rest is in the terminal." },
  failed: { status: 400, words: "The login did not work. The terminal says why." },
  unknown: { status: 400, words: "This belongs to no login that is open here. Begin it again in the terminal." },
}

/** No script, no style from anywhere, no frame, and the address, which holds a code, goes to nobody. */
const headers = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
}

function pageOf(page: LoginPage): Response {
  const { status, words } = texts[page]
  return new Response(`<!doctype html><html lang="en"><title>ironclaw</title><p>${words}</p></html>\n`, {
    status,
    headers,
  })
}

export function loginCallbackRoutes({ loginDesk }: Pick<GatewayDeps, "loginDesk">) {
  return new Elysia().get(
    CALLBACK_PATH,
    async ({ request }) => pageOf(await loginDesk.answer(new URL(request.url).searchParams, "public")),
    { detail: { operationId: "logins.callback", summary: "Where a provider sends the owner's browser after a login" } },
  )
}

const listening = claimPass("login-listener")

/** What a page in the owner's browser may ask for in vain before the login ends. */
const MAX_WRONG = 50
const MAX_URL_CHARACTERS = 8_192

/** On a port that the system gives: nobody can have taken it before. Ends with the first answer that belongs to its login. */
export function listenForLogin(
  onAnswer: (params: URLSearchParams) => Promise<LoginPage>,
  onFlood: () => void,
): { port: number; close(): void } {
  let wrong = 0
  const server = listening(() =>
    Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      maxRequestBodySize: 0,
      idleTimeout: 60,
      async fetch(request) {
        const page = await judge(request)
        if (page === "unknown" && ++wrong > MAX_WRONG) onFlood()
        return pageOf(page)
      },
      error: () => pageOf("failed"),
    }),
  )
  async function judge(request: Request): Promise<LoginPage> {
    const { port } = server
    // A name that somebody bound to loopback is no way in.
    if (request.method !== "GET" || request.headers.get("host") !== `127.0.0.1:${port}`) return "unknown"
    if (request.url.length > MAX_URL_CHARACTERS) return "unknown"
    const url = new URL(request.url)
    return url.pathname === CALLBACK_PATH ? onAnswer(url.searchParams) : "unknown"
  }
  // Without force: the page that says so is still sent.
  return { port: server.port ?? 0, close: () => void server.stop() }
}
