import { expect, setDefaultTimeout, test } from "bun:test"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { binary, environmentOf, runBinary, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import type { Json } from "#test/fakes/service.ts"

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

/** A manager of a user's own, in a mount namespace in which /run says that the machine was started by systemd. */
const noSystemd =
  process.platform !== "linux" || process.getuid?.() !== 0
    ? "not root on Linux"
    : !existsSync("/lib/systemd/systemd") || Bun.which("systemctl") === null || Bun.which("unshare") === null
      ? "no systemd"
      : null
if (noSystemd !== null) console.log(`systemd: skipped, ${noSystemd}`)

test.skipIf(noSystemd !== null)("a real systemd takes the unit, keeps the service, and lets it be", async () => {
  using home = makeHome()
  const script = `
    mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/user && chmod 700 /run/user || exit 97
    export XDG_RUNTIME_DIR=/run/user
    /lib/systemd/systemd --user >manager.log 2>&1 &
    manager=$!
    trap 'kill $manager; wait $manager' EXIT
    for n in $(seq 100); do systemctl --user show-environment >/dev/null 2>&1 && break; sleep 0.1; done
    systemctl --user show-environment >/dev/null 2>&1 || exit 98
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
    exit 0
  `
  const child = Bun.spawn(["unshare", "-m", "--propagation", "private", "sh", "-c", script], {
    cwd: home.path,
    env: environmentOf(home.path, { ...env, BINARY: binary, GATEWAY_PORT: "0" }),
    stdout: "pipe",
    stderr: "pipe",
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  const status = await child.exited
  if (status === 97 || status === 98) return console.log(`systemd: no manager could be started here (${status})`)
  expect(status, stdout + stderr).toBe(0)
  const said = new Map(
    stdout.split(/^== /m).map((part): [string, string] => {
      const at = part.indexOf("\n")
      return [part.slice(0, at), part.slice(at + 1).trim()]
    }),
  )
  const answer = (name: string): Json => JSON.parse(said.get(name) ?? "")
  expect(answer("install").data).toMatchObject({ manager: "systemd", started: true })
  expect(said.get("unit")).toBe("")
  expect(answer("killed").data.service.died).toMatchObject({ pid: expect.any(Number) })
  expect(answer("broken").error.message).toContain("0.0.0.0 is not loopback")
  expect(answer("broken status").data).toMatchObject({ running: false, keeper: "systemd" })
  expect(answer("broken status").data.state.why).toContain("78")
  expect(answer("mended").data.address).toContain("http://127.0.0.1:")
  expect(answer("stopped").data.stopped).toBe(true)
  expect(answer("uninstalled").data.uninstalled).toBe(true)
  expect(existsSync(join(home.path, ".config/systemd/user/ironclaw.service"))).toBe(false)
})
