import { describe, expect, test } from "bun:test"
import { isolationOf, launchdPlist, systemdUnit, windowsTask } from "#cmd/lib/service-unit.ts"
import { watchdogMs } from "#cmd/lib/ready-notice.ts"

const of = { program: "/opt/my tools/iron$claw", home: '/home/ann/100% "mine"' }

describe("the unit for systemd", () => {
  const unit = systemdUnit(of, { account: null, isolation: isolationOf(of), systemdVersion: 252 })

  test("quotes what systemd would expand or split", () => {
    expect(unit).toContain(String.raw`ExecStart="/opt/my tools/iron$$claw" serve --home "/home/ann/100%% \"mine\""`)
  })

  test("a line break in a path begins no other line of it", () => {
    const home = "/home/ann/a\nExecStartPre=/tmp/evil\u007f"
    const unit = systemdUnit({ program: "/opt/ironclaw", home }, { account: null, isolation: [], systemdVersion: 255 })
    expect(unit).toContain(String.raw`--home "/home/ann/a\x0aExecStartPre=/tmp/evil\x7f"`)
    expect(unit.split("\n").filter((line) => line.startsWith("ExecStart"))).toHaveLength(1)
  })
  test("does not try again where a person is needed", () => {
    expect(unit).toContain("RestartPreventExitStatus=78")
  })
  test("leaves the engine and the sandbox what they need", () => {
    for (const forbidden of ["MemoryDenyWriteExecute", "RestrictNamespaces", "SystemCallFilter", "ProtectHome"])
      expect(unit).not.toContain(forbidden)
  })
  test("asks for back-off only where systemd knows it", () => {
    expect(unit).not.toContain("RestartSteps")
    expect(systemdUnit(of, { account: null, isolation: [], systemdVersion: 254 })).toContain("RestartMaxDelaySec=300")
  })
  test("of the machine runs as the user that was named", () => {
    const system = systemdUnit(of, { account: "ann", isolation: [], systemdVersion: 252 })
    expect(system).toContain("User=ann")
    expect(system).toContain("WantedBy=multi-user.target")
  })
  test("has no private /tmp where home or program lie in it", () => {
    expect(isolationOf(of)).toContain("PrivateTmp=yes")
    expect(isolationOf({ ...of, home: "/tmp/home" })).not.toContain("PrivateTmp=yes")
  })
})

test("paths cannot break out of the XML that launchd and Windows read", () => {
  const home = "/Users/a&b/<home>"
  for (const xml of [launchdPlist({ ...of, home, wordsFile: "/x" }), windowsTask({ ...of, home, user: "PC\\ann" })]) {
    expect(xml).toContain("/Users/a&amp;b/&lt;home&gt;")
    expect(xml).not.toContain("<home>")
  }
})

test("the watchdog's time counts only where it is meant for this process", () => {
  expect(watchdogMs({})).toBe(0)
  expect(watchdogMs({ WATCHDOG_USEC: "30000000" })).toBe(30_000)
  expect(watchdogMs({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: String(process.pid) })).toBe(30_000)
  expect(watchdogMs({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "1" })).toBe(0)
  expect(watchdogMs({ WATCHDOG_USEC: "soon" })).toBe(0)
})
