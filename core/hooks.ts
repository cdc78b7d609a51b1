/** Hooks: the owner's own programs or URLs at named points, which may rewrite or refuse. A gate always judges after them. */

/** What a hook said of one thing at its point. */
export type HookVerdict<T> = { verdict: "pass"; value: T } | { verdict: "refuse"; why: string }

export type Hooks = {
  /** Before the shape of a tool's arguments is judged. */
  toolCall(call: { tool: string; arguments: unknown }, signal: AbortSignal): Promise<HookVerdict<unknown>>
}

/** For a home without hooks. */
export const noHooks: Hooks = {
  toolCall: async ({ arguments: value }) => ({ verdict: "pass", value }),
}
