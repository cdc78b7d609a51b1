/** A Tool: a named function that the model may ask for. Authors write what it does; `run.ts` does everything that must not be forgotten. */
import type { LabelName } from "../event.ts"
import type { Static, TObject } from "../schema.ts"
import type { Capability, Effect } from "../safety/capability.ts"
import type { AskedOutcome, CallOutcome } from "./run.ts"
import type { CallId, PersonId, SessionId, TurnId } from "../id.ts"

/**
 * What a tool gives back. `failed` is for what the model or the owner can act on, with the gate that turned it away where one did; a
 * thrown error is a fault.
 */
export type ToolResult =
  | { data: unknown; labels?: LabelName[]; source?: string }
  | { failed: string; gate?: string; labels?: LabelName[]; source?: string }

/** What a running tool may reach. There is no `fetch` but the egress gate's, already bound to this principal and these grants. */
export type ToolContext = {
  signal: AbortSignal
  fetch: (url: string, init?: RequestInit) => Promise<Response>
  agentId: string
  sessionId: SessionId
  turnId: TurnId
  callId: CallId
  personId: PersonId | null
  /** The join of the labels of everything this call was steered by: what it writes carries them. */
  labels: readonly LabelName[]
  source: string
  /** Who acts: `agent:main`, `plugin:github@<sha256>`, … */
  principal: string
  /** What the turn may use; null: every tool. */
  allowedTools: readonly string[] | null
  /** What the call was declared to do, and may therefore do. */
  effect: Effect
  /** Another tool's run asked for this one, and waits. */
  isNested: boolean
  /** Runs another tool in this one's name, through every gate. Nobody is asked: what would have to be is refused. */
  invoke: (call: { tool: string; arguments: unknown }) => Promise<CallOutcome | AskedOutcome>
} & Pick<CallFacts, "ownerUrls">

/** What the pipeline knows of a call that its input does not say. */
export type CallFacts = {
  /** Whether this whole URL stands, byte for byte, in what the owner wrote in this session. */
  ownerUrls: (url: string) => boolean
  /** A reader asks, with a task in which nothing is private and no text from outside had a hand: there is nothing to carry out. */
  readsApart: boolean
}

export type Tool<Input = unknown> = {
  readonly name: string
  /** `builtin`, `plugin:<name>@<sha256>`, `mcp:<name>`. */
  readonly provider: string
  readonly description: string
  readonly input: TObject
  /** Why these arguments can never work, beyond what the schema says: refused before anybody is asked. Null: they may. */
  problem?(input: Input): string | null
  effect(input: Input, facts: CallFacts): Effect
  needs(input: Input): Capability[]
  /** Whether the owner can take a change back, from a record that is kept. Absent: no. */
  reversible?(input: Input): boolean
  /** What the owner is asked, in place of the arguments as JSON, which are cut where they are long. Whole, and of builtin tools alone. */
  question?(input: Input): string
  readonly timeoutMs: number
  run(input: Input, context: ToolContext): Promise<ToolResult>
}

/** Who acts in a call of this tool. What asks for it in the middle of its own call is named first. */
export function actsAs(principal: string, { provider }: Pick<Tool, "provider">, within?: readonly string[]): string {
  if (provider === "builtin") return principal
  return within ? `${principal} > ${provider}` : provider
}

/** Fixes the input type to the schema, and erases it again: a registry holds tools of every input. */
export function defineTool<S extends TObject>(tool: Omit<Tool<Static<S>>, "input" | "provider"> & { input: S }): Tool {
  // The pipeline hands `run` only what `input` accepted, so the erased type is the schema's.
  return { ...tool, provider: "builtin" }
}
