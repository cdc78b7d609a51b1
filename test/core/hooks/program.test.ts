/** A hook's program: what it gets, what it may leave behind, and every way in which it can fail. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "#core/clock.ts"
import { filesOf, HOOK_TIMEOUT_MS, MAX_OUTPUT_BYTES, runProgram } from "#core/hooks/program.ts"
import { createFakeClock } from "../../fakes/clock.ts"
import { refusal } from "../../fakes/gateway.ts"
import { until } from "../../fakes/until.ts"

setDefaultTimeout(30_000) // processes on a machine that may be busy

const folder = mkdtempSync(join(tmpdir(), "ironclaw-hook-"))
afterAll(() => rmSync(folder, { recursive: true }))

let count = 0
function script(body: string, mode = 0o755): string {
  const path = join(folder, `hook-${++count}.sh`)
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, mode)
  return path
}

const open = () => new AbortController().signal
async function run(argv: string[], { input = "{}", signal = open(), clock = systemClock } = {}) {
  return runProgram({ argv, files: await filesOf(argv) }, { input, signal, clock })
}

/** A process that is there and not a zombie. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

test("it gets the input on stdin and its arguments unread by any shell, and what it writes is the answer", async () => {
  const path = script('echo "$1"; cat')
  const input = JSON.stringify({ text: "é \u0000 $(touch /tmp/x) `id`" })
  expect(await run([path, "$(id); *"], { input })).toEqual({ ok: true, text: `$(id); *\n${input}` })
})

test("its environment holds a fixed PATH and a language and nothing of ours, and it stands in the root folder", async () => {
  process.env["IRONCLAW_HOOK_PROBE"] = "ours"
  try {
    const result = await run([script("env | sort; pwd")])
    const lines = result.ok ? result.text.trim().split("\n") : []
    const ofTheShell = /^(PWD|OLDPWD|SHLVL|_)=/
    expect(lines.filter((line) => !ofTheShell.test(line))).toEqual([
      "LANG=C.UTF-8",
      "PATH=/usr/local/bin:/usr/bin:/bin",
      "/",
    ])
  } finally {
    delete process.env["IRONCLAW_HOOK_PROBE"]
  }
})

test("one that reads nothing of a long input is still heard", async () => {
  expect(await run([script("echo done")], { input: "x".repeat(4_000_000) })).toEqual({ ok: true, text: "done\n" })
})

test("a status other than 0, a signal, and too much output are faults; what it said to stderr is kept apart", async () => {
  expect(await run([script("echo partial; echo why >&2; exit 3")])).toEqual({
    ok: false,
    fault: "it ended with status 3",
    detail: "why",
  })
  expect(await run([script("kill -SEGV $$")])).toMatchObject({ ok: false, fault: "it was ended by SIGSEGV" })
  expect(await run([script("exec cat /dev/zero")])).toMatchObject({
    ok: false,
    fault: `it wrote more than ${MAX_OUTPUT_BYTES} bytes`,
  })
  expect(await run([script(`head -c ${MAX_OUTPUT_BYTES} /dev/zero`)])).toMatchObject({ ok: true })
  // Without end on stderr, too: it is read and thrown away.
  expect(await run([script("head -c 3000000 /dev/zero >&2; echo ok")])).toEqual({ ok: true, text: "ok\n" })
})

test("at the deadline it is ended with all that it started, and not before", async () => {
  const clock = createFakeClock()
  const pids = join(folder, "pids")
  const path = script(`sleep 1000 & echo $! > ${pids}.tmp; echo $$ >> ${pids}.tmp; mv ${pids}.tmp ${pids}; wait`)
  const running = run([path], { clock })
  await until("it runs", () => existsSync(pids))
  const [child = 0, parent = 0] = readFileSync(pids, "utf8").trim().split("\n").map(Number)
  await clock.advance(HOOK_TIMEOUT_MS - 1)
  expect([isAlive(child), isAlive(parent)]).toEqual([true, true])
  await clock.advance(1)
  expect(await running).toMatchObject({ ok: false, fault: `it did not answer within ${HOOK_TIMEOUT_MS} ms` })
  await until("both are gone", () => !isAlive(child) && !isAlive(parent))
  expect(clock.waiting()).toBe(0)
})

test("what it leaves behind is ended with it, and does not keep us waiting", async () => {
  const pid = join(folder, "left")
  const result = await run([script(`sleep 1000 & echo $! > ${pid}; echo '{}'`)])
  expect(result).toEqual({ ok: true, text: "{}\n" })
  const left = Number(readFileSync(pid, "utf8"))
  await until("it is gone", () => !isAlive(left))
})

test("one that left the group and holds the pipe is not waited for beyond the deadline", async () => {
  const clock = createFakeClock()
  const pid = join(folder, "escaped")
  const running = run(
    [script(`setsid sh -c 'echo $$ > ${pid}; exec sleep 1000' & while [ ! -s ${pid} ]; do :; done`)],
    {
      clock,
    },
  )
  await until("it is out", () => existsSync(pid) && readFileSync(pid, "utf8").trim() !== "")
  await clock.advance(HOOK_TIMEOUT_MS)
  expect(await running).toMatchObject({ ok: false })
  process.kill(Number(readFileSync(pid, "utf8")), "SIGKILL")
})

test("whoever stops waiting ends it", async () => {
  const stop = new AbortController()
  const running = run([script("sleep 1000")], { signal: stop.signal })
  stop.abort()
  expect(await running).toMatchObject({ ok: false })
  expect(await run([script("echo x")], { signal: stop.signal })).toMatchObject({ ok: false })
})

test("a file of its command line that was changed, replaced, opened to all or removed keeps it from running", async () => {
  const ran = join(folder, "ran")
  const script1 = script(`touch ${ran}`)
  const argv = ["/bin/sh", script1]
  const files = await filesOf(argv)
  expect(files.map(({ path }) => path)).toEqual(argv)
  const again = () => runProgram({ argv, files }, { input: "", signal: open(), clock: systemClock })
  writeFileSync(script1, `touch ${ran} # changed`)
  expect(await again()).toMatchObject({ ok: false, fault: `${script1} was changed since the hook was set` })
  writeFileSync(script1, `#!/bin/sh\ntouch ${ran}\n`)
  chmodSync(script1, 0o777)
  expect(await again()).toMatchObject({ ok: false, fault: `${script1} can be written by every user of this machine` })
  rmSync(script1)
  expect(await again()).toMatchObject({ ok: false, fault: `${script1} is not there` })
  symlinkSync("/bin/true", script1)
  expect(await again()).toMatchObject({ ok: false, fault: `${script1} was changed since the hook was set` })
  expect(existsSync(ran)).toBe(false)
})

test("what cannot be a program is refused when it is set; a folder or a word that looks like a path is an argument", async () => {
  const path = script("true")
  for (const argv of [["hook.sh"], [], ["./x"], ["/nowhere/at/all"], ["/tmp"], ["/dev/null"], [script("true", 0o757)]])
    expect(await refusal(filesOf(argv))).toMatchObject({ code: "hook.unusable" })
  expect((await filesOf([path, "/tmp", "/no/such/thing", "-v"])).map((file) => file.path)).toEqual([path])
  const notRunnable = script("true", 0o644)
  expect(await run([notRunnable])).toMatchObject({ ok: false, fault: "it could not be started" })
})
