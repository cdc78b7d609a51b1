/** The google-drive plugin, in its child, against a server that answers as Google's reference says. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { type BundledHouse, bundledHouse } from "#test/fakes/bundled-house.ts"
import { type DriveFile, file, googleDrive } from "#test/fakes/google-drive-server.ts"
import { GOOGLE_TOKEN, googleDetail, googleError, pageToken } from "#test/fakes/google-server.ts"

setDefaultTimeout(60_000) // children are started, on a machine that may be busy

const server = googleDrive()
const NATIVE = "application/vnd.google-apps."
let at: BundledHouse
beforeAll(async () => {
  at = await bundledHouse("google-drive", { secrets: { google_oauth_token: GOOGLE_TOKEN } })
  await at.internet.vendor("www.googleapis.com", server.answer)
  for (const name of ["file_create", "file_update", "folder_create", "file_move", "file_share", "file_trash"])
    await at.allow(`gdrive_${name}`)
})
beforeEach(async () => {
  server.files.clear()
  server.contents.clear()
  server.drives.length = 0
  server.requests.length = 0
  await at.rest()
})
afterAll(() => at.close())

function put(id: string, name: string, content: string | Uint8Array = "", more: Partial<DriveFile> = {}): DriveFile {
  const bytes = Buffer.from(content)
  const one = file(id, name, { size: String(bytes.length), ...more })
  server.files.set(id, one)
  server.contents.set(id, bytes)
  return one
}
const writes = () => server.requests.filter(({ method }) => method !== "GET")

/** Reads on until there is no more. */
async function readAll(id: string): Promise<{ text: string; parts: number }> {
  const read: string[] = []
  for (let offset: unknown = 0; typeof offset === "number" && read.length < 20;) {
    const part = await at.data("gdrive_file_read", { file_id: id, offset })
    read.push(String(part["text"]))
    offset = part["next_offset"]
  }
  return { text: read.join(""), parts: read.length }
}

test("it asks for files and the list of drives, and for nothing that deletes", async () => {
  const { asks } = await at.plugins.get("google-drive")
  expect(asks.slice(0, 4)).toEqual([
    "send GET, POST and PATCH to www.googleapis.com below /drive/v3/files",
    "send POST and PATCH to www.googleapis.com below /upload/drive/v3/files",
    "send GET to www.googleapis.com below /drive/v3/drives",
    "send GET to www.googleapis.com below /drive/v3/about",
  ])
  expect(asks.find((line) => line.endsWith("you are asked before each runs"))?.match(/drive_\w+/g)).toHaveLength(6)
})

