/** Keys: how they are kept, and every way in which they slip out. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "secrets/scan-before-injection",
    covers: ["#791", "#1377"],
    attack: "The scan sees the secret that we put in ourselves, or does not see the one a caller wrote",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › scanning and secrets › the request is scanned as the caller gave it, then the secret is put in, toward its origin only",
      "test/core/safety/egress.test.ts › scanning and secrets › a scan that refuses, or breaks, refuses the request before a name is resolved",
    ],
  },
  {
    id: "secrets/oversized-output",
    covers: ["#1851"],
    attack: "A result too long to be shown whole goes round the scan",
    status: "tested",
    test: [
      "test/attacks/tool-output.test.ts › what a tool gives back › a key at the %s of a long result reaches neither the model nor a row or event",
      "test/attacks/tool-output.test.ts › what a tool gives back › a key that lies across the cut of a huge result leaves no part of itself",
    ],
  },
  {
    id: "secrets/error-of-a-tool",
    covers: ["#1639"],
    attack: "The text of a tool's error goes to the model unscanned and unfenced",
    status: "tested",
    test: [
      "test/attacks/tool-output.test.ts › what a tool gives back › the text of a failure that carries a key is scanned like an answer",
      "test/attacks/tool-output.test.ts › what a tool gives back › a fault inside a tool tells nothing of the machine to the model, a row or an event",
      "test/core/safety/fence.test.ts › the fence › cannot be closed or opened by the text in it, however it is spelt",
    ],
  },
  {
    id: "secrets/key-in-a-message",
    covers: ["#433", "#2494", "#7509"],
    attack: "The owner pastes a key; it stands in titles, previews, events and the record",
    status: "tested",
    test: [
      "test/attacks/tool-output.test.ts › a key that the owner pastes › stands in no title, preview, event or audit row, and no model is told it; their own message keeps it",
      "test/cmd/secret.test.ts › secret › a value that stands in a document reaches neither the model nor the reply",
    ],
  },
  {
    id: "secrets/vendors-patterns",
    covers: ["#1675"],
    attack: "Keys of vendors that no pattern knows",
    status: "tested",
    test: [
      "test/core/safety/leaks.test.ts › the leak table › has a fixture for every rule, and a source in every row",
      "test/core/safety/leaks.test.ts › the leak table › ${rule}: finds it in prose and in JSON, whole and at its place",
    ],
  },
  {
    id: "secrets/half-redacted",
    covers: ["#6855"],
    attack:
      "Only the first line or a part of a key is taken out; it is split, nested in JSON, spelled out or percent-encoded",
    status: "tested",
    test: [
      "test/core/safety/leaks.test.ts › leaks › are private keys whole: unterminated, with another end, in JSON, in code",
      "test/core/safety/leaks.test.ts › leaks › are found where they are encoded, and the encoded stretch is what is redacted",
      "test/core/safety/leaks.test.ts › leaks › that overlap are one",
      "test/core/safety/leaks.test.ts › leaks › are values that only their name gives away, in the ways and the languages that people write them",
      "test/core/safety/known-values.test.ts › values that are known › are found ${how}, at their place",
    ],
  },
  {
    id: "secrets/rest-of-a-token",
    attack: "The signature at the end of a token survives",
    status: "tested",
    test: [
      "test/core/safety/leaks.test.ts › leaks › are not hidden by what is put behind them",
      "test/core/safety/leaks.test.ts › leaks › are redacted in place, by the name of what they are",
    ],
  },
  {
    id: "secrets/invisible-inside",
    attack: "Invisible, joining or turned characters inside a key hide it",
    status: "tested",
    test: [
      "test/core/safety/views.test.ts › views of a text › show the characters that escapes, invisible and look-alike ones stand for",
      "test/core/safety/views.test.ts › views of a text › show what invisible characters spell",
      "test/core/safety/known-values.test.ts › values that are known › are found ${how}, at their place",
    ],
  },
  {
    id: "secrets/false-alarm",
    covers: ["#5221", "#6572", "#6676", "8cc7c37b4f"],
    attack: "Hashes, package names and words that only resemble a secret are held up",
    status: "tested",
    test: [
      "test/core/safety/leaks.test.ts › leaks › are not hashes, ids and checksums",
      "test/core/safety/leaks.test.ts › leaks › are not what documentation shows in their place",
      "test/cmd/outbound.test.ts › what a tool sends › is kept back where it only looks like a secret, and not where it says something of one",
      "test/core/safety/leaks.test.ts › the leak table › ${rule}: leaves alone what only looks like it",
    ],
  },
  {
    id: "secrets/recorded-traffic",
    covers: ["#2529"],
    attack: "What is recorded for tests or for the log holds live tokens",
    status: "tested",
    test: [
      "test/core/log.test.ts › redaction › reaches messages, nested fields, names, error messages and the mirror",
      "test/core/log.test.ts › redaction › hides fields that are secret by name, and only those",
      "test/core/db/postgres-url.test.ts › a database URL › is never quoted in a refusal, for it may hold a password",
    ],
  },
  {
    id: "secrets/summary-leaks",
    covers: ["e3fa27332c", "b73d6b4796"],
    attack: "A summary carries on what the conversation was not to keep",
    status: "tested",
    test: [
      "test/core/session/compact.test.ts › on $name › a summary of a private text is private",
      "test/core/session/compact.test.ts › on $name › text from outside is summarised apart, and no byte of it reaches the trusted summary's model call",
      "test/core/session/compact.test.ts › on $name › what only looks like the owner's instruction is not quoted: text from outside, other people, undone and cleared words",
    ],
  },
  {
    id: "secrets/preview-leaks",
    covers: ["#4858", "#5082", "dbee4dcc0a"],
    attack: "Previews of approvals, logs and printed errors show secrets",
    status: "tested",
    test: [
      "test/core/safety/approval-question.test.ts › the question › names the hand from outside, and takes out secrets",
      "test/core/secrets/vault.test.ts › on ${engine.name} › a secret is set, used by the gate in any case of its name, replaced and deleted; each change is in the audit log without its value",
      "test/core/log.test.ts › redaction › reaches messages, nested fields, names, error messages and the mirror",
      "test/core/config.test.ts › mistakes › a password in the file or in a flag is refused and never repeated",
    ],
  },
  {
    id: "secrets/inner-errors-outside",
    covers: ["#1711", "#2747", "#656"],
    attack: "Bodies of errors, traces and host paths reach the caller",
    status: "tested",
    test: [
      "test/gateway/server.test.ts › every answer › to a fault says nothing of it but an id, which the log has",
      "test/core/log.test.ts › redaction › leaves out the bound values of a database error",
      "test/core/db/postgres-url.test.ts › a database URL › is never quoted in a refusal, for it may hold a password",
    ],
  },
  {
    id: "secrets/swapped-rows",
    covers: ["bd6e375af2"],
    attack: "Sealed values change places between rows",
    status: "tested",
    test: [
      "test/core/secrets/vault.test.ts › on ${engine.name} › the database holds no value; rows that were swapped, renamed or taken from an earlier version give none, and are named",
      "test/core/secrets/sealed.test.ts › a sealed value › does not open under another name, version, key or nonce, nor with one bit changed or cut off",
    ],
  },
  {
    id: "secrets/weak-master-key",
    covers: ["#2653", "6168dc5195"],
    attack: "A weak, empty or wrong master key is taken",
    status: "tested",
    test: [
      "test/cmd/secret.test.ts › the master key › of the environment is refused where it is weak, or not the database's",
      "test/core/secrets/master-key.test.ts › another key than the database knows › is refused, and nothing is changed or made",
      "test/core/secrets/master-key.test.ts › another key than the database knows › is not made where the key is gone, nor where only the database's note of it is",
      "test/core/secrets/key-text.test.ts › a master key › is refused where it is ${name}, without being quoted",
    ],
  },
  {
    id: "secrets/raced-master-key",
    attack: "Two first starts make two keys",
    status: "tested",
    test: [
      "test/cmd/secret.test.ts › the master key › is made once by two first starts at the same moment",
      "test/core/secrets/master-key.test.ts › the first start › eight times at once with ${name} ends with one key that all of them have",
    ],
  },
  {
    id: "secrets/guessable-token",
    covers: ["#519", "#431", "#1718"],
    attack: "Tokens from a weak source; a name in other case misses its secret",
    status: "tested",
    test: [
      "test/core/home.test.ts › the token › is made once, 0600, with 256 random bits, and read by everyone after",
      "test/core/secrets/key-text.test.ts › a master key › that we make is always one that we take, and never the same twice",
      "test/core/secrets/vault.test.ts › on ${engine.name} › a secret is set, used by the gate in any case of its name, replaced and deleted; each change is in the audit log without its value",
    ],
  },
  {
    id: "secrets/borrowed-credential",
    covers: ["#2099", "#2465", "#2698"],
    attack: "A plugin called for one person uses another's credential",
    status: "tested",
    test: [
      "test/sandbox/logins.test.ts › another plugin › with the token's name in a credential of its own and no login gets nothing of it",
      "test/sandbox/logins.test.ts › another plugin › may not even name the secrets that only the provider gets",
      "test/sandbox/auth.test.ts › a token made by hand › is one that the plugin's own credentials name",
      "test/core/safety/egress-credentials.test.ts › toward whom › a secret for every host below a name goes there and nowhere else",
    ],
  },
  {
    id: "secrets/probe-for-secrets",
    covers: ["#7329"],
    attack: "Asking whether a secret exists tells of it; an empty one counts as there",
    status: "tested",
    test: [
      "test/gateway/api/tokens.test.ts › an API token › opens nothing but /v1: no approval, grant, token, secret, setting, memory, event or record",
      "test/cmd/secret.test.ts › secret › takes no value as an argument, an empty one, or one for a name that is none",
      "test/core/secrets/vault.test.ts › on ${engine.name} › names and values that are none are refused, and what is not there is not found, with the name that was meant",
    ],
  },
  {
    id: "secrets/inherited-environment",
    attack: "A child reads keys in its environment, or is steered by a variable or a file of the working directory",
    status: "tested",
    test: [
      "test/core/guard.test.ts › with the guard, %s, › a child inherits nothing that steers a runtime, a linker or a proxy",
      "test/core/hooks/program.test.ts › its environment holds a fixed PATH and a language and nothing of ours, and it stands in the root folder",
      "test/e2e/first-run.test.ts › a hostile working directory › BUN_OPTIONS of the environment does not reach what we start",
      "test/cmd/config.test.ts › ironclaw config › reads no .env of the working directory",
      "test/e2e/first-run.test.ts › a hostile working directory › nothing that lies there is read or run",
    ],
  },
]
