/** A house in which one of the plugins that come with the program is installed and granted, and what its tools say. */
import { join } from "node:path"
import { destinationOf } from "#core/safety/grants.ts"
import { type PluginHouse, pluginHouse } from "./plugin-house.ts"

type Options = Parameters<typeof pluginHouse>[0]

export type Told = { state: string; text: string; labels: unknown; principal: string }
export type BundledHouse = PluginHouse & {
  /** Calls a tool as the model does, and gives what the model is told of it. Throws where the owner is asked instead. */
  told(tool: string, args?: Record<string, unknown>): Promise<Told>
  /** The same, of a call that has to be done and answers with JSON. */
  data(tool: string, args?: Record<string, unknown>): Promise<Record<string, unknown>>
  /** The same, of a call that has to fail: why. */
  failure(tool: string, args?: Record<string, unknown>): Promise<string>
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
