/** Checks of the machine: room, clock, time zone, the environment, and what the disk gives away when it is stolen. */
import { existsSync, statfsSync } from "node:fs"
import { dirname } from "node:path"
import { type Check, failure, note, ok, warning } from "./check.ts"
import { diskEncryptionUnder, thisMachine } from "./disk-encryption.ts"

const MB = 1e6
/** The database needs room for a checkpoint and its log: below this, writing fails soon. */
const LEAST_BYTES = 200 * MB
const FEW_BYTES = 1_000 * MB
/** Clocks that differ by more than this make leases, limits and expiry times wrong. */
const MAX_CLOCK_OFF_MS = 60_000
/** No build is used before it was made: an earlier clock is wrong. */
const NOT_BEFORE = Date.parse("2026-01-01T00:00:00Z")

/** Names that change what the program or its runtime does, without a word in its configuration. */
const steering: readonly (readonly [name: RegExp, effect: string])[] = [
  [
    /^(?:BUN_OPTIONS|BUN_BE_BUN|BUN_INSPECT.*|NODE_OPTIONS)$/,
    "Runs the program with other options than it was built with",
  ],
  [/^(?:LD_PRELOAD|LD_LIBRARY_PATH|LD_AUDIT|DYLD_.*)$/, "Loads foreign code into the program"],
  [/^NODE_TLS_REJECT_UNAUTHORIZED$/, "Would stop certificates from being checked"],
  [/^(?:NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR)$/, "Lets further authorities vouch for hosts"],
  [/^(?:https?|all)_proxy$/i, "Without effect here, for nothing is sent through a proxy"],
]
const dangerous = /^(?:BUN_|NODE_OPTIONS|LD_|DYLD_|NODE_TLS)/

export const machineChecks: readonly Check[] = [
  {
    id: "machine.disk",
    why: "On a full disk no message is taken, and the log stops telling why.",
    judge({ home, homeExists }) {
      const { bavail, bsize } = statfsSync(homeExists ? home.root : nearestFolder(home.root))
      const free = bavail * bsize
      const text = `${(free / 1e9).toFixed(1)} GB free where the home is`
      if (free < LEAST_BYTES) return failure(text, "Make room: `ironclaw status` shows what the home takes.")
      return free < FEW_BYTES ? warning(text, "Make room soon.") : ok(text)
    },
  },
  {
    id: "machine.inodes",
    why: "A file system without free inodes is full, however many bytes are free.",
    judge({ home, homeExists }) {
      const { ffree, files } = statfsSync(homeExists ? home.root : nearestFolder(home.root))
      if (files === 0) return ok("This file system has no fixed number of files")
      const text = `${ffree} of ${files} files are free`
      return ffree < 1_000 ? warning(text, "Remove files that are not needed.") : ok(text)
    },
  },
  {
    id: "machine.clock",
    why: "Expiry times, limits by day, routines and certificates all believe the clock.",
    judge({ clock, examination }) {
      const nowMs = clock.nowMs()
      if (nowMs < NOT_BEFORE)
        return failure(`The clock says ${clock.iso()}`, "Set it: `timedatectl set-ntp true`, or by hand.")
      if (!examination.ok) return ok(`It is ${clock.iso()}, and there is nothing to compare it with`)
      const { clockAheadMs, lastEventAt, kind } = examination.value.database
      if (kind === "postgres" && Math.abs(clockAheadMs) > MAX_CLOCK_OFF_MS)
        return warning(
          `The database server's clock and this machine's differ by ${Math.round(Math.abs(clockAheadMs) / 1_000)} s`,
          "Have both synchronised.",
        )
      if (lastEventAt !== null && Date.parse(lastEventAt) > nowMs + MAX_CLOCK_OFF_MS)
        return warning(
          `The last event is of ${lastEventAt}, and the clock says ${clock.iso()}: it has jumped back`,
          "Set the clock. Nothing is lost; what is due by time waits until then.",
        )
      return ok(`It is ${clock.iso()}, after everything on record`)
    },
  },
  {
    id: "machine.time-zone",
    why: "Days, limits by day and what the assistant says about time begin at midnight in this zone.",
    judge({ config }) {
      const own = Intl.DateTimeFormat().resolvedOptions().timeZone
      const set = config.ok ? config.value.config.agent.time_zone : null
      if (set !== null) return ok(set === own ? set : `${set}; the machine's own is ${own}`)
      if (own === "UTC" || own === "Etc/UTC")
        return note(
          "The machine's zone is UTC, and none is configured",
          "If you live elsewhere: `ironclaw config set agent.time_zone Europe/Vienna`.",
        )
      return ok(`${own}, the machine's`)
    },
  },
  {
    id: "machine.environment",
    why: "Some names in the environment steer the program past its configuration, or load foreign code into it.",
    judge({ env, steering: takenOut, examination }) {
      // The guard puts proxies that lead nowhere into the environment: what was there before is among what it took out.
      const standing = Object.keys(env).filter((name) => env[name] && !/_proxy$/i.test(name))
      const ofService = examination.ok ? examination.value.steering : []
      const found = [...new Set([...takenOut, ...ofService, ...standing])].flatMap((name) => {
        const row = steering.find(([pattern]) => pattern.test(name))
        return row ? [{ name, effect: row[1] }] : []
      })
      if (found.length === 0) return ok("No name in it steers the program")
      const effects = [...new Set(found.map(({ effect }) => effect))]
      const namesOf = (effect: string) => found.filter((each) => each.effect === effect).map(({ name }) => name)
      const text = effects.map((effect) => `${effect}: ${namesOf(effect).join(", ")}`).join("; ")
      const isDangerous = found.some(({ name }) => dangerous.test(name))
      return isDangerous ? warning(text, "Unset it where ironclaw is started.") : note(text)
    },
  },
  {
    id: "machine.user",
    why: "As root a fault of the program is a fault of the whole machine; nothing here needs root.",
    judge: () =>
      process.getuid?.() === 0
        ? warning("You are root", "Run it as a user of its own; the home must belong to that user.")
        : ok("You are an ordinary user"),
  },
  {
    id: "machine.disk-encryption",
    why: "Secrets are encrypted by ironclaw; conversations and memory in the built-in database are as safe as the disk.",
    judge({ home, homeExists, config }) {
      if (config.ok && config.value.config.database.kind === "postgres")
        return ok("The database is on your own server; its disk is yours to encrypt")
      if (process.platform !== "linux")
        return note("Cannot tell on this system", "Look for FileVault or BitLocker in the settings.")
      const folder = existsSync(home.paths.db) ? home.paths.db : homeExists ? home.root : nearestFolder(home.root)
      const { state, how } = diskEncryptionUnder(folder, thisMachine)
      if (state === "encrypted") return ok(`Encrypted: ${how}`)
      if (state === "plain")
        return note(
          `${how} is not encrypted: who takes the disk reads the conversations`,
          "Put the home onto an encrypted disk (LUKS), and keep backups, which are encrypted.",
        )
      return note(`Cannot tell: ${how}`)
    },
  },
]

/** Where the home would be made. */
function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path))
}
