/** The HTTP and WebSocket gateway, and what a page would make of its answers. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "web/script-in-text",
    covers: ["#510", "#966", "#1063"],
    attack: "Text of a person, a model or a tool becomes a page that runs or loads",
    status: "tested",
    test: [
      "test/core/safety/links.test.ts › the links gate › leaves what is allowed and makes text of the rest",
      "test/core/safety/reply.test.ts › a reply that a hostile page shaped › holds no address that can be fetched: in the rows, the outcome, the deltas and the events",
      "test/core/tools/web-fetch.test.ts › a page as Markdown › shows where links lead as text, and no address that only runs or marks",
    ],
  },
  {
    id: "web/token-in-url",
    covers: ["#528"],
    attack: "A token in an address is taken, kept or passed on",
    status: "tested",
    test: [
      "test/gateway/auth.test.ts › the token › is never looked for in the URL",
      "test/gateway/server.test.ts › every answer › has the same headers, whatever its status",
      "test/core/log.test.ts › redaction › hides fields that are secret by name, and only those",
    ],
  },
  {
    id: "web/foreign-origin",
    covers: ["#4623"],
    attack: "A foreign page, another host's name, an empty list of origins",
    status: "tested",
    test: [
      "test/gateway/auth.test.ts › the place a request comes from › Origin %p is another page's, even with the right token",
      "test/gateway/auth.test.ts › the place a request comes from › Host %p is not (DNS rebinding)",
      "test/gateway/auth.test.ts › the place a request comes from › what another site caused without an Origin is refused, a link to a page is not",
      "test/gateway/api/approvals.test.ts › a forged yes › from a foreign page is refused although the token is right",
    ],
  },
  {
    id: "web/oauth",
    covers: ["#1441", "#1454", "#1701"],
    attack: "State that is short, used twice or of another vendor; redirects that leave",
    status: "tested",
    test: [
      "test/sandbox/logins.test.ts › somebody else's answer › with a state that is wrong, missing, doubled, short or used is nothing, and leaves the login open",
      "test/sandbox/logins.test.ts › somebody else's answer › a state that was used is no state even where the login failed",
      "test/sandbox/logins.test.ts › somebody else's answer › a code of another login, with a state of this one, is refused by the verifier",
      "test/sandbox/logins.test.ts › somebody else's answer › chooses no scope, no provider, no client and no place to go",
      "test/sandbox/login-flow.test.ts › an open login › is found by its state once, on its way, within five minutes",
      "test/sandbox/login-flow.test.ts › an open login › has a state and a verifier of 32 bytes each that are never the same, and the verifier is in no URL",
      "test/gateway/login-callback.test.ts › the gateway's callback › needs no token, is answered by the state alone, and redirects nobody",
      "test/gateway/login-callback.test.ts › the gateway's callback › flooded, it slows whoever floods it",
      "test/gateway/login-callback.test.ts › the listener of a login › says that it is flooded once a page asked in vain too often",
    ],
  },
  {
    id: "web/body-limits",
    covers: ["#4624"],
    attack: "Bodies that are too large, too deep or break a route; limits that a header lifts",
    status: "tested",
    test: [
      "test/gateway/server.test.ts › what comes in wrong › 50 MB are refused early, announced or not",
      "test/gateway/body.test.ts › the size › that is announced as too large is refused before a byte is read",
      "test/gateway/body.test.ts › JSON › nested 64 deep is accepted, deeper is refused, and 100,000 deep breaks nothing",
      "test/gateway/server.test.ts › every answer › has the same headers, whatever its status",
      "test/gateway/server.test.ts › every answer › to a fault says nothing of it but an id, which the log has",
      "test/gateway/auth.test.ts › guessing › by X-Forwarded-For changes nothing",
    ],
  },
  {
    id: "web/streams",
    covers: ["#2441", "#6592"],
    attack: "Watchers without bound, slow ones, storms, a limit that locks the owner out",
    status: "tested",
    test: [
      "test/gateway/stream.test.ts › bounds › a hundred watchers are served, the next one is told to come back, and places become free",
      "test/gateway/stream.test.ts › bounds › a watcher that does not read is dropped before a second mebibyte waits for it",
      "test/gateway/stream.test.ts › bounds › a client that reads too slowly over TCP is dropped, and the service goes on",
      "test/e2e/bad-clients.test.ts › of two hundred watchers a hundred are let in, the others are told to wait, and every one let in sees the turn",
      "test/gateway/auth.test.ts › guessing › is slowed on loopback too, and never locks the owner out",
    ],
  },
  {
    id: "web/webhook-signature",
    covers: ["#970", "#1162", "#1033", "#1075", "#1083", "#372", "#1638", "#1386", "ba8db89fe9"],
    attack: "A webhook without a signature, with an empty secret, or played again",
    status: "tested",
    test: [
      "test/gateway/webhooks.test.ts › a request › is refused where the secret is not set, empty or short, whatever it is signed with",
      "test/gateway/webhooks.test.ts › a request › whose bytes are signed passes, in the schemes that networks use",
      "test/gateway/webhook-door.test.ts › a signed request › is taken once, however often it comes, and one that failed is taken again",
    ],
  },
  {
    id: "web/openai-shared",
    covers: ["#839"],
    attack: "A session by a guessed name, another client's work, messages without bound",
    status: "tested",
    test: [
      "test/gateway/api/tokens.test.ts › an API token › chats in sessions of its own, which another token does not open by their name",
      "test/gateway/openai.test.ts › a client's own token › cannot open a session by id, and its slash commands are text",
      "test/gateway/openai.test.ts › a client's own token › chats in places of its own",
      "test/gateway/server.test.ts › a message › of a million characters is stored whole, above 4 MiB it is 413",
    ],
  },
  {
    id: "web/cut-in-a-letter",
    covers: ["#1688", "#1679", "#1015", "#359", "#2008", "#664"],
    attack: "A cut through a letter breaks a reply or a process",
    status: "tested",
    test: [
      "test/core/session/shown.test.ts › no surrogate pair is split at either cut, wherever the cuts fall",
      "test/core/session/tools.test.ts › on $name › no piece splits a surrogate pair",
      "test/core/session/title.test.ts › text without blanks is cut, and never through a surrogate pair",
      "test/e2e/bad-input.test.ts › text that no database takes › NUL and half surrogate pairs in a message become the replacement character",
    ],
  },
]
