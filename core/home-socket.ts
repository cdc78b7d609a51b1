/** Where the API's Unix socket is, and the token of the local client: both reachable by the owner alone. */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createPrivateFile, readPrivateFile, writePrivateFile } from "./home-file.ts"
import { type Home, judgePrivateFolder } from "./home.ts"
import { randomToken } from "./id.ts"

/** sockaddr_un holds 104 bytes on macOS and 108 on Linux, the closing NUL included; beyond that a path is cut without a word. */
const MAX_SOCKET_PATH_BYTES = 100
const SOCKET_NAME = "ironclaw.sock"
/** Holds the path of the socket's folder where the home's own path is too long. */
const RECORD_NAME = "socket-folder"

/** Where to connect; null where no process of this home has ever listened. Throws `home.unsafe_file` for a record that is not ours. */
export function findSocket(home: Home): string | null {
  const own = join(home.paths.run, SOCKET_NAME)
  if (fits(own)) return existsSync(own) ? own : null
  const folder = recordedFolder(home)
  if (folder === null) return null
  const path = join(folder, SOCKET_NAME)
  return existsSync(path) ? path : null
}

/** Where to listen, with what a dead holder left there removed. Only for the holder of the home's lock. The folder is closed to others. */
export function prepareSocket(home: Home): string {
  const own = join(home.folder("run"), SOCKET_NAME)
  if (fits(own)) {
    rmSync(own, { force: true })
    return own
  }
  let folder = recordedFolder(home)
  if (folder === null) {
    folder = mkdtempSync(join(shortTemporaryFolder(), "ironclaw-")) // 0700, and no other process gets the same name
    writePrivateFile(join(home.paths.run, RECORD_NAME), folder)
  }
  const path = join(folder, SOCKET_NAME)
  rmSync(path, { force: true })
  return path
}

/** Takes the socket away after listening, with its folder where that was made for it. */
export function removeSocket(home: Home, path: string): void {
  rmSync(path, { force: true })
  if (dirname(path) === home.paths.run) return
  rmSync(dirname(path), { recursive: true, force: true })
  rmSync(join(home.paths.run, RECORD_NAME), { force: true })
}

/** The token with which the owner's own commands call the service over TCP. Made on first need, by one process alone. */
export function localToken(home: Home): string {
  const path = join(home.folder("run"), "token")
  const token = readPrivateFile(path)
  if (token !== null) return token
  createPrivateFile(path, randomToken())
  // Ours, or that of the process which was faster.
  return readPrivateFile(path) ?? localToken(home)
}

function recordedFolder(home: Home): string | null {
  const record = readPrivateFile(join(home.paths.run, RECORD_NAME))
  if (record === null || !existsSync(record)) return null
  judgePrivateFolder(record) // the temporary folder is everybody's: what stands there must still be ours alone
  return record
}

function shortTemporaryFolder(): string {
  const named = tmpdir()
  return fits(join(named, "ironclaw-XXXXXX", SOCKET_NAME)) ? named : "/tmp"
}

function fits(path: string): boolean {
  return process.platform === "win32" || Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES
}