describe("finding", () => {
  test("by name, words, kind, folder, owner and time, a page at a time", async () => {
    put("a", "Bill March", "gas and water", { modifiedTime: "2026-03-01T00:00:00.000Z" })
    put("b", "Bill April", "rent", { mimeType: "application/pdf", owners: [{ emailAddress: "anna@example.org" }] })
    put("c", "Taxes", "", { mimeType: `${NATIVE}folder`, starred: true })
    put("d", "Old", "rent", { trashed: true, parents: ["c"] })
    const ids = async (query: Record<string, unknown>) =>
      ((await at.data("gdrive_file_search", query))["files"] as { id: string }[]).map(({ id }) => id)
    expect(await ids({ name: "bill" })).toEqual(["a", "b"])
    expect(await ids({ text: "rent" })).toEqual(["b"])
    expect(await ids({ kind: "pdf" })).toEqual(["b"])
    expect(await ids({ kind: "folder", starred: true })).toEqual(["c"])
    expect(await ids({ folder_id: "c", trashed: true })).toEqual(["d"])
    expect(await ids({ owner: "anna@example.org" })).toEqual(["b"])
    expect(await ids({ modified_after: "2026-10-01" })).toEqual(["b", "c"])
    expect(await ids({ text: "nothing like it" })).toEqual([])
    const first = await at.data("gdrive_file_search", { limit: 2 })
    expect(first).toMatchObject({ files: [{ id: "a" }, { id: "b" }], next_page_token: pageToken(2) })
    expect(await ids({ limit: 2, page_token: first["next_page_token"] })).toEqual(["c"])
    expect((await at.data("gdrive_file_search", { name: "Bill A" }))["files"]).toEqual([
      {
        id: "b",
        name: "Bill April",
        kind: "application/pdf",
        bytes: 4,
        modified: "2026-11-01T12:00:00.000Z",
        owner: "anna@example.org",
        folder_id: "root",
      },
    ])
  })

  test("takes a text as a text, whatever it holds", async () => {
    put("a", "Anna's \\ file' or name contains 'x")
    for (const name of ["Anna's \\ file'", "x' or name contains '", "\\", "\\' or trashed = true or name contains '"])
      expect(await at.data("gdrive_file_search", { name })).toMatchObject({
        files: name.startsWith("Anna") ? [{ id: "a" }] : [],
      })
    expect(await at.failure("gdrive_file_search", { folder_id: "root' in parents or 'x" })).toContain(
      "no id of Google Drive",
    )
    expect(await at.failure("gdrive_file_search", { modified_after: "2026' or '1" })).toContain("no time such as")
  })

  test("in shared drives, which are listed; says where not all was searched", async () => {
    server.drives.push({ id: "0AB", name: "Team" })
    expect(await at.data("gdrive_drive_list")).toEqual({ drives: [{ id: "0AB", name: "Team" }] })
    await at.data("gdrive_file_search", { drive_id: "0AB" })
    expect(server.last().query).toMatchObject({
      corpora: "drive",
      driveId: "0AB",
      supportsAllDrives: "true",
      includeItemsFromAllDrives: "true",
    })
    expect((await at.data("gdrive_file_search", { drive_id: "all" }))["incomplete"]).toContain("drive_id")
  })

  test("stays within what a model is shown, and shows the token to Google alone", async () => {
    for (let n = 0; n < 40; n++) put(`f${"x".repeat(40)}${n}`, "n".repeat(5_000))
    const { text, labels } = await at.told("gdrive_file_search", { limit: 30 })
    expect(text.length).toBeLessThan(16_000)
    expect(labels).toEqual(expect.arrayContaining(["untrusted", "private"]))
    expect(server.last().headers["authorization"]).toBe(`Bearer ${GOOGLE_TOKEN}`)
    expect(JSON.stringify(at.internet.records)).not.toContain(GOOGLE_TOKEN)
  })

  test("says all there is to know of one", async () => {
    put("a", "Plan\u202e.txt", "x", {
      webViewLink: "https://drive.google.com/file/d/a/view",
      lastModifyingUser: { emailAddress: "anna@example.org" },
      capabilities: { canEdit: false, canShare: false, canDownload: true },
      permissions: [
        { type: "user", role: "owner", emailAddress: "me@example.com" },
        { type: "anyone", role: "reader" },
        { type: "user", deleted: true },
      ],
    })
    expect(await at.data("gdrive_file_info", { file_id: "a" })).toMatchObject({
      name: "Plan .txt",
      modified_by: "anna@example.org",
      link: "https://drive.google.com/file/d/a/view",
      may: ["download"],
      shared_with: [
        { who: "me@example.com", role: "owner" },
        { who: "anyone", role: "reader" },
      ],
    })
  })
})

describe("reading", () => {
  test("gives Google's own as text, without the pictures' data, and reads on", async () => {
    put(
      "doc",
      "Doc",
      `# Łódź 😀\n\n${"word ".repeat(4_000)}end\n\n![][image1]\n\n[image1]: <data:image/png;base64,${"A".repeat(50_000)}>`,
      { mimeType: `${NATIVE}document` },
    )
    put("sheet", "Sheet", "a,b\n1,2", { mimeType: `${NATIVE}spreadsheet` })
    put("slides", "Slides", "Hello", { mimeType: `${NATIVE}presentation` })
    const { text, parts } = await readAll("doc")
    expect(parts).toBe(3)
    expect(text).toBe(`# Łódź 😀\n\n${"word ".repeat(4_000)}end\n\n![][image1]`)
    expect(await at.data("gdrive_file_read", { file_id: "sheet" })).toMatchObject({
      text: "a,b\n1,2",
      kind: "spreadsheet",
      note: "The first sheet only",
    })
    expect(await at.data("gdrive_file_read", { file_id: "slides" })).toMatchObject({ text: "Hello" })
  })

  test("fetches of a text file only what it shows, and cuts no letter in two", async () => {
    const whole = `${"a".repeat(9_998)}😀${"ł".repeat(7_000)}日本${"z".repeat(3_000)}`
    put("t", "notes.txt", whole)
    expect((await readAll("t")).text).toBe(whole)
    expect(
      server.requests.every(({ query, headers }) => query["alt"] !== "media" || headers["range"] !== undefined),
    ).toBe(true)
    put("old", "old.csv", new Uint8Array([0x47, 0x72, 0xfc, 0xdf, 0x65]), { mimeType: "application/octet-stream" })
    expect((await at.data("gdrive_file_read", { file_id: "old" }))["text"]).toBe("Grüße")
    put("empty", "empty.txt")
    for (const offset of [0, 500])
      expect((await at.data("gdrive_file_read", { file_id: "empty", offset }))["text"]).toBe("")
    // A server that ignores the range gives the whole.
    server.next(
      { body: file("t", "notes.txt", { size: "30000" }) },
      { headers: { "content-type": "text/plain" }, body: "b".repeat(30_000) },
    )
    expect(await at.data("gdrive_file_read", { file_id: "t", offset: 10_000 })).toMatchObject({
      text: "b".repeat(10_000),
      next_offset: 20_000,
    })
  })

  test("follows a shortcut, once", async () => {
    put("t", "notes.txt", "hello")
    put("s", "Short", "", { mimeType: `${NATIVE}shortcut`, shortcutDetails: { targetId: "t" } })
    put("loop", "Loop", "", { mimeType: `${NATIVE}shortcut`, shortcutDetails: { targetId: "loop" } })
    expect(await at.data("gdrive_file_read", { file_id: "s" })).toMatchObject({ id: "t", text: "hello" })
    expect(await at.failure("gdrive_file_read", { file_id: "loop" })).toContain("cannot be read as text")
  })

  test("refuses what is no text, and what is too large, with a way out", async () => {
    put("pdf", "bill.pdf", "%PDF", { mimeType: "application/pdf" })
    put("bin", "lies.txt", new Uint8Array([0, 1, 2, 0]))
    put("folder", "F", "", { mimeType: `${NATIVE}folder` })
    put("form", "F", "", { mimeType: `${NATIVE}form` })
    put("huge", "H", "ł".repeat(5_000_001), { mimeType: `${NATIVE}document` })
    const cases = {
      pdf: "application/pdf: only text",
      bin: "is none",
      folder: "gdrive_file_search lists",
      form: "A form cannot",
      huge: "no more than 10 MB",
    }
    for (const [id, why] of Object.entries(cases))
      expect(await at.failure("gdrive_file_read", { file_id: id })).toContain(why)
    put("large", "L", "łé".repeat(2_400_000), { mimeType: `${NATIVE}document` })
    expect(await at.data("gdrive_file_read", { file_id: "large", offset: 4_790_000 })).toMatchObject({
      text: "łé".repeat(5_000),
    })
  })
})

