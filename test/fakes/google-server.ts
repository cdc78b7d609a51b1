/** What Google's APIs have in common, as their documentation describes it: the token, the errors, the pages. */
import type { VendorAnswer, VendorRequest } from "./vendor-server.ts"

export const GOOGLE_TOKEN = "ya29.made-up-token-of-a-test-0123456789"

/** developers.google.com/workspace/gmail/api/guides/handle-errors, and the two shapes that details come in. */
export function googleError(status: number, reason: string, message = "Made up by a test"): VendorAnswer {
  const kind = { 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED" }[status]
  return {
    status,
    body: {
      error: {
        code: status,
        message,
        errors: [{ message, domain: "global", reason }],
        ...(kind ? { status: kind } : {}),
      },
    },
  }
}

/** How Google says that an API is off in somebody's project, or that a login is too narrow: details, not errors. */
export function googleDetail(reason: string): VendorAnswer {
  return {
    status: 403,
    body: {
      error: {
        code: 403,
        message: "Made up by a test",
        status: "PERMISSION_DENIED",
        details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "googleapis.com" }],
      },
    },
  }
}

export const notFound = () => googleError(404, "notFound", "Requested entity was not found.")

/** Only who shows the token gets an answer. */
export function withToken(route: (request: VendorRequest) => VendorAnswer): (request: VendorRequest) => VendorAnswer {
  return (request) =>
    request.headers["authorization"] === `Bearer ${GOOGLE_TOKEN}`
      ? route(request)
      : googleError(401, "authError", "Request had invalid authentication credentials.")
}

/** Page tokens are long and say nothing; each reads like a key. */
const OPAQUE = "0i47v6jvfivqtpb0i9p:"
export const pageToken = (from: number) => Buffer.from(`${OPAQUE}${from}`).toString("base64url")

/** A page of a list: the token is where the next one begins. Google leaves out what is empty. */
export function pageOf<One>(all: readonly One[], { size, token }: { size: number; token: string | undefined }) {
  const from = token === undefined ? 0 : Number(Buffer.from(token, "base64url").toString().slice(OPAQUE.length))
  const items = all.slice(from, from + size)
  return {
    items,
    next: from + size < all.length ? { nextPageToken: pageToken(from + size) } : {},
  }
}

/** Fields of a JSON body, or none. */
export function fieldsOf(body: unknown): Record<string, unknown> {
  return typeof body === "object" && body !== null ? { ...body } : {}
}
