/** What a database URL says, and what it may not say. */
import { describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readPostgresUrl } from "#core/db/postgres-url.ts"
import { authority } from "./certificates.ts"

const read = (url: string) => readPostgresUrl({ url })

describe("a database URL", () => {
  test("says host, port, database, user and password, percent-decoded", () => {
    expect(read("postgres://us%40er:p%2Fw%3A%25@db.example:6543/na%20me")).toMatchObject({
      host: "db.example",
      port: 6543,
      database: "na me",
      user: "us@er",
      password: "p/w:%",
      socketPath: undefined,
    })
  })

  test("has libpq's defaults where it says nothing", () => {
    expect(read("postgresql://me@localhost")).toMatchObject({ port: 5432, database: "me", password: "", ssl: "prefer" })
  })

  test("may name a socket folder, with an empty host too", () => {
    const socketPath = "/var/run/postgresql/.s.PGSQL.5433"
    expect(read("postgres://me@/db?host=/var/run/postgresql&port=5433")).toMatchObject({
      socketPath,
      ssl: false,
      database: "db",
    })
    expect(read("postgres://me:pw@%2Fvar%2Frun%2Fpostgresql:5433/db")).toMatchObject({ socketPath, user: "me" })
  })

  test("may have an IPv6 address", () => {
    expect(read("postgres://me@[::1]:5433/db")).toMatchObject({ host: "::1", port: 5433 })
  })

  test.each([
    ["disable", false],
    ["prefer", "prefer"],
    ["require", { rejectUnauthorized: false }],
    ["verify-full", { rejectUnauthorized: true, host: "h" }],
  ])("sslmode=%s is honoured", (mode, ssl) => {
    expect(read(`postgres://me@h/db?sslmode=${mode}`).ssl).toEqual(ssl as never) // the literal above is one of its forms
  })

  test("a certificate file turns require into a check of who signed, as in libpq", () => {
    const folder = mkdtempSync(join(tmpdir(), "ironclaw-ca-"))
    try {
      const caFile = join(folder, "ca.pem")
      writeFileSync(caFile, authority)
      expect(read(`postgres://me@h/db?sslmode=require&sslrootcert=${caFile}`).ssl).toMatchObject({
        rejectUnauthorized: true,
        ca: authority,
      })
      expect(readPostgresUrl({ url: "postgres://me@h/db?sslmode=verify-full", caFile }).ssl).toMatchObject({
        ca: authority,
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test.each([
    ["not a URL", "db.bad_url"],
    ["mysql://me@h/db", "db.bad_url"],
    ["postgres://h/db", "db.bad_url"],
    ["postgres://me@h/db?sslmode=verify_full", "db.bad_url"],
    ["postgres://me@h/db?sslmod=verify-full", "db.bad_url"],
    ["postgres://me@h/db?port=0", "db.bad_url"],
    ["postgres://me@h:99999/db", "db.bad_url"],
    ["postgres://me@h/db?sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "db.tls_failed"],
  ])("%s is refused with a code", (url, code) => {
    expect(() => read(url)).toThrow(expect.objectContaining({ code }))
  })

  test("is never quoted in a refusal, for it may hold a password", () => {
    for (const url of [
      "postgres://me:hunter2@h:99999/db",
      "postgres://me:hunter2@h/db?port=x",
      "mysql://me:hunter2@h/db",
    ]) {
      try {
        read(url)
        expect.unreachable()
      } catch (error) {
        expect(Bun.inspect(error)).not.toContain("hunter2")
      }
    }
  })
})
