import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import postgres from "postgres"
import { modelEnvironment, runBinary, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { type ModelServer, startModelServer } from "#test/fakes/model-server.ts"
import { type Json, type Service, startService } from "#test/fakes/service.ts"
import { startTcpRelay, type TcpRelay } from "#test/fakes/tcp-relay.ts"

setDefaultTimeout(120_000) // a whole process on a busy machine; nothing here measures

const given = process.env["TEST_DATABASE_URL"]
if (!given) console.log("Skipped: TEST_DATABASE_URL names no PostgreSQL server")

const name = `ironclaw_e2e_${process.pid}`
const home = makeHome()
let admin: postgres.Sql
let relay: TcpRelay
let model: ModelServer
let service: Service
let databaseUrl = ""

beforeAll(async () => {
  if (!given) return
  admin = postgres(given, { max: 1, onnotice: () => {} })
  await admin.unsafe(`create database ${name}`)
  const url = new URL(given)
  relay = await startTcpRelay({ host: url.hostname, port: Number(url.port || 5432) })
  url.hostname = "127.0.0.1"
  url.port = String(relay.port)
  url.pathname = `/${name}`
  databaseUrl = url.href
  model = startModelServer()
  service = await startService({ home: home.path, env: { ...modelEnvironment(model.url), DATABASE_URL: databaseUrl } })
})
afterAll(async () => {
  if (!given) return
  await service.kill()
  await model.stop()
  await relay.stop()
  await admin.unsafe(`drop database if exists ${name} with (force)`)
  await admin.end()
  home[Symbol.dispose]()
})

async function expectWholeAgain(): Promise<void> {
  const turn = await until(
    "a turn goes through again",
    async () => {
      const made = await service.call("POST", "/api/sessions", {})
      if (made.status !== 201) return null
      const sent = await service.call("POST", `/api/sessions/${made.body.id}/messages?wait=true`, { content: "again" })
      return sent.status === 200 ? sent.body : null
    },
    30_000,
  )
  expect(turn.text).toBe("echo: again")
}

test.skipIf(!given)("connections that the server ends are opened again", async () => {
  const id = await service.newSession()
  await admin.unsafe(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
  const answers: Json[] = []
  for (let at = 0; at < 5; at++)
    answers.push(await service.call("POST", `/api/sessions/${id}/messages`, { content: `${at}` }))
  // Each was taken, or refused with what happened; none hangs, none is a fault of ours.
  for (const { status, body } of answers) {
    if (status !== 202) expect(body.error.code).toStartWith("db.")
  }
  await expectWholeAgain()
})

test.skipIf(!given)(
  "while the server is away everything says so, and when it is back all goes on by itself",
  async () => {
    const id = await service.newSession()
    model.script({ text: "slow words while the database goes away and comes back", chunkDelayMs: 100 })
    const sent = await service.call("POST", `/api/sessions/${id}/messages`, { content: "go" })
    expect(sent.status).toBe(202)
    await until("the model is asked", () => JSON.stringify(model.requests.at(-1)?.body).includes('"go"'))
    relay.cut()
    const refused = await service.call("POST", "/api/sessions", {})
    expect(refused.status).toBe(503)
    expect(refused.body.error.code).toStartWith("db.")
    expect(refused.body.error.hint).not.toBe("")
    expect(JSON.stringify(refused.body)).not.toContain("password")
    expect((await service.call("GET", "/health")).status).toBe(200)
    expect((await service.call("GET", "/ready")).status).toBe(503)
    // A new start finds no server and says so as well.
    using other = makeHome()
    const started = await runBinary(["run", "--json", "-m", "x"], {
      home: other.path,
      env: { DATABASE_URL: databaseUrl },
    })
    expect(started.status).toBe(1)
    expect(JSON.parse(started.stdout).error.code).toStartWith("db.")

    await relay.mend()
    await expectWholeAgain()
    expect((await service.call("GET", "/ready")).status).toBe(200)
    // The turn that lost its database comes to an end too, when its lease has run out.
    const turn = await until(
      "the turn that was cut off ends",
      async () => {
        const { body } = await service.call("GET", `/api/turns/${sent.body.turnId}`)
        return ["finished", "failed"].includes(body.state) ? body : null
      },
      90_000,
    )
    expect(turn.state).toBe("finished")
  },
)
