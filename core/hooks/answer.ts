/** What a hook says, read strictly: whatever is not exactly an answer for its point is a fault. */
import type { LabelName } from "../event.ts"
import type { HookPoint } from "../hooks.ts"
import { describeProblems, judgeShape, t, type TSchema } from "../schema.ts"

export type HookAnswer =
  /** `change`: the fields of the value that it rewrites. `labels`: what it says its words are made of, besides what it was given. */
  | { verdict: "pass"; change: Record<string, unknown>; labels: LabelName[] }
  | { verdict: "refuse"; why: string }
  /** `detail`: what it wrote besides, for the owner alone. */
  | { verdict: "fault"; why: string; detail: string }

/** Of what is no answer: enough to see what it is. */
const SHOWN_DETAIL = 100

const strict = { additionalProperties: false }
const Refuse = t.Object({ verdict: t.Literal("refuse"), why: t.String({ minLength: 1, maxLength: 2_000 }) }, strict)
const pass = (rewritten: Record<string, TSchema>) =>
  t.Object(
    {
      verdict: t.Literal("pass"),
      labels: t.Optional(t.Array(t.Union([t.Literal("untrusted"), t.Literal("private")]), { maxItems: 2 })),
      ...rewritten,
    },
    strict,
  )
/** Empty is no text: what should not be said is refused. */
const text = { text: t.Optional(t.String({ minLength: 1 })) }

const passes: Record<HookPoint, TSchema> = {
  "message.in": pass(text),
  "tool.call": pass({ arguments: t.Optional(t.Record(t.String(), t.Unknown())) }),
  "response.transform": pass(text),
  "reply.out": pass({}),
  "session.start": pass({}),
  "session.end": pass({}),
}

export function readAnswer(point: HookPoint, output: string): HookAnswer {
  let said: unknown
  try {
    said = JSON.parse(output)
  } catch {
    const why = output.trim() === "" ? "it wrote no answer" : "its answer is no JSON"
    return { verdict: "fault", why, detail: output.trim().slice(0, SHOWN_DETAIL) }
  }
  const verdict: unknown = typeof said === "object" && said !== null ? Reflect.get(said, "verdict") : undefined
  if (verdict === "refuse") {
    const refusal = judgeShape(Refuse, said)
    return refusal.ok ? refusal.value : misshapen(refusal.problems)
  }
  const parsed = judgeShape(passes[point], said)
  if (!parsed.ok) return misshapen(parsed.problems)
  // The schemas of `passes` have these fields, and at most one more, which is the change.
  const {
    verdict: _verdict,
    labels = [],
    ...change
  } = parsed.value as Record<string, unknown> & { labels?: LabelName[] }
  return { verdict: "pass", change, labels }
}

function misshapen(problems: Parameters<typeof describeProblems>[0]): HookAnswer {
  return { verdict: "fault", why: "its answer does not fit", detail: describeProblems(problems) }
}
