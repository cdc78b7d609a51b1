/**
 * Which child serves whom: one plugin version and one call at a time in each, some kept warm, the least recently used ended first, and
 * whoever finds none free waits for its turn.
 */
import type { Cancel, Clock } from "#core/clock.ts"
import { type Child, ChildFault, type ChildKind } from "./child-process.ts"

/** Calls of one plugin that run at once; more wait. */
export const MAX_PER_PLUGIN = 4
export const MAX_CHILDREN = 16
/** Of those, in calls of plugins: the rest is for parsers and hooks, which a call of a plugin may wait for, and which wait for nobody. */
export const MAX_FOR_PLUGINS = 14
/** Started, locked, and no one's yet. */
const WARM = 2
/** An idle child holds some 10 MB of its own. */
const IDLE_MS = 60_000

/** Whose child it is: the plugin, and the exact code and caps that it was loaded with. One that runs its hook runs nothing else. */
export type Owner = { pluginId: string; version: string; isHook?: boolean }
export type Slot = {
  child: Child
  owner: Owner | null
  state: "warm" | "busy" | "idle"
  calls: number
  usedAtMs: number
  /** Ends with the call that it serves. */
  isRetired: boolean
}

/** There is no child for whoever may not wait for one. */
export class NoneFree extends Error {}

/**
 * `isNested`: for a call that another child's call waits for. Were it to wait for a child, all children could wait for one another: it gets
 * one now, or NoneFree.
 */
export type Want = { owner: Owner; kind: ChildKind; signal: AbortSignal; isNested: boolean }

export type PoolDeps = {
  clock: Clock
  /** A child that said it is ready, its engine in it. */
  start(kind: ChildKind): Promise<Child>
}

export type Pool = {
  /** Waits for a child of this owner; `isFresh` where nothing is loaded into it. Rejects when the signal aborts, or none can be started. */
  acquire(want: Want): Promise<{ slot: Slot; isFresh: boolean }>
  release(slot: Slot): void
  warm(kind: ChildKind): Promise<void>
  retire(which: (owner: Owner) => boolean, how: { drain: boolean }): Promise<void>
  close(): Promise<void>
  slots(): readonly Slot[]
  waiting(): number
}

type Waiter = Want & {
  /** Told no while its child is on its way. */
  isGone: boolean
  resolve(got: { slot: Slot; isFresh: boolean }): void
  reject(error: unknown): void
}

const stopped = () => new ChildFault("cancelled", "It was stopped")

