/** Advisories on jails, and on what starts below a turn. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "jail/container-settings",
    covers: ["CVE-2026-24763", "CVE-2026-27002", "CVE-2026-32038", "CVE-2026-27523"],
    attack: "A path, a mount, a network or a link of the settings leaves the container",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
  {
    id: "jail/bridge-races",
    covers: [
      "CVE-2026-41296",
      "CVE-2026-41338",
      "CVE-2026-44112",
      "CVE-2026-44113",
      "CVE-2026-41397",
      "CVE-2026-41364",
      "CVE-2026-62189",
    ],
    attack: "A bridge of files checks, then uses; copying follows links",
    status: "tested",
    test: [
      "test/core/safety/paths.test.ts › a folder that is swapped for a link while it is held is still the folder",
      "test/core/safety/paths.test.ts › a jail with %s › writes nothing outside by any of these ways",
      "test/core/safety/paths.test.ts › a jail with %s › replaces a file only as it was read, and keeps its mode",
    ],
  },
  {
    id: "jail/mirroring",
    covers: ["CVE-2026-41383", "GHSA-42mx-vp8m-j7qh"],
    attack: "A mirror deletes or carries files over the border",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
  {
    id: "jail/dangling-link",
    covers: ["GHSA-qcc4-p59m-p54m", "GHSA-mgrq-9f93-wpp5", "GHSA-mj4p-rc52-m843"],
    attack: "A link without a target, or a missing last name, is written through",
    status: "tested",
    test: [
      "test/core/safety/paths.test.ts › a jail with %s › follows no link: %s",
      "test/core/safety/paths.test.ts › a jail with %s › writes nothing outside by any of these ways",
    ],
  },
  {
    id: "jail/argument-leaves-jail",
    covers: ["CVE-2026-42434"],
    attack: "An argument of the call leaves the jail",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
  {
    id: "jail/spawned-without-jail",
    covers: ["GHSA-474h-prjg-mmw3", "GHSA-p7gr-f84w-hqg5", "CVE-2026-27646"],
    attack: "What a turn starts has more rights than it",
    status: "tested",
    test: [
      "test/core/safety/ceiling.test.ts › the ceiling of a sub-turn › a helper has what its parent has, or less, and nothing that starts turns, asks or writes to people",
      "test/core/safety/ceiling.test.ts › the ceiling of a sub-turn › no reader makes a call with an effect, or one of another tool, whatever its list says",
      "test/core/agent/agent-spawn.test.ts › a helper › has the tools that were named for it, and its parent is told which it cannot have",
    ],
  },
  {
    id: "jail/steers-siblings",
    covers: ["GHSA-4w7m-58cg-cmff", "GHSA-wcxr-59v9-rxr8"],
    attack: "A helper steers or reads another conversation",
    status: "tested",
    test: [
      "test/core/agent/agent-spawn.test.ts › a sub-turn › hears nobody but the turn that started it",
      "test/gateway/sub-turns.test.ts › nobody speaks in the session of a sub-turn: not as a message, not as a command, not by the OpenAI endpoint",
      "test/core/session/tools.test.ts › on $name › another session's message, another agent's, and one that is not there are all the same: not there",
    ],
  },
  {
    id: "jail/heartbeat-as-owner",
    covers: ["CVE-2026-41329", "CVE-2026-43578"],
    attack: "Work by the clock runs as the owner",
    status: "later",
    rule: "The ceiling (core/safety/ceiling.ts): a turn that works for another has the same rights or fewer, whatever starts it",
  },
  {
    id: "jail/screen-without-password",
    covers: ["CVE-2026-43575", "GHSA-25gx-x37c-7pph", "CVE-2026-32046"],
    attack: "A screen or a browser of the jail is open, or its own jail is off",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
  {
    id: "jail/jail-network",
    covers: ["CVE-2026-62201", "GHSA-w7j5-j98m-w679", "GHSA-82g8-464f-2mv7", "CVE-2026-27007"],
    attack: "The jail's network rule, its images, its environment and its reuse",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
]
