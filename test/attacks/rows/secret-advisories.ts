/** Advisories on secrets that were told. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "secret-advisories/secret-in-status",
    covers: ["CVE-2026-26326", "CVE-2026-35644", "CVE-2026-41385"],
    attack: "A list, a status or a setting tells secrets",
    status: "tested",
    test: [
      "test/cmd/secret.test.ts › secret › lists names and never a value, and the model whose key it is counts as having one",
      "test/core/secrets/vault.test.ts › on ${engine.name} › a secret is set, used by the gate in any case of its name, replaced and deleted; each change is in the audit log without its value",
      "test/cmd/config.test.ts › ironclaw config › list shows values and sources, never a password, and announces the home",
    ],
  },
  {
    id: "secret-advisories/redaction-misses",
    covers: ["CVE-2026-43528", "CVE-2026-62211"],
    attack: "A redaction that misses forms",
    status: "tested",
    test: [
      "test/core/log.test.ts › redaction › reaches messages, nested fields, names, error messages and the mirror",
      "test/core/log.test.ts › redaction › hides fields that are secret by name, and only those",
      "test/core/safety/redactor.test.ts › the redactor › takes them out of JSON, URLs and base64 too",
      "test/core/safety/leaks.test.ts › the leak table › ${rule}: finds it in prose and in JSON, whole and at its place",
    ],
  },
  {
    id: "secret-advisories/resolved-to-disk",
    covers: ["GHSA-47q7-97xp-m272"],
    attack: "A resolved secret is written into settings",
    status: "tested",
    test: [
      "test/core/config.test.ts › precedence › secrets come from the environment by name and are no configuration",
      "test/core/config.test.ts › mistakes › a password in the file or in a flag is refused and never repeated",
      "test/core/secrets/vault.test.ts › on ${engine.name} › the database holds no value; rows that were swapped, renamed or taken from an earlier version give none, and are named",
    ],
  },
  {
    id: "secret-advisories/readable-by-others",
    covers: ["GHSA-rwp6-7w3q-75fq", "GHSA-vr7j-g7jv-h5mp"],
    attack: "A restored or written file that others can read",
    status: "tested",
    test: [
      "test/core/db/backup.test.ts › a backup of ${from.name} › is a file of the owner alone, says without its passphrase only when and by what it was made, and holds no text of the house",
      "test/core/home.test.ts › private files › a file is replaced whole, 0600, and leaves nothing beside it",
      "test/core/home.test.ts › private files › a file that others can read is refused",
      "test/cmd/backup.test.ts › a backup › that was made while the service ran is a private file without a readable word in it",
    ],
  },
  {
    id: "secret-advisories/token-in-logs",
    covers: ["CVE-2026-27003", "GHSA-xwcj-hwhf-h378", "GHSA-rchv-x836-w7xp"],
    attack: "A token in an address or in the log",
    status: "tested",
    test: [
      "test/core/log.test.ts › redaction › hides fields that are secret by name, and only those",
      "test/gateway/auth.test.ts › the token › is never looked for in the URL",
      "test/core/db/postgres-url.test.ts › a database URL › is never quoted in a refusal, for it may hold a password",
    ],
  },
  {
    id: "secret-advisories/probe-carries-token",
    covers: ["CVE-2026-22174"],
    attack: "A probe carries the token to another",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › scanning and secrets › the request is scanned as the caller gave it, then the secret is put in, toward its origin only",
      "test/core/safety/egress.test.ts › redirects › to another allowed host lose every header that may hold a key",
    ],
  },
  {
    id: "secret-advisories/in-clear",
    covers: ["CVE-2026-40045"],
    attack: "A connection in clear",
    status: "tested",
    test: [
      "test/core/safety/hosts.test.ts › a public URL › with %s is refused: %j",
      "test/gateway/auth.test.ts › listening › elsewhere needs TLS or a named proxy, and a token that cannot be guessed",
    ],
  },
  {
    id: "secret-advisories/token-as-salt",
    covers: ["CVE-2026-32897"],
    attack: "A token is used for something else too",
    status: "tested",
    test: [
      "test/core/secrets/master-key.test.ts › what is derived › is another key for every purpose, none of them the key, and the same after every start",
    ],
  },
  {
    id: "secret-advisories/state-tells",
    covers: ["CVE-2026-34511", "CVE-2026-3691", "GHSA-7rcp-mxpq-72pj"],
    attack: "The state of a login tells its verifier, or is not checked",
    status: "tested",
    test: [
      "test/sandbox/login-flow.test.ts › an open login › has a state and a verifier of 32 bytes each that are never the same, and the verifier is in no URL",
      "test/sandbox/logins.test.ts › somebody else's answer › with a state that is wrong, missing, doubled, short or used is nothing, and leaves the login open",
    ],
  },
  {
    id: "secret-advisories/look-alike-host",
    covers: ["CVE-2026-62213", "GHSA-7vwx-582j-j332"],
    attack: "A token goes to a host that only looks the same",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › scanning and secrets › the request is scanned as the caller gave it, then the secret is put in, toward its origin only",
      "test/core/safety/hosts.test.ts › a public URL › with %s is refused: %j",
    ],
  },
  {
    id: "secret-advisories/falls-through",
    covers: ["GHSA-qvr7-g57c-mrc7"],
    attack: "A failed check goes on to a weaker one",
    status: "tested",
    test: [
      "test/gateway/auth.test.ts › the token › %p is refused",
      "test/gateway/auth.test.ts › a client's own token › is refused where the store of tokens fails",
    ],
  },
]
