/** Checks of the home: is it there, whose is it, who can read it, what lies in it that does not belong there. */
import { accessSync, chmodSync, constants, lstatSync, readdirSync, type Stats } from "node:fs"
import { join } from "node:path"
import { reasonOf } from "#core/home.ts"
import { type Check, failure, type Finding, listText, note, ok, warning } from "./check.ts"

/** Everything that this program or its owner puts directly into a home. */
const known: readonly RegExp[] = [
  /^(?:config\.toml|\.env|master\.key|audit-head\.json|update\.json|db|plugins|skills|logs|run|backups|tls|hooks)$/,
  /^master\.key\.next-[0-9a-f]+$/,
]
/** Left by a write that a crash cut off: the random part cannot be anybody's own name. */
const LEFTOVER = /\.[\w-]{12}\.(?:new|partial)$/
/** Refused by the program itself where others can read them. */
const keyFiles = ["master.key", "audit-head.json", "update.json", "run/token"]
/** Written by the owner's editor, which seldom asks who may read them; the closed home keeps others out. */
const ownerFiles = ["config.toml", ".env"]
const secretFiles = [...keyFiles, ...ownerFiles]

export const homeChecks: readonly Check[] = [
  {
    id: "home.owner",
    why: "Whoever can enter the home can read every conversation, the token and, with the key file, every secret.",
    judge({ home, homeExists, homeProblem }) {
      if (!homeExists) return note(`${home.root} does not exist yet`, "The first start makes it: `ironclaw`.")
      if (homeProblem === null) return ok(`${home.root} is yours and closed to others`)
      const found = failure(homeProblem.message, homeProblem.hint)
      if (homeProblem.code !== "home.too_open") return found
      return { ...found, fix: closing(home.root, 0o700) }
    },
  },
  {
    id: "home.writable",
    why: "Without writing there, nothing can be kept: no message, no approval, no lock.",
    judge({ home, homeExists }) {
      if (!homeExists) return ok("Nothing is there yet")
      try {
        accessSync(home.root, constants.R_OK | constants.W_OK | constants.X_OK)
        return ok("The home can be written")
      } catch (error) {
        return failure(
          `${home.root} cannot be written: ${reasonOf(error)}`,
          `Make it yours again: chown and chmod 700.`,
        )
      }
    },
  },
  {
    id: "home.folders",
    why: "A folder in the home that others can enter gives away what is in it as soon as the home itself is opened.",
    judge: ({ home, homeExists }) =>
      homeExists ? judgeModes(Object.values(home.paths), 0o700) : ok("Nothing is there yet"),
  },
  {
    id: "home.files",
    why: "Keys and the token are for you alone; the program refuses them where another user could read them.",
    judge: ({ home, homeExists }) =>
      homeExists
        ? judgeModes(
            keyFiles.map((name) => join(home.root, name)),
            0o600,
          )
        : ok("Nothing is there yet"),
  },
  {
    id: "home.owner-files",
    why: "They are closed to others by the home alone: a copy of them elsewhere is not.",
    judge({ home, homeExists }) {
      if (!homeExists) return ok("Nothing is there yet")
      const paths = ownerFiles.map((name) => join(home.root, name))
      const { level, found, fix } = judgeModes(paths, 0o600)
      if (level !== "failure") return ok("Closed to others")
      return { ...note(found, "chmod 600 closes the files too."), ...(fix ? { fix } : {}) }
    },
  },
  {
    id: "home.links",
    why: "A link in the place of a key or token makes the program read or write what somebody else chose.",
    judge({ home, homeExists }) {
      if (!homeExists) return ok("Nothing is there yet")
      const links = [...secretFiles.map((name) => join(home.root, name)), ...Object.values(home.paths)].filter((path) =>
        statOf(path)?.isSymbolicLink(),
      )
      if (links.length === 0) return ok("No link stands in for a file of ours")
      return warning(`Links: ${listText(links)}`, "Put the file or folder itself there.")
    },
  },
  {
    id: "home.strays",
    why: "Files that a crash left take space; files that nobody knows may be somebody's mistake, or bait.",
    judge({ home, homeExists }) {
      if (!homeExists) return ok("Nothing is there yet")
      const names = namesIn(home.root)
      const strays = names.filter((name) => !known.some((one) => one.test(name)) && !LEFTOVER.test(name))
      if (strays.length > 0)
        return note(`Not ours: ${listText(strays)}`, "Move it elsewhere if it is not yours; nothing here uses it.")
      return ok("Everything in it belongs there")
    },
  },
  {
    id: "home.from",
    why: "A home that the environment names is another one for a service or a shell that does not have that name.",
    judge: ({ home }) =>
      ok(
        `${home.root}, ${{ environment: "from IRONCLAW_HOME", flag: "from --home", default: "the default" }[home.from]}`,
      ),
  },
]

function judgeModes(paths: readonly string[], most: number): Finding {
  const uid = process.getuid?.()
  if (uid === undefined) return note("This system has other means than modes; they were not judged")
  const stats = paths.flatMap((path) => {
    const stat = statOf(path)
    return stat && !stat.isSymbolicLink() ? [{ path, stat }] : []
  })
  const foreign = stats.filter(({ stat }) => stat.uid !== uid)
  if (foreign.length > 0)
    return failure(
      `Another user's: ${listText(foreign.map(({ path }) => path))}`,
      "Give them back to yourself with chown.",
    )
  const open = stats.filter(({ stat }) => (stat.mode & 0o777 & ~most) !== 0 && (stat.mode & 0o077) !== 0)
  if (open.length === 0) return ok("Closed to others")
  return {
    ...failure(`Others can read ${listText(open.map(({ path }) => path))}`, "Close them, and change what was in them."),
    fix: {
      what: `chmod ${most.toString(8)} ${listText(open.map(({ path }) => path))}`,
      run: () => {
        for (const { path } of open) chmodSync(path, most)
        return `Closed ${listText(open.map(({ path }) => path))}`
      },
    },
  }
}

function closing(path: string, mode: number): NonNullable<Finding["fix"]> {
  return {
    what: `chmod ${mode.toString(8)} ${path}`,
    run: () => {
      chmodSync(path, mode)
      return `Closed ${path} to others`
    },
  }
}

function statOf(path: string): Stats | null {
  try {
    return lstatSync(path)
  } catch {
    return null // not there, or not to be seen: other checks say so
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return [] // `home.writable` says why
  }
}
