/**
 * Random tool graphs, made from a seed: turns of steps, steps of calls, and for each argument where its text comes from. What is fixed is
 * which calls are made and how their arguments are put together; what varies between two runs is what the untrusted texts say.
 */
import type { LabelName } from "#core/event.ts"
import type { ApprovalLevel } from "#core/safety/authorize.ts"
import type { Capability, Effect } from "#core/safety/capability.ts"

/**
 * A piece of an argument: words of our own, the owner's last message, or what the model is shown of an earlier call's result and of what
 * it said itself.
 */
export type Piece =
  | { kind: "words"; text: string }
  | { kind: "result"; of: number }
  | { kind: "owner" }
  | { kind: "said" }
export type Dress = "plain" | "base64" | "backwards"
export type Text = { pieces: Piece[]; dress: Dress }

/** Where a request goes: an address of the owner's, one that a text has a part in, or one that the owner granted. */
export type Address = { of: "owner" | "owner with more" | "host" | "path" | "granted"; text: Text; which: number }

export type Node =
  | { tool: "web_fetch"; address: Address }
  | {
      tool: "http_request"
      address: Address
      method: "GET" | "POST" | "DELETE"
      header: Text | null
      body: Text | null
    }
  | { tool: "memory_write" | "memory_append"; path: string; content: Text }
  | { tool: "memory_read"; path: string }
  /** Which one is gone depends on the text: so it is where a text gives orders. */
  | { tool: "memory_delete"; chosenBy: Text }
  | { tool: "memory_search"; query: Text }
  | { tool: "json_query"; json: Text }
  | { tool: "odd"; which: number; text: Text }

/** A tool that exists in one graph alone. What it says of its answer is true: without the label, nothing untrusted is in it. */
export type OddTool = {
  effect: Effect
  needs: Capability[]
  reversible: boolean
  /** null: it says nothing of its labels. */
  labels: LabelName[] | null
  /** What its answer is made of besides bytes of its own. */
  echoes: boolean
}

export type Turn = {
  /** In a session of its own. */
  anew: boolean
  steps: Node[][]
  /** What the model says at the end; null: the turn is stopped before. */
  reply: Text | null
}
export type Graph = {
  seed: number
  level: ApprovalLevel
  odd: OddTool[]
  turns: Turn[]
  /** Grants, none of them "also when untrusted". */
  granted: { tool: string; destination: string }[]
}

export const OWNER_URLS = [
  "https://owner.example.org/a",
  "https://owner.example.org/b?x=1",
  "https://owner.example.org/c",
]
export const GRANTED_URL = "https://granted.example.org/inbox"
export const PATHS = ["AGENTS.md", "SOUL.md", "MEMORY.md", "notes/own.md", "notes/mixed.md", "notes/new.md"]

export type Random = {
  chance(share: number): boolean
  pick<const T>(from: readonly [T, ...T[]]): T
  upTo(most: number): number
}

/** Mulberry32: small, fast, and the same everywhere. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    chance: (share) => next() < share,
    pick: (from) => from[Math.floor(next() * from.length)] ?? from[0],
    upTo: (most) => Math.floor(next() * (most + 1)),
  }
}

export function graphOf(seed: number): Graph {
  const random = randomOf(seed)
  const odd = Array.from({ length: 1 + random.upTo(2) }, () => oddTool(random))
  const turns: Turn[] = []
  let made = 0
  for (let at = 0; at <= random.upTo(2); at++) {
    const steps: Node[][] = []
    for (let step = 0; step <= 1 + random.upTo(4); step++) {
      const before = made
      const nodes = Array.from({ length: random.chance(0.2) ? 2 : 1 }, () =>
        nodeOf(random, { before, odd: odd.length }),
      )
      made += nodes.length
      steps.push(nodes)
    }
    turns.push({ anew: random.chance(0.3), steps, reply: random.chance(0.7) ? textOf(random, made) : null })
  }
  const granted = [
    { tool: "http_request", destination: "http granted.example.org POST /inbox" },
    { tool: "web_fetch", destination: "http granted.example.org GET /" },
    ...odd.map((_, which) => ({ tool: `odd_${which}`, destination: "*" })),
  ].filter(() => random.chance(0.6))
  return { seed, level: random.chance(0.1) ? "read-only" : random.pick(["supervised", "trusted"]), odd, turns, granted }
}

function oddTool(random: Random): OddTool {
  const needs: Capability[] = [
    { kind: "http", host: "odd.example.org", methods: ["POST"] },
    { kind: "file", path: "x", write: true },
    { kind: "memory", path: "notes/odd.md", write: true },
    { kind: "tool", name: "other" },
  ]
  return {
    effect: random.pick(["read", "read", "read-private", "write-local", "send", "exec", "spend"]),
    needs: needs.filter(() => random.chance(0.3)),
    reversible: random.chance(0.5),
    labels: random.pick([null, ["untrusted"], ["untrusted", "private"], ["private"], [], ["vetted"]]),
    echoes: random.chance(0.5),
  }
}

function nodeOf(random: Random, { before, odd }: { before: number; odd: number }): Node {
  const text = () => textOf(random, before)
  const path = () => random.pick(PATHS as [string, ...string[]]) // the list is not empty
  const address = (): Address => ({
    of: random.pick(["owner", "owner", "owner with more", "host", "path", "granted", "granted"]),
    text: text(),
    which: random.upTo(OWNER_URLS.length - 1),
  })
  const tool = random.pick([
    "web_fetch",
    "web_fetch",
    "http_request",
    "http_request",
    "http_request",
    "memory_write",
    "memory_append",
    "memory_append",
    "memory_read",
    "memory_read",
    "memory_delete",
    "memory_search",
    "json_query",
    "odd",
    "odd",
  ] as const)
  switch (tool) {
    case "web_fetch":
      return { tool, address: address() }
    case "http_request": {
      const method = random.pick(["GET", "GET", "POST", "POST", "DELETE"])
      const header = method === "GET" && random.chance(0.5) ? text() : null
      return { tool, address: address(), method, header, body: method === "POST" ? text() : null }
    }
    case "memory_write":
    case "memory_append":
      return { tool, path: path(), content: text() }
    case "memory_read":
      return { tool, path: path() }
    case "memory_delete":
      return { tool, chosenBy: text() }
    case "memory_search":
      return { tool, query: text() }
    case "json_query":
      return { tool, json: text() }
    case "odd":
      return { tool, which: random.upTo(odd - 1), text: text() }
  }
}

function textOf(random: Random, before: number): Text {
  const pieces = Array.from({ length: 1 + random.upTo(1) }, (): Piece => {
    if (before > 0 && random.chance(0.65)) return { kind: "result", of: Math.max(0, before - 1 - random.upTo(3)) }
    if (random.chance(0.4)) return { kind: "said" }
    return random.chance(0.5) ? { kind: "owner" } : { kind: "words", text: `w${random.upTo(9)}` }
  })
  return { pieces, dress: random.pick(["plain", "plain", "base64", "backwards"]) }
}
