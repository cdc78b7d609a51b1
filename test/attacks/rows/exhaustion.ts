/** Advisories on what takes memory or time without end. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "exhaustion/bodies-early",
    covers: [
      "GHSA-j27p-hq53-9wgc",
      "GHSA-rxxp-482v-7mrh",
      "CVE-2026-35633",
      "CVE-2026-41408",
      "CVE-2026-42420",
      "CVE-2026-62210",
      "GHSA-w2cg-vxx6-5xjg",
    ],
    attack: "Bodies, media and errors without an early limit",
    status: "tested",
    test: [
      "test/gateway/server.test.ts › what comes in wrong › 50 MB are refused early, announced or not",
      "test/gateway/body.test.ts › the size › that is announced as too large is refused before a byte is read",
      "test/core/safety/egress.test.ts › bounds › an endless chunked body is cut off at the cap",
      "test/gateway/image.test.ts › an image › above 5 MiB is refused",
      "test/attacks/early.test.ts › the answer to who has no token comes before their body › at %s",
    ],
  },
  {
    id: "exhaustion/picture-bomb",
    covers: ["CVE-2026-41334"],
    attack: "A picture that unpacks without end",
    status: "tested",
    test: [
      "test/gateway/openai.test.ts › the assistant, by the official client › sees images that are sent along, as data alone",
      "test/gateway/image.test.ts › an image › above 5 MiB is refused",
    ],
  },
  {
    id: "exhaustion/slow-pattern",
    covers: ["CVE-2026-22178"],
    attack: "A pattern that takes for ever",
    status: "tested",
    test: [
      "test/core/tools/file-find.test.ts › file_grep › a pattern that makes others hang takes no longer than the text is long",
      "test/core/safety/tables-speed.test.ts › the tables › ${name}: no pattern repeats without an end",
    ],
  },
  {
    id: "exhaustion/churned-keys",
    covers: ["GHSA-wr6m-jg37-68xh"],
    attack: "Keys that are never the same fill a table",
    status: "tested",
    test: [
      "test/core/safety/refusals.test.ts › who is turned away again and again fills no table: the next row says how many were left out",
      "test/gateway/auth.test.ts › guessing › is counted by the socket's peer, however its address is written; an IPv6 network is one peer",
    ],
  },
  {
    id: "exhaustion/parse-without-end",
    covers: ["GHSA-p536-vvpp-9mc8"],
    attack: "A page that is slow to parse",
    status: "tested",
    test: [
      "test/core/tools/web-fetch.test.ts › a page as Markdown › stops at a page that is nested without end, and goes on with others",
      "test/core/tools/web-fetch.test.ts › a page as Markdown › stops when its time is up",
      "test/core/tools/web-fetch.test.ts › through the pipeline › reads hostile pages in a child, one child for all of them, and goes on",
      "test/core/tools/web-fetch.test.ts › through the pipeline › a parser that dies or never ends is this tool's failure, and nothing else reads the page",
      "test/core/tools/web-fetch.test.ts › through the pipeline › reads a huge page up to a bound, and says so",
    ],
  },
  {
    id: "exhaustion/huge-prompt",
    covers: ["CVE-2026-27576"],
    attack: "A message of any size",
    status: "tested",
    test: [
      "test/gateway/server.test.ts › a message › of a million characters is stored whole, above 4 MiB it is 413",
      "test/e2e/bad-input.test.ts › size › a body of 50 MB in chunks without a length is 413 too",
    ],
  },
  {
    id: "exhaustion/retries-multiply",
    covers: ["CVE-2026-27164"],
    attack: "Retries that start anew each time",
    status: "tested",
    test: [
      "test/core/agent/turn.test.ts › a turn › ends a model that goes round in circles",
      "test/e2e/bad-providers.test.ts › answers that are no use › an empty one is asked for once more",
      "test/core/jobs/runner.test.ts › a job that throws is tried again after a while, then fails with what hangs on it",
    ],
  },
]
