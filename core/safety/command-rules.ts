/** What commands do: which only read, and with which arguments they no longer do; and what nobody wants run by an assistant. */

/** Commands that read and print, with the arguments that make them write, run or reach out. null: none does. */
export const readers: Readonly<Record<string, RegExp | null>> = {
  "[": null,
  basename: null,
  cal: null,
  cat: null,
  cksum: null,
  cmp: null,
  column: null,
  comm: null,
  cut: null,
  df: null,
  diff: null,
  dirname: null,
  du: null,
  echo: null,
  egrep: null,
  expand: null,
  expr: null,
  false: null,
  fgrep: null,
  fold: null,
  free: null,
  getconf: null,
  grep: null,
  groups: null,
  head: null,
  id: null,
  join: null,
  jq: /\$ENV|\benv\b/,
  last: null,
  ls: null,
  lsblk: null,
  lscpu: null,
  md5sum: null,
  nl: null,
  nproc: null,
  od: null,
  paste: null,
  pgrep: null,
  printf: null,
  ps: /^[a-zA-Z]*e[a-zA-Z]*$/, // without a dash, e shows the environment
  pstree: null,
  pwd: null,
  readlink: null,
  realpath: null,
  rev: null,
  seq: null,
  sha1sum: null,
  sha256sum: null,
  sha512sum: null,
  stat: null,
  strings: null,
  sum: null,
  tac: null,
  tail: null,
  test: null,
  tr: null,
  true: null,
  tty: null,
  type: null,
  uname: null,
  unexpand: null,
  uptime: null,
  users: null,
  w: null,
  wc: null,
  which: null,
  whereis: null,
  who: null,
  whoami: null,
  zcat: null,
  cd: null,
  sleep: null,
  jobs: null,
  arch: null,
  tsort: null,
  date: /^(?:-[a-zA-Z]*s|\d{4,})/, // digits alone set the clock
  file: /^-[a-zA-Z]*[Cm]/,
  find: /^-(?:exec|execdir|ok|okdir|delete|fprint|fprintf|fprint0|fls)$/,
  hexdump: null,
  hostname: /^(?!-[sfidIA]$)/,
  rg: /^--(?:pre|hostname-bin|search-zip)/,
  // Its script is read by judgeSed.
  sed: /^-(?!e$|-$)(?![nErsuz]+$)/,
  // A program that starts another, writes, names a function by its value, or tells the environment; any option but -F and -v.
  awk: /system|getline|[|>]|@|ENVIRON|^-(?![Fv])/,
  gawk: /system|getline|[|>]|@|ENVIRON|^-(?![Fv])/,
  mawk: /system|getline|[|>]|@|ENVIRON|^-(?![Fv])/,
  sort: /^-[a-zA-Z]*[oT]/,
  tree: /^-[a-zA-Z]*[oR]/,
  uniq: null,
  xxd: /^-[a-zA-Z]*r/,
}

/** Long options that write or run something. The programs also take any beginning of them. */
export const writingOptions: Readonly<Record<string, readonly string[]>> = {
  sort: ["output", "compress-program", "temporary-directory", "files0-from"],
  tree: ["output"],
  file: ["compile", "magic-file"],
  date: ["set"],
  rg: ["pre", "hostname-bin", "search-zip"],
  git: [
    "output",
    "ext-diff",
    "textconv",
    "filters",
    "exec",
    "exec-path",
    "open-files-in-pager",
    "upload-pack",
    "paginate",
  ],
}

/** git's own verbs that change nothing, where no option runs a program. */
export const gitReaders = new Set([
  "status",
  "log",
  "diff",
  "show",
  "rev-parse",
  "ls-files",
  "blame",
  "describe",
  "shortlog",
  "cat-file",
  "rev-list",
  "ls-tree",
])

/** What runs whatever text it is given. */
export const interpreters =
  /^(?:(?:ba|z|da|k|c|tc|fi)?sh|busybox|python[\d.]*|perl|ruby|node|bun|deno|php|lua|pwsh|powershell|tclsh|osascript|eval|source|\.)$/

/**
 * Commands that only carry another one; what they carry is judged. Options known to change nothing else: those with a word of their own
 * behind them, and those without. With any other option it is not sure what is carried.
 */
