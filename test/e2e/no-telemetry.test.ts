import { expect, setDefaultTimeout, test } from "bun:test"
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { countOf, modelEnvironment } from "#test/fakes/binary.ts"
import { makeHome } from "#test/fakes/home.ts"
import { startModelServer } from "#test/fakes/model-server.ts"
import { startService } from "#test/fakes/service.ts"

const IDLE_SECONDS = countOf("seconds of an idle service that are traced", { reduced: 20, full: 120 })
setDefaultTimeout(IDLE_SECONDS * 1_000 + 90_000)

/** Tracing is forbidden in many containers, even to root. */
function mayTrace(): boolean {
  if (Bun.which("strace") === null) return skipping("there is no strace (apt install strace)")
  const { exitCode, stderr } = Bun.spawnSync(["strace", "-f", "-e", "trace=network", "/bin/true"])
  return exitCode === 0 || skipping(`strace may not trace: ${stderr.toString().split("\n")[0]}`)
}

function skipping(why: string): false {
  console.log(`Skipped: ${why}`)
  return false
}

/** Every address that the process and its threads connected or sent to, of those that leave the process: loopback counts, Unix sockets too. */
function destinations(folder: string): string[] {
  const found: string[] = []
  for (const name of readdirSync(folder)) {
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      if (!/\b(connect|sendto|sendmsg|sendmmsg)\(/.test(line)) continue
      const inet = /sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)/.exec(line)
      const inet6 = /sin6_port=htons\((\d+)\).*?inet_pton\(AF_INET6, "([^"]+)"/.exec(line)
      const unix = /sun_path=(@?"[^"]+")/.exec(line)
      const at = inet ?? inet6
      if (at) found.push(`${at[2]}:${at[1]}`)
      else if (unix?.[1]) found.push(`unix ${unix[1]}`)
      else if (/\bconnect\(/.test(line)) found.push(line)
    }
  }
  return [...new Set(found)]
}

test.skipIf(!mayTrace())(
  "an idle service connects to nothing and asks no name, and a turn reaches the model's address alone",
  async () => {
    using home = makeHome()
    using traces = makeHome()
    const model = startModelServer()
    const trace = join(traces.path, "trace")
    mkdirSync(trace)
    try {
      await using service = await startService({
        home: home.path,
        env: modelEnvironment(model.url),
        prefix: ["strace", "-ff", "-s", "200", "-e", "trace=network", "-o", join(trace, "of")],
      })
      await Bun.sleep(IDLE_SECONDS * 1_000)
      expect(destinations(trace)).toEqual([])
      const turn = await service.ask(await service.newSession(), "hello")
      expect(turn.text).toBe("echo: hello")
      expect(destinations(trace)).toEqual([`127.0.0.1:${model.port}`])
      // A trace that shows nothing would prove nothing: the listeners must be in it.
      const all = readdirSync(trace)
        .map((name) => readFileSync(join(trace, name), "utf8"))
        .join("\n")
      expect(all).toContain(`htons(${service.port})`)
      expect(all).toContain("ironclaw.sock")
      expect(await service.stop()).toBe(0)
    } finally {
      await model.stop()
    }
  },
)
