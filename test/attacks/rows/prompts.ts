/** Words from outside that want to be orders. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "prompts/breakout",
    covers: ["#1067"],
    attack: "Text from outside closes the marks that it stands in",
    status: "tested",
    test: [
      "test/core/safety/fence.test.ts › the fence › cannot be closed or opened by the text in it, however it is spelt",
      "test/core/safety/fence.test.ts › the fence › keeps its attributes whole whatever the source says",
      "test/core/session/export.test.ts › on $name › a tool's result cannot end the block it is shown in",
    ],
  },
  {
    id: "prompts/injection-forms",
    attack: "Markup of chats, commands, blobs, hidden letters, and near misses that take long",
    status: "tested",
    test: [
      'test/core/safety/injection.test.ts › injection › is seen: ${rule}, ${text.slice(0, 40).replaceAll("\\n", " ")}',
      "test/core/safety/injection.test.ts › injection › is seen through what hides it, and weighs more there",
      'test/core/safety/injection.test.ts › injection › is not seen in ordinary text: ${text.slice(0, 50).replaceAll("\\n", " ")}',
      "test/core/safety/tables-speed.test.ts › the tables › ${name}: four times the near misses are four times the tries, not more",
    ],
  },
  {
    id: "prompts/history-as-orders",
    attack: "History, attachments and what a client claims are read as orders",
    status: "tested",
    test: [
      "test/core/agent/turn.test.ts › untrusted text › is fenced in its own turn, and leaves the context when the turn ends",
      "test/core/agent/edges.test.ts › at the edges of a turn › what a client says of its own tools is text from outside",
      "test/core/agent/turn.test.ts › what a client says was said › a call that it claims was made is never taken up, its results are read as untrusted, its question is the owner's word",
      "test/gateway/openai.test.ts › the assistant, by the official client › takes what a client says went before as history, not as the owner's word",
    ],
  },
  {
    id: "prompts/routine-text",
    covers: ["#1364", "#825"],
    attack: "What fires a routine fills in text or a slow pattern",
    status: "later",
    rule: "Labels (core/safety/labels.ts) stay with a text through every row and every turn; what a channel, a plugin or another agent says is text from outside, never an instruction",
  },
  {
    id: "prompts/names-of-tools",
    covers: ["#2400", "#520"],
    attack: "Names and descriptions of foreign tools steer or collide",
    status: "tested",
    test: [
      "test/sandbox/install.test.ts › installing › refuses tools that shadow others, speak of others, or speak to the model",
      "test/core/tools/registry.test.ts › tools of others come and go as one, and a body is taken of the provider that was found and of no other",
      "test/core/tools/tool-search.test.ts › it shows no tool that the turn may not use, and is there for an agent whose list is long and does not name it",
      "test/core/tools/tool-search.test.ts › a call of a tool that was not shown runs through the pipeline like any other, and is shown from then on",
    ],
  },
  {
    id: "prompts/asks-for-secrets",
    attack: "A page asks to read keys and to send them",
    status: "tested",
    test: [
      "test/flow/attacks.test.ts › no text from outside reaches any goal, by any entry, without the owner's yes",
      "test/cmd/secret.test.ts › secret › a value that stands in a document reaches neither the model nor the reply",
      "test/core/safety/egress.test.ts › scanning and secrets › a scan that refuses, or breaks, refuses the request before a name is resolved",
    ],
  },
]
