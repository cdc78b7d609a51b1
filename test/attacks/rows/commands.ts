/** Command lines, and the jail that they would need. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "commands/separators",
    covers: ["#4869", "#4861"],
    attack: "A line break or an ampersand hides a second command",
    status: "tested",
    test: [
      "test/core/safety/command.test.ts › the command gate › asks about what writes, runs, reaches out or is not known",
      "test/cmd/safety.test.ts › safety scan › judges one URL by a file of rules, and one command line",
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "commands/helper-flags",
    covers: ["#4862"],
    attack: "A harmless program runs another one by a flag",
    status: "tested",
    test: [
      "test/core/safety/command.test.ts › the command gate › asks about what writes, runs, reaches out or is not known",
      "test/core/safety/command.test.ts › the command gate › allows what only reads",
    ],
  },
  {
    id: "commands/carriers",
    covers: ["#4863", "#4865"],
    attack: "Wrappers, runners and shells within shells",
    status: "tested",
    test: [
      "test/core/safety/command.test.ts › the command gate › asks about what writes, runs, reaches out or is not known",
      "test/core/safety/command.test.ts › the command gate › refuses what nobody wants an assistant to run",
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "commands/writing-readers",
    attack: "A reading program deletes, edits or redirects; a name only contains a dangerous one",
    status: "tested",
    test: [
      "test/core/safety/command.test.ts › the command gate › allows what only reads",
      "test/core/safety/command.test.ts › the command gate › asks about what writes, runs, reaches out or is not known",
      "test/core/safety/command.test.ts › the command gate › does not refuse words that are only written",
    ],
  },
  {
    id: "commands/decoded-commands",
    attack: "Encoded, substituted, look-alike and exfiltrating commands",
    status: "tested",
    test: [
      "test/core/safety/command.test.ts › the command gate › asks about what writes, runs, reaches out or is not known",
      "test/core/safety/command.test.ts › the command gate › refuses what nobody wants an assistant to run",
      "test/core/safety/command.test.ts › the command gate › says why",
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "commands/always-too-wide",
    covers: ["#1257", "#5283", "#4835", "#6850"],
    attack: "A lasting yes covers what is dangerous, is forgotten, or outlives a change",
    status: "tested",
    test: [
      "test/core/safety/approvals.test.ts › a call that needs the owner › runs without a question where the owner said always for this tool and destination, and only there",
      "test/core/safety/authorize.test.ts › the authority gate › asks about what sends, runs or spends, whatever the level, unless that refuses it",
      "test/core/safety/approvals.test.ts › a call that needs the owner › survives a restart: the question stays, and the answer lets the turn go on",
      "test/core/safety/approvals.test.ts › a row that someone else wrote › grants nothing: neither a new grant, nor one moved to another destination, nor one that was revoked",
      "test/core/tools/approval-plan.test.ts › a plan › is asked about at the level trusted too, refused at read-only, and allowed for later at none",
    ],
  },
  {
    id: "commands/one-flag-opens-all",
    covers: ["#967"],
    attack: "One flag lifts the jail",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
  {
    id: "commands/terminal-wrapper",
    covers: ["#1678"],
    attack: "A prompt reaches a shell on its way to a terminal",
    status: "later",
    rule: "No program is run for the model as long as there is no jail; the command gate (core/safety/command.ts) asks where it is unsure, and core/guard.ts starts children with a clean environment",
  },
  {
    id: "commands/types-of-exec",
    covers: ["#1692"],
    attack: "Folder and time limit of another type, or none",
    status: "later",
    rule: "The shape gate (core/schema.ts): arguments are what the schema says or the call is refused, with bounds on every field; descriptions from outside are text from outside",
  },
  {
    id: "commands/container",
    covers: ["#634", "#459", "#3275"],
    attack: "A container with root, the daemon's socket, a network or secrets",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
  {
    id: "commands/wasm-exhaustion",
    covers: ["#976", "#977", "#974", "#975"],
    attack: "A module loops, grows, recurses or floods",
    status: "tested",
    test: [
      "test/sandbox/meter.test.ts › what would never end › ${what} ends for want of fuel",
      "test/sandbox/meter.test.ts › what would never end › a start function runs on the fuel that the module begins with",
      "test/sandbox/meter.test.ts › what would never end › work that grows with an operand costs by it: large fills use up what small ones do not",
      "test/sandbox/meter.test.ts › what may run › gives the same result, and costs a unit a round",
    ],
  },
  {
    id: "commands/real-files-below",
    covers: ["#6170"],
    attack: "A child sees the real files although the tools do not",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
]
