/** What happened to people who ran such an assistant. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "incidents/exposed-gateways",
    attack: "Gateways on the open network without a token",
    status: "tested",
    test: [
      "test/gateway/auth.test.ts › listening › elsewhere needs TLS or a named proxy, and a token that cannot be guessed",
      "test/gateway/auth.test.ts › listening › off loopback without either is refused by the gateway",
      "test/gateway/openapi.test.ts › the API document › asks for the token everywhere but at the two open paths",
    ],
  },
  {
    id: "incidents/skills-with-prerequisites",
    attack: "A skill that has the person fetch a thief",
    status: "later",
    rule: "The release gate (core/release.ts): nothing is installed whose exact bytes are not signed or pinned by hash, and nothing is loaded from a working directory",
  },
  {
    id: "incidents/skills-that-leak",
    attack: "A skill that puts keys into a prompt or a command line",
    status: "later",
    rule: "The secret gate (core/secrets/vault.ts, core/safety/egress.ts): a value is put in by the egress gate, toward its own host; nobody else is handed one, by any name or scope",
  },
  {
    id: "incidents/scanner-gap",
    attack: "Words alone attack; no scanner finds them",
    status: "tested",
    test: [
      "test/flow/attacks.test.ts › no text from outside reaches any goal, by any entry, without the owner's yes",
      "test/flow/mutants.test.ts › without the flow gate every goal is reached that no other gate stops",
    ],
  },
  {
    id: "incidents/poisoned-document",
    attack: "One document adds a channel, rewrites who the assistant is, and installs the rest",
    status: "tested",
    test: [
      "test/core/memory/tools.test.ts › an untrusted turn › cannot write, add to or delete %s",
      "test/gateway/api/config.test.ts › a setting that makes a difference to safety › asked for by a process that is at no terminal is not changed",
      "test/flow/attacks.test.ts › no text from outside reaches any goal, by any entry, without the owner's yes",
    ],
  },
  {
    id: "incidents/link-preview",
    attack: "An address in a reply carries a secret, and a preview fetches it",
    status: "tested",
    test: [
      "test/core/safety/reply.test.ts › a reply that a hostile page shaped › holds no address that can be fetched: in the rows, the outcome, the deltas and the events",
      "test/core/safety/links.test.ts › the links gate › leaves what is allowed and makes text of the rest",
      "test/core/safety/reply.test.ts › a secret of the house › is taken out of a reply, and what only looks like one is not",
    ],
  },
  {
    id: "incidents/infostealer",
    attack: "A thief collects the settings, keys and memory; a mail has mails forwarded",
    status: "tested",
    test: [
      "test/cmd/backup.test.ts › a backup › that was made while the service ran is a private file without a readable word in it",
      "test/core/db/backup.test.ts › a backup of ${from.name} › is a file of the owner alone, says without its passphrase only when and by what it was made, and holds no text of the house",
      "test/core/secrets/vault.test.ts › on ${engine.name} › the database holds no value; rows that were swapped, renamed or taken from an earlier version give none, and are named",
      "test/core/home.test.ts › opening a home › folders are made 0700 on first need and not before, whatever the umask",
      "test/sandbox/tools/gmail-flow.test.ts › a granted send runs until a stranger's mail was read; then the owner is asked, and sees to whom it goes",
    ],
  },
  {
    id: "incidents/postinstall",
    attack: "A package that was taken over installs more",
    status: "tested",
    test: [
      "test/scripts/packages.test.ts › a manifest that opens a door is found › a trusted package",
      "test/scripts/packages.test.ts › the empty list overrides Bun's own: the installed packages that bring scripts are all blocked",
    ],
  },
  {
    id: "incidents/false-product",
    attack: "A package that carries the product's name",
    status: "tested",
    test: [
      "test/scripts/install.test.ts › under $name › what is signed by somebody else is not",
      "test/scripts/install.test.ts › the install script › knows no address and no key unless they were pinned",
    ],
  },
  {
    id: "incidents/forgotten-instruction",
    attack: "A summary drops the owner's condition, and stop is not heard",
    status: "tested",
    test: [
      "test/core/session/compact.test.ts › on $name › the owner's standing instructions survive word for word, however the model summarises, and again the next time",
      "test/core/agent/turn.test.ts › a turn › is stopped within a second, and keeps what was said",
      "test/cmd/approval.test.ts › with a service running › lockdown ends the turn that waits and refuses the next, until it is lifted at a terminal",
    ],
  },
  {
    id: "incidents/plain-credentials",
    covers: ["openclaw#5995", "openclaw#11829", "openclaw#20912", "openclaw#92931", "openclaw#96489"],
    attack: "Keys in clear in settings and caches",
    status: "tested",
    test: [
      "test/cmd/secret.test.ts › secret › lists names and never a value, and the model whose key it is counts as having one",
      "test/core/secrets/vault.test.ts › on ${engine.name} › the database holds no value; rows that were swapped, renamed or taken from an earlier version give none, and are named",
      "test/core/config.test.ts › mistakes › a password in the file or in a flag is refused and never repeated",
    ],
  },
]
