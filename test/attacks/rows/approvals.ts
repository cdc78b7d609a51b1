/** Who says yes to what, and who is whom. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "approvals/foreign-approval",
    covers: ["#1590", "#760", "#2366", "#2347", "#2267"],
    attack: "A yes from another place, for another session, for a question that is gone or was changed",
    status: "tested",
    test: [
      "test/gateway/api/approvals.test.ts › a forged yes › with an API token or a chat token is refused before it is looked at",
      "test/gateway/api/approvals.test.ts › a forged yes › as a word in a message is ordinary text, in the waiting session and in any other",
      "test/gateway/api/approvals.test.ts › an answer › is not given to a question whose words someone changed in the database",
      "test/core/tools/approval-plan.test.ts › a plan › does not reach another turn",
      "test/gateway/api/approvals.test.ts › an answer › and another at the same moment: one of them wins, and there is one record",
    ],
  },
  {
    id: "approvals/plain-yes",
    covers: ["#2178", "#2248", "#2249"],
    attack: "An ordinary yes is taken as an approval",
    status: "tested",
    test: [
      "test/gateway/api/approvals.test.ts › a forged yes › as a word in a message is ordinary text, in the waiting session and in any other",
    ],
  },
  {
    id: "approvals/forged-inner-flag",
    covers: ["#1195"],
    attack: "A client's extra fields count as an inner mark",
    status: "tested",
    test: [
      "test/core/agent/agent-spawn.test.ts › a sub-turn › is nothing that a client can ask for: what it adds to a message changes no right",
      "test/gateway/sub-turns.test.ts › no client can give a turn a ceiling, an owner's word or tools with a message",
    ],
  },
  {
    id: "approvals/calls-below",
    covers: ["#1125", "#4954", "#4839"],
    attack: "What works for another goes round the question; a no ends the turn; a retry loses its yes",
    status: "tested",
    test: [
      "test/core/agent/agent-spawn.test.ts › a helper › is refused what it would have to ask about, and the main turn is told which call is left",
      "test/core/safety/approvals.test.ts › a call that needs the owner › is not run when it is denied, and the model reads the owner's reason",
      "test/core/safety/approvals.test.ts › a call that needs the owner › runs once when it is allowed, and the turn goes on",
      "test/gateway/api/hooks.test.ts › a hook at tool.call › rewrites arguments, which are then judged, asked about and recorded as the call",
    ],
  },
  {
    id: "approvals/foreign-event",
    covers: ["#3931", "#3929", "#4569"],
    attack: "A plugin's event claims another origin, or a replayed one runs as new",
    status: "tested",
    test: [
      "test/channels/hostile.test.ts › a hostile channel › that names %s in a message has it refused whole",
      "test/channels/channels.test.ts › a message › that comes again is none, and one of another conversation with the same id is",
      "test/gateway/webhook-door.test.ts › a signed request › is taken once, however often it comes, and one that failed is taken again",
    ],
  },
  {
    id: "approvals/wider-list",
    covers: ["#5659"],
    attack: "More tools are shown or usable than are allowed",
    status: "tested",
    test: [
      "test/core/agent/agent-spawn.test.ts › a helper › has the tools that were named for it, and its parent is told which it cannot have",
      "test/core/agent/agent-spawn.test.ts › a reader › is told nothing of the owner, is offered no tool but its own, and uses no other",
      "test/core/safety/authorize.test.ts › the authority gate › refuses tools that the agent is not allowed",
    ],
  },
  {
    id: "approvals/foreign-stream",
    covers: ["#3390", "#2986", "#3374", "#5896", "#1211"],
    attack: "Streams, lists and memory of others are seen",
    status: "tested",
    test: [
      "test/gateway/stream.test.ts › a watcher › of one session sees nothing of another, replayed or live",
      "test/gateway/api/tokens.test.ts › an API token › chats in sessions of its own, which another token does not open by their name",
      "test/gateway/api/tokens.test.ts › an API token › opens nothing but /v1: no approval, grant, token, secret, setting, memory, event or record",
      "test/core/memory/memory.test.ts › memory on $name › search › sees the documents of its agent alone",
    ],
  },
  {
    id: "approvals/group-without-owner",
    covers: ["#590", "#285"],
    attack: "A group is answered while no owner is known; memory of one is seen in it",
    status: "tested",
    test: [
      "test/channels/channels.test.ts › a message › of the owner where others read along is answered as for a guest, and its commands are text",
      "test/channels/channels.test.ts › a message › of a stranger where others read along is nobody's: no code, no turn, no answer",
      "test/channels/hostile.test.ts › a hostile channel › has a guest neither ask the owner nor call what is not for guests",
    ],
  },
  {
    id: "approvals/guessed-code",
    covers: ["#515"],
    attack: "A code is guessed, old, used, or another's",
    status: "tested",
    test: [
      "test/core/safety/presence.test.ts › a code › cannot be guessed at for long: ten wrong ones close that way in for an hour, and no other",
      "test/core/safety/presence.test.ts › a code › may be mistyped four times, and then is gone",
      "test/core/safety/presence.test.ts › a code › proves no other change, and nothing any more afterwards",
      "test/core/safety/presence.test.ts › a code › is good for two minutes",
      "test/gateway/api/approvals.test.ts › a forged yes › with a wrong code is refused, five times, and then the right one is worth nothing",
    ],
  },
  {
    id: "approvals/listener-unasked",
    covers: ["#1869", "#1194", "#686"],
    attack: "A listener where none was asked for, or for everybody",
    status: "tested",
    test: [
      "test/gateway/auth.test.ts › listening › elsewhere needs TLS or a named proxy, and a token that cannot be guessed",
      "test/gateway/auth.test.ts › listening › off loopback without either is refused by the gateway",
      "test/cmd/verbs.test.ts › without a service › status opens no database, and makes none",
      "test/gateway/server.test.ts › the socket › is the owner's alone, serves the same app, and never a browser",
    ],
  },
]
