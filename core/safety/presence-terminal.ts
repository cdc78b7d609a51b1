/** Which terminal a process sits at, and whether that is a person's: asked of the kernel, never of the process. */
import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, statSync, writeSync } from "node:fs"

/** What the kernel says of a process. */
export type ProcessFacts = {
  pid: number
  parent: number
  userId: number
  processGroup: number
  /** The group that the terminal's keys go to; -1 without a terminal. */
  foregroundGroup: number
  /** Number of the controlling terminal's device; 0 without one. */
  terminalDevice: number
  /** The program's file; null where it may not be seen, as of another user's process. */
  executable: string | null
}

/** Which processes are ironclaw itself: whatever descends from one of them is never the owner. */
export type OwnProcesses = {
  pid: number
  userId: number
  /** Other processes of ironclaw that are known: the holder of the home's lock. */
  others: readonly number[]
  /** Our own program's file, where that is ironclaw alone and no general runtime. */
  executable: string | null
}

export type TerminalVerdict = { verdict: "allow"; path: string } | { verdict: "refuse"; why: string }

/** Far above what any login has (a dozen); a chain that is longer is a loop or an attempt to tire us. */
const MAX_ANCESTORS = 256

/** Pure, so that tests can build any family tree. `facts` throws for a process that is not there or cannot be read. */
export function judgeTerminal(
  pid: number,
  { own, facts }: { own: OwnProcesses; facts: (pid: number) => ProcessFacts },
): TerminalVerdict {
  const refuse = (why: string): TerminalVerdict => ({ verdict: "refuse", why })
  try {
    const asking = facts(pid)
    if (asking.userId !== own.userId) return refuse("the process that asks belongs to another user")
    const path = terminalPath(asking.terminalDevice)
    if (path === null) return refuse("the process that asks has no terminal")
    if (asking.foregroundGroup !== asking.processGroup) return refuse("the process that asks is in the background")
    let { parent } = asking
    for (let steps = 0; parent > 0; steps++) {
      if (steps === MAX_ANCESTORS) return refuse("its family is too long to follow")
      if (parent === own.pid || own.others.includes(parent)) return refuse("ironclaw itself started it")
      const ancestor = facts(parent)
      if (own.executable !== null && ancestor.executable === own.executable)
        return refuse("another ironclaw started it")
      ;({ parent } = ancestor)
    }
    return { verdict: "allow", path }
  } catch {
    return refuse("the kernel does not say what it is") // gone meanwhile, or hidden from us: as good as a stranger
  }
}

/** Linux device numbers: 136 is a pseudo-terminal's slave side, 4 the consoles and, from 64 on, serial lines. */
export function terminalPath(device: number): string | null {
  const major = (device >> 8) & 0xfff
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00)
  if (major === 136) return `/dev/pts/${minor}`
  if (major === 4 && minor > 0) return minor < 64 ? `/dev/tty${minor}` : `/dev/ttyS${minor - 64}`
  return null
}

/** Reads /proc. Throws where the process is not there. */
export function linuxProcess(pid: number): ProcessFacts {
  const folder = `/proc/${pid}`
  const stat = readFileSync(`${folder}/stat`, "latin1")
  // The second field is a name in brackets that may itself hold brackets and spaces: what counts stands behind the last one.
  const [, parent, processGroup, , terminalDevice, foregroundGroup] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number)
  if (
    parent === undefined ||
    processGroup === undefined ||
    terminalDevice === undefined ||
    foregroundGroup === undefined ||
    !Number.isSafeInteger(parent)
  )
    throw new Error("An unknown form of /proc/pid/stat")
  return {
    pid,
    parent,
    userId: statSync(folder).uid,
    processGroup,
    foregroundGroup,
    terminalDevice,
    executable: executableOf(folder),
  }
}

function executableOf(folder: string): string | null {
  try {
    return readlinkSync(`${folder}/exe`)
  } catch {
    return null // another user's: the login above a shell is the system's
  }
}

/** Terminals as the presence gate uses them; tests hand in their own. */
export type Terminals = {
  judge(pid: number): TerminalVerdict
  /** Puts text on a terminal that was judged. False where it could not be shown whole. */
  write(path: string, text: string): boolean
}

export function systemTerminals(own: () => OwnProcesses): Terminals {
  return {
    judge: (pid) =>
      process.platform === "linux"
        ? judgeTerminal(pid, { own: own(), facts: linuxProcess })
        : judgeElsewhere(pid, own()),
    write: writeToTerminal,
  }
}

/** Without /proc only this very process can be looked at. */
function judgeElsewhere(pid: number, own: OwnProcesses): TerminalVerdict {
  const why = "this system does not say which terminal another process has"
  if (pid !== own.pid) return { verdict: "refuse", why }
  if (own.others.includes(process.ppid)) return { verdict: "refuse", why: "ironclaw itself started it" }
  return process.stdin.isTTY
    ? { verdict: "allow", path: "/dev/tty" }
    : { verdict: "refuse", why: "the process that asks has no terminal" }
}

function writeToTerminal(path: string, text: string): boolean {
  let file: number
  try {
    // Not blocking: a terminal that was stopped (Ctrl-S) must not stop the service. NOCTTY: it stays theirs.
    file = openSync(path, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK)
  } catch {
    return false
  }
  try {
    const bytes = Buffer.from(text)
    return fstatSync(file).isCharacterDevice() && writeSync(file, bytes) === bytes.length
  } catch {
    return false
  } finally {
    closeSync(file)
  }
}
