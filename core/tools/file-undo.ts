/** file_undo: takes back the last change that a tool made to a file of the project in this session. */
import { judgePath, type Jail } from "../safety/paths.ts"
import { joinLabels, joinSources } from "../safety/labels.ts"
import { t } from "../schema.ts"
import { undoChange } from "./file-change.ts"
import type { FileChanges } from "./file-changes.ts"
import { pathFailure } from "./path-failure.ts"
import { defineTool, type Tool } from "./tool.ts"

const TIMEOUT_MS = 20_000 // a slow disk, not a broken one

export function fileUndoTools({ project, changes }: { project: Jail; changes: FileChanges }): Tool[] {
  const undo = defineTool({
    name: "file_undo",
    description: "Take back the last file_write or file_patch of this conversation. Again: the one before it.",
    input: t.Object(
      { path: t.Optional(t.String({ minLength: 1, maxLength: 4_096, description: "Only of this file" })) },
      { additionalProperties: false },
    ),
    effect: () => "write-local",
    needs: ({ path = "." }) => [{ kind: "file", path, write: true }],
    // What it removes was written by a tool of this session, and the calls that wrote it are in its rows.
    reversible: () => true,
    timeoutMs: TIMEOUT_MS,
    async run({ path }, { sessionId, agentId, labels, source }) {
      const judged = path === undefined ? null : judgePath({ root: project.root, path, use: "write" })
      if (judged?.ok === false) return pathFailure({ why: `The path is refused: ${judged.why}` })
      const change = await changes.latest({ sessionId, agentId, path: judged?.segments.join("/") ?? null })
      if (!change) return { failed: "There is no change of this conversation left to take back" }
      const undone = await undoChange({ project, change })
      if (!undone.ok) return { failed: undone.why }
      await changes.markUndone(change.callId)
      return {
        data: { path: change.path, restored: change.before === null ? "removed again" : "as it was before" },
        labels: joinLabels([labels, change.labels]),
        source: joinSources([source, change.source]),
      }
    },
  })
  return [undo]
}
