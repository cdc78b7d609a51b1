/** The log's files: appended in the background, set aside by size, and honest about what a full disk did not take. */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
  write as writeAsync,
} from "node:fs"
import { join } from "node:path"
import { systemCodeOf } from "./home.ts"

export type LogFile = {
  append(line: string): void
  /** Counts a line as lost. */
  drop(why: string): void
  setLimits(limits: { maxBytes: number; files: number }): void
  flush(): Promise<void>
  /** For the moment in which a process ends. */
  flushSync(): void
  close(): void
}

type LogFileDeps = { dir: string; maxBytes: number; files: number; lossLine: (lost: number, why: string) => string }

const NAME = "ironclaw.log"
/** Lines wait here while the disk is slow or full; beyond it they are dropped and counted, so that a full disk does not fill the memory. */
const MAX_WAITING_BYTES = 1_048_576

export function createLogFile({ dir, maxBytes, files, lossLine }: LogFileDeps): LogFile {
  const path = join(dir, NAME)
  let waiting: string[] = []
  let waitingBytes = 0
  let lost = 0
  let why = ""
  let torn = false // the last write ended in mid-line
  let fd: number | null = null
  let size = 0
  let running = Promise.resolve()

  function drop(reason: string, lines = 1): void {
    lost += lines
    why = reason
  }

  /** Opens the file, or opens it again where someone renamed or removed it (another process of this home rotates too). */
  function open(): number {
    if (fd !== null) {
      const now = statSync(path, { throwIfNoEntry: false })
      const held = fstatSync(fd)
      if (now && now.ino === held.ino && now.dev === held.dev) {
        size = now.size
        return fd
      }
      closeSync(fd)
      fd = null
    }
    fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600)
    size = fstatSync(fd).size
    return fd
  }

  function rotate(): void {
    if (fd !== null) closeSync(fd)
    fd = null
    rmSync(`${path}.${files}`, { force: true })
    for (let n = files - 1; n >= 1; n--) renameWhereThere(`${path}.${n}`, `${path}.${n + 1}`)
    if (files > 0) renameWhereThere(path, `${path}.1`)
    else rmSync(path, { force: true })
  }

  /** The next bytes to write, with word of what was lost before them. */
  function take(): { bytes: Buffer; lines: number; told: number } | null {
    if (waiting.length === 0 && lost === 0) return null
    const told = lost
    const text = (torn ? "\n" : "") + (told > 0 ? lossLine(told, why) : "") + waiting.join("")
    const lines = waiting.length
    waiting = []
    waitingBytes = 0
    return { bytes: Buffer.from(text), lines, told }
  }

  function prepare(length: number): number {
    let file = open()
    if (size > 0 && size + length > maxBytes) {
      rotate()
      file = open()
    }
    return file
  }

  function written(count: number, batch: { bytes: Buffer; lines: number; told: number }): void {
    if (count === batch.bytes.length) {
      torn = false
      lost -= batch.told
    } else {
      torn = count > 0 || torn
      drop("the disk took only a part", batch.lines)
    }
  }

  function failed(error: unknown, lines: number): void {
    drop(systemCodeOf(error) || "the file could not be written", lines)
  }

  async function drain(): Promise<void> {
    for (let batch = take(); batch !== null; batch = waiting.length > 0 ? take() : null) {
      try {
        const file = prepare(batch.bytes.length)
        const { bytes } = batch
        const count = await new Promise<number>((resolve, reject) => {
          writeAsync(file, bytes, 0, bytes.length, null, (error, done) => (error ? reject(error) : resolve(done)))
        })
        written(count, batch)
      } catch (error) {
        failed(error, batch.lines)
      }
    }
  }

  return {
    append(line) {
      if (waitingBytes + line.length > MAX_WAITING_BYTES) return drop("the disk was too slow")
      waiting.push(line)
      waitingBytes += line.length
    },
    drop: (reason) => drop(reason),
    setLimits(limits) {
      maxBytes = limits.maxBytes
      files = limits.files
    },
    flush() {
      running = running.then(drain)
      return running
    },
    flushSync() {
      const batch = take()
      if (batch === null) return
      try {
        written(writeSync(prepare(batch.bytes.length), batch.bytes), batch)
      } catch (error) {
        failed(error, batch.lines)
      }
    },
    close() {
      if (fd !== null) closeSync(fd)
      fd = null
    },
  }
}

function renameWhereThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw error
  }
}
