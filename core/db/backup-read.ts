/** A backup file as what it holds: what it says of itself, then its tables with their rows, every count and hash checked on the way. */
import { AppError } from "../errors.ts"
import { judgeShape, type Static, type TSchema } from "../schema.ts"
import { BackupAbout, BackupEnd, TableEnd, TableHead } from "./backup.ts"
import { type Frame, frameKinds, readFrames } from "./backup-file.ts"
import { backupTables } from "./backup-tables.ts"
import { migrations } from "./migrations.ts"

/** `lines`: the rows of a block, each a JSON object of texts and nulls. */
export type BackupPart =
  | { kind: "about"; about: BackupAbout }
  | { kind: "table"; name: string; columns: string[] }
  | { kind: "rows"; lines: string[] }
  | { kind: "end"; tables: number; rows: number }

export type ReadRequest = { path: string; passphrase: string; signal: AbortSignal }

/** Reads the whole file and proves it, without giving a row to anybody. Throws `backup.…`. */
export async function proveBackup(
  request: ReadRequest & { onProgress: (progress: { table: string; rows: number }) => void },
): Promise<BackupAbout> {
  let about: BackupAbout | null = null
  let table = ""
  let rows = 0
  for await (const part of readBackup(request)) {
    if (part.kind === "about") about = part.about
    if (part.kind === "table") table = part.name
    if (part.kind === "table") rows = 0
    if (part.kind === "rows") request.onProgress({ table, rows: (rows += part.lines.length) })
  }
  if (!about) throw damaged("says nothing of itself")
  return about
}

/** Throws `backup.…` at the first thing that is not as it must be; the last part is always "end". */
export async function* readBackup(request: ReadRequest): AsyncGenerator<BackupPart, void, undefined> {
  let hash: Bun.CryptoHasher | null = null
  let rows = 0
  const total = { tables: 0, rows: 0 }
  let state: "begin" | "between" | "table" | "end" = "begin"
  for await (const frame of readFrames(request)) {
    if (state === "begin" && frame.kind === frameKinds.about) {
      const about = shapeOf(BackupAbout, frame)
      refuseNewer(about)
      yield { kind: "about", about }
      state = "between"
    } else if (state === "between" && frame.kind === frameKinds.table) {
      const head = shapeOf(TableHead, frame)
      refuseUnknown(head)
      hash = new Bun.CryptoHasher("sha256")
      rows = 0
      yield { kind: "table", ...head }
      state = "table"
    } else if (state === "table" && frame.kind === frameKinds.rows) {
      const text = await unpack(frame.bytes)
      hash?.update(text)
      const lines = text.toString("utf8").trimEnd().split("\n")
      rows += lines.length
      yield { kind: "rows", lines }
    } else if (state === "table" && frame.kind === frameKinds.tableEnd) {
      const end = shapeOf(TableEnd, frame)
      if (end.rows !== rows || end.sha256 !== hash?.digest("hex")) throw damaged("holds other rows than it says")
      total.tables += 1
      total.rows += rows
      state = "between"
    } else if (state === "between" && frame.kind === frameKinds.end) {
      const end = shapeOf(BackupEnd, frame)
      if (end.rows !== total.rows || end.tables !== total.tables) throw damaged("holds other tables than it says")
      yield { kind: "end", ...end }
      state = "end"
    } else throw damaged("has its parts in an order that makes no sense")
  }
  if (state !== "end") throw damaged("ends too early")
}

async function unpack(bytes: Buffer): Promise<Buffer> {
  try {
    return Buffer.from(await Bun.zstdDecompress(bytes))
  } catch (cause) {
    throw new AppError("backup.damaged", "The backup holds rows that cannot be unpacked", { cause })
  }
}

function shapeOf<S extends TSchema>(schema: S, frame: Frame): Static<S> {
  try {
    const parsed = judgeShape(schema, JSON.parse(frame.bytes.toString("utf8")))
    if (parsed.ok) return parsed.value
  } catch {
    // No JSON is one of the ways to be damaged.
  }
  throw damaged("says something that cannot be read")
}

function refuseNewer({ migrations: applied, version }: BackupAbout): void {
  const known = new Set(migrations.map(({ name }) => name))
  const strange = applied.find((name) => !known.has(name))
  if (strange !== undefined)
    throw new AppError(
      "backup.newer",
      `The backup was made by version ${version}, whose database is newer ("${strange}")`,
    )
}

function refuseUnknown({ name, columns }: { name: string; columns: string[] }): void {
  const table = backupTables.find((each) => each.name === name)
  const column = columns.find((each) => !table?.columns.some((known) => known.name === each))
  if (!table || column !== undefined) {
    throw new AppError(
      "backup.newer",
      `The backup has "${name}${column === undefined ? "" : `.${column}`}", which this version does not know`,
    )
  }
}

function damaged(what: string): AppError {
  return new AppError("backup.damaged", `The backup ${what}`)
}