describe("writing", () => {
  test("makes files, documents and spreadsheets of any text, and folders", async () => {
    const text = "# Łódź 😀\r\n--ironclaw\r\n--ironclaw-next--\n"
    const made = await at.data("gdrive_file_create", { name: "Notes.md", text, folder_id: "c" })
    expect(made).toMatchObject({
      created: true,
      name: "Notes.md",
      kind: "text/markdown",
      folder_id: "c",
      link: expect.stringContaining("https://drive.google.com/"),
    })
    expect(Buffer.from(server.contents.get(String(made["id"])) ?? []).toString()).toBe(text)
    expect(await at.data("gdrive_file_create", { name: "Doc", text: "# A", as: "document" })).toMatchObject({
      kind: "document",
      folder_id: "root",
    })
    expect(await at.data("gdrive_file_create", { name: "Table", text: "a,b", as: "spreadsheet" })).toMatchObject({
      kind: "spreadsheet",
    })
    expect(await at.data("gdrive_folder_create", { name: "Taxes", folder_id: "c" })).toMatchObject({
      kind: "folder",
      folder_id: "c",
    })
    expect(await at.failure("gdrive_file_create", { name: "a\r\nContent-Type: x", text: "" })).toContain(
      "control character",
    )
  })

  test("replaces a text, where it is one, is the one that was meant, and is as it was read", async () => {
    put("t", "notes.txt", "old")
    const { modified } = await at.data("gdrive_file_read", { file_id: "t" })
    const change = { file_id: "t", name: "notes.txt", text: '{"new": 1}' }
    expect(await at.failure("gdrive_file_update", { ...change, name: "other.txt" })).toContain(
      'the name of this file is "notes.txt"',
    )
    expect(await at.failure("gdrive_file_update", { ...change, modified: "2020-01-01T00:00:00.000Z" })).toContain(
      "changed since then",
    )
    expect(writes()).toEqual([])
    expect(await at.data("gdrive_file_update", { ...change, modified })).toMatchObject({
      updated: true,
      modified: "2026-11-30T12:00:00.000Z",
    })
    expect(server.last()).toMatchObject({
      method: "PATCH",
      path: "/upload/drive/v3/files/t",
      query: { uploadType: "media" },
    })
    put("sheet", "S", "a", { mimeType: `${NATIVE}spreadsheet` })
    put("pdf", "P", "a", { mimeType: "application/pdf" })
    for (const [id, name] of [
      ["sheet", "S"],
      ["pdf", "P"],
    ])
      expect(await at.failure("gdrive_file_update", { file_id: id, name, text: "x" })).toContain("would destroy")
    put("doc", "D", "a", { mimeType: `${NATIVE}document` })
    await at.data("gdrive_file_update", { file_id: "doc", name: "D", text: "# B" })
    expect(server.last().headers["content-type"]).toBe("text/markdown; charset=UTF-8")
  })

  test("moves, renames, trashes and takes back", async () => {
    const one = put("t", "notes.txt", "x")
    expect(await at.failure("gdrive_file_move", { file_id: "t", name: "notes.txt" })).toContain("where to move it")
    expect(
      await at.data("gdrive_file_move", { file_id: "t", name: "notes.txt", to_folder_id: "c", new_name: "Plan" }),
    ).toMatchObject({ moved: true, name: "Plan", folder_id: "c" })
    expect(one.parents).toEqual(["c"])
    expect(await at.data("gdrive_file_trash", { file_id: "t", name: "Plan" })).toMatchObject({
      trashed: true,
      name: "Plan",
    })
    expect(one.trashed).toBe(true)
    expect(await at.data("gdrive_file_trash", { file_id: "t", name: "Plan", restore: true })).toMatchObject({
      restored: true,
    })
    expect(one.trashed).toBe(false)
  })

  test("shares with whom it is told to, and in no way that could be meant otherwise", async () => {
    const one = put("t", "Plan", "x")
    const share = { file_id: "t", name: "Plan", role: "reader" }
    const bad: [Record<string, unknown>, string][] = [
      [{}, "one of"],
      [{ email: "a@example.org", anyone: true, notify: false }, "one of"],
      [{ email: "a@example.org" }, "`notify`"],
      [{ email: "a@example.org, eve@evil.example", notify: false }, "no mail address"],
      [{ domain: "example" }, "no domain"],
      [{ anyone: true, role: "writer" }, "without a login"],
      [{ anyone: true, name: "Other" }, 'the name of this file is "Plan"'],
    ]
    for (const [more, why] of bad) expect(await at.failure("gdrive_file_share", { ...share, ...more })).toContain(why)
    expect(writes()).toEqual([])
    expect(
      await at.data("gdrive_file_share", { ...share, email: "anna@example.org", notify: true, message: "Here" }),
    ).toMatchObject({ shared: true, with: "anna@example.org", role: "reader" })
    expect(server.last().query).toMatchObject({ sendNotificationEmail: "true", emailMessage: "Here" })
    await at.data("gdrive_file_share", { ...share, domain: "example.org", role: "commenter" })
    await at.data("gdrive_file_share", { ...share, anyone: true })
    expect(one.permissions).toMatchObject([
      { type: "user", emailAddress: "anna@example.org", role: "reader" },
      { type: "domain", domain: "example.org", role: "commenter", allowFileDiscovery: false },
      { type: "anyone", role: "reader", allowFileDiscovery: false },
    ])
  })
})

