/** Checks of who may do what: grants, tokens, approvals, hooks, the record of acts, and what the gates had to refuse. */
import { type Check, daysSince, daysText, failure, listText, note, ok, warning, skipped } from "./check.ts"
import { examined } from "./examined.ts"

const UNUSED_DAYS = 90
const OLD_TOKEN_DAYS = 180
/** Half of the day that a question stays open. */
const LONG_WAIT_MS = 12 * 3_600_000

export const trustChecks: readonly Check[] = [
  {
    id: "grants.unused",
    why: "What runs without asking and is not needed can only be misused.",
    judge: examined(({ grants }, { clock }) => {
      const unused = grants.filter(
        ({ usedAt, createdAt }) => daysSince(usedAt ?? createdAt, clock.nowMs()) > UNUSED_DAYS,
      )
      if (unused.length === 0)
        return ok(grants.length === 0 ? "Nothing is granted" : `${grants.length} in force, each new or in use`)
      return note(
        `Not used for ${UNUSED_DAYS} days: ${listText(unused.map(({ id, tool }) => `${tool} (${id})`))}`,
        "`ironclaw grant revoke ID`",
      )
    }),
  },
  {
    id: "grants.wide",
    why: "A grant for a whole host lets a fooled model send anything there.",
    judge: examined(({ grants }) => {
      const wide = grants.filter(({ destination }) =>
        /(?:^|; )http \S+ \S*(?:POST|PUT|PATCH|DELETE)\S* \/(?:$|;)/.test(destination),
      )
      return wide.length === 0
        ? ok("None lets a whole host be written to")
        : warning(
            `May write to a whole host: ${listText(wide.map(({ id, destination }) => `${destination} (${id})`))}`,
            "`ironclaw grant revoke ID`, and grant the path that is needed.",
          )
    }),
  },
  {
    id: "grants.even-untrusted",
    why: "Then a page or mail that fools the model makes the call happen without your being asked.",
    judge: examined(({ grants }) => {
      const open = grants.filter(({ evenUntrusted }) => evenUntrusted)
      return open.length === 0
        ? ok("None holds for text from outside")
        : warning(
            `Also for text from outside: ${listText(open.map(({ id, tool }) => `${tool} (${id})`))}`,
            "`ironclaw grant revoke ID` unless that is meant.",
          )
    }),
  },
  {
    id: "grants.endless",
    why: "A grant that ends by itself cannot be forgotten.",
    judge: examined(({ grants }) => {
      const endless = grants.filter(({ expiresAt }) => expiresAt === null)
      return endless.length === 0
        ? ok("Each ends by itself")
        : note(`${endless.length} never end`, "`ironclaw grant list` shows them; `--expires 30d` ends one by itself.")
    }),
  },
  {
    id: "approvals.waiting",
    why: "What waits for your answer does not go on, and is given up after a day.",
    judge: examined(({ approvals: { open, oldestAt } }, { clock }) => {
      if (open === 0 || oldestAt === null) return ok("Nothing waits for you")
      const long = clock.nowMs() - Date.parse(oldestAt) > LONG_WAIT_MS
      return (long ? warning : note)(`${open} wait, the oldest since ${oldestAt}`, "`ironclaw approval list`")
    }),
  },
  {
    id: "tokens.unused",
    why: "A token that no program uses any more may be in a place that nobody looks after.",
    judge: examined(({ tokens }, { clock }) => {
      const unused = tokens.filter(
        ({ usedAt, createdAt }) => daysSince(usedAt ?? createdAt, clock.nowMs()) > UNUSED_DAYS,
      )
      return unused.length === 0
        ? ok(
            tokens.length === 0 ? "There is none" : `${tokens.length} in force, each new or with conversations of late`,
          )
        : note(
            `No conversation kept for ${UNUSED_DAYS} days under: ${listText(unused.map(({ name }) => name))}`,
            "`ironclaw token revoke ID` where its program is gone.",
          )
    }),
  },
  {
    id: "tokens.old",
    why: "The longer a token lives, the more places may hold a copy.",
    judge: examined(({ tokens }, { clock }) => {
      const old = tokens.filter(
        ({ createdAt, expiresAt }) => expiresAt === null && daysSince(createdAt, clock.nowMs()) > OLD_TOKEN_DAYS,
      )
      return old.length === 0
        ? ok("None is old and endless")
        : warning(
            `Older than ${OLD_TOKEN_DAYS} days, without an end: ${listText(old.map(({ name }) => name))}`,
            "Make new ones that end: `ironclaw token add NAME --expires 90d`.",
          )
    }),
  },
  {
    id: "audit.chain",
    why: "A row that was changed or taken away means that somebody wrote to the database past the program.",
    judge({ audit, examination }) {
      if (audit.ok) {
        const { ok: whole, rows, count, problems } = audit.value
        return whole
          ? ok(`All ${rows} acts are as they were written`)
          : failure(
              `${count} problems: ${problems[0]?.what ?? ""}`,
              "`ironclaw audit verify` lists them. Somebody or something changed the database.",
            )
      }
      if (!examination.ok) return skipped("there was no database to ask")
      return note("It is too long to be verified here", "`ironclaw audit verify` takes its time.")
    },
  },
  {
    id: "audit.head",
    why: "The end of the chain is sealed outside the database, so that nobody can cut it off unseen.",
    judge: examined(({ auditHead }) => {
      if (auditHead === "forged")
        return failure(
          "The sealed head was changed by someone without the master key",
          "`ironclaw audit verify`, and ask who can write to the home.",
        )
      if (auditHead === "foreign") return note("It was sealed under another master key; the next act seals it anew")
      return ok(auditHead === "sealed" ? "Sealed" : "There is nothing to seal yet")
    }),
  },
  {
    id: "guard.refusals",
    why: "A part of the program that tries to go around the gates is broken or hostile.",
    judge: examined(({ guardRefusals, startedAt }) =>
      guardRefusals.length === 0
        ? ok(`None since ${startedAt}`)
        : failure(
            `${guardRefusals.length} since ${startedAt}: ${listText(guardRefusals.map(({ kind, what }) => `${kind} ${what}`))}`,
            "Nothing went out. Please report it: `ironclaw doctor --bundle FILE`.",
          ),
    ),
  },
  {
    id: "hooks.intact",
    why: "A hook whose program or plugin changed is not run, and nothing passes its point.",
    judge: examined(({ hooks }) =>
      hooks.length === 0
        ? ok("None is broken")
        : failure(
            hooks.map(({ name, problem }) => `${name || "All"}: ${problem}`).join("; "),
            "`ironclaw hook list`; remove it, and add it again if the change is yours. One of a plugin: `ironclaw tool info NAME`.",
          ),
    ),
  },
  {
    id: "lockdown.off",
    why: "While everything is stopped, nothing is answered.",
    judge: examined(({ lockdown: { active, since } }, { clock }) =>
      active
        ? warning(
            `You stopped everything ${since === null ? "" : daysText(daysSince(since, clock.nowMs()))}`,
            "`ironclaw lockdown --lift`",
          )
        : ok("Nothing is stopped"),
    ),
  },
]
