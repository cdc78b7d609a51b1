/** Proof of presence as a field of a body: what a route adds to its schema, and how it asks whether the owner is there. */
import { AppError } from "#core/errors.ts"
import { int, t } from "#core/schema.ts"
import type { Challenge, Presence, Proof, SafetyChange } from "#core/safety/presence.ts"
import type { Calls } from "./caller.ts"

const strict = { additionalProperties: false }

/** Spread into the schema of a body that changes what is safe. */
export const presenceField = {
  presence: t.Optional(
    t.Union([
      t.Object(
        {
          ask: t.Object(
            {
              pid: t.Optional(
                int({ minimum: 1, description: "Process at whose terminal the owner sits; over the Unix socket only" }),
              ),
            },
            { ...strict, description: "Show me a code: at that terminal, else in the running chat" },
          ),
        },
        strict,
      ),
      t.Object(
        {
          challenge: t.String({ minLength: 1, maxLength: 100, description: "Id of the challenge" }),
          code: t.String({ pattern: "^ *(?:[0-9] *){6}$", description: "The six digits as they were shown" }),
        },
        strict,
      ),
    ]),
  ),
}

/** Null: the owner means it. Else the challenge, which the route answers with 202. Throws `presence.…`. */
export type Prove = (request: Request, change: SafetyChange, proof: Proof | undefined) => Challenge | null

/** The same, where there is something to guard: before anybody has talked with the assistant a script can set it up. */
export type ProveInUse = (request: Request, change: SafetyChange, proof: Proof | undefined) => Promise<Challenge | null>

export function createProveInUse({ prove, hasActed }: { prove: Prove; hasActed: () => Promise<boolean> }): ProveInUse {
  return async (request, change, proof) => ((await hasActed()) ? prove(request, change, proof) : null)
}

export function createProve({ presence, calls }: { presence: Presence; calls: Calls }): Prove {
  return (request, change, proof) => {
    const { caller, meta } = calls.of(request)
    if (caller.scope !== "owner") throw new AppError("client.forbidden", "This token may not change what is safe")
    return presence.prove(change, { proof, way: meta.via })
  }
}