export function createPool({ clock, start }: PoolDeps): Pool {
  let slots: Slot[] = []
  let waiters: Waiter[] = []
  /** Those whose child is on its way. */
  const expecting = new Set<Waiter>()
  /** Whose the children are that are on their way; null: to be warm. They count as if they were there. */
  let starting: { owner: Owner | null; kind: ChildKind }[] = []
  let isClosed = false
  let cancelReap: Cancel | null = null
  /** Kinds that were asked for since everything was idle: what the warm ones should be. */
  const active = new Set<ChildKind>()

  const isUsable = (slot: Slot) => slot.child.isAlive() && !slot.isRetired
  const isSame = (one: Owner | null, other: Owner) =>
    one?.pluginId === other.pluginId && (one.isHook ?? false) === (other.isHook ?? false)

  function drop(slot: Slot): void {
    slots = slots.filter((other) => other !== slot)
    slot.child.kill()
  }

  /** The child that this one may have now: its own, a warm one, or room for a new one, made where it must be. */
  function place({ owner, kind }: Waiter): { slot: Slot; isFresh: boolean } | "start" | "wait" {
    slots = slots.filter((slot) => slot.state === "busy" || slot.child.isAlive())
    const mine = slots.filter((slot) => isSame(slot.owner, owner))
    if (isBounded(owner, kind) && busyWithPlugins() >= MAX_FOR_PLUGINS) return "wait"
    const idle = mine.find((slot) => slot.state === "idle" && isUsable(slot) && slot.owner?.version === owner.version)
    if (idle) return { slot: take(idle, owner), isFresh: false }
    const coming = starting.filter((other) => isSame(other.owner, owner)).length
    if (mine.length + coming >= MAX_PER_PLUGIN) {
      const old = mine.find((slot) => slot.state === "idle")
      if (!old) return "wait"
      drop(old)
    }
    const warm = slots.find((slot) => slot.state === "warm" && slot.child.kind === kind)
    if (warm) return { slot: take(warm, owner), isFresh: true }
    if (slots.length + starting.length < MAX_CHILDREN) return "start"
    const spare = leastRecent()
    if (!spare) return "wait"
    drop(spare)
    return "start"
  }

  function busyWithPlugins(): number {
    const busy = slots.filter(({ state, child, owner }) => state === "busy" && isBounded(owner, child.kind)).length
    return busy + starting.filter(({ owner, kind }) => owner !== null && isBounded(owner, kind)).length
  }

  function isBounded(owner: Owner | null, kind: ChildKind): boolean {
    return kind !== "parser" && owner?.isHook !== true
  }

  /** Warm ones of the other kind first, then who was idle longest. */
  function leastRecent(): Slot | undefined {
    const free = slots.filter(({ state }) => state === "warm" || state === "idle")
    return free.toSorted(
      (a, b) => Number(a.state === "idle") - Number(b.state === "idle") || a.usedAtMs - b.usedAtMs,
    )[0]
  }

  function take(slot: Slot, owner: Owner): Slot {
    slot.owner = owner
    slot.state = "busy"
    slot.calls++
    return slot
  }

  async function startFor(waiter: Waiter): Promise<void> {
    expecting.add(waiter)
    const slot = await startSlot(waiter.kind, waiter.owner).catch((error: unknown) => {
      waiter.reject(error)
      return null
    })
    expecting.delete(waiter)
    if (!slot) return serve()
    if (!waiter.signal.aborted && !waiter.isGone) return waiter.resolve({ slot, isFresh: true })
    // Nothing was loaded into it: it is nobody's, or the next call of this plugin would find it empty.
    slot.isRetired = true
    release(slot)
  }

  async function startSlot(kind: ChildKind, owner: Owner | null): Promise<Slot> {
    const one = { owner, kind }
    starting = [...starting, one]
    try {
      const child = await start(kind)
      if (isClosed) {
        child.kill()
        throw stopped()
      }
      const slot: Slot = {
        child,
        owner,
        state: owner ? "busy" : "warm",
        calls: owner ? 1 : 0,
        usedAtMs: clock.monotonicMs(),
        isRetired: false,
      }
      slots.push(slot)
      return slot
    } finally {
      starting = starting.filter((other) => other !== one)
    }
  }

  function serve(): void {
    const still: Waiter[] = []
    const waited = waiters
    waiters = []
    for (const waiter of waited) {
      if (waiter.signal.aborted) continue
      const got = place(waiter)
      if (got === "wait" && waiter.isNested)
        waiter.reject(new NoneFree("Every place for plugins is taken, and a call inside of another waits for none"))
      else if (got === "wait") still.push(waiter)
      else if (got === "start") void startFor(waiter)
      else waiter.resolve(got)
    }
    waiters = [...still, ...waiters]
    cancelReap ??= clock.after(IDLE_MS / 2, reap)
  }

  function reap(): void {
    cancelReap = null
    const now = clock.monotonicMs()
    const isInUse = slots.some(
      ({ state, usedAtMs }) => state === "busy" || (state === "idle" && now - usedAtMs < IDLE_MS),
    )
    if (!isInUse) active.clear()
    for (const slot of slots) {
      if (slot.state === "busy") continue
      if (!slot.child.isAlive() || (slot.state === "idle" ? now - slot.usedAtMs >= IDLE_MS : !isInUse)) drop(slot)
    }
    if (slots.length > 0) cancelReap = clock.after(IDLE_MS / 2, reap)
  }

  /** Behind the call that took one, so that this call does not share the processor with the start of the next one's child. */
  function refill(): void {
    for (const kind of active) {
      const there = slots.filter((slot) => slot.state === "warm" && slot.child.kind === kind).length
      const wanted = Math.ceil(WARM / active.size)
      if (
        there < wanted &&
        !starting.some(({ owner }) => owner === null) &&
        slots.length + starting.length < MAX_CHILDREN &&
        !isClosed
      )
        // What cannot be started now is told to the next call that needs it.
        void startSlot(kind, null).then(refill, () => {})
    }
  }

  function release(slot: Slot): void {
    slot.usedAtMs = clock.monotonicMs()
    slot.state = "idle"
    if (!isUsable(slot)) drop(slot)
    serve()
    refill()
  }

  return {
    acquire({ owner, kind, signal, isNested }) {
      // A parser is kept while it is used, and none is made ahead: its first caller waits for it.
      if (kind !== "parser") active.add(kind)
      return new Promise((resolve, reject) => {
        if (isClosed) return reject(stopped())
        const onAbort = () => reject(signal.reason)
        signal.addEventListener("abort", onAbort, { once: true })
        const heard = () => signal.removeEventListener("abort", onAbort)
        const waiter: Waiter = {
          owner,
          kind,
          signal,
          isNested,
          isGone: false,
          resolve(got) {
            heard()
            resolve(got)
          },
          reject(error) {
            heard()
            reject(error)
          },
        }
        waiters.push(waiter)
        serve()
      })
    },
    release,
    async warm(kind) {
      active.add(kind)
      if (!slots.some((slot) => slot.state === "warm" && slot.child.kind === kind)) await startSlot(kind, null)
      cancelReap ??= clock.after(IDLE_MS / 2, reap)
    },
    async retire(which, { drain }) {
      const gone = slots.filter(({ owner }) => owner !== null && which(owner))
      for (const slot of gone) {
        slot.isRetired = true
        if (!drain || slot.state !== "busy") drop(slot)
      }
      // Who has no child yet gets none, or its code would run after it was stopped.
      for (const waiter of drain ? [] : [...waiters, ...expecting].filter(({ owner }) => which(owner))) {
        waiter.isGone = true
        waiter.reject(stopped())
      }
      waiters = waiters.filter(({ isGone }) => !isGone)
      await Promise.all(gone.map(({ child }) => child.exited))
    },
    async close() {
      isClosed = true
      cancelReap?.()
      for (const { reject } of waiters) reject(stopped())
      waiters = []
      const gone = slots
      for (const slot of gone) drop(slot)
      await Promise.all(gone.map(({ child }) => child.exited))
    },
    slots: () => slots,
    waiting: () => waiters.length,
  }
}
