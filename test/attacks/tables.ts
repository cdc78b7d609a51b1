/** The tables of known attacks by area. */
import type { Row } from "./row.ts"
import { rows as approvals } from "./rows/approvals.ts"
import { rows as commands } from "./rows/commands.ts"
import { rows as control } from "./rows/control.ts"
import { rows as devices } from "./rows/devices.ts"
import { rows as egress } from "./rows/egress.ts"
import { rows as egressAdvisories } from "./rows/egress-advisories.ts"
import { rows as environment } from "./rows/environment.ts"
import { rows as execApprovals } from "./rows/exec-approvals.ts"
import { rows as exhaustion } from "./rows/exhaustion.ts"
import { rows as files } from "./rows/files.ts"
import { rows as inbound } from "./rows/inbound.ts"
import { rows as incidents } from "./rows/incidents.ts"
import { rows as jail } from "./rows/jail.ts"
import { rows as nearField } from "./rows/near-field.ts"
import { rows as paths } from "./rows/paths.ts"
import { rows as patterns } from "./rows/patterns.ts"
import { rows as promptTrust } from "./rows/prompt-trust.ts"
import { rows as prompts } from "./rows/prompts.ts"
import { rows as revocation } from "./rows/revocation.ts"
import { rows as secretAdvisories } from "./rows/secret-advisories.ts"
import { rows as secrets } from "./rows/secrets.ts"
import { rows as senders } from "./rows/senders.ts"
import { rows as supply } from "./rows/supply.ts"
import { rows as web } from "./rows/web.ts"

export const tables: Readonly<Record<string, readonly Row[]>> = {
  approvals,
  commands,
  control,
  devices,
  egress,
  "egress-advisories": egressAdvisories,
  environment,
  "exec-approvals": execApprovals,
  exhaustion,
  files,
  inbound,
  incidents,
  jail,
  "near-field": nearField,
  paths,
  patterns,
  "prompt-trust": promptTrust,
  prompts,
  revocation,
  "secret-advisories": secretAdvisories,
  secrets,
  senders,
  supply,
  web,
}
