/** Every error a person can meet, in one catalogue: its code, its HTTP status, and what to do about it. */

type Entry = { status: number; hint: string }

const catalogue = {
  internal: { status: 500, hint: "This is a fault in ironclaw. The log holds the details under the id given." },
  "input.invalid": { status: 400, hint: "Correct the fields named and send it again." },
  "input.too_large": { status: 413, hint: "Send less at once: the message says how much is accepted." },
  not_found: { status: 404, hint: "Check the id or the path; the matching `list` command shows what there is." },
  "input.not_json": { status: 415, hint: "Send JSON with the header `Content-Type: application/json`." },
  "input.too_slow": { status: 408, hint: "Send the body faster, or less at once." },
  "client.unauthorized": {
    status: 401,
    hint: "Send `Authorization: Bearer <token>`, never a token in the URL. The token is GATEWAY_AUTH_TOKEN, or in run/token of the home.",
  },
  "client.forbidden": {
    status: 403,
    hint: "This token is for chat alone. The owner's token, or the command line, can do this.",
  },
  "client.wrong_host": {
    status: 403,
    hint: "Call it by the address it listens on, or allow the name: `ironclaw config set gateway.allowed_hosts …`.",
  },
  "client.wrong_origin": {
    status: 403,
    hint: "Only the gateway's own page may call it from a browser; allow others by `ironclaw config set gateway.allowed_origins …`.",
  },
  "client.rate_limited": { status: 429, hint: "Wait the seconds that Retry-After says, then try again." },
  "client.too_many_streams": {
    status: 429,
    hint: "Close an event stream that is not needed any more, then try again.",
  },
  "webhook.refused": {
    status: 401,
    hint: "Sign it with the secret that the owner set for this channel; `ironclaw logs` on the machine says what was wrong.",
  },
  "gateway.insecure_address": {
    status: 400,
    hint: "Listen on 127.0.0.1, or set up TLS, or name the proxy in front of it.",
  },
  "gateway.address_taken": {
    status: 409,
    hint: "Stop what listens there, or choose another port: GATEWAY_PORT=0 takes any free one.",
  },
  "service.unreachable": {
    status: 503,
    hint: "Start it with `ironclaw serve`; `ironclaw status` says what holds the home.",
  },
  "service.failed": { status: 500, hint: "`ironclaw service logs` and `ironclaw service status` say more." },
  "service.not_installed": { status: 404, hint: "`ironclaw service install` installs it." },
  "service.no_manager": {
    status: 501,
    hint: "`ironclaw service start --detach` runs it without one, until the machine stops; a line `@reboot ironclaw service start --detach` in `crontab -e` starts it with the machine.",
  },
  conflict: { status: 409, hint: "The state changed in between. Look at it again, then retry." },
  "home.not_yours": {
    status: 403,
    hint: "Use a home that your own user owns: `IRONCLAW_HOME=/path ironclaw …`, or change the owner with chown.",
  },
  "home.too_open": {
    status: 403,
    hint: "Close it with the chmod in the message, and check who could have read it until now.",
  },
  "home.not_writable": {
    status: 500,
    hint: "Make it writable for your user, or name another home: `IRONCLAW_HOME=/path ironclaw …`.",
  },
  "home.locked": { status: 409, hint: "Use the running service (every command connects to it), or stop it first." },
  "home.unsafe_file": { status: 403, hint: "Remove the file named and start again; it is made anew." },
  "config.unknown_key": { status: 400, hint: "`ironclaw config list` shows every key." },
  "config.invalid": { status: 400, hint: "`ironclaw config schema` shows what each key accepts." },
  "config.unreadable": { status: 400, hint: "Correct the line named; `ironclaw config path` shows the files." },
  "config.secret": {
    status: 400,
    hint: "Secrets are never configuration. Put the whole URL into DATABASE_URL in the environment, or in the .env file of the home.",
  },
  "usage.interrupted": { status: 499, hint: "" },
  "usage.wrong": { status: 400, hint: "Add --help to see how the command is used." },
  "sandbox.no_lock": {
    status: 501,
    hint: "A process of its own, fuel, caps and a deadline hold plugins here; `ironclaw sandbox status` says what is missing.",
  },
  "onboard.unanswered": {
    status: 409,
    hint: "Give it as a flag or in the file of answers: `ironclaw onboard --help`; or run `ironclaw onboard` on a terminal.",
  },
  "onboard.needed": {
    status: 409,
    hint: "Run `ironclaw` on a terminal to be asked, or `ironclaw onboard --non-interactive --model VENDOR/MODEL`; a key in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, …) is enough too.",
  },
  "sender.refused": { status: 403, hint: "Ask the owner to let you in." },
  "turn.timeout": {
    status: 504,
    hint: "Ask for less at once, or allow more: `ironclaw config set agent.turn_timeout_seconds …`.",
  },
  "turn.given_up": { status: 500, hint: "Send the message again; the log says what ended the program." },
  "model.empty": { status: 502, hint: "Ask again, or switch the model with `/model`." },
  "model.failed": { status: 502, hint: "Run `ironclaw model test` to see what the vendor answers." },
  "usage.limited": { status: 429, hint: "Raise it with `ironclaw config set limits.day_usd …`, or wait." },
  "key.weak": {
    status: 400,
    hint: "Use 32 random bytes: `openssl rand -hex 32` prints them as SECRETS_MASTER_KEY takes them.",
  },
  "key.missing": {
    status: 503,
    hint: "Bring the key back: SECRETS_MASTER_KEY, the keychain of the user who made this home, or master.key in the home. `ironclaw restore` brings it back from a backup.",
  },
  "key.wrong": {
    status: 503,
    hint: "Set the key that belongs to this database. Nothing was changed; what the other key sealed can be read by it alone.",
  },
  "key.passphrase_missing": {
    status: 503,
    hint: "On a terminal it is asked for. Who cannot be asked finds it in IRONCLAW_KEY_PASSPHRASE, in systemd's credential `ironclaw-key-passphrase`, or in a file that only you can read: `ironclaw config set encryption.passphrase_file PATH`.",
  },
  "key.passphrase_wrong": {
    status: 503,
    hint: "Check it, capitals and spaces included. The same is said where the file was changed. Nothing was changed by this try.",
  },
  "key.passphrase_weak": {
    status: 400,
    hint: "Whoever has the file can try passphrases without end. Five or six random words are good.",
  },
  "key.damaged": {
    status: 503,
    hint: "Put back master.key as it was, from a copy of the home. `ironclaw restore` brings the key back with a backup.",
  },
  "secret.unreadable": {
    status: 500,
    hint: "Its row was changed or mixed up with another. Set it anew: `ironclaw secret set NAME`.",
  },
  "backup.passphrase_wrong": {
    status: 400,
    hint: "Check the passphrase, capitals and spaces included. The same error comes where the first bytes of the file were changed.",
  },
  "backup.passphrase_weak": {
    status: 400,
    hint: "Whoever has the file can try passphrases without end. Five or six random words are good.",
  },
  "backup.damaged": {
    status: 400,
    hint: "The file is not as it was written. Use another copy of it, or another backup. Nothing was changed.",
  },
  "backup.not_one": { status: 400, hint: "Name a file that `ironclaw backup` made." },
  "backup.newer": {
    status: 400,
    hint: "Restore it with that version of ironclaw or a later one. Nothing was changed.",
  },
  "backup.exists": { status: 409, hint: "Name another file with --output; a backup is never overwritten." },
  "backup.not_empty": {
    status: 409,
    hint: "Restore into another home (`--home`), or replace what is there with --force: the state before is kept in backups/.",
  },
  "release.no_key": {
    status: 400,
    hint: "This copy was built without one. Name the key of whoever makes your releases: `ironclaw config set update.keys …`.",
  },
  "release.unsigned": {
    status: 502,
    hint: "Nothing was installed. Try again; if it stays, somebody between here and the release server changes what it sends, or its makers have a new key: then install anew.",
  },
  "release.unavailable": {
    status: 502,
    hint: "Check `ironclaw config get update.url`, and that this machine is online.",
  },
  "release.expired": {
    status: 502,
    hint: "Check this machine's clock. If it is right, the server, or somebody in front of it, shows an old state: nothing was installed.",
  },
  "release.older": {
    status: 409,
    hint: "Nothing was installed. `ironclaw update --rollback` brings the version before this one back.",
  },
  "release.damaged": {
    status: 502,
    hint: "What was downloaded is not what was signed, and was thrown away. Try again; if it stays, report it to whoever makes the releases.",
  },
  "release.no_target": { status: 404, hint: "Build it from the sources: `npm run build`." },
  "update.not_configured": {
    status: 400,
    hint: "Say where releases are: `ironclaw config set update.url https://…`, or IRONCLAW_RELEASE_URL in the environment.",
  },
  "update.not_ours": { status: 409, hint: "Update it the way it was installed." },
  "update.busy": { status: 409, hint: "Wait until the other update is done." },
  "update.trial_failed": {
    status: 500,
    hint: "Nothing was changed: the version that runs is the one from before. Please report what the new one said.",
  },
  "update.not_written": {
    status: 507,
    hint: "Nothing was changed. Make room, or make the folder writable, and run it again.",
  },
  "update.nothing_kept": {
    status: 404,
    hint: "An update keeps the version before it; there was none since this was installed.",
  },
  "update.went_back": {
    status: 500,
    hint: "The version from before is in place again. The log in the home's logs folder says what the new one met.",
  },
  "db.unreachable": {
    status: 503,
    hint: "Start the server or correct DATABASE_URL; without it the built-in database is used.",
  },
  "db.tls_failed": {
    status: 503,
    hint: "Name the certificate authority with `sslrootcert=/path/ca.pem` in DATABASE_URL, or choose a weaker `sslmode` knowingly.",
  },
  "db.auth_failed": {
    status: 503,
    hint: "Correct user and password in DATABASE_URL; in a URL, special characters are percent-encoded.",
  },
  "db.no_database": { status: 503, hint: "Create it first, as in the message, or correct the name in DATABASE_URL." },
  "db.bad_url": {
    status: 400,
    hint: "DATABASE_URL looks like `postgres://user:password@host:5432/database?sslmode=verify-full`.",
  },
  "db.no_vector": {
    status: 200,
    hint: "Nothing is broken: memory search uses words alone. Install pgvector on the server to search by meaning too.",
  },
  "db.extension_denied": {
    status: 200,
    hint: "Ask the administrator to run the command in the message; it is picked up at the next start. Until then memory search uses words alone.",
  },
  "db.permission_denied": {
    status: 503,
    hint: "Ask the administrator to run the command in the message, then start again.",
  },
  "db.too_old": { status: 503, hint: "ironclaw needs PostgreSQL 15 or later; the built-in database needs no server." },
  "db.connection_lost": {
    status: 503,
    hint: "The next request connects again by itself. The change in flight was stored whole or not at all: look before you repeat it.",
  },
  "db.crashed": {
    status: 503,
    hint: "Restart ironclaw; everything that was acknowledged is on disk. The log has the details.",
  },
  "db.migration_changed": {
    status: 500,
    hint: "This database was made by a build with other migrations. Use that build, or `ironclaw backup` there and `ironclaw restore` here.",
  },
  "db.newer": { status: 500, hint: "Use the version of ironclaw that made this database, or a newer one." },
  "db.full_disk": {
    status: 507,
    hint: "Free some space where the database is, then try again; nothing that was acknowledged is lost.",
  },
  "db.locked": {
    status: 409,
    hint: "Stop the other process first, or use the running service: every command connects to it.",
  },
  "db.timeout": {
    status: 503,
    hint: "The change was rolled back as a whole. Try again; if it happens often, the log names the statement.",
  },
  "model.unknown": { status: 404, hint: "`ironclaw model list` shows the models; write one as vendor/model." },
  "model.unsupported": { status: 400, hint: "Choose another backend: `ironclaw config set model.backend NAME`." },
  "model.no_key": {
    status: 503,
    hint: "Set the vendor's key in the environment or with `ironclaw secret set`, or choose another backend.",
  },
  "egress.refused": {
    status: 403,
    hint: "Only hosts that were granted can be reached: `ironclaw grant list` shows them; a model on your own machine or network is set by its base URL.",
  },
  "guard.refused": {
    status: 500,
    hint: "A part of the program tried to go around the gates. Nothing went out; please report it with the log.",
  },
  "egress.busy": { status: 429, hint: "Wait until one of the running requests has ended." },
  "egress.dns": { status: 502, hint: "Check the name, and that this machine is online." },
  "egress.unreachable": { status: 502, hint: "Check that the other side runs and that this machine is online." },
  "egress.timeout": {
    status: 504,
    hint: "Try again; if it stays slow, the other side is overloaded or blocked on the way.",
  },
  "egress.tls": {
    status: 502,
    hint: "Someone may be in between, or the certificate has expired. A private authority is trusted with NODE_EXTRA_CA_CERTS.",
  },
  "egress.too_large": { status: 502, hint: "Ask the other side for less at a time." },
  "egress.garbled": {
    status: 502,
    hint: "The other side does not speak proper HTTP there; check the address and try again.",
  },
  "presence.required": {
    status: 403,
    hint: "Do it at a terminal: `ironclaw approval`, `ironclaw grant`, `ironclaw secret`, `ironclaw lockdown`. By API: send `presence: {ask: {}}` for a code in the running chat, then `presence: {challenge, code}`.",
  },
  "presence.no_terminal": {
    status: 403,
    hint: "Run the command yourself, in the foreground of a terminal on the machine where ironclaw runs; what ironclaw started is never the owner.",
  },
  "presence.wrong_code": { status: 403, hint: "Type the six digits as the terminal shows them." },
  "presence.expired": { status: 403, hint: "Ask again: a code is good for one change, two minutes and five tries." },
  "presence.too_many": {
    status: 429,
    hint: "Wait, or answer in the running chat. If you did not ask for codes, somebody else did: `ironclaw lockdown`.",
  },
  "presence.declined": { status: 403, hint: "Nothing was changed." },
  "lockdown.active": {
    status: 423,
    hint: "The owner lifts it at a terminal of this machine: `ironclaw lockdown --lift`.",
  },
  "hook.refused": {
    status: 403,
    hint: "The owner's hooks decide here: `ironclaw hook list` shows them, `ironclaw hook remove NAME` takes one away.",
  },
  "hook.unusable": {
    status: 400,
    hint: "A hook is a program by its whole path, with its arguments, or a URL: `ironclaw hook add --help`.",
  },
  "login.needed": { status: 409, hint: "Log in anew: `ironclaw tool auth NAME`." },
  "login.refused": {
    status: 502,
    hint: "Begin again: `ironclaw tool auth NAME`; `--status` says what is known of it.",
  },
  "login.too_many": { status: 429, hint: "Finish one of them, or wait." },
  "login.no_client": { status: 409, hint: "`ironclaw tool auth NAME` explains how to make one, and asks for it." },
  "plugin.token_refused": { status: 422, hint: "Make another one at the vendor's page, and try again." },
  "plugin.token_unproved": { status: 502, hint: "Try again later; `--unchecked` keeps it without trying it." },
  "plugin.unusable": {
    status: 400,
    hint: "A plugin is a folder with a plugin.json and its code, an archive of one, or one .wasm, .ts or .js file: `ironclaw tool install --help`.",
  },
  "approval.required": {
    status: 409,
    hint: "`ironclaw approval list` shows what waits; `ironclaw approval allow ID` allows it.",
  },
} as const satisfies Record<string, Entry>

export type ErrorCode = keyof typeof catalogue

/** Statuses and hints of every code, for the API document and the tests. */
export const errorCatalogue: Readonly<Record<ErrorCode, Entry>> = catalogue

/** The hint of a stored code; none for one that this version does not know. */
export function hintOf(code: string): string {
  return Object.hasOwn(catalogue, code) ? errorCatalogue[code as ErrorCode].hint : "" // hasOwn proves it
}

/** What crosses a border: HTTP bodies and `--json` output carry exactly these fields. */
export type ErrorBody = { code: ErrorCode; message: string; hint: string }

/** An error whose message may be shown. Everything else becomes `internal` with an id at the border. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly hint: string
  /** Seconds after which a retry makes sense, where that is known. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; hint?: string; retryAfterSeconds?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = "AppError"
    this.code = code
    this.status = catalogue[code].status
    this.hint = options.hint ?? catalogue[code].hint
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  toBody(): ErrorBody {
    return { code: this.code, message: this.message, hint: this.hint }
  }
}
