/** The file of a backup: frames in sealed chunks, written beside its name and moved there when it is whole, read back a chunk at a time. */
import { constants } from "node:fs"
import { type FileHandle, link, open, rm } from "node:fs/promises"
import { AppError } from "../errors.ts"
import { reasonOf, systemCodeOf } from "../home.ts"
import { randomToken } from "../id.ts"
import {
  type BackupHeader,
  type ChunkCipher,
  headBytes,
  openingCipher,
  PREFIX_BYTES,
  readHeader,
  sealingCipher,
  TAG_BYTES,
} from "./backup-cipher.ts"

/** What a backup is a sequence of. A frame is its kind as u8, its length as u32, its bytes. */
export const frameKinds = { about: 1, table: 2, rows: 3, tableEnd: 4, end: 5 } as const
export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds]
export type Frame = { kind: number; bytes: Buffer }

const FRAME_HEAD_BYTES = 5
/** A row of the largest message with eight images stays far below. */
const MAX_FRAME_BYTES = 512 * 1024 * 1024

export type BackupWriter = {
  write(kind: FrameKind, bytes: Uint8Array): Promise<void>
  /** Makes the file whole and durable under its name; returns its size. Throws `backup.exists`. */
  finish(): Promise<number>
  /** Leaves nothing behind. Does nothing after {@link finish}. */
  discard(): Promise<void>
}

export async function createBackupFile({
  path,
  ...about
}: {
  path: string
  passphrase: string
  version: string
  createdAt: string
}): Promise<BackupWriter> {
  const { cipher, head } = await sealingCipher(about)
  const { chunkBytes } = cipher.header
  const fresh = `${path}.${randomToken(9)}.partial` // nobody can have planted this name
  const file = await saying(path, () =>
    open(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0), 0o600),
  )
  const buffer = new Uint8Array(chunkBytes)
  let used = 0
  let index = 0
  let size = 0
  let isOpen = true

  async function writeAll(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length;) from += (await file.write(bytes, from)).bytesWritten
    size += bytes.length
  }
  async function flush(last: boolean): Promise<void> {
    await writeAll(await cipher.seal(buffer.slice(0, used), { index, last }))
    index += 1
    used = 0
  }
  async function add(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length;) {
      if (used === chunkBytes) await flush(false) // not before more comes: only then it is not the last
      const part = bytes.subarray(from, from + chunkBytes - used)
      buffer.set(part, used)
      used += part.length
      from += part.length
    }
  }
  async function discard(): Promise<void> {
    if (!isOpen) return
    isOpen = false
    buffer.fill(0)
    await file.close()
    await rm(fresh, { force: true })
  }

  await saying(path, () => writeAll(head))
  return {
    write: (kind, bytes) =>
      saying(path, async () => {
        const frameHead = Buffer.alloc(FRAME_HEAD_BYTES)
        frameHead[0] = kind
        frameHead.writeUInt32BE(bytes.length, 1)
        await add(frameHead)
        await add(bytes)
      }),
    finish: () =>
      saying(path, async () => {
        await flush(true)
        await file.sync()
        await link(fresh, path) // fails where the name is taken, so nothing is ever overwritten
        await discard()
        return size
      }),
    discard,
  }
}

/** What a backup says of itself without its passphrase. Throws `backup.not_one`, `backup.newer`, `backup.damaged`. */
export async function readBackupHeader(path: string): Promise<BackupHeader> {
  const file = await openFile(path)
  try {
    return readHeader(await readHead(file))
  } finally {
    await file.close()
  }
}

/** Every frame of the file, in order, each proved before it is given. Throws `backup.…`. */
export async function* readFrames({
  path,
  passphrase,
  signal,
}: {
  path: string
  passphrase: string
  signal: AbortSignal
}): AsyncGenerator<Frame, void, undefined> {
  const file = await openFile(path)
  try {
    const head = await readHead(file)
    const cipher = await openingCipher({ head, passphrase })
    const waiting = createQueue()
    for await (const text of chunks({ file, from: head.length, cipher, signal })) {
      waiting.add(text)
      for (let frame = waiting.take(); frame; frame = waiting.take()) yield frame
    }
    if (!waiting.isEmpty()) throw new AppError("backup.damaged", "The backup ends within a part")
  } finally {
    await file.close()
  }
}

async function* chunks({
  file,
  from,
  cipher,
  signal,
}: {
  file: FileHandle
  from: number
  cipher: ChunkCipher
  signal: AbortSignal
}): AsyncGenerator<Buffer> {
  const { size } = await file.stat()
  const step = cipher.header.chunkBytes + TAG_BYTES
  for (let at = from, index = 0; ; index++) {
    signal.throwIfAborted()
    const sealed = await readAt(file, at, Math.min(step, size - at))
    at += sealed.length
    const last = at >= size
    yield Buffer.from(await cipher.open(new Uint8Array(sealed), { index, last }))
    if (last) return
  }
}

/** Bytes that came, until there is a whole frame of them. */
function createQueue() {
  let parts: Buffer[] = []
  let total = 0
  const joined = () => {
    const all = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
    parts = [all]
    return all
  }
  /** How many bytes the frame at the front has, its head included; null until that is known. */
  let wanted: number | null = null
  return {
    add(bytes: Buffer) {
      parts.push(bytes)
      total += bytes.length
    },
    isEmpty: () => total === 0,
    take(): Frame | null {
      if (wanted === null && total >= FRAME_HEAD_BYTES) {
        wanted = FRAME_HEAD_BYTES + joined().readUInt32BE(1)
        if (wanted > MAX_FRAME_BYTES) throw new AppError("backup.damaged", "The backup holds a part that is too large")
      }
      if (wanted === null || total < wanted) return null
      const all = joined()
      const frame = { kind: all[0] ?? 0, bytes: all.subarray(FRAME_HEAD_BYTES, wanted) }
      parts = [all.subarray(wanted)]
      total -= wanted
      wanted = null
      return frame
    },
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, "r")
    if ((await file.stat()).isFile()) return file
    await file.close()
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT")
      throw new AppError("not_found", `There is no file ${path}`, {
        cause,
        hint: "Name a file that `ironclaw backup` made.",
      })
    throw new AppError("backup.not_one", `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
  throw new AppError("backup.not_one", `${path} is not a plain file`)
}

async function readHead(file: FileHandle): Promise<Buffer> {
  const length = headBytes(await readAt(file, 0, PREFIX_BYTES))
  const head = await readAt(file, 0, length)
  if (head.length < length) throw new AppError("backup.damaged", "The backup ends within its header")
  return head
}

/** `length` bytes, fewer only at the end of the file. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.max(0, length))
  let used = 0
  while (used < buffer.length) {
    const { bytesRead } = await file.read(buffer, used, buffer.length - used, position + used)
    if (bytesRead === 0) break
    used += bytesRead
  }
  return buffer.subarray(0, used)
}

async function saying<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    if (systemCodeOf(cause) === "EEXIST") throw new AppError("backup.exists", `${path} is there already`, { cause })
    throw new AppError("home.not_writable", `${path} could not be written: ${reasonOf(cause)}`, {
      cause,
      hint: "Name a folder that you may write to, with room in it: --output FILE.",
    })
  }
}
