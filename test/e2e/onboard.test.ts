import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import postgres from "postgres"
import { modelEnvironment, runBinary } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { type ModelServer, startModelServer } from "#test/fakes/model-server.ts"
import { CTRL_C, DOWN, drive, ENTER } from "#test/fakes/wizard-terminal.ts"

setDefaultTimeout(60_000) // whole processes on a busy machine; nothing here measures

const RIGHT = "sk-right-0123456789abcdefghij"
let server: ModelServer
beforeAll(() => {
  server = startModelServer()
  // A vendor that knows one key; who sends none is let in, as a server at home does.
  server.decide(({ headers }) => {
    const sent = headers["authorization"]
    return sent === undefined || sent === `Bearer ${RIGHT}`
      ? null
      : { status: 401, message: "Incorrect API key provided" }
  })
})
afterAll(() => server.stop())

const configOf = (home: string) => readFileSync(join(home, ".ironclaw/config.toml"), "utf8")
const json = async (home: string, ...args: string[]) =>
  JSON.parse((await runBinary([...args, "--json"], { home })).stdout)

describe("on a terminal", () => {
  test("the first `ironclaw` asks, sets up, and goes on into a chat that answers", async () => {
    using home = makeHome()
    const { status, shown, raw } = await drive([], {
      home: home.path,
      columns: 60,
      env: { NO_COLOR: "1" },
      turns: [
        ["On your own PostgreSQL server", ENTER],
        ["a passphrase of yours opens", ENTER],
        ["None yet: the demo", ENTER],
        ["Change it", ENTER],
        ["A folder to work in, or none", ENTER],
        ["More tools?", ENTER],
        ["No: only while I chat", ENTER],
        ["/help shows", `hello${ENTER}`],
        ["built-in demo of ironclaw", CTRL_C],
        ["Ctrl-C again leaves", CTRL_C],
      ],
    })
    expect(status).toBe(0)
    for (const part of ["1 of 7: Database", "7 of 7: Service", "ironclaw is set up.", "Three things to try"])
      expect(shown).toContain(part)
    const wizard = shown.slice(0, shown.indexOf("/help shows"))
    const wide = wizard.split(/[\r\n]+/).filter((line) => Bun.stringWidth(line) > 60)
    expect(wide.filter((line) => !line.startsWith("The home is /"))).toEqual([]) // a path stays whole
    const coloured = raw.slice(0, raw.indexOf("is set up.")).match(/\u001b\[(?:3[0-7]|9[0-7]|38;[\d;]+)m/g)
    expect(coloured).toBeNull()
    expect(configOf(home.path)).toContain('backend = "demo"')
    expect((await runBinary(["memory", "read", "SOUL.md"], { home: home.path })).stdout).toContain("Be brief")
  })

  test("a wrong key is told as such, another one is tried, and only the right one is kept, encrypted", async () => {
    using home = makeHome()
    const { status, shown } = await drive(
      ["onboard", "model", "--model", "openai/fake-model", "--base-url", `${server.url}/v1`],
      {
        home: home.path,
        turns: [
          ["OpenAI key", `sk-wrong-0123456789${ENTER}`],
          ["Another key", ENTER],
          ["OpenAI key", `${RIGHT}${ENTER}`],
        ],
      },
    )
    expect(status).toBe(0)
    expect(shown).toContain("Incorrect API key provided")
    expect(shown).toMatch(/openai\/fake-model, which answered in \d+ ms/)
    expect(shown).not.toContain(RIGHT)
    expect(configOf(home.path)).not.toContain("sk-")
    expect((await json(home.path, "secret", "list")).data.items).toMatchObject([{ name: "OPENAI_API_KEY", version: 1 }])
    const answer = await runBinary(["run", "-m", "are you there?"], { home: home.path })
    expect(answer).toMatchObject({ status: 0, stdout: "echo: are you there?\n" })
  })

  test("Ctrl-C ends with 130 and keeps the answers; the next `ironclaw` goes on there, with what was set at the end", async () => {
    using home = makeHome()
    const left = await drive(["onboard"], {
      home: home.path,
      turns: [
        ["On your own PostgreSQL server", ENTER],
        ["a passphrase of yours opens", ENTER],
        ["A server of your own", CTRL_C],
      ],
    })
    expect(left.status).toBe(130)
    expect(left.shown).toContain("What was answered is kept")
    expect(existsSync(join(home.path, ".ironclaw/config.toml"))).toBe(false)
    const resumed = await drive(["onboard"], {
      home: home.path,
      turns: [
        ["A server of your own", `${DOWN.repeat(2)}${ENTER}`], // round from the last one to the second
        ["Its address", `${server.url}${ENTER}`],
        ["Another one, by its name", ENTER],
        ["What may it cost", `2.5${ENTER}`],
        ["Change it", ENTER],
        ["A folder to work in, or none", ENTER],
        ["More tools?", ENTER],
        ["No: only while I chat", ENTER],
      ],
    })
    expect(resumed.status).toBe(0)
    expect(resumed.shown).toContain("3 of 7: Model")
    expect(resumed.shown).not.toContain("1 of 7")
    expect(resumed.shown).toContain("database: built in") // answered before, and told at the end all the same
    expect(configOf(home.path)).toContain("day_usd = 2.5")
    const again = await drive(["onboard", "model"], {
      home: home.path,
      turns: [["openai_compatible/fake-model, as now", ENTER]],
    })
    expect(again.status).toBe(0)
    expect(again.shown).toContain("which answered in")
  })

  test("a plugin is offered with what it asks for in sentences, granted on a yes, taken away on a no, and asked about once in use", async () => {
    using home = makeHome()
    const active = async () =>
      (await json(home.path, "tool", "list")).data.items.map(({ name, state }: { name: string; state: string }) => [
        name,
        state,
      ])
    const more = (key: string, ...then: (readonly [string, string])[]) =>
      drive(["onboard", "tools"], {
        home: home.path,
        turns: [["A folder to work in, or none", ENTER], ["More tools?", key], ...then],
      })
    const nothing = await more(ENTER)
    expect([nothing.status, await active()]).toEqual([0, []])
    const weather = `${DOWN.repeat(4)} ${ENTER}`
    const no = await more(weather, ["Grant weather that?", `${DOWN}${ENTER}`])
    expect([no.status, await active()]).toEqual([0, []])
    expect(no.shown).toContain("send GET to api.open-meteo.com")
    const yes = await more(weather, ["Grant weather that?", ENTER])
    expect([yes.status, await active()]).toEqual([0, [["weather", "active"]]])

    expect((await runBinary(["run", "-m", "hello"], { home: home.path })).status).toBe(0)
    const script = await runBinary(["onboard", "tools", "--tools", "github", "--json"], { home: home.path })
    expect(JSON.parse(script.stdout).error.code).toBe("presence.no_terminal")
    const inUse = await drive(["onboard", "tools", "--tools", "github"], {
      home: home.path,
      turns: [
        ["A folder to work in, or none", ENTER],
        ["Do it? [y/N]", `y${ENTER}`],
        ["Do it? [y/N]", `y${ENTER}`],
        ["github can use your github_token", ENTER],
      ],
    })
    expect(inUse.status, inUse.shown).toBe(0)
    expect(inUse.shown).toContain("send GET to api.github.com below /search")
    expect(await active()).toEqual([
      ["github", "active"],
      ["weather", "active"],
    ])
  })

  test("in plain lines several are chosen by their numbers", async () => {
    using home = makeHome()
    const { status, raw } = await drive(["onboard", "tools", "--plain"], {
      home: home.path,
      turns: [
        ["A folder to work in, or none", ENTER],
        ["Numbers, by commas [none]: ", `5, 9${ENTER}`],
        ["Type numbers from 1 to", `5${ENTER}`],
        ["Grant weather that?", ENTER],
      ],
    })
    expect(status, raw).toBe(0)
    expect(raw).toContain("weather is granted")
    expect(raw).not.toMatch(/[\u001b\u2500-\u25ff]/)
  })

  test("plain mode draws nothing: numbered lines, no escape sequences, and a key that is not shown", async () => {
    using home = makeHome()
    const { status, raw } = await drive(
      ["onboard", "model", "--plain", "--model", "openai", "--base-url", `${server.url}/v1`],
      {
        home: home.path,
        turns: [
          ["(not shown): ", `${RIGHT}${ENTER}`],
          ["Number [1]: ", `7${ENTER}`],
          ["Type a number from 1 to", ENTER],
        ],
      },
    )
    expect(status).toBe(0)
    expect(raw).toContain("1. fake-model")
    expect(raw).toContain("which answered in")
    expect(raw).not.toContain(RIGHT)
    expect(raw).not.toMatch(/[\u001b\u2500-\u25ff]/)
    const left = await drive(["onboard", "manner"], {
      home: home.path,
      env: { TERM: "dumb" },
      turns: [["Number [1]: ", CTRL_C]],
    })
    expect(left.status).toBe(130)
    expect(left.raw).not.toMatch(/[\u001b\u2500-\u25ff]/)
  })
})

const postgresUrl = process.env["TEST_DATABASE_URL"]
if (!postgresUrl) console.log("Skipped: TEST_DATABASE_URL names no PostgreSQL server")

describe.if(Boolean(postgresUrl))("a PostgreSQL server of one's own", () => {
  const name = `onboard_${process.pid}`
  const url = new URL(postgresUrl ?? "postgres://nobody@localhost")
  let admin: postgres.Sql
  beforeAll(async () => {
    admin = postgres(url.href, { max: 1, onnotice: () => {} })
    await admin.unsafe(`create database ${name}`)
    url.pathname = `/${name}`
  })
  afterAll(async () => {
    await admin.unsafe(`drop database ${name} with (force)`)
    await admin.end()
  })

  test("its password is asked for where it wants one, tried, and kept out of config.toml and of sight", async () => {
    using home = makeHome()
    const bare = new URL(url.href)
    bare.password = ""
    const { status, shown } = await drive(["onboard", "database"], {
      home: home.path,
      turns: [
        ["On your own PostgreSQL server", `${DOWN}${ENTER}`],
        ["Its address", `postgres://${bare.username}@127.0.0.1:1/${name}${ENTER}`],
        ["On your own PostgreSQL server", `${DOWN}${ENTER}`],
        ["Its address", `${bare.href}${ENTER}`],
        ["Password of", `${decodeURIComponent(url.password)}${ENTER}`],
      ],
    })
    expect(status).toBe(0)
    expect(shown).toContain("No answer from Postgres")
    expect(shown).not.toContain(decodeURIComponent(url.password))
    expect(existsSync(join(home.path, ".ironclaw/config.toml"))).toBe(false)
    expect(readFileSync(join(home.path, ".ironclaw/.env"), "utf8")).toStartWith("DATABASE_URL=postgres")
    const answer = await runBinary(["run", "-m", "hello"], { home: home.path })
    expect(answer.stdout).toContain("not a model")
    expect(existsSync(join(home.path, ".ironclaw/db/pgdata"))).toBe(false)
    const back = await drive(["onboard", "database", "--database", "embedded"], {
      home: home.path,
      turns: [["Do it? [y/N]", `y${ENTER}`]],
    })
    expect([back.status, back.shown.includes("stays there")]).toEqual([0, true])
    expect(readFileSync(join(home.path, ".ironclaw/.env"), "utf8")).toBe("")
  })
})

describe("with nobody to ask", () => {
  test("what is missing is named, with status 2, and nothing is changed", async () => {
    using home = makeHome()
    const none = await runBinary(["onboard", "--non-interactive", "--json"], { home: home.path })
    expect(none.status).toBe(2)
    expect(JSON.parse(none.stdout).data).toMatchObject({ complete: false, missing: [{ answer: "model" }], set: [] })
    const keyless = await runBinary(
      ["onboard", "--json", "--model", "openai_compatible", "--encryption", "environment"],
      { home: home.path },
    )
    expect(keyless.status).toBe(2)
    expect(JSON.parse(keyless.stdout).data.missing.map(({ answer }: { answer: string }) => answer)).toEqual([
      "encryption",
      "base-url",
      "model",
    ])
    const fileless = ["onboard", "--json", "--model", "openai", "--key-file", join(home.path, "nowhere.txt")]
    const absent = await runBinary(fileless, { home: home.path })
    expect([absent.status, JSON.parse(absent.stdout).data.missing[0].why]).toEqual([
      2,
      expect.stringContaining("no file"),
    ])
    expect(existsSync(join(home.path, ".ironclaw/config.toml"))).toBe(false)
    expect(existsSync(join(home.path, ".ironclaw/db"))).toBe(false)
  })

  test("a file of answers sets all of it, and a second run changes nothing", async () => {
    using home = makeHome()
    const project = join(home.path, "project")
    mkdirSync(project)
    const file = join(home.path, "answers.toml")
    writeFileSync(
      file,
      `model = "openai/fake-model"\nbase_url = "${server.url}/v1"\nday_usd = 3\nname = "Ada"\nowner = "Ann"\ntime_zone = "Europe/Vienna"\nlanguage = "German"\nmanner = "warm"\nproject = "${project}"\n`,
    )
    const args = ["onboard", "--non-interactive", "--answers", file]
    const done = await runBinary([...args, "--key-stdin", "--json"], { home: home.path, stdin: `${RIGHT}\n` })
    expect(done.status).toBe(0)
    expect(JSON.parse(done.stdout).data.complete).toBe(true)
    const config = configOf(home.path)
    for (const part of ['name = "Ada"', 'time_zone = "Europe/Vienna"', "day_usd = 3", `folder = "${project}"`])
      expect(config).toContain(part)
    const user = (await runBinary(["memory", "read", "USER.md"], { home: home.path })).stdout
    expect(user).toContain("- Name: Ann\n- Language: German")
    expect((await runBinary([...args, "--json"], { home: home.path })).status).toBe(0)
    expect(configOf(home.path)).toBe(config)
    expect((await json(home.path, "secret", "list")).data.items).toMatchObject([{ version: 1 }])
  })

  test("name and manner reach the model, and another run changes what it is told", async () => {
    using home = makeHome()
    const env = modelEnvironment(server.url)
    const told = async () => {
      server.requests.length = 0
      expect((await runBinary(["run", "-m", "hi"], { home: home.path, env })).status).toBe(0)
      return JSON.stringify(server.requests.at(0)?.body)
    }
    const manner = (...args: string[]) => runBinary(["onboard", "manner", ...args], { home: home.path, env })
    const first = ["--name", "Ada", "--owner", "Ann", "--language", "German", "--manner", "formal"]
    expect((await manner(...first, "--time-zone", "Pacific/Kiritimati")).status).toBe(0)
    const before = await told()
    for (const part of ["You are Ada, the personal", "- Name: Ann", "- Language: German", "Be formal and exact"])
      expect(before).toContain(part)
    // What an owner brought along says the name too, in its own way.
    const identity = "- **Name:** Ada\n- **Creature:** a lobster"
    const write = ["memory", "write", "IDENTITY.md"]
    expect((await runBinary(write, { home: home.path, env, stdin: identity })).status).toBe(0)
    expect((await manner("--name", "Bob", "--language", "French", "--manner", "You rhyme.")).status).toBe(0)
    const after = await told()
    for (const part of [
      "You are Bob, the personal",
      "- **Name:** Bob",
      "a lobster",
      "- Name: Ann",
      "- Language: French",
    ])
      expect(after).toContain(part)
    expect(after).toContain("You rhyme.")
    for (const part of ["Ada", "German", "Be formal"]) expect(after).not.toContain(part)
    const day = (zone: string) =>
      new Date().toLocaleDateString("en-GB", { timeZone: zone, day: "numeric", month: "long" })
    expect(before).toContain(day("Pacific/Kiritimati"))
    expect((await manner("--time-zone", "Pacific/Pago_Pago")).status).toBe(0)
    expect(await told()).toContain(day("Pacific/Pago_Pago"))
  })

  test("plugins are installed and granted by name, once; a name that is none is told", async () => {
    using home = makeHome()
    const tools = (names: string) => runBinary(["onboard", "tools", "--tools", names, "--json"], { home: home.path })
    for (let again = 0; again < 2; again += 1) {
      const done = await tools("weather, github")
      expect(done.status, done.stdout).toBe(0)
      expect(JSON.parse(done.stdout).data.set[0].set).toBe("github, weather")
    }
    const wrong = await tools("wether")
    expect([wrong.status, JSON.parse(wrong.stdout).error.message]).toEqual([
      2,
      expect.stringContaining("mean weather?"),
    ])
    expect((await tools("none")).status).toBe(0)
    const folder = join(home.path, ".ironclaw/plugins/weather/plugin.ts")
    writeFileSync(folder, `${readFileSync(folder, "utf8")}\n// changed`)
    const changed = await runBinary(["tool", "grant", "weather", "--json"], { home: home.path })
    expect(JSON.parse(changed.stdout).error.code).toBe("presence.no_terminal") // no longer what is inside the program
  })

  test("an answer that does not work is refused with the reason, and is not saved", async () => {
    using home = makeHome()
    const env = { OPENAI_API_KEY: "sk-wrong-0123456789" }
    const wrong = await runBinary(
      ["onboard", "--non-interactive", "--json", "--model", "openai/fake-model", "--base-url", `${server.url}/v1`],
      { home: home.path, env },
    )
    expect(wrong.status).toBe(1)
    expect(JSON.parse(wrong.stdout).error).toMatchObject({
      code: "model.failed",
      message: expect.stringContaining("key"),
    })
    expect(wrong.stdout + wrong.stderr).not.toContain(env.OPENAI_API_KEY)
    expect(existsSync(join(home.path, ".ironclaw/config.toml"))).toBe(false)
    for (const [step, flag, value] of [
      ["database", "--database", "postgres://me:hunter2@127.0.0.1:1/x"],
      ["tools", "--project", "/nonexistent"],
      ["spending", "--day-usd", "much"],
    ] as const) {
      const ran = await runBinary(["onboard", step, flag, value], { home: home.path })
      expect(ran.status).toBeGreaterThan(0)
      expect(ran.stderr).toContain("Error: ")
    }
    expect(existsSync(join(home.path, ".ironclaw/config.toml"))).toBe(false)
    const file = join(home.path, "answers.json")
    writeFileSync(file, '{"modle": "demo"}')
    const misspelt = await runBinary(["onboard", "--answers", file], { home: home.path })
    expect([misspelt.status, misspelt.stderr.includes("did you mean model?")]).toEqual([2, true])
  })

  test("a service that is started has the key, which only the shell had", async () => {
    using home = makeHome()
    const started = await runBinary(
      ["onboard", "--model", "openai/fake-model", "--base-url", `${server.url}/v1`, "--service", "detach"],
      { home: home.path, env: { OPENAI_API_KEY: RIGHT, GATEWAY_PORT: "0" } },
    )
    try {
      expect(started.stdout).toMatch(/service: runs at http:\/\/127\.0\.0\.1:\d+/)
      expect((await runBinary(["run", "-m", "hi"], { home: home.path })).stdout).toBe("echo: hi\n")
      expect((await json(home.path, "secret", "list")).data.items).toMatchObject([{ name: "OPENAI_API_KEY" }])
      const again = await runBinary(["onboard", "--non-interactive", "--json"], { home: home.path })
      expect(JSON.parse(again.stdout).data.set.at(-1)).toMatchObject({ step: "service", set: "as it was" })
    } finally {
      expect((await runBinary(["service", "stop"], { home: home.path })).status).toBe(0)
    }
  })

  test("once the home was in use, what changes safety is the owner's alone, at a terminal, and asked once", async () => {
    using home = makeHome()
    expect((await runBinary(["onboard", "--non-interactive", "--model", "demo"], { home: home.path })).status).toBe(0)
    const before = await runBinary(["config", "set", "limits.day_usd", "7"], { home: home.path })
    expect(before.status, before.stderr).toBe(0) // set up, but nobody has talked with it: a script goes on setting it up
    expect((await runBinary(["run", "-m", "hello"], { home: home.path })).status).toBe(0)
    const spend = ["onboard", "spending", "--day-usd", "none"]
    const refused = await runBinary([...spend, "--json"], { home: home.path })
    expect([refused.status, JSON.parse(refused.stdout).error.code]).toEqual([1, "presence.no_terminal"])
    const turns = (key: string) => [["Do it? [y/N]", `${key}${ENTER}`]] as const
    const no = await drive(spend, { home: home.path, turns: turns("n") })
    expect([no.status, configOf(home.path).includes("day_usd = 7")]).toEqual([1, true])
    const yes = await drive(spend, { home: home.path, turns: turns("y") })
    expect([yes.status, yes.shown.includes("Set limits.day_usd to none.")]).toEqual([0, true])
    expect(configOf(home.path)).toContain('day_usd = "none"')
  })

  test("a key for a home in use is stored once the owner has said so at the terminal, and not without one", async () => {
    using home = makeHome()
    expect((await runBinary(["run", "-m", "hello"], { home: home.path })).status).toBe(0)
    const args = ["onboard", "model", "--model", "openai/fake-model", "--base-url", `${server.url}/v1`]
    const script = await runBinary([...args, "--key-stdin", "--json"], { home: home.path, stdin: `${RIGHT}\n` })
    expect(JSON.parse(script.stdout).error.code).toBe("presence.no_terminal")
    expect((await json(home.path, "secret", "list")).data.items).toEqual([])
    const { status, shown } = await drive(args, {
      home: home.path,
      turns: [
        ["OpenAI key", `${RIGHT}${ENTER}`],
        ["Do it? [y/N]", `y${ENTER}`], // once, for the key and the settings that go with it
      ],
    })
    expect([status, shown.includes(RIGHT)]).toEqual([0, false])
    expect(shown).toContain("Set the secret OPENAI_API_KEY.")
    expect(shown).toMatch(/Set model\.backend to openai/)
    expect((await json(home.path, "secret", "list")).data.items).toMatchObject([{ name: "OPENAI_API_KEY" }])
    expect((await runBinary(["run", "-m", "hi"], { home: home.path })).stdout).toBe("echo: hi\n")
  })

  test("what the environment sets goes before, and that is said", async () => {
    using home = makeHome()
    const { status, stderr } = await runBinary(["onboard", "--non-interactive", "--model", "demo"], {
      home: home.path,
      env: modelEnvironment(server.url),
    })
    expect(status).toBe(0)
    expect(stderr).toContain("LLM_BACKEND (environment) sets model.backend too")
  })

  test("`ironclaw` without a terminal, a message and a set-up says what to set", async () => {
    using home = makeHome()
    const bare = await runBinary([], { home: home.path, stdin: "" })
    expect([bare.status, bare.stderr.includes("ironclaw onboard --non-interactive")]).toEqual([1, true])
  })
})
