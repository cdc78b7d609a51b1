/** The map of verbs: what the help says of each, and where its code is, loaded when it is asked for. */
import type { VerbTable } from "./verb.ts"

export const verbTable: VerbTable = {
  run: {
    about: "Chat in the terminal, or send one message with -m and print the reply",
    load: () => import("../run.ts"),
  },
  serve: {
    about: "Run the service without a terminal: gateway, channels, routines",
    load: () => import("../serve.ts"),
  },
  status: { about: "Show what runs, where, and with which configuration", load: () => import("../status.ts") },
  session: {
    about: "List, show, search, rename, export and delete conversations",
    load: () => import("../session.ts"),
  },
  memory: { about: "Read, write, search and delete what the assistant remembers", load: () => import("../memory.ts") },
  model: { about: "List, choose, test and watch the models that answer", load: () => import("../model.ts") },
  usage: { about: "Show what the models have cost, and the limits", load: () => import("../usage.ts") },
  config: { about: "List, read and change the configuration", load: () => import("../config.ts") },
  completion: { about: "Print a completion script for bash, zsh or fish", load: () => import("../completion.ts") },
}
