/**
 * `bun scripts/syscalls.ts [X64.h ARM64.h]`: writes sandbox/child/syscall-numbers.ts from the kernel's own headers, which Debian's
 * linux-libc-dev has. Numbers of Linux's system calls never change; new names are added to the list here.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** asm/unistd_64.h of x86-64, and asm-generic/unistd.h, which is arm64's. */
const headers = {
  x64: ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"],
  arm64: ["/usr/include/asm-generic/unistd.h"],
} as const

const NAMES = `
  bind brk clock_getres clock_gettime clock_nanosleep clone clone3 close connect epoll_ctl epoll_pwait epoll_pwait2 epoll_wait execve exit
  exit_group fcntl fstat futex futex_waitv getcpu getegid geteuid getgid getpid getppid getrandom getrusage getsockname gettid gettimeofday
  getuid io_uring_setup kill listen madvise membarrier memfd_create mincore mmap mprotect mremap munmap nanosleep openat poll ppoll prctl
  prlimit64 process_vm_readv ptrace read readv restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield
  seccomp set_robust_list sigaltstack socket sysinfo tgkill timerfd_settime unshare write writev
`
  .trim()
  .split(/\s+/)

/** By name. A number may stand under a name of its own first, where 32 bits have another one: `#define __NR_mmap __NR3264_mmap`. */
export function numbersIn(header: string): Map<string, number> {
  const defined = new Map<string, string>()
  for (const [, name = "", value = ""] of header.matchAll(/^#define (__NR(?:3264)?_\w+)\s+(\w+)/gm)) {
    // Behind #else stand the names of machines of 32 bits.
    if (!defined.has(name)) defined.set(name, value)
  }
  const valueOf = (name: string): number => Number(/^\d+$/.test(name) ? name : (defined.get(name) ?? Number.NaN))
  const found = [...defined].map(([name, value]) => [name.replace(/^__NR_/, ""), valueOf(value)] as const)
  return new Map(found.filter(([, number]) => Number.isInteger(number)))
}

/** The table's text. */
function syscallTable(paths: Record<"x64" | "arm64", string>): string {
  const tables = Object.entries(paths).map(([machine, path]) => {
    const numbers = numbersIn(readFileSync(path, "utf8"))
    return `  ${machine}: {\n${NAMES.map((name) => `    ${name}: ${numbers.get(name) ?? null},\n`).join("")}  },\n`
  })
  return `/** Made by scripts/syscalls.ts from the kernel's headers. null: the machine has no such call. */
export const syscallNumbers = {
${tables.join("")}} as const
`
}

/** Where this machine keeps them; null without them. */
export function headersHere(): Record<"x64" | "arm64", string> | null {
  const x64 = headers.x64.find((path) => existsSync(path))
  const arm64 = headers.arm64.find((path) => existsSync(path))
  return x64 === undefined || arm64 === undefined ? null : { x64, arm64 }
}

if (import.meta.main) {
  const [x64, arm64] = process.argv.slice(2)
  const paths = x64 !== undefined && arm64 !== undefined ? { x64, arm64 } : headersHere()
  if (paths === null) {
    console.error("The kernel's headers are not here (Debian: apt-get install linux-libc-dev)")
    process.exitCode = 1
  } else writeFileSync(join(import.meta.dir, "../sandbox/child/syscall-numbers.ts"), syscallTable(paths))
}
