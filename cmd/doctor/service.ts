/** Checks of the service: does it run, who starts it again, is it this program, and does it stay when nobody is logged in. */
import { readFileSync, realpathSync, rmSync } from "node:fs"
import { userInfo } from "node:os"
import { runTool } from "../lib/system-tool.ts"
import { version } from "../lib/version.ts"
import { type Check, failure, note, ok, warning } from "./check.ts"
import { examined } from "./examined.ts"

/** Restarts that the system counted since it was told to run: a few are nights of updates, more are a fault. */
const MANY_RESTARTS = 5

export const serviceChecks: readonly Check[] = [
  {
    id: "service.running",
    why: "Without it nothing comes in from outside and no routine fires.",
    judge({ lock }) {
      if (lock?.as === "service")
        return ok(`Running with pid ${lock.pid ?? "?"}${lock.address ? ` at ${lock.address}` : ""}`)
      return note(
        "It does not run",
        "`ironclaw service install` keeps it running; `ironclaw` alone is a chat with it inside.",
      )
    },
  },
  {
    id: "service.answers",
    why: "A service that holds the home and does not answer keeps every command waiting.",
    judge({ lock, examination }) {
      if (lock?.as !== "service") return ok("None is there to answer")
      if (examination.ok || examination.error?.code !== "home.locked") return ok("It answers on its socket")
      return failure(
        "It holds the home and does not answer",
        "`ironclaw service restart`, and `ironclaw logs` says what it was doing.",
      )
    },
  },
  {
    id: "service.version",
    why: "After an update the old program may still be running.",
    judge: examined((examination) =>
      examination.as === "verb" || examination.version === version
        ? ok(`Version ${version}`)
        : warning(
            `The service is version ${examination.version}, and this is ${version}`,
            "`ironclaw service restart`",
          ),
    ),
  },
  {
    id: "service.socket",
    why: "A socket that a dead process left makes every command try it first.",
    judge({ deadSocket: socket, examination }) {
      // Whoever opened the home to be examined has put its own in the place of it.
      if (socket === null || examination.ok) return ok("There is none")
      return {
        ...note("A dead process left its socket", "The next start takes it away."),
        fix: {
          what: `remove ${socket}`,
          run: () => {
            rmSync(socket, { force: true })
            return `Removed ${socket}`
          },
        },
      }
    },
  },
  {
    id: "service.installed",
    why: "What nobody starts is gone after the next restart of the machine.",
    judge({ service, supervisor }) {
      if (service?.state.installed) return ok(`${service.init.unit} (${service.init.name})`)
      if (supervisor !== null)
        return note(
          "Kept by ironclaw's own supervisor, until the machine stops",
          "`ironclaw service install` where the system keeps services.",
        )
      return service === null
        ? note(
            "This system keeps no services of yours",
            "`ironclaw service start --detach` runs it without, until the machine stops.",
          )
        : note("It is not installed", "`ironclaw service install`")
    },
  },
  {
    id: "service.enabled",
    why: "A unit that is not enabled does not start with the machine.",
    judge: ({ service }) =>
      service?.state.installed && !service.state.enabled
        ? {
            ...warning("The unit is installed and not enabled", "`ironclaw service install` enables it."),
          }
        : ok(service?.state.installed ? "It starts by itself" : "There is no unit"),
  },
  {
    id: "service.program",
    why: "A unit that starts another copy runs another version than the one that you update.",
    judge({ service }) {
      if (!service?.state.installed || service.init.name !== "systemd") return ok("There is no unit of systemd's")
      const line = /^ExecStart="((?:[^"\\]|\\.)*)"/m.exec(readFileSync(service.init.unit, "utf8"))?.[1]
      const program = line?.replaceAll(/\\(.)/g, "$1").replaceAll("%%", "%").replaceAll("$$", "$")
      if (program === undefined)
        return note("Its ExecStart was written by somebody else", "`ironclaw service install` writes it anew.")
      const own = realpathSync(process.execPath)
      return realWhereThere(program) === own
        ? ok(program)
        : warning(`It starts ${program}, and this is ${own}`, "`ironclaw service install` with the one that you mean.")
    },
  },
  {
    id: "service.lingering",
    why: "Without lingering systemd stops your services when you log out.",
    async judge({ service }) {
      if (!service?.state.installed || service.init.name !== "systemd") return ok("There is no unit of systemd's")
      const { status, stdout } = await runTool(["loginctl", "show-user", userInfo().username, "--property=Linger"])
      if (status !== 0) return note("loginctl does not say")
      return stdout.includes("Linger=yes")
        ? ok("It stays when you log out")
        : warning("It stops when you log out", "`loginctl enable-linger`")
    },
  },
  {
    id: "service.restarts",
    why: "A service that ends without a stop again and again loses time, and has a reason.",
    judge({ service, examination }) {
      const restarts = service?.state.restarts ?? 0
      if (restarts > MANY_RESTARTS)
        return warning(`Started again ${restarts} times after a failure`, "`ironclaw logs --level error`")
      const died = examination.ok ? examination.value.died : null
      return died
        ? note(
            `The service before, started ${died.startedAt}, ended without a stop; what it had begun went on`,
            "`ironclaw logs --level error` may say why; `journalctl -k` whether memory ran out.",
          )
        : ok("The last end was orderly")
    },
  },
]

function realWhereThere(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path // gone: then it is another one in any case
  }
}
