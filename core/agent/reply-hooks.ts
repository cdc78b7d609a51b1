/** The owner's hooks over the model's words: rewritten by `response.transform`, then passed or refused by `reply.out`, before anyone sees them. */
import { AppError, type ErrorBody } from "../errors.ts"
import type { LabelName } from "../event.ts"
import { hookRecord, type Hooks } from "../hooks.ts"
import { joinLabels, joinSources } from "../safety/labels.ts"
import type { ReplyGate, ReplySetting } from "../safety/reply.ts"
import type { Taint } from "./turn-calls.ts"
import type { TurnRun } from "./turn.ts"

export type Words = { ok: true; text: string; taint: Taint } | { ok: false; error: ErrorBody }

export function createReplyHooks({ hooks, reply }: { hooks: Hooks; reply: Pick<ReplyGate, "whole"> }) {
  /** While they have a say, nothing is shown as it arrives: neither words nor thoughts. */
  function hold(run: TurnRun): boolean {
    const where = { agentId: run.turn.agentId, channel: run.session.channel, tool: null }
    return hooks.covers("response.transform", where) || hooks.covers("reply.out", where)
  }

  /** What the model said in one step. What they made of it, and what they said, is kept with the run for its record. */
  async function passWords(
    run: TurnRun,
    said: string,
    { mayLink, ...taint }: Taint & Pick<ReplySetting, "mayLink">,
  ): Promise<Words> {
    if (said === "") return { ok: true, text: said, taint }
    /** What came from the model has passed the reply gate; what a hook made of it has not, nor with the labels that it added. */
    const gate = ({ ran, value, labels }: { ran: number; value: { text: string }; labels: LabelName[] }) =>
      ran === 0 ? value : { text: reply.whole(value.text, { labels, mayLink }) }
    const place = {
      agentId: run.turn.agentId,
      channel: run.session.channel,
      sessionId: run.session.id,
      turnId: run.turn.id,
      personId: run.turn.personId,
      signal: run.signal,
    }
    const transformed = await hooks.judge("response.transform", { ...place, ...taint, value: { text: said } })
    const judged =
      transformed.verdict === "pass"
        ? await hooks.judge("reply.out", { ...place, ...transformed, value: gate(transformed) })
        : transformed
    const { labels, source } = judged
    const ran = (transformed.verdict === "pass" ? transformed.ran : 0) + (judged.verdict === "pass" ? judged.ran : 0)
    const record = judged.verdict === "refuse" ? judged.record : hookRecord(ran)
    if (record !== null) {
      const before = run.hooked ?? { labels: [], source: "" }
      run.hooked = {
        labels: joinLabels([before.labels, labels]),
        source: joinSources([before.source, source]),
        record,
      }
    }
    if (judged.verdict === "pass") return { ok: true, text: gate(judged).text, taint: { labels, source } }
    const error = new AppError("hook.refused", `The owner's hooks refused this reply. ${judged.why}`)
    return { ok: false, error: error.toBody() }
  }

  return { hold, passWords }
}