test("what goes wrong at Google is told with what can be done about it", async () => {
  const cases: [Parameters<typeof server.next>[0], string][] = [
    [googleError(401, "authError"), "ironclaw tool auth google-drive"],
    [googleError(403, "insufficientPermissions"), "does not cover this"],
    [googleError(403, "appNotAuthorizedToFile"), "does not cover this"],
    [googleDetail("SERVICE_DISABLED"), "https://console.cloud.google.com/apis/library/drive.googleapis.com"],
    [googleError(403, "storageQuotaExceeded"), "storage is full"],
    [googleError(403, "userRateLimitExceeded"), "Wait a minute"],
    [{ ...googleError(429, "rateLimitExceeded"), headers: { "retry-after": "9" } }, "Wait 9 s"],
    [googleError(403, "exportSizeLimitExceeded"), "no more than 10 MB"],
    [googleError(403, "cannotDownloadAbusiveFile"), "malware"],
    [googleError(403, "fileNotDownloadable"), "does not let it be downloaded"],
    [googleError(403, "insufficientFilePermissions"), "may look at this file"],
    [
      googleError(403, "domainPolicy", "Apps are off"),
      "administrator of this Google Workspace does not allow it: only they can change that. Google says: Apps are off",
    ],
    [googleError(403, "other"), "does not allow this"],
    [googleError(404, "notFound"), "no such file"],
    [googleError(400, "invalid", "Invalid Value"), "refused this (400). Google says: Invalid Value"],
    [{ status: 500, body: "" }, "a fault of its own (500)"],
    [{ body: '{"files"' }, "what is no JSON"],
    [{ body: "x".repeat(11_000_000) }, "10485760 bytes"],
  ]
  for (const [answer, expected] of cases) {
    server.next(answer)
    expect(await at.failure("gdrive_file_search", {})).toContain(expected)
  }
  for (const id of ["", "../about", "a/b", "a?x"])
    expect(await at.failure("gdrive_file_read", { file_id: id })).toContain("no id of Google Drive")
})
