/** The map of verbs: what the help says of each, and where its code is, loaded when it is asked for. */
import type { VerbTable } from "./verb.ts"

export const verbTable: VerbTable = {
  run: {
    about: "Chat in the terminal, or send one message with -m and print the reply",
    load: () => import("../run.ts"),
  },
  serve: {
    about: "Run the service without a terminal: gateway and channels",
    load: () => import("../serve.ts"),
  },
  onboard: {
    about: "Set it up: a few questions, each answer tried before it is kept",
    load: () => import("../onboard.ts"),
  },
  status: { about: "Show what runs, where, and with which configuration", load: () => import("../status.ts") },
  doctor: {
    about: "Look at everything that can go wrong, say what to do, and mend what is safe to mend",
    load: () => import("../doctor.ts"),
  },
  service: {
    about: "The assistant in the background: install, start, stop, watch",
    alias: ["gateway"],
    load: () => import("../service.ts"),
  },
  logs: { about: "Show the log, and follow it", load: () => import("../logs.ts") },
  session: {
    about: "List, show, search, rename, export and delete conversations",
    load: () => import("../session.ts"),
  },
  memory: { about: "Read, write, search and delete what the assistant remembers", load: () => import("../memory.ts") },
  model: { about: "List, choose, test and watch the models that answer", load: () => import("../model.ts") },
  usage: { about: "Show what the models have cost, and the limits", load: () => import("../usage.ts") },
  config: { about: "List, read and change the configuration", load: () => import("../config.ts") },
  secret: { about: "Set, list, delete and rotate keys and passwords", load: () => import("../secret.ts") },
  backup: { about: "Write everything into one encrypted file", load: () => import("../backup.ts") },
  restore: { about: "Bring everything back from a backup", load: () => import("../restore.ts") },
  update: {
    about: "Replace this program by the newest release, verified and tried first; --rollback goes back",
    load: () => import("../update.ts"),
  },
  audit: {
    about: "List, verify and export the record of every act, and see what left this machine",
    load: () => import("../audit.ts"),
  },
  safety: { about: "Ask the gates about a text, a URL or a command line", load: () => import("../safety.ts") },
  sandbox: {
    about: "Show and prove what holds foreign code, and examine a plugin's code",
    load: () => import("../sandbox.ts"),
  },
  approval: {
    about: "List, allow and deny what the assistant asks before it acts",
    load: () => import("../approval.ts"),
  },
  grant: { about: "List, add and revoke what may run without asking", load: () => import("../grant.ts") },
  hook: {
    about: "List, add, remove and test your own programs that may rewrite or refuse",
    load: () => import("../hook.ts"),
  },
  tool: {
    about: "Install, grant, look at and take away plugins; list the tools",
    alias: ["plugin"],
    load: () => import("../tool.ts"),
  },
  channel: {
    about: "List and look at the ways people reach the assistant, and take one away",
    load: () => import("../channel.ts"),
  },
  pairing: {
    about: "List, approve and deny people who want to talk with the assistant",
    load: () => import("../pairing.ts"),
  },
  token: { about: "List, add and revoke tokens for programs that chat", load: () => import("../token.ts") },
  lockdown: { about: "Stop everything at once; --lift lets it go on", load: () => import("../lockdown.ts") },
  licences: { about: "Print the licences of everything that is in this program", load: () => import("../licences.ts") },
  completion: { about: "Print a completion script for bash, zsh or fish", load: () => import("../completion.ts") },
}
