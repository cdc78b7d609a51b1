/** Advisories on allowed commands, and on what a yes covers. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "exec-approvals/substitution",
    covers: ["GHSA-3hcm-ggvf-rch5", "CVE-2026-22179", "GHSA-9868-vxmx-w862"],
    attack: "Substitution or a continued line within an allowed command",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
      "test/core/safety/command.test.ts › the command gate › refuses what nobody wants an assistant to run",
    ],
  },
  {
    id: "exec-approvals/heredoc",
    covers: ["CVE-2026-27209", "CVE-2026-44115"],
    attack: "Text after a command is expanded",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "exec-approvals/many-in-one",
    covers: ["CVE-2026-22175", "CVE-2026-43530"],
    attack: "One program that is many, a shell among them",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "exec-approvals/env-split",
    covers: ["GHSA-48wf-g7cp-gr3m", "GHSA-796m-2973-wc5q"],
    attack: "A wrapper splits a string into the true command",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "exec-approvals/odd-carriers",
    covers: ["CVE-2026-35666", "CVE-2026-41390", "CVE-2026-62190"],
    attack: "Programs that time, record or lock carry another",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "exec-approvals/nested-carriers",
    covers: ["GHSA-ccg8-46r6-9qgj", "CVE-2026-27183"],
    attack: "Carriers deeper than the look",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
      "test/core/safety/command.test.ts › the command gate › refuses what nobody wants an assistant to run",
    ],
  },
  {
    id: "exec-approvals/windows-shells",
    covers: ["CVE-2026-22168", "GHSA-qj77-c3c8-9c3q", "CVE-2026-53836", "GHSA-3h2q-j2v4-6w5r"],
    attack: "Shells of Windows and encoded commands",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "exec-approvals/dangerous-option",
    covers: ["CVE-2026-32059", "CVE-2026-22169", "GHSA-3x3x-h76w-hp98", "GHSA-3xfw-4pmr-4xc5"],
    attack: "A safe program with an option that writes or runs",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "exec-approvals/environment-printed",
    covers: ["CVE-2026-41368"],
    attack: "A filter prints the environment",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
      "test/core/tools/json-query.test.ts › what could multiply › is refused: %s",
    ],
  },
  {
    id: "exec-approvals/existence",
    covers: ["CVE-2026-4040", "GHSA-6c9j-x93c-rw6j"],
    attack: "A program tells whether a file exists",
    status: "later",
    rule: "No program is run for the model as long as there is no jail; the command gate (core/safety/command.ts) asks where it is unsure, and core/guard.ts starts children with a clean environment",
  },
  {
    id: "exec-approvals/shadowed-program",
    covers: ["GHSA-g75x-8qqm-2vxp", "GHSA-5gj7-jf77-q2q2", "GHSA-qhrr-grqp-6x2g"],
    attack: "A folder before the others holds a program of the same name",
    status: "later",
    rule: "No program is run for the model as long as there is no jail; the command gate (core/safety/command.ts) asks where it is unsure, and core/guard.ts starts children with a clean environment",
  },
  {
    id: "exec-approvals/pattern-matches-more",
    covers: ["CVE-2026-32973", "CVE-2026-62229"],
    attack: "A rule or a pattern matches more than was listed",
    status: "tested",
    test: [
      "test/core/safety/hosts.test.ts › a rule that is not well-formed matches nothing: %j",
      "test/core/safety/command.test.ts › the command gate › asks about what writes, runs, reaches out or is not known",
      "test/gateway/api/grants.test.ts › a grant that the owner adds › names a tool that there is, and a time to come; a plan is always asked about",
    ],
  },
  {
    id: "exec-approvals/start-file",
    covers: ["CVE-2026-41392"],
    attack: "A shell's start file is the attacker's",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "exec-approvals/hidden-payload",
    covers: ["CVE-2026-42435", "CVE-2026-53806", "CVE-2026-53855", "CVE-2026-53866", "CVE-2026-53831"],
    attack: "Assignments, odd options and positions hide what is run",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "exec-approvals/expansion-in-argument",
    covers: ["GHSA-xvhf-x56f-2hpp"],
    attack: "A shell expands an argument of a safe program",
    status: "tested",
    test: [
      "test/attacks/command-lines.test.ts › %s is never let through",
      "test/attacks/command-lines.test.ts › names that only contain a dangerous one are not refused",
    ],
  },
  {
    id: "exec-approvals/shown-is-not-run",
    covers: ["CVE-2026-26325", "CVE-2026-53822", "CVE-2026-32052", "CVE-2026-32065"],
    attack: "What is shown is not what runs",
    status: "tested",
    test: [
      "test/core/safety/approval-question.test.ts › the question › names who, what, why, where to, and the exact call",
      "test/core/safety/approvals.test.ts › a call that needs the owner › is asked again when the call differs in one byte, and not again after a no",
      "test/core/safety/approval-question.test.ts › the question › shows what is hidden in it",
      "test/core/safety/presence.test.ts › a place to show it › shows words in which nothing hides, moves the cursor or makes a line that looks like the code's",
    ],
  },
  {
    id: "exec-approvals/cut-in-the-question",
    covers: ["CVE-2026-53829", "CVE-2026-26320"],
    attack: "The bad end of a long call is not shown",
    status: "tested",
    test: [
      "test/core/safety/approval-question.test.ts › the question › shows both ends of a long call, and how much is between them",
      "test/core/tools/http-request.test.ts › any other request asks first › and once allowed, it sends exactly that",
    ],
  },
  {
    id: "exec-approvals/terminal-sequences",
    covers: ["CVE-2026-35651"],
    attack: "Sequences rewrite the question on the screen",
    status: "tested",
    test: [
      "test/core/safety/approval-question.test.ts › the question › shows what is hidden in it",
      "test/core/safety/approval-question.test.ts › the question › lets nothing that is quoted begin a line of its own",
      "test/core/safety/presence.test.ts › a place to show it › shows words in which nothing hides, moves the cursor or makes a line that looks like the code's",
    ],
  },
  {
    id: "exec-approvals/swapped-program",
    covers: ["GHSA-q399-23r3-hfx4"],
    attack: "The program is swapped after the yes",
    status: "tested",
    test: [
      "test/gateway/api/hooks.test.ts › setting a hook › with a program that changed since the code was shown is refused",
      "test/core/hooks/program.test.ts › a file of its command line that was changed, replaced, opened to all or removed keeps it from running",
    ],
  },
  {
    id: "exec-approvals/swapped-script",
    covers: ["GHSA-8g75-q649-6pv6", "GHSA-w6wx-jq6j-6mcj", "GHSA-xf99-j42q-5w5p", "GHSA-gj9q-8w99-mp8j"],
    attack: "What the program runs is swapped after the yes",
    status: "tested",
    test: [
      "test/core/hooks/program.test.ts › a file of its command line that was changed, replaced, opened to all or removed keeps it from running",
      "test/gateway/api/hooks.test.ts › a hook at message.in › whose program was changed refuses, and the list says why",
    ],
  },
  {
    id: "exec-approvals/swapped-folder",
    covers: ["CVE-2026-32043", "CVE-2026-27545"],
    attack: "The folder becomes a link after the yes",
    status: "tested",
    test: ["test/core/safety/paths.test.ts › a folder that is swapped for a link while it is held is still the folder"],
  },
  {
    id: "exec-approvals/other-environment",
    covers: ["CVE-2026-32058", "GHSA-98ch-45wp-ch47"],
    attack: "A yes used again with another environment",
    status: "tested",
    test: [
      "test/core/safety/approvals.test.ts › a call that needs the owner › is asked again when the call differs in one byte, and not again after a no",
      "test/core/safety/fingerprint.test.ts › the fingerprint of a call › differs with every byte of principal, tool and arguments",
    ],
  },
  {
    id: "exec-approvals/replay-elsewhere",
    covers: ["GHSA-6x2m-hqfw-hvpj"],
    attack: "A yes used again in another place",
    status: "tested",
    test: [
      "test/core/tools/approval-plan.test.ts › a plan › does not reach another turn",
      "test/core/safety/approvals.test.ts › a call that needs the owner › a grant for one session does not reach another, and a revoked one reaches nothing",
    ],
  },
  {
    id: "exec-approvals/approved-by-itself",
    covers: ["CVE-2026-28466", "GHSA-gv46-4xfq-jv58"],
    attack: "The call says that it is approved",
    status: "tested",
    test: [
      "test/core/agent/turn.test.ts › what a client says was said › a call that it claims was made is never taken up, its results are read as untrusted, its question is the owner's word",
      "test/gateway/sub-turns.test.ts › no client can give a turn a ceiling, an owner's word or tools with a message",
    ],
  },
  {
    id: "exec-approvals/lasting-wrapper",
    covers: ["GHSA-6j27-pc5c-m8w8", "GHSA-9q2p-vc84-2rwm", "CVE-2026-41380"],
    attack: "A lasting yes stores a wrapper",
    status: "tested",
    test: [
      "test/core/safety/approvals.test.ts › a call that needs the owner › runs without a question where the owner said always for this tool and destination, and only there",
      "test/core/safety/command.test.ts › the command gate › asks about what writes, runs, reaches out or is not known",
    ],
  },
  {
    id: "exec-approvals/silence-is-yes",
    covers: ["CVE-2026-42423", "CVE-2026-43574"],
    attack: "No answer, or nobody to ask, counts as yes",
    status: "tested",
    test: [
      "test/gateway/api/approvals.test.ts › an answer › after its time is refused",
      "test/core/safety/presence.test.ts › without any proof nothing is proved, on every way in",
    ],
  },
  {
    id: "exec-approvals/button-of-a-stranger",
    covers: ["CVE-2026-35630", "CVE-2026-41303", "CVE-2026-32906", "CVE-2026-53807"],
    attack: "Who may not approve presses the button",
    status: "tested",
    test: [
      "test/gateway/api/approvals.test.ts › a forged yes › with an API token or a chat token is refused before it is looked at",
      "test/gateway/api/approvals.test.ts › a forged yes › as a word in a message is ordinary text, in the waiting session and in any other",
      "test/gateway/api/approvals.test.ts › a forged yes › by a process without a terminal, or with a pid over the network, is refused",
    ],
  },
  {
    id: "exec-approvals/model-edits-settings",
    covers: ["CVE-2026-41349", "CVE-2026-45001", "CVE-2026-45006"],
    attack: "The model edits the settings that hold it",
    status: "tested",
    test: [
      "test/gateway/api/config.test.ts › a setting that makes a difference to safety › asked for by a process that is at no terminal is not changed",
      "test/cmd/config.test.ts › a change of what is safe, in a home that was used › without a service is confirmed at the terminal and goes on record; without a terminal it is refused, with what to do",
      "test/core/memory/tools.test.ts › an untrusted turn › cannot write, add to or delete %s",
    ],
  },
  {
    id: "exec-approvals/client-approves-by-name",
    covers: ["CVE-2026-32898", "CVE-2026-35655"],
    attack: "A client approves by the name that a tool gave itself",
    status: "later",
    rule: "Approvals (core/safety/approvals.ts, core/safety/fingerprint.ts): a yes is for one principal, tool and exact bytes, sealed against the database, and given in person (core/safety/presence.ts)",
  },
]
