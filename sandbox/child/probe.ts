/**
 * Acts that the lock forbids, tried from inside a child: the same ones in one that locked itself and in one that did not, since a refusal
 * proves something only where the act works without the lock. Run by `lock-proof.ts`, never with foreign code.
 */
import { ptr } from "bun:ffi"
import { writeFileSync, writeSync } from "node:fs"
import { type Libc, openLibc } from "./libc.ts"
import { syscallNumbers } from "./syscall-numbers.ts"
import type { Machine } from "./syscalls.ts"

/** What the acts are aimed at; made by the parent. */
export type ProbeTargets = {
  /** Exists; its content is `secret`. */
  file: string
  /** Does not exist yet. */
  newFile: string
  /** Made by a program that an exec starts. */
  execMark: string
  execArgv: string[]
  secret: string
  /** Two processes of the same user, with `secret` in memory and in their environment; the first listens. */
  victims: { pid: number; port: number; address: string }[]
}

export const acts = [
  "connect",
  "listen",
  "open",
  "create",
  "memory file",
  "io_uring",
  "namespace",
  "fork",
  "limits of another",
  "memory of another",
  "environment of another",
  "trace another",
  "kill another",
  "signal another's thread",
  "exec",
] as const
export type Act = (typeof acts)[number]

const AT_FDCWD = -100
const O_CREATE_AND_WRITE = 0o101
const AF_INET = 2
const SOCK_STREAM = 1
const ADDRESS_BYTES = 16
const RING_PARAMETERS_BYTES = 120
const CLONE_NEWUTS = 0x0400_0000
const SIGCHLD = 17
const SIGKILL = 9
const RLIMIT_CORE = 4
const PTRACE_SEIZE = 0x4206
const STANDARD_OUTPUT = 1

type Kernel = { libc: Libc; call: (typeof syscallNumbers)[Machine] }

/** A sockaddr_in of loopback. */
function loopback(port: number): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_INET, true)
  view.setUint16(2, port)
  bytes.set([127, 0, 0, 1], 4)
  return bytes
}

const cString = (text: string) => new TextEncoder().encode(`${text}\0`)

/** Pointers of a list, and a null at its end. The texts must outlive the call: they are given too. */
function pointers(texts: readonly Uint8Array[]): BigUint64Array {
  return BigUint64Array.from([...texts.map((text) => BigInt(ptr(text))), 0n])
}

/** One act: true where it worked. */
function attempt(act: Act, { libc, call }: Kernel, targets: ProbeTargets): boolean {
  const [first, second] = targets.victims
  if (!first || !second) return false
  const readFrom = (path: string): string => {
    const bytes = new Uint8Array(65_536)
    const descriptor = libc.syscall(call.openat, AT_FDCWD, ptr(cString(path)), 0)
    const got = descriptor < 0 ? 0 : libc.syscall(call.read, descriptor, ptr(bytes), bytes.length)
    return new TextDecoder().decode(bytes.subarray(0, Math.max(0, got)))
  }
  switch (act) {
    case "connect": {
      const socket = libc.syscall(call.socket, AF_INET, SOCK_STREAM, 0)
      return libc.syscall(call.connect, socket, ptr(loopback(first.port)), ADDRESS_BYTES) === 0
    }
    case "listen": {
      const socket = libc.syscall(call.socket, AF_INET, SOCK_STREAM, 0)
      const isBound = libc.syscall(call.bind, socket, ptr(loopback(0)), ADDRESS_BYTES) === 0
      return isBound && libc.syscall(call.listen, socket, 1) === 0
    }
    case "open":
      return readFrom(targets.file).includes(targets.secret)
    case "create":
      return libc.syscall(call.openat, AT_FDCWD, ptr(cString(targets.newFile)), O_CREATE_AND_WRITE, 0o600) >= 0
    case "memory file":
      return libc.syscall(call.memfd_create, ptr(cString("probe")), 0) >= 0
    case "io_uring":
      return libc.syscall(call.io_uring_setup, 1, ptr(new Uint8Array(RING_PARAMETERS_BYTES))) >= 0
    case "namespace":
      return libc.syscall(call.unshare, CLONE_NEWUTS) === 0
    case "fork": {
      // With SIGCHLD alone it is fork.
      const pid = libc.syscall(call.clone, SIGCHLD, 0, 0, 0, 0)
      if (pid === 0) libc.syscall(call.exit_group, 0)
      return pid > 0
    }
    case "limits of another":
      return libc.syscall(call.prlimit64, first.pid, RLIMIT_CORE, 0, ptr(new BigUint64Array(2))) === 0
    case "memory of another": {
      const got = cString(targets.secret.replaceAll(/./g, " "))
      const local = BigUint64Array.from([BigInt(ptr(got)), BigInt(targets.secret.length)])
      const remote = BigUint64Array.from([BigInt(first.address), BigInt(targets.secret.length)])
      libc.syscall(call.process_vm_readv, first.pid, ptr(local), 1, ptr(remote), 1, 0)
      return new TextDecoder().decode(got).startsWith(targets.secret)
    }
    case "environment of another":
      return readFrom(`/proc/${first.pid}/environ`).includes(targets.secret)
    case "trace another":
      return libc.syscall(call.ptrace, PTRACE_SEIZE, second.pid, 0, 0) === 0
    case "kill another":
      return libc.syscall(call.kill, first.pid, SIGKILL) === 0
    case "signal another's thread":
      return libc.syscall(call.tgkill, second.pid, second.pid, SIGKILL) === 0
    case "exec": {
      const texts = [...targets.execArgv, "--mark", targets.execMark].map(cString)
      const [program] = texts
      // Where it works there is nobody left to say so: the mark does.
      if (program) libc.syscall(call.execve, ptr(program), ptr(pointers(texts)), ptr(pointers([])))
      return false
    }
  }
}

function kernelHere(): Kernel {
  const libc = openLibc()
  if (!libc || (process.arch !== "x64" && process.arch !== "arm64")) throw new Error("There is no lock to prove here")
  return { libc, call: syscallNumbers[process.arch] }
}

function say(value: unknown): void {
  writeSync(STANDARD_OUTPUT, `${JSON.stringify(value)}\n`)
}

/** Found before the lock is on, which would not let it be found. */
export function prepareProbe(targets: ProbeTargets): () => void {
  const kernel = kernelHere()
  return () => {
    for (const act of acts) say({ act, worked: attempt(act, kernel, targets) })
  }
}

/** The program that an exec starts. */
export function leaveMark(path: string): void {
  writeFileSync(path, "")
}

/** A process to be hurt: says where it listens and where its secret lies. */
export function beVictim(about: string): Uint8Array {
  const { libc, call } = kernelHere()
  const secret = cString(about)
  const socket = libc.syscall(call.socket, AF_INET, SOCK_STREAM, 0)
  const address = loopback(0)
  libc.syscall(call.bind, socket, ptr(address), ADDRESS_BYTES)
  libc.syscall(call.listen, socket, 8)
  libc.syscall(call.getsockname, socket, ptr(address), ptr(Uint32Array.from([ADDRESS_BYTES])))
  say({ port: new DataView(address.buffer).getUint16(2), address: String(ptr(secret)) })
  return secret
}
