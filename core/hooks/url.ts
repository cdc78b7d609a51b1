/** Asks a hook's URL: one POST through the egress gate, judged like any send; no redirect is followed. */
import { AppError } from "../errors.ts"
import type { Egress, EgressCaller } from "../safety/egress.ts"
import { judgeUrl } from "../safety/hosts.ts"
import type { HookPlace } from "../hooks.ts"
import { fault, HOOK_TIMEOUT_MS, type HookOutput, MAX_OUTPUT_BYTES } from "./program.ts"

/** `local`: the owner says that this exact scheme, host and port is on a machine or network of theirs. */
export type HookUrl = { url: string; local: boolean }

const PUBLIC_HINT =
  "A hook's URL is https, by name, on port 443; one of your own machine or network needs `--local` (by API: `local`)."

/** What the egress gate lets this hook reach: its own address and nothing beside it. */
export function rulesOf({ url, local }: HookUrl): Pick<EgressCaller, "allow" | "local"> {
  const { protocol, hostname, port, pathname } = new URL(url)
  if (!local) return { allow: [{ host: hostname, methods: ["POST"], pathPrefix: pathname }], local: [] }
  const scheme = protocol === "https:" ? "https" : "http"
  return { allow: [], local: [{ scheme, host: hostname, port: Number(port || (scheme === "https" ? 443 : 80)) }] }
}

/** Throws `hook.unusable` for a URL that the egress gate would never let through. */
export function assertUsable(hook: HookUrl): void {
  if (!URL.canParse(hook.url)) throw new AppError("hook.unusable", `"${hook.url}" is no URL`)
  const judged = judgeUrl(hook.url, "POST", rulesOf(hook))
  if (judged.verdict === "deny")
    throw new AppError("hook.unusable", `${hook.url}: ${judged.why}`, hook.local ? {} : { hint: PUBLIC_HINT })
}

/** Never throws. */
export async function askUrl(
  hook: HookUrl & { name: string },
  {
    egress,
    input,
    at,
    signal,
  }: { egress: Pick<Egress, "fetchFor">; input: string; at: HookPlace; signal: AbortSignal },
): Promise<HookOutput> {
  const fetchOut = egress.fetchFor({
    principal: `hook:${hook.name}`,
    purpose: "hook",
    agentId: at.agentId,
    ...(at.sessionId ? { sessionId: at.sessionId } : {}),
    ...(at.turnId ? { turnId: at.turnId } : {}),
    ...rulesOf(hook),
    caps: { firstByteMs: HOOK_TIMEOUT_MS, totalMs: HOOK_TIMEOUT_MS, maxResponseBytes: MAX_OUTPUT_BYTES },
  })
  try {
    const answer = await fetchOut(hook.url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: input,
      redirect: "error",
      signal,
    })
    const text = await answer.text()
    return answer.status === 200 ? { ok: true, text } : fault(`it answered with status ${answer.status}`)
  } catch (error) {
    if (signal.aborted) return fault("it was stopped")
    return fault("the request failed", error instanceof AppError ? error.message : "")
  }
}
