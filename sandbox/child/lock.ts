/** placeholder */
import type { Ready } from "./messages.ts"
export function lockChild(): Ready {
  return { parts: [], missing: ["not written"] }
}
