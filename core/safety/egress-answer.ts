/** From the head of an answer to a Response: bounded, decoded, freed of echoed secrets, scanned, and recorded when it ends. */
import type { IncomingMessage } from "node:http"
import { AppError } from "../errors.ts"
import type { Act, EgressCaller } from "./egress-act.ts"
import { boundedBody } from "./egress-body.ts"
import { usedSecrets } from "./egress-credentials.ts"
import type { Outgoing } from "./egress-exchange.ts"
import { responseHeaders } from "./egress-headers.ts"
import { redactExact, redactExactText } from "./egress-redact.ts"

export type ScannedResponse = { url: URL; status: number; headers: Headers }
/** Reads or rewrites what comes back. Returns the stream to hand on; an error in it reaches the reader. */
export type ScanResponse = (
  caller: EgressCaller,
  response: ScannedResponse,
  body: ReadableStream<Uint8Array>,
) => ReadableStream<Uint8Array>

const statusesWithoutBody: readonly number[] = [204, 205, 304]

export async function respond(
  act: Act,
  outgoing: Outgoing,
  answer: IncomingMessage,
  scan: ScanResponse,
): Promise<Response> {
  const { url } = outgoing
  const status = answer.statusCode ?? 0
  act.record.status = status
  if (status < 200 || status > 599) {
    answer.destroy()
    throw new AppError("egress.garbled", `${url.hostname} answered with the status ${status}`)
  }
  const length = answer.headers["content-length"]
  const hasBody = outgoing.method !== "HEAD" && !statusesWithoutBody.includes(status) && length !== "0"
  const secrets = usedSecrets(act)
  const headers = responseHeaders(answer.rawHeaders, hasBody)
  for (const [name, value] of secrets.length > 0 ? [...headers] : []) {
    if (name !== "set-cookie") headers.set(name, redactExactText(value, secrets))
  }
  const head = { status, statusText: redactExactText(answer.statusMessage ?? "", secrets), headers }
  const redirected = act.record.hops.length > 0
  if (!hasBody) {
    answer.resume()
    await act.finish("")
    return named(new Response(null, head), url, redirected)
  }
  if (Number(length ?? 0) > act.caps.maxResponseBytes) {
    answer.destroy()
    throw new AppError(
      "egress.too_large",
      `${url.hostname} announces ${length} bytes; ${act.caps.maxResponseBytes} are accepted`,
    )
  }
  const plain = bodyStream(act, answer)
  const clean = secrets.length > 0 ? plain.pipeThrough(redactExact(secrets)) : plain
  const body = scanned(act, answer, () => scan(act.who, { url, status, headers: new Headers(headers) }, clean))
  return named(new Response(body, head), url, redirected)
}

/** The body as its reader pulls it: nothing is read ahead, and whatever ends it ends the act. */
function bodyStream(act: Act, answer: IncomingMessage): ReadableStream<Uint8Array> {
  const { caps, record, stop } = act
  const chunks = boundedBody(answer, answer.headers["content-encoding"], {
    maxBytes: caps.maxResponseBytes,
    maxRatio: caps.maxRatio,
    onWireBytes: (bytes) => {
      record.bytesIn += bytes
    },
  })
  const watch = () => act.timeout(caps.idleMs, `${record.host} sent nothing more for ${caps.idleMs} ms`)
  let cancelIdle = watch()
  const fail = async (thrown: unknown, controller: ReadableStreamDefaultController<Uint8Array>) => {
    cancelIdle()
    answer.destroy()
    controller.error(act.errorOf(thrown))
    await act.fail(thrown)
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // Also while nobody reads: a body that is left alone is closed, and its place given back.
        const onStop = () => void fail(stop.signal.reason, controller).catch(() => {}) // the reader was told already
        stop.signal.addEventListener("abort", onStop, { once: true })
      },
      async pull(controller) {
        try {
          const { done, value } = await chunks.next()
          cancelIdle()
          if (done) {
            await act.finish("")
            controller.close()
            return
          }
          cancelIdle = watch()
          controller.enqueue(value)
        } catch (error) {
          await fail(error, controller)
        }
      },
      async cancel() {
        cancelIdle()
        answer.destroy()
        await act.finish("the reader had enough")
      },
    },
    { highWaterMark: 0 },
  )
}

function scanned<T>(act: Act, answer: IncomingMessage, scan: () => T): T {
  try {
    return scan()
  } catch {
    // A scanner that breaks is a refusal; its own log says how it broke.
    answer.destroy()
    throw act.refuse("answer", "the scan of the answer failed")
  }
}

/** Callers read `url` and `redirected`; a Response that was made by hand has neither. */
function named(response: Response, url: URL, redirected: boolean): Response {
  return Object.defineProperties(response, { url: { value: url.href }, redirected: { value: redirected } })
}
