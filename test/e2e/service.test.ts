import { expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { binary, runBinary, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import type { Json } from "#test/fakes/service.ts"
import { inSystemd, noSystemd } from "#test/fakes/systemd.ts"

setDefaultTimeout(120_000)
const env = { GATEWAY_PORT: "0" }

function readHolder(home: string, name: "lock" | "supervisor"): Json {
  return JSON.parse(readFileSync(join(home, `.ironclaw/run/${name}.json`), "utf8"))
}

test("started detached, the service outlives its starter, comes back after kill -9 and says so, and stops", async () => {
  using home = makeHome()
  const run = (...args: string[]) => runBinary(args, { home: home.path, env })
  const started = await run("service", "start", "--detach", "--json")
  expect(started.status, started.stdout + started.stderr).toBe(0)
  const supervisor = readHolder(home.path, "supervisor").pid
  try {
    const first = readHolder(home.path, "lock").pid
    expect((await run("service", "status")).status).toBe(0)
    const second = await run("service", "start", "--detach", "--json")
    expect(JSON.parse(second.stdout).error.code).toBe("home.locked")

    process.kill(first, "SIGKILL")
    const status: Json = await until(
      "the service is back",
      async () => {
        const { data } = JSON.parse((await run("status", "--json")).stdout)
        return data.service && data.service.pid !== first ? data.service : null
      },
      30_000,
    )
    expect(status.died.pid).toBe(first)
    expect((await run("-m", "what time is it?")).stdout).toContain("It is")

    expect((await run("service", "stop")).status).toBe(0)
    expect(existsSync(join(home.path, ".ironclaw/run/supervisor.json"))).toBe(false)
    expect((await run("service", "status")).status).toBe(1)
    expect((await run("service", "stop")).stdout).toContain("was not running")
  } finally {
    if (existsSync(`/proc/${supervisor}`)) process.kill(supervisor, "SIGTERM")
  }
})

test("with a configuration that cannot work it says why, at once, and is not started again and again", async () => {
  using home = makeHome()
  mkdirSync(join(home.path, ".ironclaw"), { mode: 0o700 })
  writeFileSync(join(home.path, ".ironclaw/config.toml"), "[gateway]\nprot = 1\n", { mode: 0o600 })
  const serve = await runBinary(["serve"], { home: home.path })
  expect(serve.status).toBe(78)
  const started = await runBinary(["service", "start", "--detach", "--json"], { home: home.path })
  expect(started.status).toBe(1)
  const { message } = JSON.parse(started.stdout).error
  expect(message).toContain("prot")
  expect(message).toContain("not tried again")
})

test.skipIf(noSystemd !== null)("a real systemd takes the unit, keeps the service, and lets it be", async () => {
  using home = makeHome()
  const script = `
    echo "== install"; "$BINARY" service install --json
    echo "== unit"; systemd-analyze --user verify "$HOME/.config/systemd/user/ironclaw.service" 2>&1
    kill -9 "$(systemctl --user show ironclaw -p MainPID --value)"
    for n in $(seq 200); do "$BINARY" status --json | grep -q '"died":{' && break; sleep 0.1; done
    echo "== killed"; "$BINARY" status --json
    printf '[gateway]\nhost = "0.0.0.0"\n' > "$IRONCLAW_HOME/config.toml"
    echo "== broken"; "$BINARY" service restart --json
    sleep 1
    echo "== broken status"; "$BINARY" service status --json
    rm "$IRONCLAW_HOME/config.toml"
    echo "== mended"; "$BINARY" service restart --json
    echo "== stopped"; "$BINARY" service stop --json
    echo "== uninstalled"; "$BINARY" service uninstall --json
  `
  const said = await inSystemd(script, { home: home.path, env: { ...env, BINARY: binary } })
  if (said === null) return
  const answer = said.json
  expect(answer("install").data).toMatchObject({ manager: "systemd", started: true })
  expect(said.text("unit")).toBe("")
  expect(answer("killed").data.service.died).toMatchObject({ pid: expect.any(Number) })
  expect(answer("broken").error.message).toContain("0.0.0.0 is not loopback")
  expect(answer("broken status").data).toMatchObject({ running: false, keeper: "systemd" })
  expect(answer("broken status").data.state.why).toContain("78")
  expect(answer("mended").data.address).toContain("http://127.0.0.1:")
  expect(answer("stopped").data.stopped).toBe(true)
  expect(answer("uninstalled").data.uninstalled).toBe(true)
  expect(existsSync(join(home.path, ".config/systemd/user/ironclaw.service"))).toBe(false)
})

test.skipIf(noSystemd !== null)(
  "a sealed master key: the unit without its passphrase is not started again and again, and with it runs",
  async () => {
    using home = makeHome()
    const script = `
    run() { "$BINARY" "$@" --json; }
    printf 'correct horse battery staple' > words; chmod 600 words
    run onboard --non-interactive --model demo --encryption passphrase --passphrase-file words >/dev/null
    run config unset encryption.passphrase_file >/dev/null
    echo "== without"; run service install
    sleep 2
    echo "== state"; run service status
    IRONCLAW_KEY_PASSPHRASE='correct horse battery staple' run config set encryption.passphrase_file "$HOME/words" >/dev/null
    echo "== file"; run service start
    echo "== secrets"; run secret list
    run service uninstall >/dev/null
  `
    const said = await inSystemd(script, { home: home.path, env: { ...env, BINARY: binary } })
    if (said === null) return
    expect(said.json("without").error.message).toContain("is sealed by a passphrase")
    expect(said.json("state").data).toMatchObject({ running: false, state: { restarts: 0 } })
    expect(said.json("state").data.state.why).toContain("78")
    expect(said.json("file").data).toMatchObject({ running: true })
    expect(said.json("secrets").ok).toBe(true)
  },
)
