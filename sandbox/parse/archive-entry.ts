/** What the readers of archives find, and how much of it there may be. */

export const MAX_ENTRIES = 200
export const MAX_FILE_BYTES = 32 * 1024 * 1024
export const MAX_SUM_BYTES = 64 * 1024 * 1024

/** What an archive is not: its words are ours. */
export class ArchiveFault extends Error {}

/** An entry before its name and its numbers are judged. `bytes`: unpacks it, within `size`; null: a folder. `fault`: why it is refused. */
export type Entry = {
  name: string
  size: number
  packed: number
  bytes: (() => Uint8Array) | null
  fault: string | null
}
