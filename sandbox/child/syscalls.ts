/**
 * The system calls that a locked child may make, by name. It computes, waits for its threads, reads and writes what it already has open,
 * and ends: nothing that opens, connects, starts or touches another process is here, and what is not here is refused.
 * Source: which ones the runtime makes was traced on x86-64 with glibc, 2026-11; what musl and arm64 make in their place is beside them.
 * musl signals its threads by tkill, which names no process and is therefore refused: nothing here needs it.
 */
import type { syscallNumbers } from "./syscall-numbers.ts"

export type Machine = keyof typeof syscallNumbers
export type SyscallName = keyof (typeof syscallNumbers)[Machine]

export const allowedSyscalls: readonly SyscallName[] = [
  // What is open already. No new descriptor can be had, see RLIMIT_NOFILE.
  "read",
  "write",
  "readv",
  "writev",
  "close",
  "fstat",
  "poll",
  "ppoll",
  "epoll_wait",
  "epoll_pwait",
  "epoll_pwait2",
  "epoll_ctl",
  "timerfd_settime",
  // Threads: the collector's and the compiler's.
  "futex",
  "futex_waitv",
  "set_robust_list",
  "rseq",
  "membarrier",
  "sched_yield",
  "sched_getaffinity",
  "getcpu",
  // Memory, which holds code that is compiled here.
  "mmap",
  "munmap",
  "mremap",
  "mprotect",
  "madvise",
  "brk",
  "mincore",
  // Signals within the process.
  "rt_sigaction",
  "rt_sigprocmask",
  "rt_sigreturn",
  "sigaltstack",
  "restart_syscall",
  // Time and chance.
  "clock_gettime",
  "clock_getres",
  "clock_nanosleep",
  "nanosleep",
  "gettimeofday",
  "getrandom",
  // Who it is, and its end.
  "getpid",
  "gettid",
  "getppid",
  "getuid",
  "geteuid",
  "getgid",
  "getegid",
  "getrusage",
  "sysinfo",
  "exit",
  "exit_group",
]

/** Answered as a kernel would that does not have it: then the C library makes threads with `clone`, whose flags can be judged. */
export const UNKNOWN_SYSCALL: SyscallName = "clone3"
