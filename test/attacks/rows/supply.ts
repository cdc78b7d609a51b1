/** What is installed, and what exhausts or breaks us. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "supply/artifact-hash",
    covers: ["#328", "#832", "#1007", "#753", "#875", "#939"],
    attack: "What is installed is not what was named, and a missing hash is no hindrance",
    status: "tested",
    test: [
      "test/scripts/install.test.ts › under $name › a program that was changed or cut short on the way is not",
      "test/e2e/update.test.ts › beside a running service › what is forged, older, frozen, damaged, cut short or not for this machine is refused, and nothing changes",
      "test/scripts/install.test.ts › under $name › what is signed by somebody else is not",
      "test/core/release.test.ts › a release is refused › when any byte of it was changed after it was signed",
    ],
  },
  {
    id: "supply/foreign-scripts",
    covers: ["#107"],
    attack: "A page loads scripts from elsewhere",
    status: "later",
    rule: "There is no page of ours yet; the gateway's headers forbid scripts, frames and sniffing (gateway/server.ts), and what becomes a page is served from the program itself under them",
  },
  {
    id: "supply/old-packages",
    attack: "Known holes in packages stay",
    status: "tested",
    test: [
      "test/scripts/packages.test.ts › the registry's advisories › a high one fails",
      "test/scripts/packages.test.ts › the registry's advisories › a critical one fails",
    ],
  },
  {
    id: "supply/poison-input",
    covers: ["#1353"],
    attack: "One input that always fails stops everything behind it",
    status: "tested",
    test: [
      "test/core/jobs/runner.test.ts › a job that throws is tried again after a while, then fails with what hangs on it",
      "test/core/jobs/runner.test.ts › what a process that ended left behind › it is run again, until its attempts are used up; then it fails with what hangs on it",
      "test/e2e/bad-providers.test.ts › answers that are no use › a tool that does not exist is said not to",
    ],
  },
  {
    id: "supply/no-bounds",
    covers: ["#826", "#1867", "#2760", "#735"],
    attack: "Caches, buffers, loops, retries and children without bound",
    status: "tested",
    test: [
      "test/core/agent/turn.test.ts › a turn › ends a model that goes round in circles",
      "test/e2e/bad-providers.test.ts › answers that are no use › a model that calls the same thing for ever is brought to an end",
      "test/e2e/bad-clients.test.ts › clients that go away › hundreds that leave in mid-stream leave no memory behind",
      "test/gateway/stream.test.ts › bounds › a hundred watchers are served, the next one is told to come back, and places become free",
      "test/core/safety/refusals.test.ts › who is turned away again and again fills no table: the next row says how many were left out",
    ],
  },
  {
    id: "supply/writer-starved",
    covers: ["#6815", "#6863", "#6871", "#7714"],
    attack: "One slow or wrong write fails everybody's",
    status: "tested",
    test: [
      "test/core/db/writer.test.ts › $name › a unit that fails takes no other of its group with it, and leaves no row, event or audit",
      "test/core/db/writer.test.ts › $name › puts callers that come at once into few commits, in the order in which they came",
      "test/e2e/side-by-side.test.ts › a hundred conversations with a slow model never wait for each other",
    ],
  },
  {
    id: "supply/crash-in-turn",
    covers: ["#1069", "#1975", "#754"],
    attack: "A crash repeats an effect, loses a question or the history",
    status: "tested",
    test: [
      "test/e2e/kill.test.ts › kill -9 at any moment loses no acknowledged message, repeats no effect, and what was cut off comes back",
      "test/core/agent/restart.test.ts › after a crash › a call with an effect that had started is not run again, and the model is told",
      "test/core/safety/approvals.test.ts › a call that needs the owner › survives a restart: the question stays, and the answer lets the turn go on",
      "test/core/session/compact.test.ts › on $name › a model that fails twice is stood in for by first lines, which say so",
      "test/core/session/compact.test.ts › on $name › where first lines are not wanted, a failing model leaves everything as it is and says why",
    ],
  },
]
