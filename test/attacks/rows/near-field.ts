/** What went wrong in products like this, and attacks on the way ours is made. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "near-field/sandbox-by-name",
    attack: "A jail that was asked for is missing, and none is taken instead",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
  {
    id: "near-field/changed-after-asking",
    attack: "What was asked about changes before it runs; an old yes releases a newer draft",
    status: "tested",
    test: [
      "test/core/safety/approvals.test.ts › a call that needs the owner › is asked again when the call differs in one byte, and not again after a no",
      "test/core/agent/edges.test.ts › at the edges of a turn › a question that was changed in the database cannot be answered with yes",
      "test/gateway/api/approvals.test.ts › an answer › is not given to a question whose words someone changed in the database",
      "test/gateway/api/hooks.test.ts › setting a hook › with a program that changed since the code was shown is refused",
      "test/core/safety/approvals.test.ts › a call that needs the owner › is not asked in other words after a no, where text from outside had a hand in it",
    ],
  },
  {
    id: "near-field/judge-that-tells",
    attack:
      "A plugin that judges messages carries them out, speaks in the owner's name, or is taken away by who it stood in the way of",
    status: "tested",
    test: [
      "test/sandbox/plugin-hooks.test.ts › a hostile hook › reaches nothing that its tools were granted: no host, no memory, no secret, no tool, no line of the log",
      "test/sandbox/plugin-hooks.test.ts › a hostile hook › keeps nothing from one message for the next, and takes no label away",
      "test/sandbox/plugin-hooks.test.ts › a plugin's hook over a message of the owner's › has the flow gate ask about what the owner's own words would have been enough for",
      "test/sandbox/plugin-hooks.test.ts › a plugin with hooks › whose files were changed, or whose row somebody else wrote, lets nothing pass until the owner has looked",
      "test/gateway/api/plugins.test.ts › taking away › needs a code for a plugin that judges what passes, as taking a hook away does, and for no other",
    ],
  },
  {
    id: "near-field/always-for-wrapper",
    attack: "A lasting yes for what runs anything",
    status: "tested",
    test: [
      "test/core/safety/approvals.test.ts › a call that needs the owner › runs without a question where the owner said always for this tool and destination, and only there",
      "test/core/safety/command.test.ts › the command gate › asks about what writes, runs, reaches out or is not known",
    ],
  },
  {
    id: "near-field/policy-lost-unattended",
    covers: ["goose#11164"],
    attack: "A level, a model or a ban is lost where nobody watches",
    status: "tested",
    test: [
      "test/core/safety/ceiling.test.ts › the ceiling of a sub-turn › holds at every level and against the owner's own grants",
      "test/core/agent/agent-spawn.test.ts › a helper › is refused what it would have to ask about, and the main turn is told which call is left",
      "test/core/agent/agent-spawn.test.ts › a helper › does what is granted, and what the flow gate would ask about it does not",
      "test/core/agent/agent-spawn.test.ts › a sub-turn › speaks to the model that the owner chose for the turn that it works for",
      "test/core/agent/turn.test.ts › a turn › does not run a tool with an effect at the read-only level",
    ],
  },
  {
    id: "near-field/unknown-key",
    attack: "A misspelt setting leaves the default without a word",
    status: "tested",
    test: [
      "test/core/config.test.ts › mistakes › an unknown key in the file names its line and the nearest one",
      "test/core/config.test.ts › mistakes › a misspelt section, flag and .env name are errors too",
      "test/cmd/config.test.ts › ironclaw config › a misspelt key names the nearest one, as text and as JSON",
      "test/cmd/config.test.ts › a change of what is safe, in a home that was used › mends what keeps everything from opening, at the terminal alone",
    ],
  },
  {
    id: "near-field/signed-manifest-alone",
    attack:
      "A signature that covers the description and not the bytes; a verifier that nobody calls; fields that run together",
    status: "tested",
    test: [
      "test/e2e/update.test.ts › beside a running service › what is forged, older, frozen, damaged, cut short or not for this machine is refused, and nothing changes",
      "test/core/release.test.ts › a release is refused › when any byte of it was changed after it was signed",
      "test/scripts/install.test.ts › under $name › a program that was changed or cut short on the way is not",
      "test/core/audit-verify.test.ts › audit verify on ${engine.name} › computes the hashes that the database made, byte for byte, whatever the texts hold",
    ],
  },
  {
    id: "near-field/unpacked-in-temp",
    covers: ["opencode#42700"],
    attack: "What is unpacked to a shared folder by a known name",
    status: "tested",
    test: [
      "test/cmd/own-program.test.ts › what the release server sends › comes into the home for its owner alone, and what an earlier one left is gone",
      "test/core/db/snapshot.test.ts › a snapshot › that was cut off or is no snapshot is ignored or refused, never used",
      "test/core/home.test.ts › the socket › of a home with a long path is in a short private folder that run/ records",
    ],
  },
  {
    id: "near-field/slow-subscriber",
    covers: ["opencode#16697"],
    attack: "A slow watcher fills the memory",
    status: "tested",
    test: [
      "test/gateway/stream.test.ts › bounds › a watcher that does not read is dropped before a second mebibyte waits for it",
      "test/gateway/stream.test.ts › bounds › a client that reads too slowly over TCP is dropped, and the service goes on",
    ],
  },
  {
    id: "near-field/by-reference",
    attack: "A handle or an id lets private data leave without passing the model",
    status: "tested",
    test: [
      "test/core/tools/touched-labels.test.ts › a send that is given a ${source.kind} to read is judged as one with private data in reach",
      "test/core/tools/touched-labels.test.ts › what memory gives back is private, at every tool that reads it, and stays so in what is read again by handle",
      "test/core/session/tools.test.ts › on $name › another session's message, another agent's, and one that is not there are all the same: not there",
    ],
  },
  {
    id: "near-field/harm-without-data",
    attack: "Text from outside has something deleted, posted or bought",
    status: "tested",
    test: [
      "test/core/safety/flow.test.ts › the flow gate › asks in exactly the cases of the rule, over every combination",
      "test/flow/attacks.test.ts › no text from outside reaches any goal, by any entry, without the owner's yes",
      "test/core/agent/turn.test.ts › untrusted text › is fenced in its own turn, and leaves the context when the turn ends",
    ],
  },
  {
    id: "near-field/laundered-labels",
    attack: "A label is lost in a note, an export, an undo, a title, a summary, a helper's answer",
    status: "tested",
    test: [
      "test/core/memory/memory.test.ts › memory on $name › appending › an untrusted line stays untrusted, the rest of the note does not become so",
      "test/core/memory/tools.test.ts › what an untrusted turn writes is labelled so when it is read, listed and found",
      "test/core/session/store.test.ts › on $name › a session takes its first message's words and labels as title, in the commit of that message",
      "test/core/agent/agent-spawn.test.ts › a reader › answers in words: text from outside, fenced, by handle, out of sight with the end of the turn",
      "test/core/agent/agent-spawn.test.ts › a reader › of a turn that had read text from outside itself gives values that stay untrusted",
      "test/core/agent/edges.test.ts › at the edges of a turn › a refusal that quotes the model keeps the labels of what the model had read",
      "test/core/session/compact.test.ts › on $name › what only looks like the owner's instruction is not quoted: text from outside, other people, undone and cleared words",
    ],
  },
  {
    id: "near-field/hostile-vendor",
    attack: "The model itself invents where to send something",
    status: "tested",
    test: [
      "test/core/tools/web-fetch.test.ts › through the pipeline › asks before it goes where the owner did not say",
      "test/core/tools/http-request.test.ts › text from outside and private data in one turn › make a request to a host that a text chose an ask, and name the reason",
      "test/core/tools/http-request.test.ts › text from outside and private data in one turn › leave ten GETs to the owner's URLs, and no eleventh",
      "test/core/agent/agent-spawn.test.ts › a reader › cannot be sent anywhere by a page that the turn itself has read, but to what the owner wrote",
    ],
  },
  {
    id: "near-field/order-as-channel",
    attack: "The choice among allowed requests, or names under a wildcard, tell something",
    status: "tested",
    test: [
      "test/core/tools/http-request.test.ts › text from outside and private data in one turn › leave ten GETs to the owner's URLs, and no eleventh",
      "test/core/safety/hosts.test.ts › a rule that is not well-formed matches nothing: %j",
      "test/core/safety/egress.test.ts › names and addresses › nothing is looked up before the whole URL passed",
    ],
  },
  {
    id: "near-field/channel-forges-owner",
    attack: "A channel says that the owner wrote, or answers its own turn's question",
    status: "tested",
    test: [
      "test/channels/hostile.test.ts › a hostile channel › that names %s in a message has it refused whole",
      "test/channels/hostile.test.ts › a hostile channel › is not the owner by an id that the owner has elsewhere, nor by their name or our own ids",
      "test/channels/hostile.test.ts › a hostile channel › cannot answer what its own turn asks: a yes is given where the owner proves to be there",
      "test/gateway/api/pairing.test.ts › letting somebody in › takes the owner at a terminal, who reads whom they let in, and as what",
    ],
  },
  {
    id: "near-field/rows-of-authority",
    attack: "Whoever can write the database writes a grant, a yes, a token, a hook or a lockdown",
    status: "tested",
    test: [
      "test/core/safety/approvals.test.ts › a row that someone else wrote › allows nothing: an approval turned into a yes in the database is refused and told",
      "test/core/safety/approvals.test.ts › a row that someone else wrote › grants nothing: neither a new grant, nor one moved to another destination, nor one that was revoked",
      "test/core/safety/tokens.test.ts › API tokens ($name) › that somebody else put there are none",
      "test/core/safety/tokens.test.ts › API tokens ($name) › whose %s somebody else changed are none, and that is told",
      "test/gateway/api/hooks.test.ts › a row that someone else wrote › lets nothing pass any point, until the owner has taken it away (%s)",
      "test/core/safety/lockdown.test.ts › a lockdown › whose row was changed by someone else counts as one, and says so",
    ],
  },
  {
    id: "near-field/rug-pull",
    attack: "What was granted changes; a name that only looks the same; a description that wants to be first",
    status: "tested",
    test: [
      "test/core/memory/memory.test.ts › memory on $name › writing › is refused for a lookalike of a document that exists",
      "test/gateway/api/hooks.test.ts › a hook at message.in › whose program was changed refuses, and the list says why",
      "test/core/safety/approval-question.test.ts › the question › points at letters that only look Latin, and not at words of another alphabet",
    ],
  },
  {
    id: "near-field/package-runner",
    attack: "A server of tools that a package runner starts",
    status: "later",
    rule: "The meter (sandbox/meter.ts) and README's security map: code that we did not write runs metered, with no reach that it was not given, and one that cannot be jailed is refused",
  },
  {
    id: "near-field/hostile-parser-input",
    attack: "A file that attacks its parser, beside the key",
    status: "tested",
    test: [
      "test/core/tools/web-fetch.test.ts › through the pipeline › reads hostile pages in a child, one child for all of them, and goes on",
      "test/core/tools/web-fetch.test.ts › through the pipeline › a parser that dies or never ends is this tool's failure, and nothing else reads the page",
      "test/sandbox/parse/archive.test.ts › in a child › a child that fell to an archive cannot name a file that leads out",
    ],
  },
  {
    id: "near-field/child-of-ours",
    attack: "What we started runs our own commands",
    status: "tested",
    test: [
      "test/core/safety/presence-terminal.test.ts › a terminal › of this very process is its own, unless ironclaw started it",
      "test/core/safety/presence-terminal.test.ts › the kernel › tells a child of ours at a terminal of its own from a command of the owner",
      "test/gateway/api/config.test.ts › a setting that makes a difference to safety › asked for by a process that is at no terminal is not changed",
      "test/gateway/api/approvals.test.ts › a forged yes › by a process without a terminal, or with a pid over the network, is refused",
    ],
  },
  {
    id: "near-field/forged-history",
    attack: "A client of the OpenAI API brings a past that never was",
    status: "tested",
    test: [
      "test/core/agent/turn.test.ts › what a client says was said › a call that it claims was made is never taken up, its results are read as untrusted, its question is the owner's word",
      "test/gateway/openai.test.ts › the assistant, by the official client › takes what a client says went before as history, not as the owner's word",
    ],
  },
  {
    id: "near-field/fatigue",
    attack: "Many small questions, then the real one; words of the attacker in the question",
    status: "tested",
    test: [
      "test/core/safety/approvals.test.ts › a call that needs the owner › stops asking after five questions in one turn",
      "test/core/safety/approval-question.test.ts › the question › lets nothing that is quoted begin a line of its own",
      "test/core/safety/approval-question.test.ts › the question › shows both ends of a long call, and how much is between them",
      "test/core/tools/approval-plan.test.ts › a plan › is the way out after five questions",
    ],
  },
  {
    id: "near-field/backup-under-its-key",
    attack: "A backup that opens by the key that lies in it, or brings tokens and yeses back to life",
    status: "tested",
    test: [
      "test/cmd/backup.test.ts › a backup › wants a passphrase that is one, from stdin or from a person, and never as an argument",
      "test/core/db/backup.test.ts › a backup of ${from.name} › is a file of the owner alone, says without its passphrase only when and by what it was made, and holds no text of the house",
      "test/core/db/backup.test.ts › a backup file › is refused with a wrong passphrase, and opened by the same one typed on another keyboard",
      "test/core/db/backup.test.ts › every table of the schema is in a backup, but for those that are left out on purpose",
    ],
  },
  {
    id: "near-field/older-release",
    attack: "An old or frozen release is served as the newest",
    status: "tested",
    test: [
      "test/core/release.test.ts › a release is refused › when it has expired, or comes from the future",
      "test/core/release.test.ts › a release is refused › when a newer one was seen",
      "test/e2e/update.test.ts › beside a running service › what is forged, older, frozen, damaged, cut short or not for this machine is refused, and nothing changes",
      "test/scripts/install.test.ts › under $name › an older one does not take the place of a newer one, and the one before is kept",
      "test/scripts/install.test.ts › under $name › an expired release is not",
    ],
  },
  {
    id: "near-field/oauth-mixup",
    attack: "A port that somebody took, issuers that are mixed up, a token of another plugin",
    status: "tested",
    test: [
      "test/gateway/login-callback.test.ts › the listener of a login › listens on loopback alone, on a port that the system gives, and is gone when it is closed",
      "test/sandbox/logins.test.ts › somebody else's answer › that names another issuer is refused before any request",
      "test/sandbox/logins.test.ts › another plugin › with the token's name in a credential of its own and no login gets nothing of it",
      "test/sandbox/logins.test.ts › another plugin › that says its provider is the same one, at other addresses, gets neither token nor client",
      "test/sandbox/logins.test.ts › another plugin › of the same login that asks for more rights waits until the owner logged in for them",
      "test/sandbox/logins.test.ts › another plugin › a row that somebody else wrote is no login",
    ],
  },
  {
    id: "near-field/own-packages",
    attack: "Scripts, fresh releases, swaps and look-alikes among our own packages",
    status: "tested",
    test: [
      "test/scripts/packages.test.ts › a manifest that opens a door is found › trustedDependencies left out",
      "test/scripts/packages.test.ts › a manifest that opens a door is found › a trusted package",
      "test/scripts/packages.test.ts › a bunfig that takes what is brand-new is found › no minimum age",
      "test/scripts/packages.test.ts › a bunfig that takes what is brand-new is found › too small an age",
      "test/scripts/packages.test.ts › the empty list overrides Bun's own: the installed packages that bring scripts are all blocked",
      "test/scripts/packages.test.ts › a bunfig that takes what is brand-new is found › ranges",
    ],
  },
]