export const carriers: Readonly<Record<string, { valued: RegExp; plain: RegExp }>> = {
  sudo: { valued: /^-[ugpCTRDh]$/, plain: /^-[AbEHnPSiks]+$|^--$/ },
  doas: { valued: /^-[uC]$/, plain: /^-[Lns]+$/ },
  nohup: { valued: /^$/, plain: /^--$/ },
  nice: { valued: /^-n$/, plain: /^-(?:n?-?\d+|-adjustment=-?\d+)$/ },
  ionice: { valued: /^-[cn]$/, plain: /^-(?:[cn]\d|t)$/ },
  time: { valued: /^$/, plain: /^-p$/ },
  timeout: {
    valued: /^-[ks]$/,
    plain: /^-(?:[kv]\d*|-foreground|-preserve-status|-verbose|-signal=\w+|-kill-after=[\d.]+[smhd]?)$/,
  },
  stdbuf: { valued: /^-[ioe]$/, plain: /^-[ioe][L\d]\w*$/ },
  setsid: { valued: /^$/, plain: /^-[cfw]+$/ },
  command: { valued: /^$/, plain: /^-[pvV]+$/ },
  builtin: { valued: /^$/, plain: /^--$/ },
  exec: { valued: /^-a$/, plain: /^-[cl]+$/ },
  xargs: {
    valued: /^-[ILnPsdE]$/,
    plain:
      /^-(?:[0rtx]+|[LnPs]\d+|I\S+|d\S{1,4}|-null|-no-run-if-empty|-max-(?:args|procs|lines)=\d+|-delimiter=\S{1,4})$/,
  },
  env: { valued: /^-u$/, plain: /^-[i0]*$/ },
  chroot: { valued: /^$/, plain: /^--$/ },
  unbuffer: { valued: /^$/, plain: /^-p$/ },
  watch: { valued: /^-n$/, plain: /^-[bcdegtx]+$/ },
}

/** Reserved words in front of a command. */
export const reserved = new Set([
  "if",
  "then",
  "else",
  "elif",
  "fi",
  "do",
  "done",
  "while",
  "until",
  "for",
  "in",
  "case",
  "esac",
  "!",
  "{",
  "}",
  "[[",
])

/** Whole lines that no reading is needed for. */
export const deadlyLines: readonly { pattern: RegExp; why: string }[] = [
  { pattern: /([\w:.]{1,20})\s{0,3}\(\)\s{0,3}\{[^}]{0,100}\1\s{0,3}\|\s{0,3}\1\s{0,3}&/, why: "it is a fork bomb" },
  { pattern: /\/dev\/(?:tcp|udp)\//, why: "it opens a connection from the shell" },
  { pattern: /IFS\s?[)}]|\$\{?IFS/, why: "it hides spaces from whoever reads it" },
]

/** Folders whose loss is the machine's or the owner's. */
export const vital =
  /^(?:\/|\/\*|~|~\/|~\/\*|\$\{?HOME\}?|\$\{?HOME\}?\/\*?|\/(?:bin|boot|dev|etc|home|lib|lib64|opt|proc|root|sbin|srv|sys|usr|var|Users|System|Library)(?:\/\*?)?|\.|\.\.|\.\/|\.\.\/|\*|\.\/\*|\.\*|--no-preserve-root)$/

/** Devices that hold data. */
export const disks = /^(?:of=)?\/dev\/(?:sd|hd|nvme|vd|xvd|mmcblk|disk|mapper|md|loop|mem|kmem|port)/

/** Files that say who may enter, and what runs at every start. */
export const guarded =
  /^(?:\/etc\/(?:passwd|shadow|sudoers|crontab|cron\.|ssh|pam\.d|ld\.so|profile|hosts|systemd)|\/root\/|\/boot\/|\/proc\/sys|\/sys\/|(?:~|\$\{?HOME\}?|\/home\/[^/]+)\/\.(?:ssh|bashrc|zshrc|profile|bash_profile|gnupg|aws|config\/autostart|netrc))/

