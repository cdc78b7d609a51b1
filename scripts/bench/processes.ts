/** What a process and all that it started use, as Linux counts it. */
import { readdirSync, readFileSync } from "node:fs"

const CLOCK_TICKS_PER_SECOND = 100 // sysconf(_SC_CLK_TCK), 100 on every Linux that we know of

/** The process and its descendants. */
export function familyOf(pid: number): number[] {
  const childrenOf = new Map<number, number[]>()
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue
    const parent = statOf(Number(name))?.parent
    if (parent !== undefined) childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)])
  }
  const family = [pid]
  for (const member of family) family.push(...(childrenOf.get(member) ?? []))
  return family
}

/** MiB in memory, pages that are shared with others counted by share. */
export function pssMib(pid: number): number {
  return familyOf(pid).reduce((sum, member) => sum + ownPssKib(member), 0) / 1024
}

/** Seconds of processor time so far. */
export function cpuSeconds(pid: number): number {
  return familyOf(pid).reduce((sum, member) => sum + (statOf(member)?.ticks ?? 0), 0) / CLOCK_TICKS_PER_SECOND
}

function ownPssKib(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0)
  } catch {
    return 0 // it ended in between
  }
}

function statOf(pid: number): { parent: number; ticks: number } | null {
  try {
    // After the name in parentheses, which may hold anything: state, parent, …, utime and stime as fields 14 and 15 of the whole line.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ")
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return null // it ended in between
  }
}
