/**
 * People and how channels know them: an identity is a channel and an id that nobody can take over, tied to a person by the owner's hand.
 * Names are for reading alone. Rows are sealed: who can write the database lets nobody in.
 */
import { and, eq, type SQL } from "drizzle-orm"
import type { Clock } from "../clock.ts"
import type { Db, Statement, Writer } from "../db/db.ts"
import { insertRow } from "../db/insert.ts"
import { identities, people } from "../db/schema.ts"
import { preview } from "../event.ts"
import { newId, type PersonId } from "../id.ts"
import { type AuthoritySeal, createAuthoritySeal } from "../safety/authority.ts"
import type { Reseal } from "../secrets/master-key.ts"

export type Identity = { channel: string; externalId: string }
export type KnownIdentity = Identity & {
  personId: PersonId
  role: "owner" | "known"
  /** As it was when the owner agreed. */
  name: string
  createdAt: string
}

export type People = {
  /** Whose identity this is; null: a stranger's. */
  identify(identity: Identity): Promise<{ personId: PersonId; role: "owner" | "known" } | null>
  list(): Promise<KnownIdentity[]>
  /** In the place of what was there. `also`: what has to be in the same commit. */
  link(identity: Identity, to: { as: "owner" | "known"; name: string; also: Statement[] }): Promise<void>
  /** False where there is none. */
  unlink(identity: Identity): Promise<boolean>
  /** Of a channel that is gone: nobody is known by it any more. */
  forgetStatements(channel: string): Statement[]
}

type PersonRow = typeof people.$inferSelect
type IdentityRow = typeof identities.$inferSelect

const sealedPerson = ({ id, role, name, createdAt }: PersonRow): readonly unknown[] => [id, role, name, createdAt]
const sealedIdentity = ({ channel, externalId, personId, createdAt }: IdentityRow): readonly unknown[] => [
  channel,
  externalId,
  personId,
  createdAt,
]

export type PeopleDeps = {
  db: Db
  writer: Pick<Writer, "commit">
  clock: Clock
  seal: AuthoritySeal
  ownerId: PersonId
  onBadSeal: (what: string) => void
}

export function createPeople({ db, writer, clock, seal, ownerId, onBadSeal }: PeopleDeps): People {
  /** Null where a row was written by somebody else: then they are a stranger. */
  function judged({ identity, person }: { identity: IdentityRow; person: PersonRow }): KnownIdentity | null {
    const { channel, externalId, personId, createdAt } = identity
    const isOwner = personId === ownerId
    const holds =
      seal.holds("identity", sealedIdentity(identity), identity.mac) &&
      // The owner's row is made by the first migration; that it is theirs is what the identity's seal says.
      (isOwner || (person.role === "known" && seal.holds("person", sealedPerson(person), person.mac)))
    if (holds) return { channel, externalId, personId, role: isOwner ? "owner" : "known", name: person.name, createdAt }
    onBadSeal(`identity ${channel}:${externalId}`)
    return null
  }

  const rows = () =>
    db.orm
      .select({ identity: identities, person: people })
      .from(identities)
      .innerJoin(people, eq(people.id, identities.personId))

  const record = (identity: Identity, outcome: string, words: string) => ({
    agentId: "main",
    act: "owner.change" as const,
    principal: "owner",
    subject: `identity:${identity.channel}:${preview(identity.externalId, 100)}`,
    outcome,
    preview: preview(words),
    labels: [],
    source: "owner",
  })

  return {
    async identify({ channel, externalId }) {
      const [found] = await rows().where(thisOne(channel, externalId))
      const known = found ? judged(found) : null
      return known && { personId: known.personId, role: known.role }
    },
    async list() {
      return (await rows().orderBy(identities.channel, identities.createdAt)).flatMap((row) => judged(row) ?? [])
    },
    async link({ channel, externalId }, { as, name, also }) {
      const createdAt = clock.iso()
      const person: PersonRow = { id: newId("per"), role: "known", name, createdAt, mac: "" }
      const personId = as === "owner" ? ownerId : person.id
      const identity: IdentityRow = { channel, externalId, personId, createdAt, mac: "" }
      await writer.commit({
        statements: [
          ...unlinkStatements({ channel, externalId }),
          ...(as === "owner" ? [] : [insertRow(people, { ...person, mac: seal.mac("person", sealedPerson(person)) })]),
          insertRow(identities, { ...identity, mac: seal.mac("identity", sealedIdentity(identity)) }),
          ...also,
        ],
        events: [
          { type: "pairing.changed", channel, change: "approved", agentId: "main", labels: [], source: "owner" },
        ],
        audit: [record({ channel, externalId }, "approved", `${as}: ${name}`)],
      })
    },
    async unlink(identity) {
      const [found] = await rows().where(thisOne(identity.channel, identity.externalId))
      if (!found) return false
      await writer.commit({
        statements: unlinkStatements(identity),
        events: [
          {
            type: "pairing.changed",
            channel: identity.channel,
            change: "denied",
            agentId: "main",
            labels: [],
            source: "owner",
          },
        ],
        audit: [record(identity, "denied", "known no more")],
      })
      return true
    },
    forgetStatements: (channel) => [
      {
        sql: `with gone as (delete from identities where channel = $1 returning person_id)
          delete from people where role = 'known' and id in (select person_id from gone)`,
        params: [channel],
      },
    ],
  }
}

function thisOne(channel: string, externalId: string): SQL | undefined {
  return and(eq(identities.channel, channel), eq(identities.externalId, externalId))
}

/** A person who is known by nothing else goes with it. */
function unlinkStatements({ channel, externalId }: Identity): Statement[] {
  return [
    {
      sql: `with gone as (delete from identities where channel = $1 and external_id = $2 returning person_id)
        delete from people where role = 'known' and id in (select person_id from gone)
          and not exists (select 1 from identities other where other.person_id = people.id
            and (other.channel, other.external_id) <> ($1, $2))`,
      params: [channel, externalId],
    },
  ]
}

/** Under another master key: only what the old seal held gets a new one. */
export const resealPeople: Reseal = async (db, { from, to }) => {
  const old = createAuthoritySeal({ key: () => from.derive("authority") })
  const fresh = createAuthoritySeal({ key: () => to.derive("authority") })
  const [allPeople, allIdentities] = await Promise.all([db.orm.select().from(people), db.orm.select().from(identities)])
  return [
    ...allPeople
      .filter((row) => old.holds("person", sealedPerson(row), row.mac))
      .map((row) => ({
        sql: "update people set mac = $2 where id = $1 and mac = $3",
        params: [row.id, fresh.mac("person", sealedPerson(row)), row.mac],
      })),
    ...allIdentities
      .filter((row) => old.holds("identity", sealedIdentity(row), row.mac))
      .map((row) => ({
        sql: "update identities set mac = $3 where channel = $1 and external_id = $2 and mac = $4",
        params: [row.channel, row.externalId, fresh.mac("identity", sealedIdentity(row)), row.mac],
      })),
  ]
}
