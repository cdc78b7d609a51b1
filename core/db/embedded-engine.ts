/** PGlite as we run it: durable, small, with pgvector, and spoken to in Postgres' own protocol so that a batch is one message. */
import { existsSync, fdatasyncSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { type PGliteInterface, type Extension, PGlite } from "@electric-sql/pglite"
import { NodeFS } from "@electric-sql/pglite/nodefs"
import pgData from "../../node_modules/@electric-sql/pglite/dist/pglite.data" with { type: "file" }
import vectorBundle from "../../node_modules/@electric-sql/pglite-pgvector/dist/vector.tar.gz" with { type: "file" }
import { unpackImage } from "./embedded-image.ts"
import type { EngineRequest } from "./embedded-protocol.ts"
import { syncDirectory } from "./sync-directory.ts"

// PGlite's own start parameters without -F (which turns fsync off), and:
// 16 MB of buffers instead of 128: 120 MB less memory, no measurable loss at our sizes (measured 2026-11-22);
// wal_sync_method=fsync, because Emscripten's fdatasync is empty and its fsync is ours (below).
const startParams = [
  ["--single", "-O", "-j"],
  ...[
    "search_path=public",
    "exit_on_error=false",
    "log_checkpoints=false",
    "max_worker_processes=0",
    "max_parallel_workers=0",
    "max_parallel_workers_per_gather=0",
    "max_parallel_maintenance_workers=0",
    "io_method=sync",
    "shared_buffers=16MB",
    "wal_sync_method=fsync",
  ].map((setting) => ["-c", setting]),
].flat()

/** What we need of Emscripten's file systems, which have no types. `nfd` is the real descriptor of an open file. */
type FileNode = { parent: FileNode }
type NodeFiles = {
  stream_ops: { fsync?: (file: { nfd?: number }) => number }
  node_ops: {
    mknod: (parent: FileNode, ...rest: unknown[]) => unknown
    rename: (file: FileNode, folder: FileNode, name: string) => unknown
  }
  realPath: (node: FileNode) => string
}

/**
 * NodeFS in which fsync reaches the disk: Emscripten's does nothing, so a power cut could lose what was acknowledged. Postgres built for
 * Emscripten never syncs a folder either: those in which a name was made or moved are synced with the next file, and no commit is
 * acknowledged before that.
 */
class DurableNodeFS extends NodeFS {
  override async init(...given: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(...given)
    const preRun = [...(emscriptenOpts.preRun ?? [])]
    // pglite 0.5.14 is pinned, and a test watches that files and folders are synced.
    preRun.push(({ FS }) => syncForReal((FS as unknown as { filesystems: { NODEFS: NodeFiles } }).filesystems.NODEFS))
    return { emscriptenOpts: { ...emscriptenOpts, preRun } }
  }
}

function syncForReal({ stream_ops: streams, node_ops: nodes, realPath }: NodeFiles): void {
  const changed = new Set<string>()
  const { mknod, rename } = nodes
  nodes.mknod = (parent, ...rest) => {
    changed.add(realPath(parent))
    return mknod(parent, ...rest)
  }
  nodes.rename = (file, folder, name) => {
    changed.add(realPath(file.parent))
    changed.add(realPath(folder))
    return rename(file, folder, name)
  }
  streams.fsync = ({ nfd }) => {
    if (typeof nfd === "number") fdatasyncSync(nfd)
    for (const path of changed) {
      changed.delete(path)
      if (existsSync(path)) syncDirectory(path) // folders of temporary files come and go
    }
    return 0
  }
}

/** PGlite reads an extension with createReadStream, which finds no file inside a binary: it gets a private copy for as long as it opens. */
async function withVector<T>(work: (vector: Extension) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "ironclaw-vector-"))
  try {
    const file = join(folder, "vector.tar.gz")
    writeFileSync(file, await Bun.file(vectorBundle).bytes(), { mode: 0o600 })
    return await work({
      name: "vector",
      setup: async (_: PGliteInterface, emscriptenOpts: unknown) => ({
        emscriptenOpts,
        bundlePath: pathToFileURL(file),
      }),
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Opens the data directory, or memory. A new one begins as `image`, or with initdb (2–6 s). */
export async function openEngine({ dir, image, modules }: Extract<EngineRequest, { kind: "open" }>): Promise<PGlite> {
  const common = { pgliteWasmModule: modules.pglite, initdbWasmModule: modules.initdb, fsBundle: Bun.file(pgData) }
  // 1 MB segments: a new directory is 16 MB smaller, and a small database keeps a small log.
  const initial = { ...common, initDbStartParams: ["--wal-segsize=1"] }
  if (dir !== null && !existsSync(join(dir, "PG_VERSION"))) {
    let bytes = image
    if (bytes === null) {
      const scratch = await PGlite.create({ ...initial, dataDir: "memory://" })
      bytes = new Uint8Array(await (await scratch.dumpDataDir("none")).arrayBuffer())
      await scratch.close()
    }
    await unpackImage({ bytes, dir })
  }
  return withVector(async (vector) => {
    const options = { ...initial, startParams, extensions: { vector } }
    if (dir !== null) return PGlite.create({ ...options, fs: new DurableNodeFS(dir) })
    return PGlite.create({
      ...options,
      dataDir: "memory://",
      ...(image === null ? {} : { loadDataDir: new Blob([image]) }),
    })
  })
}
