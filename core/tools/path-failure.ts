/** The failure of a file tool that the path gate turned away, so that the record says which gate it was. */
import type { ToolResult } from "./tool.ts"

/** `missing`: nothing is there, which no gate refused. */
export function pathFailure({ why, missing = false }: { why: string; missing?: boolean }): ToolResult {
  return missing ? { failed: why } : { failed: why, gate: "path" }
}
