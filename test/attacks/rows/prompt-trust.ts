/** Advisories on text that became more trusted than its source. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "prompt-trust/event-becomes-system",
    covers: ["CVE-2026-43534", "CVE-2026-43566", "GHSA-jf56-mccx-5f3f", "GHSA-gfmx-pph7-g46x", "CVE-2026-44999"],
    attack: "Text of a hook, a webhook or the clock becomes a word of the system",
    status: "tested",
    test: [
      "test/gateway/api/hooks.test.ts › a hook at message.in › is told who, where and what, and can say that its words come from outside",
      "test/core/safety/fence.test.ts › the fence › cannot be closed or opened by the text in it, however it is spelt",
      "test/core/memory/memory.test.ts › memory on $name › appending › an untrusted line stays untrusted, the rest of the note does not become so",
    ],
  },
  {
    id: "prompt-trust/session-as-owner",
    covers: ["GHSA-w5c7-9qqw-6645"],
    attack: "What another session says counts as the owner's word",
    status: "tested",
    test: [
      "test/core/agent/agent-spawn.test.ts › a reader › answers in words: text from outside, fenced, by handle, out of sight with the end of the turn",
      "test/core/agent/agent-spawn.test.ts › a reader › of a turn that had read text from outside itself gives values that stay untrusted",
      "test/gateway/sub-turns.test.ts › nobody speaks in the session of a sub-turn: not as a message, not as a command, not by the OpenAI endpoint",
    ],
  },
  {
    id: "prompt-trust/topic-in-prompt",
    covers: ["CVE-2026-24764", "CVE-2026-27001", "CVE-2026-27165"],
    attack: "A topic, a folder's name or a title stands in the prompt",
    status: "later",
    rule: "Labels (core/safety/labels.ts) stay with a text through every row and every turn; what a channel, a plugin or another agent says is text from outside, never an instruction",
  },
  {
    id: "prompt-trust/log-read-back",
    covers: ["GHSA-g27f-9qjv-22pm"],
    attack: "The log is read back by the model",
    status: "tested",
    test: [
      "test/core/log.test.ts › lines › cannot be forged by fields or line breaks",
      "test/core/log.test.ts › the mirror › shows one readable line with control characters made visible",
    ],
  },
  {
    id: "prompt-trust/marked-lines",
    covers: ["GHSA-jjgj-cpp9-cvpv", "CVE-2026-41366", "CVE-2026-42424", "CVE-2026-25475"],
    attack: "A line of a reply has a file read and sent",
    status: "tested",
    test: [
      "test/core/safety/links.test.ts › the links gate › leaves what is allowed and makes text of the rest",
      "test/core/tools/message-send.test.ts › message_send › runs where text from outside had a hand in it, keeps its labels, and holds no address and no secret",
    ],
  },
  {
    id: "prompt-trust/text-to-code",
    covers: ["CVE-2026-30741"],
    attack: "Words become code",
    status: "later",
    rule: "No program is run for the model as long as there is no jail; the command gate (core/safety/command.ts) asks where it is unsure, and core/guard.ts starts children with a clean environment",
  },
  {
    id: "prompt-trust/spoofed-client",
    covers: ["CVE-2026-41299"],
    attack: "A message says who its client is",
    status: "tested",
    test: [
      "test/gateway/sub-turns.test.ts › no client can give a turn a ceiling, an owner's word or tools with a message",
      "test/gateway/server.test.ts › a message › is the owner's, from the session's own place",
    ],
  },
  {
    id: "prompt-trust/profile-bypass",
    covers: ["CVE-2026-41353"],
    attack: "A browser's profile is not the one allowed",
    status: "later",
    rule: "One door out (SECURITY.md, core/safety/egress.ts, core/guard.ts): a part that fetches has no way but the egress gate, plugins, channels and servers of tools included",
  },
  {
    id: "prompt-trust/tools-round-policy",
    covers: ["CVE-2026-44998"],
    attack: "Tools of a server, or of a skill, go round the policy",
    status: "tested",
    test: [
      "test/core/safety/authorize.test.ts › the authority gate › refuses tools that the agent is not allowed",
      "test/gateway/every-way-every-gate.test.ts › by $name › %s refuses, and says so everywhere",
      "test/core/agent/agent-spawn.test.ts › a reader › is told nothing of the owner, is offered no tool but its own, and uses no other",
    ],
  },
  {
    id: "prompt-trust/owner-tools-to-others",
    covers: ["CVE-2026-53814", "CVE-2026-53818", "CVE-2026-62195", "CVE-2026-44118", "CVE-2026-53820"],
    attack: "Tools of the owner for those who are not",
    status: "tested",
    test: [
      "test/core/safety/sender.test.ts › the sender gate › gives nothing to who is not",
      "test/gateway/openai.test.ts › a client's own token › opens nothing else",
      "test/core/safety/ceiling.test.ts › the ceiling of a sub-turn › a helper has what its parent has, or less, and nothing that starts turns, asks or writes to people",
    ],
  },
  {
    id: "prompt-trust/regained-tools",
    covers: ["CVE-2026-62202"],
    attack: "Work by the clock has tools that were taken away",
    status: "tested",
    test: [
      "test/core/safety/ceiling.test.ts › the ceiling of a sub-turn › holds at every level and against the owner's own grants",
      "test/core/agent/turn.test.ts › a turn › does not run a tool with an effect at the read-only level",
    ],
  },
  {
    id: "prompt-trust/writer-reaches-owner",
    covers: ["GHSA-jr6x-2q95-fh2g"],
    attack: "A client that may write reaches what is the owner's alone",
    status: "tested",
    test: [
      "test/gateway/api/tokens.test.ts › an API token › opens nothing but /v1: no approval, grant, token, secret, setting, memory, event or record",
      "test/gateway/openai.test.ts › a client's own token › cannot open a session by id, and its slash commands are text",
    ],
  },
  {
    id: "prompt-trust/command-round-hooks",
    covers: ["CVE-2026-62225", "GHSA-68xw-r643-9p5w"],
    attack: "A command goes round the hooks",
    status: "tested",
    test: [
      "test/attacks/hooks.test.ts › a message that the owner's hook refuses › is refused %s, and nothing is kept of it",
    ],
  },
]
