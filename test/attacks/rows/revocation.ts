/** Advisories on revocation that does not revoke. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "revocation/open-after-revocation",
    covers: ["GHSA-2pr2-hcv6-7gwv", "GHSA-rfqg-qgf8-xr9x", "CVE-2026-42421"],
    attack: "A removed or replaced token leaves its connection open",
    status: "tested",
    test: [
      "test/gateway/api/tokens.test.ts › an API token › that is revoked in mid-answer cuts the stream, stops the turn, and lets nobody in again",
      "test/core/safety/tokens.test.ts › API tokens ($name) › that are revoked end what they hold open, and are found no more; the row stays",
      "test/gateway/api/tokens.test.ts › an API token › that is revoked while an answer is awaited gets 401 instead",
    ],
  },
  {
    id: "revocation/stale-secret",
    covers: ["CVE-2026-41916", "CVE-2026-43585"],
    attack: "An old token stays in some closure",
    status: "tested",
    test: [
      "test/core/safety/tokens.test.ts › API tokens ($name) › that another process revokes end here too",
      "test/core/safety/tokens.test.ts › API tokens ($name) › that were revoked while nobody could tell end with the next notice",
      "test/gateway/api/tokens.test.ts › an API token › does not outlive a lockdown",
    ],
  },
  {
    id: "revocation/stale-webhook-secret",
    covers: ["CVE-2026-45005", "CVE-2026-53830", "CVE-2026-53824"],
    attack: "Webhooks and watchers keep the old secret",
    status: "tested",
    test: [
      "test/gateway/webhook-door.test.ts › a signed request › by the secret that is set now: one that was replaced signs nothing any more",
      "test/gateway/webhook-door.test.ts › what is refused › is of a channel that its owner has taken back",
      "test/channels/pairing.test.ts › the owner › turns away, which holds for a day, and takes back what they approved",
    ],
  },
  {
    id: "revocation/empty-is-missing",
    covers: ["CVE-2026-41388"],
    attack: "An emptied list brings the former settings back",
    status: "later",
    rule: "Configuration is read from the owner's home alone (core/config.ts), an unknown key is an error, and what makes a difference to safety is changed at a terminal (core/safety/presence.ts)",
  },
]
