/** Requests that leave: where they go, what they carry, what comes back. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "egress/dns-rebinding",
    covers: ["#518"],
    attack: "A name answers with a public address at the check and with an inner one at the connection",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › names and addresses › a name that changes its answer after the check gains nothing: it is asked once",
      "test/core/safety/egress.test.ts › names and addresses › nothing is looked up before the whole URL passed",
      "test/core/safety/egress.test.ts › the real connect speaks to exactly the address that it was given",
    ],
  },
  {
    id: "egress/redirect-inward",
    covers: ["#6140"],
    attack: "A redirect leads to a private address or to another host, with the caller's keys in its headers",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › redirects › to %s are refused",
      "test/core/safety/egress.test.ts › redirects › to another allowed host lose every header that may hold a key",
      "test/core/safety/egress.test.ts › redirects › never carry a body to another host",
      "test/core/safety/egress.test.ts › redirects › end after three",
      "test/core/tools/web-fetch.test.ts › through the pipeline › follows a redirect on the same host, and no further: the refusal names the host",
    ],
  },
  {
    id: "egress/ipv6-dressed-address",
    covers: ["#1221"],
    attack: "An inner IPv4 address inside a mapped, NAT64, 6to4, Teredo or ISATAP one",
    status: "tested",
    test: [
      "test/core/safety/addresses.test.ts › judgeAddress › refuses %s",
      "test/core/safety/addresses.test.ts › judgeAddress › every range of the tables refuses its first and its last address",
      "test/core/safety/egress.test.ts › names and addresses › a name that leads to %s is refused, and nothing is connected to",
    ],
  },
  {
    id: "egress/odd-spelling-of-host",
    attack:
      "Numbers for a host in decimal, octal or hex, a trailing dot, a wildcard DNS name, a user name before the host",
    status: "tested",
    test: [
      "test/core/safety/addresses.test.ts › judgeAddress › refuses %j, which is no address in its ordinary notation",
      "test/core/safety/hosts.test.ts › a public URL › with %s is refused: %j",
      "test/core/safety/hosts.test.ts › a public URL › with an address instead of a name is refused, even where a rule names it: %s",
    ],
  },
  {
    id: "egress/address-of-a-model",
    covers: ["#1955"],
    attack:
      "The base URL of a model or another setting leads to metadata or to an inner host; the owner's own server must still work",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › names and addresses › a local endpoint's name may lead to the owner's network, but not to metadata",
      "test/core/safety/hosts.test.ts › a local endpoint › is refused at a metadata address, whoever named it",
      "test/core/safety/addresses.test.ts › judgeLocalAddress › refuses %s even to the owner",
      "test/gateway/api/config.test.ts › a setting that makes a difference to safety › needs a code for exactly this value, over the socket and in this process",
    ],
  },
  {
    id: "egress/test-of-a-connection",
    covers: ["#2572"],
    attack: "Trying a connection is used to probe inner hosts, or stalls on a slow name server",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › time › a name server that does not answer is given up",
      "test/core/safety/egress.test.ts › time › an address that does not let itself be connected to is given up",
      "test/core/safety/egress.test.ts › time › a server that never answers is given up",
    ],
  },
  {
    id: "egress/plugin-fetch",
    covers: ["#1976"],
    attack: "A plugin's or a channel's own HTTP lacks the guard that tools have",
    status: "tested",
    test: [
      "test/channels/network.test.ts › a channel on the network › reaches no host but those that it was granted, and carries no secret of the house",
      "test/channels/network.test.ts › a channel on the network › is asked for news, and sends what is answered with the owner's key, which it never sees",
      "test/sandbox/plugins.test.ts › a plugin that runs › reaches no other host, path or method, whatever it is told, and a call that reads only reads",
    ],
  },
  {
    id: "egress/prefix-of-localhost",
    covers: ["#1094"],
    attack: "A host that only begins like localhost is taken for it",
    status: "tested",
    test: [
      "test/core/safety/hosts.test.ts › a local endpoint › is not %s",
      "test/core/safety/egress.test.ts › names and addresses › localhost is this machine, whatever a name server says",
      "test/gateway/auth.test.ts › the place a request comes from › Host %p is not (DNS rebinding)",
    ],
  },
  {
    id: "egress/header-smuggling",
    covers: ["#1529"],
    attack: "A Host header, CR or LF in a header, two framings of one body",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › headers › %j with the value %j is refused, and nothing leaves",
      "test/core/safety/egress.test.ts › headers › that say how long the body is or how it may be packed are ours",
      "test/core/safety/egress.test.ts › a request inside the rules › takes a Request object, and says that a POST without a body is empty",
      "test/core/safety/egress.test.ts › headers › and a body on a GET are refused",
    ],
  },
  {
    id: "egress/rewriting-by-environment",
    covers: ["#2401", "#2056"],
    attack: "A variable meant for tests sends requests elsewhere, or switches off the check of certificates",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › names and addresses › a certificate that nobody vouches for ends it, whatever the environment says",
      "test/e2e/first-run.test.ts › a hostile working directory › BUN_OPTIONS of the environment does not reach what we start",
    ],
  },
  {
    id: "egress/answers-without-end",
    covers: ["#1351"],
    attack: "Huge, endless, packed or slow answers, and a wait that a server asks for",
    status: "tested",
    test: [
      "test/core/safety/egress.test.ts › bounds › a %s bomb is cut off",
      "test/core/safety/egress.test.ts › bounds › an announced size above the cap is refused before a byte of it",
      "test/core/safety/egress.test.ts › bounds › an endless chunked body is cut off at the cap",
      "test/core/safety/egress.test.ts › time › a body that stops in the middle is given up, read or unread",
      "test/core/safety/egress.test.ts › time › a body that drips is given up when its whole time is over; a stream without one goes on",
      "test/e2e/bad-providers.test.ts › what passes is tried again › a Retry-After of a day is not waited for",
    ],
  },
  {
    id: "egress/address-that-runs",
    covers: ["#2215"],
    attack: "An address to log in at, given by an extension, is a script or a file",
    status: "later",
    rule: "The links gate (core/safety/links.ts): an address that somebody else made is shown as text; the only schemes that may be a link are http and https",
  },
  {
    id: "egress/inner-tool-server",
    covers: ["#5998"],
    attack: "A server of tools on this machine is let in, or refused at the first call instead of when it is added",
    status: "later",
    rule: "One door out (SECURITY.md, core/safety/egress.ts, core/guard.ts): a part that fetches has no way but the egress gate, plugins, channels and servers of tools included",
  },
]
