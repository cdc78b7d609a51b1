/**
 * Question: can this process still do anything but compute?
 * Fails closed by: after each part of the lock is on, the lock tries what it forbids; what still works is reported as missing, and the
 * parent tells the owner.
 * Known limits: Linux alone, on x86-64 (proved with glibc) and arm64; elsewhere a process of its own, fuel and a deadline are all there is.
 * Memory is bounded by the engines and the parent: the runtime reserves more address space than any limit would allow.
 * Source: prctl(2), seccomp(2), setrlimit(2); what the runtime survives was measured, 2026-11.
 */
import { ptr } from "bun:ffi"
import { readdirSync, readlinkSync } from "node:fs"
import { type Libc, openLibc } from "./libc.ts"
import type { Ready } from "./messages.ts"
import { createFilter, encodeFilter } from "./seccomp-filter.ts"
import { syscallNumbers } from "./syscall-numbers.ts"
import type { Machine } from "./syscalls.ts"

/** linux/prctl.h, linux/seccomp.h, asm-generic/resource.h, linux/fcntl.h, linux/socket.h */
const PR_SET_PDEATHSIG = 1
const PR_SET_DUMPABLE = 4
const PR_SET_NO_NEW_PRIVS = 38
const SIGKILL = 9
const SECCOMP_SET_MODE_FILTER = 1
const SECCOMP_FILTER_FLAG_TSYNC = 1
const RLIMIT_FSIZE = 1
const RLIMIT_CORE = 4
const RLIMIT_NOFILE = 7
const AT_FDCWD = -100
const AF_INET = 2
const SOCK_STREAM = 1

/** What the runtime itself keeps open to wait on; they lead nowhere. */
const harmless = /^anon_inode:/
const LAST_STANDARD = 2

/** Locks the whole process, with all of its threads, and says what came of it. */
export function lockChild(): Ready {
  if (process.platform !== "linux") return { parts: [], missing: [`no lock is made for ${process.platform}`] }
  if (process.arch !== "x64" && process.arch !== "arm64")
    return { parts: [], missing: [`no lock is made for ${process.arch}`] }
  const libc = openLibc()
  if (!libc) return { parts: [], missing: ["the C library was not found"] }
  return lockWith(libc, process.arch)
}

function lockWith(libc: Libc, machine: Machine): Ready {
  const call = syscallNumbers[machine]
  const parts: string[] = []
  const missing: string[] = []
  const note = (part: string, isOn: boolean) => void (isOn ? parts : missing).push(part)

  const parent = libc.syscall(call.getppid)
  note("ends with its parent", libc.syscall(call.prctl, PR_SET_PDEATHSIG, SIGKILL) === 0)
  // A parent that ended before is not told of any more.
  if (libc.syscall(call.getppid) !== parent) process.exit(1)
  note("memory closed to others", libc.syscall(call.prctl, PR_SET_DUMPABLE, 0) === 0)
  note(
    "no open files",
    closeFiles((descriptor) => libc.syscall(call.close, descriptor)),
  )
  note(
    "limits",
    [RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CORE].every((limit) => {
      const none = new BigUint64Array(2)
      return libc.syscall(call.prlimit64, 0, limit, ptr(none), 0) === 0
    }),
  )
  const isBound = libc.syscall(call.prctl, PR_SET_NO_NEW_PRIVS, 1) === 0
  note("no new privileges", isBound)
  note("system calls", isBound && filterCalls(libc, machine) && isFiltered(libc, machine))
  return { parts, missing }
}

function closeFiles(close: (descriptor: number) => number): boolean {
  try {
    for (const name of readdirSync("/proc/self/fd")) {
      const descriptor = Number(name)
      if (descriptor > LAST_STANDARD && !harmless.test(targetOf(name))) close(descriptor)
    }
    return true
  } catch {
    // No /proc: nobody knows what is open.
    return false
  }
}

function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    // The folder itself was listed by one that is closed by now.
    return "anon_inode:"
  }
}

function filterCalls(libc: Libc, machine: Machine): boolean {
  const filter = encodeFilter(createFilter(machine, process.pid))
  // struct sock_fprog: u16 length, padding, pointer.
  const program = new DataView(new ArrayBuffer(16))
  program.setUint16(0, filter.length / 8, true)
  program.setBigUint64(8, BigInt(ptr(filter)), true)
  const at = ptr(new Uint8Array(program.buffer))
  return libc.syscall(syscallNumbers[machine].seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, at) === 0
}

/** Tries it, by calls that hurt nobody where they work. */
function isFiltered(libc: Libc, machine: Machine): boolean {
  const call = syscallNumbers[machine]
  const root = ptr(new Uint8Array([0x2f, 0]))
  return (
    libc.syscall(call.openat, AT_FDCWD, root, 0) === -1 &&
    libc.syscall(call.socket, AF_INET, SOCK_STREAM, 0) === -1 &&
    // Signal 0 asks whether the parent could be signalled: it always could.
    libc.syscall(call.kill, libc.syscall(call.getppid), 0) === -1
  )
}
