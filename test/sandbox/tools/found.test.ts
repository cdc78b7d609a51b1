/** The bundled tools as they describe themselves, beside the builtin ones: a need in plain words finds its tool. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test"
import { systemClock } from "#core/clock.ts"
import { readForeignSchema } from "#core/tools/foreign-schema.ts"
import { createRegistry } from "#core/tools/registry.ts"
import type { Tool } from "#core/tools/tool.ts"
import { findTools } from "#core/tools/tool-search.ts"
import { bundledNames, createBundled } from "#sandbox/bundled.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { describePlugin } from "#sandbox/describe.ts"
import { judgePackage } from "#sandbox/package.ts"
import { builtinsWithoutDeps } from "#test/core/tools/builtins.ts"
import { childCommand, quietLog } from "#test/fakes/guest.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const sandbox = createSandbox({ command: childCommand, clock: systemClock, log: quietLog })
afterAll(() => sandbox.stopAll())

/** Written from the need; where two tools would do, both. */
const NEEDS: readonly (readonly [need: string, tool: string | readonly string[]])[] = [
  ["send an email", "gmail_message_send"],
  ["find mails from my landlord that I have not read", "gmail_message_search"],
  ["check my inbox", "gmail_message_search"],
  ["open a mail and read it", "gmail_message_read"],
  ["answer somebody's e-mail", "gmail_message_reply"],
  ["prepare a mail but don't send it yet", "gmail_draft_create"],
  ["throw a mail away", "gmail_message_trash"],
  ["mark a mail as read", "gmail_message_label"],
  ["archive old mails", "gmail_message_label"],
  ["which labels do I have", "gmail_label_list"],
  ["download the attachment of a mail", "gmail_attachment_read"],
  ["read the whole conversation with Anna", "gmail_thread_read"],
  ["what meetings do I have tomorrow", "gcal_event_list"],
  ["put a dentist appointment in the calendar", "gcal_event_create"],
  ["move my meeting to 4 pm", "gcal_event_update"],
  ["cancel an appointment", "gcal_event_delete"],
  ["is Anna free on Thursday afternoon", ["gcal_busy_read", "gcal_slot_find"]],
  ["find a time when everybody is available", "gcal_slot_find"],
  ["accept an invitation", "gcal_event_respond"],
  ["which calendars are there", "gcal_calendar_list"],
  ["invite people to a meeting", "gcal_event_create"],
  ["report a bug in a repo", "github_issue_create"],
  ["which PRs are open", "github_pull_list"],
  ["merge the PR", "github_pull_merge"],
  ["leave a comment on a GitHub ticket", "github_comment_create"],
  ["look for tickets about a crash", "github_search"],
  ["new GitHub notifications", "github_notification_list"],
  ["close a ticket as done", "github_issue_update"],
  ["latest release of a project on GitHub", "github_history_list"],
  ["what did the last commits change", "github_history_list"],
  ["show the diff of a pull request", "github_pull_diff"],
  ["approve a pull request", "github_review_create"],
  ["read the README of a repository", "github_file_read"],
  ["commit a change to a file on GitHub", "github_file_write"],
  ["where is this function used on GitHub", "github_search"],
  ["mark all notifications as read", "github_notification_mark"],
  ["my issues", "github_issue_list"],
  ["find a document in my Google Drive", "gdrive_file_search"],
  ["read a Google Doc", "gdrive_file_read"],
  ["upload a report to Drive", "gdrive_file_create"],
  ["give Peter access to a drive document", "gdrive_file_share"],
  ["put a drive file into another directory", "gdrive_file_move"],
  ["rename a file in drive", "gdrive_file_move"],
  ["delete a file on Google Drive", "gdrive_file_trash"],
  ["make a new folder in Drive", "gdrive_folder_create"],
  ["who has access to this file", "gdrive_file_info"],
  ["make a spreadsheet", "gdrive_file_create"],
  ["search the internet", "web_search"],
  ["look something up online", "web_search"],
  ["news about the election", "web_search"],
  ["google the name of a company", "web_search"],
  ["will it rain this weekend", "weather_forecast"],
  ["how warm is it outside now", "weather_now"],
  ["temperature in Lisbon", ["weather_now", "weather_forecast"]],
  ["coordinates of a town", "place_find"],
  ["in which country is this town", "place_find"],
  ["edit a file of the project", "file_patch"],
  ["create a new file in the project", "file_write"],
  ["search for a word in all source files", "file_grep"],
  ["find project files by their name", "file_glob"],
  ["undo my last change to the file", "file_undo"],
  ["call a REST API with POST", "http_request"],
  ["extract values from JSON", "json_query"],
  ["delete a note from memory", "memory_delete"],
  ["ask for permission for several calls at once", "approval_plan"],
  ["tell the owner that the night's work is finished", "message_send"],
]

async function toolsOf(name: string): Promise<Tool[]> {
  const judged = judgePackage(await createBundled().read(name), { agreed: null })
  if (!judged.ok) throw new Error(judged.problems.join())
  const { manifest, code } = judged
  const described = await describePlugin({ sandbox, manifest, code, taken: [], signal: new AbortController().signal })
  if (!described.ok) throw new Error(described.problems.join())
  return described.tools.flatMap((tool) => {
    const read = readForeignSchema(tool.inputSchema)
    if (!read.ok) return []
    const run = () => Promise.reject(new Error("Nothing is called here"))
    const card = { name: tool.name, provider: `plugin:${name}@1`, description: tool.description, input: read.schema }
    return [{ ...card, effect: () => "read" as const, needs: () => [], timeoutMs: 1_000, run }]
  })
}

test("of plainly told needs at least 95 in 100 find their tool among the eight answers", async () => {
  const { registry, supply } = createRegistry(builtinsWithoutDeps())
  supply((await Promise.all(bundledNames.map(toolsOf))).flat())
  const missed = NEEDS.filter(([query, tool]) => {
    const found = findTools(registry, { query, allowed: null })
    return ![tool].flat().some((name) => found.includes(name))
  })
  expect(missed.length / NEEDS.length).toBeLessThanOrEqual(0.05)
})
