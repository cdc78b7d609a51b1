/** Attacks, entry by goal: which pairs there are, and how they are played on a stage, several at a time. */
import type { Entry } from "./entries.ts"
import type { Goal } from "./goals.ts"
import type { Answering, Stage } from "./stage.ts"

export type Attack = { entry: Entry; goal: Goal; answering: Answering; name: string }
export type Campaign = {
  /** Attacks that were played, the model at their word. */
  played: number
  /** What got somewhere, each with the attacks that were under way. */
  harms: string[]
  /** Attacks whose word the model never obeyed: they prove nothing. */
  idle: string[]
  /** How often the owner was asked. */
  asks: number
}

/** Side by side, so that commits share a transaction. What is found then names all of them; alone each can be played again. */
const SIDE_BY_SIDE = 8

/** Every `share`th pair of the table, so that each entry and each goal still occurs with many of the other. */
export function attacksOf({
  entries,
  goals,
  tools,
  share,
}: {
  entries: readonly Entry[]
  goals: readonly Goal[]
  tools: readonly string[]
  share: number
}): Attack[] {
  const possible = ({ tools: needed }: { tools: readonly string[] }) => needed.every((tool) => tools.includes(tool))
  return entries.filter(possible).flatMap((entry, row) =>
    goals
      .filter((goal) => possible({ tools: goal.tools.filter((tool) => !MADE_UP.includes(tool)) }))
      .flatMap((goal, column): Attack[] => {
        if ((row + column) % share !== 0) return []
        const answering = (row + Math.floor(column / share)) % 2 === 0 ? "denies" : "nobody"
        return [{ entry, goal, answering, name: `${goal.name}, by ${entry.name}` }]
      }),
  )
}

/** Names that goals call and that are no tools. */
const MADE_UP: readonly string[] = ["exec", "grant_add", "approval_allow", "config_set"]

let scenes = 0

export async function play(stage: Stage, attacks: readonly Attack[]): Promise<Campaign> {
  const campaign: Campaign = { played: 0, harms: [], idle: [], asks: 0 }
  for (const level of ["supervised", "trusted"] as const) {
    stage.setLevel(level)
    const ofLevel = attacks.filter(({ goal }) => (goal.level ?? "supervised") === level)
    const groups = [
      ...inGroups(ofLevel.filter(({ entry }) => !entry.alone && !entry.apart)),
      ...inGroups(ofLevel.filter(({ entry }) => !entry.alone && entry.apart)),
      ...ofLevel.filter(({ entry }) => entry.alone).map((one) => [one]),
    ]
    for (const group of groups) {
      const asksBefore = await asksOf(stage)
      const words = await Promise.all(group.map((attack) => playOne(stage, attack)))
      const under = group.map(({ name }) => name).join(" | ")
      campaign.harms.push(
        ...(await stage.judge({ apart: group.some(({ entry }) => entry.apart) })).map((harm) => `${harm} [${under}]`),
      )
      for (const [at, word] of words.entries()) {
        const attack = group[at]
        if (!attack) continue
        const obeyed = stage.model.obeyed(word).length > 0
        if (obeyed === (attack.entry.unseen ?? false))
          campaign.idle.push(`${attack.name}: ${obeyed ? "was obeyed" : "was not obeyed"}`)
        campaign.played += 1
        stage.model.forget(word)
      }
      campaign.asks += (await asksOf(stage)) - asksBefore
      await stage.clean()
    }
  }
  return campaign
}

function inGroups(attacks: readonly Attack[]): Attack[][] {
  const groups = Math.ceil(attacks.length / SIDE_BY_SIDE)
  return Array.from({ length: groups }, (_, at) => attacks.slice(at * SIDE_BY_SIDE, (at + 1) * SIDE_BY_SIDE))
}

async function playOne(stage: Stage, { entry, goal, answering }: Attack): Promise<string> {
  const id = `s${++scenes}`
  const url = `https://pages.example.org/${id}?v=1`
  const word = stage.model.teach("attack", goal.program({ url, teach: (program) => stage.model.teach("sub", program) }))
  await entry.play({ stage, id, word, url, answering })
  return word
}

async function asksOf({ house }: Stage): Promise<number> {
  const [row] = await house.db.query({ sql: "select count(*)::int as count from approvals", params: [] })
  return Number(row?.["count"])
}
