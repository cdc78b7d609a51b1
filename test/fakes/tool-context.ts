/** What a tool is given while it runs, for tests that call one directly. */
import { newId } from "#core/id.ts"
import type { ToolContext } from "#core/tools/tool.ts"

export function toolContext(given: Partial<ToolContext> = {}): ToolContext {
  return {
    signal: new AbortController().signal,
    fetch: () => Promise.reject(new Error("This tool has no network")),
    agentId: "main",
    sessionId: newId("ses"),
    turnId: newId("trn"),
    callId: newId("call"),
    personId: null,
    labels: [],
    source: "owner",
    principal: "agent:main",
    allowedTools: null,
    effect: "read",
    isNested: false,
    invoke: () => Promise.reject(new Error("This tool calls no other")),
    ownerUrls: () => false,
    ...given,
  }
}
