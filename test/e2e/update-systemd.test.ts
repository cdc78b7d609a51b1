/** `ironclaw update` where systemd keeps the service: a real manager, a real unit, a release server on this machine. */
import { expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { binary, until } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { startReleaseServer } from "#test/fakes/release-server.ts"
import { inSystemd, noSystemd } from "#test/fakes/systemd.ts"

setDefaultTimeout(300_000)

/** This build under another version's name; `serve` is what it does instead of serving. */
const renamed = (version: string, number: number, serve: string) => `#!/bin/sh
case $1 in
  --version) echo "ironclaw ${version} (test, 2026-01-15, release ${number})"; exit ;;
  serve) ${serve} ;;
esac
exec '${binary}' "$@"
`

test.skipIf(noSystemd !== null)(
  "a release that does not become ready gives way to the one before, and a good one is what systemd runs from then on",
  async () => {
    using home = makeHome()
    await using server = startReleaseServer()
    mkdirSync(join(home.path, "bin"))
    const program = join(home.path, "bin/ironclaw")
    copyFileSync(binary, program)
    chmodSync(program, 0o755)
    const script = `
      run() { "$PROGRAM" "$@" --json; }
      pid() { systemctl --user show ironclaw -p MainPID --value; }
      run onboard --non-interactive --model demo >/dev/null
      run config set update.url "$RELEASES" >/dev/null
      run config set update.keys "$RELEASE_KEY" >/dev/null
      run config set gateway.port 0 >/dev/null
      echo "== install"; run service install
      echo "== first pid"; pid
      echo "== broken"; run update --without-backup
      echo "== after broken"; run status
      echo "== version after broken"; "$PROGRAM" --version
      touch next; while [ ! -e good ]; do sleep 0.1; done
      echo "== good"; printf 'seven wet owls under a bridge' | run update --passphrase-stdin
      echo "== after good"; run status
      echo "== last pid"; pid
      echo "== version after good"; "$PROGRAM" --version
      echo "== service"; run service status
      echo "== answer"; run run -m hello
      echo "== uninstalled"; run service uninstall
    `
    server.publish({ version: "9.9.8", number: 6, program: renamed("9.9.8", 6, "exit 1") })
    const said = await inSystemd(script, {
      home: home.path,
      env: { PROGRAM: program, RELEASES: server.url, RELEASE_KEY: server.signer.publicKey },
      async beside() {
        await until("the first update is over", () => existsSync(join(home.path, "next")), 200_000)
        const serve = `echo "$*" > '${home.path}/served'`
        server.publish({ version: "9.9.9", number: 7, program: renamed("9.9.9", 7, serve) })
        writeFileSync(join(home.path, "good"), "")
      },
    })
    if (said === null) return
    expect(said.json("install").data).toMatchObject({ manager: "systemd", started: true })
    expect(said.json("broken").error).toMatchObject({ code: "update.went_back" })
    expect(said.json("broken").error.message).toContain("was put back and runs again")
    expect(said.json("after broken").data.service.pid).not.toBe(Number(said.text("first pid")))
    expect(said.text("version after broken")).not.toContain("9.9.8")
    expect(said.json("good").data).toMatchObject({ updated: true, version: "9.9.9", service: "restarted" })
    expect(existsSync(said.json("good").data.backup)).toBe(true)
    expect(said.text("version after good")).toContain("9.9.9")
    expect(said.json("after good").data.service.pid).toBe(Number(said.text("last pid")))
    expect(readFileSync(join(home.path, "served"), "utf8")).toContain("serve --home")
    expect(said.json("service").data).toMatchObject({ running: true, keeper: "systemd" })
    expect(said.json("answer").ok).toBe(true)
    expect(said.json("uninstalled").data.uninstalled).toBe(true)
  },
)
