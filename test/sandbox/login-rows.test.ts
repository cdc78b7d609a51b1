/** Logins in a real database, for two processes that renew at the same time, on every engine. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import type { Db, Writer } from "#core/db/db.ts"
import { createWriter } from "#core/db/writer.ts"
import { AppError } from "#core/errors.ts"
import { openHome } from "#core/home.ts"
import { silentLog } from "#core/log.ts"
import { createAuthoritySeal } from "#core/safety/authority.ts"
import { openMasterKey } from "#core/secrets/master-key.ts"
import { createVault, type Vault } from "#core/secrets/vault.ts"
import { createLoginRows, type Login, type LoginRows } from "#sandbox/login-rows.ts"
import { createLogins, refreshNameOf } from "#sandbox/logins.ts"
import type { Manifest } from "#sandbox/manifest.ts"
import type { OAuthWire } from "#sandbox/oauth.ts"
import { engines } from "../core/db/memory.ts"
import { makeHome } from "../fakes/home.ts"

const manifest: Manifest = {
  name: "mailer",
  version: "1.0.0",
  entry: "plugin.ts",
  capabilities: {
    http: {
      allowlist: [{ host: "api.example.com" }],
      credentials: {
        main: { secret_name: "vendor_token", location: { type: "bearer" }, host_patterns: ["api.example.com"] },
      },
    },
  },
  auth: {
    secret_name: "vendor_token",
    display_name: "Vendor",
    provider: "vendor",
    oauth: { authorization_url: "https://a.example.org/", token_url: "https://t.example.org/", scopes: ["read"] },
  },
}
const pin = { name: "mailer", manifest }
const endpoints = {
  authorizationUrl: "https://a.example.org/",
  tokenUrl: "https://t.example.org/",
  issuer: null,
  revocationUrl: null,
  resource: null,
}
const login = {
  provider: "vendor",
  secretName: "vendor_token",
  endpoints,
  scopes: ["read"],
  state: "in" as const,
  expiresAt: new Date(Date.now() - 1_000).toISOString(),
}
const keychain = {
  read: async () => null,
  works: async () => false,
  write: async () => false,
  delete: async () => false,
}

for (const engine of engines())
  describe(`on ${engine.name}`, () => {
    let db: Db
    let writer: Writer
    let rows: LoginRows
    let place = makeHome()
    const bad: string[] = []
    const opened: Vault[] = []
    beforeEach(async () => {
      place = makeHome()
      db = await engine.open()
      writer = createWriter({ db, publish() {}, clock: systemClock })
      const seal = createAuthoritySeal({ key: () => new Uint8Array(32).fill(7) })
      rows = createLoginRows({ db, clock: systemClock, seal, onBadSeal: (what) => bad.push(what) })
      bad.length = 0
    })
    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close()
      await db.close()
      place[Symbol.dispose]()
    })

    async function found(): Promise<Login> {
      const one = await rows.find("vendor")
      if (!one) throw new Error("There is no login")
      return one
    }
    async function process(renew: OAuthWire["renew"]) {
      const home = openHome({ env: {}, explicit: place.path })
      const key = await openMasterKey({ db, clock: systemClock, home, keychain, environment: undefined, lock: null })
      const parts = { db, writer, clock: systemClock, log: silentLog }
      const vault = await createVault({ ...parts, key, home, keychain, lock: null, reseal: [] })
      opened.push(vault)
      return { vault, logins: await createLogins({ rows, vault, wire: { renew }, clock: systemClock, log: silentLog }) }
    }

    test("a login is written once, changed by whoever knows its version, and removed", async () => {
      await writer.commit({ statements: [rows.put(login, null)] })
      expect(await found()).toMatchObject({ ...login, version: 1 })
      const conflict = async (statement: ReturnType<LoginRows["put"]>) =>
        writer.commit({ statements: [statement] }).then(
          () => "done",
          (error: unknown) => (error instanceof AppError ? error.code : String(error)),
        )
      expect(await conflict(rows.put(login, null))).toBe("conflict")
      const first = await found()
      expect(await conflict(rows.put({ ...login, scopes: ["read", "write"] }, first))).toBe("done")
      expect(await conflict(rows.put({ ...login, state: "needed" }, first))).toBe("conflict")
      expect(await found()).toMatchObject({ scopes: ["read", "write"], version: 2 })
      expect(await conflict(rows.remove(first))).toBe("conflict")
      expect(await conflict(rows.remove(await found()))).toBe("done")
      // What was removed is not brought back by who has not heard of it.
      expect(await conflict(rows.put(login, first))).toBe("conflict")
      expect(await rows.list()).toEqual([])
      expect(bad).toEqual([])
    })

    test("one of many has the lease, until it is given up or its time is over", async () => {
      await writer.commit({ statements: [rows.put(login, null)] })
      const one = await found()
      const all = await Promise.all(Array.from({ length: 8 }, () => rows.lease(one, 60_000)))
      expect(all.filter(Boolean)).toHaveLength(1)
      await rows.release(one)
      expect(await rows.lease(one, 1)).toBe(true)
      await systemClock.sleep(20)
      expect(await rows.lease(one, 60_000)).toBe(true)
      expect(await rows.lease({ ...one, version: 9 }, 60_000)).toBe(false)
    })

    test("two processes renew a token once, and both have the new one", async () => {
      let renewals = 0
      const renew: OAuthWire["renew"] = async ({ refresh }) => {
        renewals++
        await systemClock.sleep(300)
        return { access: "new-access-token", refresh: `${refresh}-next`, expiresInSeconds: 3600, scopes: null }
      }
      const one = await process(renew)
      await one.vault.setTogether({
        secrets: [
          { name: "vendor_token", value: "old-access-token" },
          { name: refreshNameOf("vendor_token"), value: "right-to-renew" },
          { name: "vendor_oauth_client_id", value: "client" },
        ],
        also: [rows.put(login, null)],
        audit: [],
      })
      const two = await process(renew)
      const [a, b] = await Promise.all([
        one.logins.prepare(pin, "https://api.example.com/"),
        two.logins.prepare(pin, "https://api.example.com/"),
      ])
      expect([a, b]).toEqual([{ version: 2 }, { version: 2 }])
      expect(renewals).toBe(1)
      for (const { logins } of [one, two]) expect(logins.valueFor(pin)("vendor_token")).toBe("new-access-token")
      expect(one.vault.value(refreshNameOf("vendor_token"))).toBe("right-to-renew-next")
    })
  })
