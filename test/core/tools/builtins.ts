/** The builtin tools with nothing behind them: for tests of what a model is shown of them. */
import { agentSpawnTools } from "#core/agent/agent-spawn.ts"
import { memoryTools } from "#core/memory/tools.ts"
import { sessionTools } from "#core/session/tools.ts"
import { approvalPlanTools } from "#core/tools/approval-plan.ts"
import { fileFindTools } from "#core/tools/file-find.ts"
import { fileReadTools } from "#core/tools/file-read.ts"
import { fileUndoTools } from "#core/tools/file-undo.ts"
import { fileWriteTools } from "#core/tools/file-write.ts"
import { httpTools } from "#core/tools/http-request.ts"
import { jsonTools } from "#core/tools/json-query.ts"
import { messageTools } from "#core/tools/message-send.ts"
import { timeTools } from "#core/tools/time.ts"
import type { Tool } from "#core/tools/tool.ts"
import { webTools } from "#core/tools/web-fetch.ts"

export function builtinsWithoutDeps(): Tool[] {
  // Never run: what they would need is not there.
  const nothing = new Proxy({}, { get: () => nothing }) as never
  return [
    ...agentSpawnTools(nothing),
    ...approvalPlanTools(nothing),
    ...timeTools(nothing),
    ...memoryTools(nothing),
    ...sessionTools(nothing),
    ...jsonTools(),
    ...httpTools(),
    ...webTools(nothing),
    ...messageTools(nothing),
    ...fileReadTools(nothing),
    ...fileFindTools(nothing),
    ...fileWriteTools(nothing),
    ...fileUndoTools(nothing),
  ]
}
