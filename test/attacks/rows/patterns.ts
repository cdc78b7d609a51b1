/** The habits behind many of these. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "patterns/client-declared-authority",
    attack: "Rights as the client declares them",
    status: "tested",
    test: [
      "test/gateway/sub-turns.test.ts › no client can give a turn a ceiling, an owner's word or tools with a message",
      "test/gateway/auth.test.ts › a client's own token › may chat, and nothing else",
      "test/gateway/api/tokens.test.ts › an API token › is not made with the code of another one",
      "test/gateway/api/grants.test.ts › a grant that the owner adds › is not made with the code of a narrower one",
    ],
  },
  {
    id: "patterns/local-as-credential",
    attack: "To be local counts as a right",
    status: "tested",
    test: [
      "test/gateway/auth.test.ts › guessing › by X-Forwarded-For changes nothing",
      "test/gateway/api/approvals.test.ts › a forged yes › with an API token or a chat token is refused before it is looked at",
      "test/gateway/auth.test.ts › the place a request comes from › the socket and this process are the owner without a token, never for a browser",
    ],
  },
  {
    id: "patterns/one-sender-decision",
    attack: "Each kind of event has a check of its own",
    status: "tested",
    test: [
      "test/core/safety/sender.test.ts › the sender gate › gives nothing to who is not",
      "test/gateway/every-way-every-gate.test.ts › at the door › the sender gate refuses who is not known, wherever they write from",
    ],
  },
  {
    id: "patterns/late-verification",
    attack: "Something is parsed before it is known who sent it",
    status: "tested",
    test: ["test/attacks/early.test.ts › the answer to who has no token comes before their body › at %s"],
  },
  {
    id: "patterns/approved-text",
    attack: "A text is approved, and something else runs",
    status: "tested",
    test: [
      "test/core/safety/approvals.test.ts › a call that needs the owner › is asked again when the call differs in one byte, and not again after a no",
      "test/core/safety/fingerprint.test.ts › the fingerprint of a call › differs with every byte of principal, tool and arguments",
      "test/gateway/api/hooks.test.ts › setting a hook › with a program that changed since the code was shown is refused",
      "test/core/hooks/program.test.ts › a file of its command line that was changed, replaced, opened to all or removed keeps it from running",
    ],
  },
  {
    id: "patterns/allowlisted-shell",
    attack: "A list of allowed commands, and of forbidden variables",
    status: "tested",
    test: [
      "test/core/safety/command.test.ts › the command gate › asks about what writes, runs, reaches out or is not known",
      "test/core/guard.test.ts › with the guard, %s, › a child inherits nothing that steers a runtime, a linker or a proxy",
      "test/core/guard.test.ts › an environment is cleaned of what steers, and keeps the rest",
    ],
  },
  {
    id: "patterns/check-then-use",
    attack: "A path is checked, then opened anew",
    status: "tested",
    test: [
      "test/core/safety/paths.test.ts › a folder that is swapped for a link while it is held is still the folder",
      "test/core/safety/paths.test.ts › a jail with %s › writes nothing outside by any of these ways",
    ],
  },
  {
    id: "patterns/unguarded-fetch",
    attack: "One of many ways out has no guard",
    status: "tested",
    test: [
      "test/core/guard.test.ts › with the guard, %s, › no way out works, and none reaches a server",
      "test/core/safety/egress.test.ts › names and addresses › a name that changes its answer after the check gains nothing: it is asked once",
      "test/core/safety/egress.test.ts › redirects › to %s are refused",
      "test/core/safety/egress.test.ts › redirects › to another allowed host lose every header that may hold a key",
    ],
  },
  {
    id: "patterns/lost-label",
    attack: "A text loses where it came from",
    status: "tested",
    test: [
      "test/core/memory/memory.test.ts › memory on $name › appending › an untrusted line stays untrusted, the rest of the note does not become so",
      "test/core/agent/edges.test.ts › at the edges of a turn › a refusal that quotes the model keeps the labels of what the model had read",
      "test/core/session/compact.test.ts › on $name › text from outside is summarised apart, and no byte of it reaches the trusted summary's model call",
      "test/core/agent/agent-spawn.test.ts › a reader › of a turn that had read text from outside itself gives values that stay untrusted",
    ],
  },
  {
    id: "patterns/half-revoked",
    attack: "What is revoked goes on where it is open",
    status: "tested",
    test: [
      "test/gateway/api/tokens.test.ts › an API token › that is revoked in mid-answer cuts the stream, stops the turn, and lets nobody in again",
      "test/core/safety/tokens.test.ts › API tokens ($name) › that are revoked end what they hold open, and are found no more; the row stays",
      "test/core/safety/tokens.test.ts › API tokens ($name) › that another process revokes end here too",
      "test/cmd/approval.test.ts › with a service running › lockdown ends the turn that waits and refuses the next, until it is lifted at a terminal",
    ],
  },
  {
    id: "patterns/workspace-configures",
    attack: "What lies in the working folder configures us",
    status: "tested",
    test: [
      "test/cmd/config.test.ts › ironclaw config › reads no .env of the working directory",
      "test/e2e/first-run.test.ts › a hostile working directory › nothing that lies there is read or run",
      "test/core/memory/tools.test.ts › an untrusted turn › cannot write, add to or delete %s",
    ],
  },
]
