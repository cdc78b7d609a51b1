/** The C library of a Linux system, for the few calls that the runtime has no words for. */
import { dlopen } from "bun:ffi"

/** glibc, then musl on the machines that we build for. */
const NAMES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"]

export type Libc = {
  /** syscall(2) with up to six arguments; -1 where the kernel refused. */
  syscall(number: number, ...args: (number | bigint)[]): number
}

export function openLibc(): Libc | null {
  for (const name of NAMES) {
    try {
      const { symbols } = dlopen(name, {
        syscall: { args: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], returns: "i64" },
      })
      return {
        syscall: (number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) =>
          Number(symbols.syscall(number, a, b, c, d, e, f)),
      }
    } catch {
      // Not the library of this system: the next one.
    }
  }
  return null
}
