/**
 * Question: may this process make this system call?
 * Fails closed by: a list of what is allowed; every other number, every other machine's numbers, and every argument that is not the one
 * expected are answered with EPERM.
 * Known limits: it judges numbers, not what pointers point to, so nothing is allowed whose danger is behind a pointer.
 * Source: linux/seccomp.h, linux/filter.h, linux/audit.h, sched.h; seccomp(2).
 */
import { syscallNumbers } from "./syscall-numbers.ts"
import { allowedSyscalls, type Machine, type SyscallName, UNKNOWN_SYSCALL } from "./syscalls.ts"

/** linux/audit.h: the machine's ELF number, 64 bits, little-endian. */
const AUDIT_ARCH: Readonly<Record<Machine, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 }
/** Numbers from here are x32's, other calls under the same machine. */
const X32_BIT = 0x4000_0000

/** struct seccomp_data: number, machine, instruction pointer, six arguments of 64 bits. */
const NUMBER_AT = 0
const MACHINE_AT = 4
const ARGUMENTS_AT = 16

/** Classic BPF: load a word, jump if equal, if at least, if any bit is set, return. */
const LOAD = 0x20
const JUMP_EQUAL = 0x15
const JUMP_AT_LEAST = 0x35
const JUMP_SET = 0x45
const RETURN = 0x06

const ALLOW = 0x7fff_0000
const ERROR = 0x0005_0000
const EPERM = 1
const ENOSYS = 38

const CLONE_VM = 0x100
const CLONE_THREAD = 0x1_0000
/** Namespaces, in clone's flags. */
const CLONE_NEW = 0x7e02_0000
const PR_SET_NAME = 15
const F_GETFD = 1
const F_GETFL = 3

export type FilterInstruction = { code: number; jt: number; jf: number; k: number }

const load = (k: number): FilterInstruction => ({ code: LOAD, jt: 0, jf: 0, k })
const give = (k: number): FilterInstruction => ({ code: RETURN, jt: 0, jf: 0, k })
const jump = (code: number, k: number, { yes, no }: { yes: number; no: number }): FilterInstruction => ({
  code,
  jt: yes,
  jf: no,
  k,
})
const argument = (index: number) => load(ARGUMENTS_AT + index * 8)
const argumentHigh = (index: number) => load(ARGUMENTS_AT + index * 8 + 4)

/** The filter of one machine for the process `pid`, which may signal and limit itself alone. */
export function createFilter(machine: Machine, pid: number): FilterInstruction[] {
  const denied = give(ERROR | EPERM)
  /** `then` runs where the number is this one, and must return; elsewhere the next rule is asked. */
  const on = (name: SyscallName, then: FilterInstruction[]): FilterInstruction[] => {
    const number = syscallNumbers[machine][name]
    return number === null ? [] : [jump(JUMP_EQUAL, number, { yes: 0, no: then.length }), ...then]
  }
  const allow = [give(ALLOW)]
  /** One of these values, all 64 bits of it. */
  const among = (index: number, values: readonly number[]): FilterInstruction[] => [
    argumentHigh(index),
    jump(JUMP_EQUAL, 0, { yes: 0, no: values.length * 2 + 1 }),
    argument(index),
    ...values.flatMap((value) => [jump(JUMP_EQUAL, value, { yes: 0, no: 1 }), give(ALLOW)]),
    denied,
  ]
  return [
    load(MACHINE_AT),
    jump(JUMP_EQUAL, AUDIT_ARCH[machine], { yes: 1, no: 0 }),
    denied,
    load(NUMBER_AT),
    jump(JUMP_AT_LEAST, X32_BIT, { yes: 0, no: 1 }),
    denied,
    ...allowedSyscalls.flatMap((name) => on(name, allow)),
    // A thread of this process, and nothing that is a process or a namespace of its own.
    ...on("clone", [
      argument(0),
      jump(JUMP_SET, CLONE_THREAD, { yes: 0, no: 4 }),
      jump(JUMP_SET, CLONE_VM, { yes: 0, no: 3 }),
      jump(JUMP_SET, CLONE_NEW, { yes: 2, no: 0 }),
      give(ALLOW),
      denied,
      denied,
    ]),
    ...on("tgkill", among(0, [pid])),
    ...on("prlimit64", among(0, [0, pid])),
    ...on("prctl", among(0, [PR_SET_NAME])),
    ...on("fcntl", among(1, [F_GETFD, F_GETFL])),
    ...on(UNKNOWN_SYSCALL, [give(ERROR | ENOSYS)]),
    denied,
  ]
}

/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k. */
const INSTRUCTION_BYTES = 8

export function encodeFilter(filter: readonly FilterInstruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(filter.length * INSTRUCTION_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [index, { code, jt, jf, k }] of filter.entries()) {
    const from = index * INSTRUCTION_BYTES
    view.setUint16(from, code, true)
    view.setUint8(from + 2, jt)
    view.setUint8(from + 3, jf)
    view.setUint32(from + 4, k, true)
  }
  return bytes
}
