/**
 * The system calls that a locked child may make, by number. It computes, waits for its threads, reads and writes what it already has open,
 * and ends: nothing that opens, connects, starts or touches another process is here, and what is not here is refused.
 * Source: the numbers are those of Linux's own headers (asm/unistd_64.h for x86-64, asm-generic/unistd.h for arm64, 6.1; they never
 * change). Which ones the runtime makes was traced on x86-64 with glibc, 2026-11; what musl and arm64 make in their place is beside them.
 */

export type Machine = "x64" | "arm64"
export type SyscallNumbers = Readonly<Record<Machine, number | null>>

const at = (x64: number | null, arm64: number | null): SyscallNumbers => ({ x64, arm64 })

export const allowedSyscalls = {
  // What is open already. No new descriptor can be had, see RLIMIT_NOFILE.
  read: at(0, 63),
  write: at(1, 64),
  readv: at(19, 65),
  writev: at(20, 66),
  close: at(3, 57),
  fstat: at(5, 80),
  poll: at(7, null),
  ppoll: at(271, 73),
  epoll_wait: at(232, null),
  epoll_pwait: at(281, 22),
  epoll_pwait2: at(441, 441),
  epoll_ctl: at(233, 21),
  timerfd_settime: at(286, 86),
  // Threads: the collector's and the compiler's.
  futex: at(202, 98),
  futex_waitv: at(449, 449),
  set_robust_list: at(273, 99),
  rseq: at(334, 293),
  membarrier: at(324, 283),
  sched_yield: at(24, 124),
  sched_getaffinity: at(204, 123),
  getcpu: at(309, 168),
  // Memory, which holds code that is compiled here.
  mmap: at(9, 222),
  munmap: at(11, 215),
  mremap: at(25, 216),
  mprotect: at(10, 226),
  madvise: at(28, 233),
  brk: at(12, 214),
  mincore: at(27, 232),
  // Signals within the process.
  rt_sigaction: at(13, 134),
  rt_sigprocmask: at(14, 135),
  rt_sigreturn: at(15, 139),
  sigaltstack: at(131, 132),
  restart_syscall: at(219, 128),
  // Time and chance.
  clock_gettime: at(228, 113),
  clock_getres: at(229, 114),
  clock_nanosleep: at(230, 115),
  nanosleep: at(35, 101),
  gettimeofday: at(96, 169),
  getrandom: at(318, 278),
  // Who it is, and its end.
  getpid: at(39, 172),
  gettid: at(186, 178),
  getppid: at(110, 173),
  getuid: at(102, 174),
  geteuid: at(107, 175),
  getgid: at(104, 176),
  getegid: at(108, 177),
  getrusage: at(98, 165),
  sysinfo: at(99, 179),
  exit: at(60, 93),
  exit_group: at(231, 94),
} as const satisfies Readonly<Record<string, SyscallNumbers>>

/** Allowed with some arguments only; the filter says with which. */
export const judgedSyscalls = {
  clone: at(56, 220),
  tgkill: at(234, 131),
  prlimit64: at(302, 261),
  prctl: at(157, 167),
  fcntl: at(72, 25),
} as const satisfies Readonly<Record<string, SyscallNumbers>>

/** Answered as a kernel would that does not have it: then the C library makes threads with `clone`, whose flags can be judged. */
export const clone3 = at(435, 435)
