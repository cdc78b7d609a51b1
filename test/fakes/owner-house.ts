/** The core of the agent behind a real gateway, with terminals that a test holds: for what the owner changes and proves. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Clock } from "#core/clock.ts"
import { systemClock } from "#core/clock.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import { silentLog } from "#core/log.ts"
import { type HookChain, createHookChain } from "#core/hooks/chain.ts"
import { createHookDesk } from "#core/hooks/desk.ts"
import { noPluggedHooks, type PluggedHooks } from "#core/hooks/plugged.ts"
import { type HookStore, createHookStore } from "#core/hooks/store.ts"
import type { Egress } from "#core/safety/egress.ts"
import { createGrantChanges } from "#core/safety/grant-changes.ts"
import { createLockdown } from "#core/safety/lockdown.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import { createPresence, type ShownCode } from "#core/safety/presence.ts"
import type { TerminalVerdict } from "#core/safety/presence-terminal.ts"
import { createTokens } from "#core/safety/tokens.ts"
import { createClient } from "#gateway/client.ts"
import type { GatewayDeps } from "#gateway/deps.ts"
import { createGateway } from "#gateway/server.ts"
import { agentHouse } from "./agent-house.ts"
import { gatewayHouse, OWNER_TOKEN } from "./gateway.ts"

const noEgress: Pick<Egress, "fetchFor"> = {
  fetchFor() {
    throw new Error("No network here")
  },
}

/** The process that sits at a terminal in these tests; every other one has none. */
export const AT_TERMINAL = 4_242

export async function ownerHouse({
  clock = systemClock,
  hookEgress = noEgress,
  plugged = noPluggedHooks,
  given = {},
  ...agent
}: Parameters<typeof agentHouse>[0] & {
  clock?: Clock
  hookEgress?: Pick<Egress, "fetchFor">
  plugged?: PluggedHooks
  /** In place of a fake of the gateway's. */
  given?: Partial<GatewayDeps>
}) {
  const badSeals: string[] = []
  const seal = createAuthoritySeal({ key: () => new Uint8Array(32).fill(7) }) // the house's own
  let hookStore: HookStore | undefined
  let hooks: HookChain | undefined
  const house = await agentHouse({
    ...agent,
    async hooksFor({ db, writer }) {
      const told = {
        onBadSeal: (what: string) => badSeals.push(what),
        onFault: (error: unknown) => badSeals.push(String(error)),
      }
      hookStore = await createHookStore({ db, writer, clock: systemClock, seal, ...told })
      hooks = createHookChain({
        store: hookStore,
        plugged,
        egress: hookEgress,
        writer,
        clock,
        log: silentLog,
        redact: redactLeaks,
      })
      return hooks
    },
  })
  if (!hookStore || !hooks) throw new Error("The house asked for no hooks")
  const screen: string[] = []
  const stopped: string[] = []
  const judge = (pid: number): TerminalVerdict =>
    pid === AT_TERMINAL ? { verdict: "allow", path: "/dev/pts/9" } : { verdict: "refuse", why: "it has no terminal" }
  let ownPid = AT_TERMINAL
  const presence = createPresence({
    clock,
    terminals: {
      judge: (pid) => judge(pid === 0 ? ownPid : pid),
      write: (_path, text) => screen.push(text) > 0,
    },
    ownPid: 0,
  })
  const onBadSeal = (what: string) => void badSeals.push(what)
  const tokens = createTokens({ db: house.db, writer: house.writer, clock, seal, onBadSeal })
  const openLockdown = () =>
    createLockdown({
      db: house.db,
      writer: house.writer,
      clock: systemClock,
      seal,
      onBadSeal,
      async stop() {
        tokens.endAll()
        stopped.push("stop")
      },
      goOn: async () => void stopped.push("go on"),
      onFault: (error) => badSeals.push(String(error)),
    })
  const lockdown = await openLockdown()
  const { deps } = gatewayHouse({
    given: {
      sessions: house.sessions,
      agent: house.agent,
      bus: house.bus,
      approvals: house.approvals,
      grants: createGrantChanges({ grants: house.grants, writer: house.writer }),
      hooks: createHookDesk({ store: hookStore, plugged, chain: hooks, ownerId: house.ownerId }),
      noteRefusal: house.noteRefusal,
      tokens,
      findToken: tokens.find,
      presence,
      lockdown,
      ownerId: house.ownerId,
      agents: async () => ["main"],
      tools: () => (agent.tools ?? []).map(({ run: _run, ...card }) => card),
      ...given,
    },
  })
  const gateway = createGateway(deps)
  const folder = mkdtempSync(join(tmpdir(), "ironclaw-owner-"))
  const socket = join(folder, "s.sock")
  await gateway.listen({ socket })
  const { address } = await gateway.listen({ host: "127.0.0.1", port: 0 })

  return {
    ...house,
    tokens,
    presence,
    lockdown,
    hooks,
    hookStore,
    openLockdown,
    seal,
    badSeals,
    stopped,
    screen,
    address,
    /** Takes this process's own terminal away. */
    leaveTerminal: () => (ownPid = 1),
    /** As a command of the owner, over the Unix socket. */
    atSocket: createClient({ via: { socket }, clock: systemClock }),
    /** As code of this very process. */
    inProcess: createClient({ via: { handle: gateway.handle }, clock: systemClock }),
    overTcp: createClient({ via: { url: address, token: OWNER_TOKEN }, clock: systemClock }),
    codes: [] as ShownCode[],
    /** The code that stands on the terminal last. */
    lastCode(): string {
      const code = /Code: (\d{3}) (\d{3})/.exec(screen.at(-1) ?? "")
      return `${code?.[1] ?? "no"}${code?.[2] ?? "code"}`
    },
    audit: () =>
      house.db.query({
        sql: "select act, principal, subject, outcome from audit where act = 'owner.change' order by seq",
        params: [],
      }),
    async end() {
      await gateway.close()
      await hooks?.drain()
      await house.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
export type OwnerHouse = Awaited<ReturnType<typeof ownerHouse>>

/** Another code than this one. */
export function otherThan(code: string): string {
  return code === "000000" ? "000001" : "000000"
}
