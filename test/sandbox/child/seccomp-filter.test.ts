import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { createFilter, encodeFilter, type FilterInstruction } from "#sandbox/child/seccomp-filter.ts"
import { syscallNumbers } from "#sandbox/child/syscall-numbers.ts"
import type { Machine } from "#sandbox/child/syscalls.ts"
import { headersHere, numbersIn } from "#scripts/syscalls.ts"

const ALLOW = 0x7fff_0000
const EPERM = 0x0005_0001
const ENOSYS = 0x0005_0026
const PID = 4_242
const audit: Record<Machine, number> = { x64: 0xc000_003e, arm64: 0xc000_00b7 }

/** What the kernel would do: classic BPF over struct seccomp_data. */
function judge(
  filter: readonly FilterInstruction[],
  { nr, arch, args = [] }: { nr: number; arch: number; args?: number[] },
): number {
  const data = new DataView(new ArrayBuffer(64))
  data.setUint32(0, nr, true)
  data.setUint32(4, arch, true)
  for (const [index, value] of args.entries())
    data.setBigUint64(16 + index * 8, BigInt.asUintN(64, BigInt(value)), true)
  let word = 0
  for (let at = 0; ; at++) {
    const step = filter[at]
    if (!step) throw new Error("The filter ends without an answer")
    const { code, jt, jf, k } = step
    if (code === 0x06) return k
    if (code === 0x20) word = data.getUint32(k, true)
    else if (code === 0x15) at += word === k ? jt : jf
    else if (code === 0x35) at += word >= k ? jt : jf
    else if (code === 0x45) at += (word & k) === 0 ? jf : jt
    else throw new Error(`No such instruction: ${code}`)
  }
}

/** Written down again by hand from the kernel's tables, so that a wrong row there is seen here. */
const calls = {
  x64: {
    read: 0,
    mmap: 9,
    openat: 257,
    open: 2,
    socket: 41,
    connect: 42,
    execve: 59,
    fork: 57,
    ptrace: 101,
    kill: 62,
    memfd: 319,
    uring: 425,
    pidfd: 434,
    clone: 56,
    clone3: 435,
    tgkill: 234,
    prlimit64: 302,
    prctl: 157,
    fcntl: 72,
    bpf: 321,
  },
  arm64: {
    read: 63,
    mmap: 222,
    openat: 56,
    open: 56,
    socket: 198,
    connect: 203,
    execve: 221,
    fork: 220,
    ptrace: 117,
    kill: 129,
    memfd: 279,
    uring: 425,
    pidfd: 434,
    clone: 220,
    clone3: 435,
    tgkill: 131,
    prlimit64: 261,
    prctl: 167,
    fcntl: 25,
    bpf: 280,
  },
} as const

const paths = headersHere()
test.skipIf(paths === null)("the shipped numbers are those of the kernel's headers", () => {
  for (const machine of ["x64", "arm64"] as const) {
    const known = numbersIn(readFileSync(paths?.[machine] ?? "", "utf8"))
    let same = 0
    for (const [name, number] of Object.entries(syscallNumbers[machine])) {
      // Headers of an older kernel do not know the newest calls.
      if (known.has(name)) expect(`${name} ${number}`).toBe(`${name} ${known.get(name)}`)
      else expect(number === null || number > 430).toBe(true)
      if (known.has(name)) same += 1
    }
    expect(same).toBeGreaterThan(55)
  }
})

test("a number that stands under another name first is found, and what 32 bits have in its place is not", () => {
  const header =
    "#define __NR3264_mmap 222\n#define __NR_mmap __NR3264_mmap\n#define __NR_mmap2 __NR3264_mmap\n#define __NR_read 63\n#define __NR_syscalls 451\n"
  expect(numbersIn(header).get("mmap")).toBe(222)
  expect(numbersIn(header).get("read")).toBe(63)
  expect(numbersIn(header).get("poll")).toBeUndefined()
})

for (const machine of ["x64", "arm64"] as const) {
  describe(`the filter for ${machine}`, () => {
    const filter = createFilter(machine, PID)
    const call = calls[machine]
    const ask = (nr: number, ...args: number[]) => judge(filter, { nr, arch: audit[machine], args })

    test("lets through what computing needs, and nothing that reaches out", () => {
      for (const nr of [call.read, call.mmap]) expect(ask(nr)).toBe(ALLOW)
      const forbidden = [
        call.openat,
        call.open,
        call.socket,
        call.connect,
        call.execve,
        call.fork,
        call.ptrace,
        call.kill,
        call.memfd,
        call.uring,
        call.pidfd,
        call.bpf,
      ]
      for (const nr of forbidden) expect(ask(nr)).toBe(EPERM)
    })

    test("refuses numbers that no table has, and those of another machine", () => {
      expect(ask(9_999)).toBe(EPERM)
      expect(ask(0x4000_0000 + call.read)).toBe(EPERM)
      expect(judge(filter, { nr: call.read, arch: 0x4000_0003 })).toBe(EPERM)
    })

    test("lets a process signal and limit itself alone", () => {
      expect(ask(call.tgkill, PID, PID)).toBe(ALLOW)
      expect(ask(call.tgkill, PID + 1, PID)).toBe(EPERM)
      expect(ask(call.tgkill, PID + 2 ** 32, PID)).toBe(EPERM)
      expect(ask(call.prlimit64, 0)).toBe(ALLOW)
      expect(ask(call.prlimit64, 1)).toBe(EPERM)
    })

    test("lets it make threads, and neither processes nor namespaces", () => {
      expect(ask(call.clone, 0x3d_0f00)).toBe(ALLOW) // what the C library asks for a thread
      expect(ask(call.clone, 17)).toBe(EPERM)
      expect(ask(call.clone, 0x1_0000)).toBe(EPERM)
      expect(ask(call.clone, 0x3d_0f00 + 0x1000_0000)).toBe(EPERM)
      expect(ask(call.clone3)).toBe(ENOSYS)
    })

    test("lets it name its threads and ask for a file's flags, and no more of these calls", () => {
      expect(ask(call.prctl, 15)).toBe(ALLOW)
      expect(ask(call.prctl, 4, 1)).toBe(EPERM)
      expect(ask(call.fcntl, 0, 3)).toBe(ALLOW)
      expect(ask(call.fcntl, 0, 0)).toBe(EPERM)
    })

    test("fits into what the kernel takes", () => {
      expect(encodeFilter(filter)).toHaveLength(filter.length * 8)
      expect(filter.length).toBeLessThan(4_096)
    })
  })
}