/** Files whose content is a secret. */
export const secretFiles =
  /(?:^|\/)(?:\.ssh\/(?!known_hosts|config$|[^/]*\.pub$)|id_(?:rsa|dsa|ecdsa|ed25519)$|\.aws\/credentials|\.gnupg\/|\.netrc|\.pgpass|\.env(?:\.|$)|\.npmrc$|\.docker\/config\.json|\.kube\/config|\.ironclaw\/|master\.key$|wallet\.dat|shadow$|gshadow$|\.git-credentials|Cookies$|Login Data$)|^\/proc\/[^/]+\/(?:environ|mem|maps|fd)/

/** What writes the files it is given; `sed` and `perl` do with -i, and ask in any case. */
export const changers = /^(?:tee|cp|mv|rm|ln|install|sed|perl|truncate|dd|chmod|chown|rsync|unlink|touch)$/
/** What sends what it is given to another machine. */
export const senders =
  /^(?:curl|wget|nc|ncat|netcat|socat|ssh|scp|sftp|ftp|rsync|telnet|mail|sendmail|openssl|rclone|aws|gsutil)$/

export type DeadlyCommand = { names: RegExp; arguments?: RegExp; why: string }

/** By name, and by an argument where the name alone says nothing. */
export const deadlyCommands: readonly DeadlyCommand[] = [
  {
    names: /^(?:mkfs(?:\..+)?|mke2fs|wipefs|blkdiscard|sgdisk|sfdisk|fdisk|parted|mkswap)$/,
    why: "it destroys what is on a disk",
  },
  { names: /^(?:dd|shred|tee|cp|mv|cat|truncate)$/, arguments: disks, why: "it writes over a disk" },
  { names: /^(?:shutdown|reboot|halt|poweroff|telinit|init)$/, why: "it stops the machine" },
  {
    names: /^(?:systemctl)$/,
    arguments: /^(?:poweroff|reboot|halt|kexec|emergency|rescue)$/,
    why: "it stops the machine",
  },
  { names: /^(?:rm|unlink|shred|srm)$/, arguments: vital, why: "it deletes what the machine or its owner cannot lose" },
  {
    names: /^(?:chmod|chown|chgrp|setfacl)$/,
    arguments: /^(?:\/|\/\*|~|~\/|\/(?:etc|usr|bin|lib|var|root|boot|sbin)\/?)$/,
    why: "it changes who may do what on the whole machine",
  },
  {
    names: /^(?:chmod)$/,
    arguments: /^(?:[ug+]*\+[rwx]*s|[ugo]+[+=][rwx]*s[rwx]*|[2467][0-7]{3})$/,
    why: "it gives a program the rights of another user",
  },
  {
    names: /^mv$/,
    arguments: /^(?:\/|\/\*|~|~\/|~\/\*|\/dev\/null)$/,
    why: "it takes away what the machine or its owner cannot lose",
  },
  {
    names: /^(?:nc|ncat|netcat|socat)$/,
    arguments: /^(?:-[a-zA-Z]*[ec]|--exec|--sh-exec|(?:exec|system):.*)/i,
    why: "it hands a shell to the other side",
  },
  { names: /^crontab$/, arguments: /^-r$/, why: "it deletes every standing order" },
  {
    names: /^(?:iptables|ip6tables|nft|ufw)$/,
    arguments: /^(?:-F|--flush|flush|disable|reset)$/,
    why: "it opens the firewall",
  },
  {
    names: /^(?:setenforce|visudo|passwd|useradd|usermod|adduser|chpasswd|insmod|modprobe|kexec|rmmod)$/,
    why: "it changes who may do what on the machine",
  },
  { names: /^(?:su|pkexec|run0)$/, why: "it becomes another user" },
  {
    names: /^(?:docker|podman)$/,
    arguments: /^(?:--privileged|--pid=host|\/:\/.*|--volume=\/:.*)$/,
    why: "it gives a container the whole machine",
  },
  {
    names: /^(?:cat|less|more|head|tail|cp|grep|strings|xxd|od|base64)$/,
    arguments: /^\/etc\/g?shadow-?$/,
    why: "it reads the passwords of the machine",
  },
  { names: /^history$/, arguments: /^-[cw]/, why: "it removes the traces of what was done" },
]
