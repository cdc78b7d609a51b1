/** What the system's service managers are told of the service: pure text, the same for the same program and home. */

export type UnitOf = {
  /** The absolute path of this program. */
  program: string
  /** The absolute path of its home. */
  home: string
}

/** Memory for the service and its locked children: it idles below 200 MiB, and sixteen children of 64 MiB are the most there are. */
const MEMORY_HIGH = "1536M"
const MEMORY_MAX = "2G"
/** Threads of it all: the runtime has about twenty, a child about ten. */
const TASKS_MAX = 512
/** How long an event loop or the embedded database may not answer before systemd starts the service anew. */
const WATCHDOG_SECONDS = 120
/** First start on a slow disk: migrations, the database's recovery after a crash. */
const START_SECONDS = 120
/** More than the 20 s that `serve` gives itself. */
const STOP_SECONDS = 30
/** `serve` ends with it where only a person can help: systemd must not try again. It is EX_CONFIG of sysexits.h. */
export const NEEDS_A_PERSON = 78

/**
 * A unit for systemd. `account`: the user of a system unit; null for a unit of the user's own manager. `isolation`: what of
 * {@link isolationOf} the manager can do. Back-off between restarts needs
 * systemd 254 (RestartSteps); older ones wait the same time before each.
 * What is left out on purpose: MemoryDenyWriteExecute (the JavaScript engine compiles), RestrictNamespaces and SystemCallFilter (the
 * sandbox makes namespaces and locks its children with a filter of its own, tighter than one for all would be).
 */
export function systemdUnit(
  { program, home }: UnitOf,
  {
    account,
    isolation,
    systemdVersion,
  }: { account: string | null; isolation: readonly string[]; systemdVersion: number },
): string {
  const backOff =
    systemdVersion >= 254 ? ["RestartSec=1", "RestartSteps=8", "RestartMaxDelaySec=300"] : ["RestartSec=5"]
  return [
    "# Made by `ironclaw service install`; made anew by it, so changes belong into a drop-in (`systemctl edit`).",
    "[Unit]",
    "Description=ironclaw, a personal AI assistant",
    ...(account === null ? [] : ["Wants=network-online.target", "After=network-online.target"]),
    "StartLimitIntervalSec=0", // the back-off bounds the restarts, not a count that ends them for good
    "",
    "[Service]",
    "Type=notify",
    "NotifyAccess=main",
    ...(account === null ? [] : [`User=${account}`]),
    `ExecStart=${systemdWord(program)} serve --home ${systemdWord(home)}`,
    "Restart=always",
    `RestartPreventExitStatus=${NEEDS_A_PERSON}`,
    ...backOff,
    `TimeoutStartSec=${START_SECONDS}`,
    `TimeoutStopSec=${STOP_SECONDS}`,
    `WatchdogSec=${WATCHDOG_SECONDS}`,
    "KillMode=mixed",
    "OOMPolicy=continue", // a child that takes too much is killed alone
    "",
    "UMask=0077",
    "NoNewPrivileges=yes",
    ...isolation,
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    `MemoryHigh=${MEMORY_HIGH}`,
    `MemoryMax=${MEMORY_MAX}`,
    `TasksMax=${TASKS_MAX}`,
    "",
    "[Install]",
    `WantedBy=${account === null ? "default.target" : "multi-user.target"}`,
    "",
  ].join("\n")
}

/** What needs a namespace of its own, which not every kernel and manager gives. The home and the owner's project stay writable: they are not of the system. */
export function isolationOf({ program, home }: UnitOf): string[] {
  const inTmp = [program, home].some((path) => /^\/(?:var\/)?tmp\//.test(path))
  return [
    ...(inTmp ? [] : ["PrivateTmp=yes"]), // it would hide what lies there
    "ProtectSystem=full",
    "ProtectControlGroups=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
  ]
}

/**
 * One word of ExecStart: in quotes, with what systemd would expand or unescape spelled out (systemd.service(5), "Command lines"); a line
 * break in a path would begin another line of the unit.
 */
function systemdWord(text: string): string {
  const quoted = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%").replaceAll("$", "$$$$")
  return `"${quoted.replaceAll(/[\u0001-\u001f\u007f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`
}

export const LAUNCHD_LABEL = "local.ironclaw"

/** An agent for launchd. It knows neither back-off nor a status that means "do not try again", so our own supervisor runs the service. */
export function launchdPlist({ program, home, wordsFile }: UnitOf & { wordsFile: string }): string {
  const words = [program, "service", "supervise", "--home", home]
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>${LAUNCHD_LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${words.map((word) => `    <string>${xmlText(word)}</string>`).join("\n")}
  </array>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>Crashed</key><true/></dict>
  <key>ProcessType</key><string>Background</string>
  <key>Umask</key><integer>63</integer>
  <key>StandardOutPath</key><string>${xmlText(wordsFile)}</string>
  <key>StandardErrorPath</key><string>${xmlText(wordsFile)}</string>
</dict>
</plist>
`
}

export const WINDOWS_TASK = "ironclaw"

/** A task for Windows' scheduler, at the user's logon, under our supervisor; no time limit, on battery too. */
export function windowsTask({ program, home, user }: UnitOf & { user: string }): string {
  return `<?xml version="1.0"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>ironclaw, a personal AI assistant</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled><UserId>${xmlText(user)}</UserId></LogonTrigger></Triggers>
  <Principals><Principal id="owner"><UserId>${xmlText(user)}</UserId><LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Hidden>true</Hidden>
  </Settings>
  <Actions Context="owner"><Exec><Command>${xmlText(program)}</Command><Arguments>service supervise --home "${xmlText(home)}"</Arguments></Exec></Actions>
</Task>
`
}

function xmlText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
}
