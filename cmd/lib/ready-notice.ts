/**
 * Tells systemd how the service is (sd_notify(3)): ready, alive, stopping. One datagram each, to the socket that it named; the runtime
 * has no Unix datagrams, so the C library sends them. Without a supervisor that asks, nothing is told.
 */
import { dlopen, FFIType, ptr } from "bun:ffi"
import type { Cancel, Clock } from "#core/clock.ts"

export type ReadyNotice = {
  ready(): void
  stopping(): void
  /** Tells that we live as often as asked, for as long as `isAlive` says so. */
  keepAlive(isAlive: () => Promise<boolean>): Cancel
}

type Environment = Readonly<Record<string, string | undefined>>

/** Names of the C library: glibc's, and musl's by its processor. */
const libraries = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"]
const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000
const MSG_NOSIGNAL = 0x4000
const MAX_PATH_BYTES = 107 // sun_path of sockaddr_un, the closing NUL left out

export function createReadyNotice({
  env,
  clock,
  onFault,
}: {
  env: Environment
  clock: Clock
  onFault: (error: unknown) => void
}): ReadyNotice {
  const socket = env["NOTIFY_SOCKET"] ?? ""
  const tell = (words: string) => {
    if (process.platform !== "linux" || !/^[@/]/.test(socket) || Buffer.byteLength(socket) > MAX_PATH_BYTES) return
    try {
      send(socket, words)
    } catch (error) {
      onFault(error) // systemd then gives up on us in its own time; the service itself works
    }
  }
  return {
    ready: () => tell("READY=1"),
    stopping: () => tell("STOPPING=1"),
    keepAlive(isAlive) {
      const everyMs = watchdogMs(env) / 3 // two may be late before the third is missed
      let cancel: Cancel = () => {}
      const again = () => {
        cancel = clock.after(everyMs, () => {
          isAlive()
            .then((alive) => alive && tell("WATCHDOG=1"))
            .catch(onFault)
            .finally(again)
        })
      }
      if (everyMs > 0) again()
      return () => cancel()
    },
  }
}

/** How long we may be silent, in ms; 0 where nobody watches, or watches another process. */
export function watchdogMs(env: Environment): number {
  const { WATCHDOG_USEC: micros = "", WATCHDOG_PID: pid = "" } = env
  if (!/^\d{1,15}$/.test(micros) || (pid !== "" && pid !== String(process.pid))) return 0
  return Number(micros) / 1_000
}

function send(path: string, words: string): void {
  const { socket, sendto, close } = openLibrary()
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0)
  if (fd < 0) throw new Error("No datagram socket could be made")
  try {
    // The family in the machine's byte order, then the path; "@" stands for the NUL of an abstract name.
    const name = Buffer.from(path.replace(/^@/, "\0"))
    const address = Buffer.concat([new Uint8Array(new Uint16Array([AF_UNIX]).buffer), name])
    const text = Buffer.from(words)
    const sent = sendto(fd, ptr(text), text.length, MSG_NOSIGNAL, ptr(address), address.length)
    if (Number(sent) !== text.length) throw new Error("The notice was not taken")
  } finally {
    close(fd)
  }
}

function openLibrary() {
  for (const name of libraries) {
    try {
      return dlopen(name, {
        socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
        sendto: {
          args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.ptr, FFIType.u32],
          returns: FFIType.i64,
        },
        close: { args: [FFIType.i32], returns: FFIType.i32 },
      }).symbols
    } catch {
      // Another C library: the next name.
    }
  }
  throw new Error(`None of the C libraries ${libraries.join(", ")} could be opened`)
}
