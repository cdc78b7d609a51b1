/** A house in which one of the plugins that come with the program is installed and granted, and what its tools say. */
import { join } from "node:path"
import { destinationOf } from "#core/safety/grants.ts"
import { type PluginHouse, pluginHouse } from "./plugin-house.ts"
import { until } from "./until.ts"

type Options = Parameters<typeof pluginHouse>[0]

export type Told = { state: string; text: string; labels: unknown; principal: string }
export type BundledHouse = PluginHouse & {
  /** Calls a tool as the model does, and gives what the model is told of it. Throws where the owner is asked instead. */
  told(tool: string, args?: Record<string, unknown>): Promise<Told>
  /** The same, of a call that has to be done and answers with JSON. */
  data(tool: string, args?: Record<string, unknown>): Promise<Record<string, unknown>>
  /** The same, of a call that has to fail: why. */
  failure(tool: string, args?: Record<string, unknown>): Promise<string>
  /** The same, of a call that the owner is asked about because it carries a secret, and allows. */
  failureThoughAllowed(tool: string, args?: Record<string, unknown>): Promise<string>
  /** Lets a tool that sends run without asking, unless said otherwise also where text from outside had a hand in it. */
  allow(tool: string, how?: { evenUntrusted: boolean }): Promise<void>
  /** As if an hour had gone by since the last request. */
  rest(): Promise<void>
}

export async function bundledHouse(name: string, options: Options = {}): Promise<BundledHouse> {
  const at = await pluginHouse(options)
  await at.install(join(import.meta.dir, "../../sandbox/tools", name))
  const { sha256 } = await at.grant(name)

  async function told(tool: string, args: Record<string, unknown> = {}): Promise<Told> {
    const { told: row, outcome } = await at.call(tool, args)
    if (!row) throw new Error(`${tool} was not run: ${JSON.stringify(outcome)}`)
    return row
  }

  return {
    ...at,
    told,
    async data(tool, args) {
      const { state, text } = await told(tool, args)
      if (state !== "done") throw new Error(`${tool} ${state}: ${text}`)
      return JSON.parse(text)
    },
    async failure(tool, args) {
      const { state, text } = await told(tool, args)
      if (state !== "failed") throw new Error(`${tool} ${state}: ${text}`)
      return text
    },
    async failureThoughAllowed(tool, args) {
      const { outcome } = await at.call(tool, args)
      if (!outcome?.approval?.question.includes("looks like a secret"))
        throw new Error(`${tool}: nobody was asked about a secret: ${JSON.stringify(outcome)}`)
      await at.approvals.answer(outcome.approval.id, { answer: "allow", how: "once" })
      const ended = await until(`${tool} ends`, async () => {
        const [row] = await at.db.query({
          // The whole turn: what is left of it would take the model's next answer.
          sql: `select c.state, m.text from calls c join messages m on m.call_id = c.id join turns t on t.id = c.turn_id
            where t.id = $1 and t.state = 'finished' order by c.id desc limit 1`,
          params: [outcome.turnId],
        })
        return row
      })
      if (ended["state"] !== "failed") throw new Error(`${tool} ${String(ended["state"])}: ${String(ended["text"])}`)
      return String(ended["text"])
    },
    async rest() {
      await at.db.query({ sql: "delete from plugin_rates", params: [] })
    },
    async allow(tool, { evenUntrusted } = { evenUntrusted: true }) {
      const card = at.registry.registry.find(tool)
      if (!card) throw new Error(`There is no ${tool}`)
      const { statement } = at.grants.add({
        agentId: "main",
        principal: `plugin:${name}@${sha256}`,
        tool,
        destination: destinationOf(card.needs({})),
        evenUntrusted,
        sessionId: null,
        expiresAt: null,
      })
      await at.writer.commit({ statements: [statement] })
    },
  }
}
