/**
 * google-drive: finds, reads, writes, moves and shares the owner's files, by Google's API (developers.google.com/workspace/drive/api/reference/rest/v3).
 * One file, as every plugin is. Nothing is deleted for good: there is no request for it here, and none that the manifest asks for. Whoever
 * changes a file names it, so that the owner reads the name when they are asked.
 */
import { decodeText, definePlugin, defineTool, http, type HttpResponse, withQuery } from "ironclaw"

const BASE = "https://www.googleapis.com/drive/v3"
const UPLOAD = "https://www.googleapis.com/upload/drive/v3"
/** A model is shown some 16,000 characters of a result: what is longer is read on from an offset. */
const MAX_TEXT = 10_000
const NATIVE = "application/vnd.google-apps."
const FOLDER = `${NATIVE}folder`
const SHORTCUT = `${NATIVE}shortcut`

type File = {
  id?: string
  name?: string
  mimeType?: string
  description?: string
  size?: string
  createdTime?: string
  modifiedTime?: string
  owners?: { emailAddress?: string }[]
  lastModifyingUser?: { emailAddress?: string; displayName?: string }
  parents?: string[]
  driveId?: string
  shared?: boolean
  starred?: boolean
  trashed?: boolean
  webViewLink?: string
  shortcutDetails?: { targetId?: string; targetMimeType?: string }
  capabilities?: { canEdit?: boolean; canShare?: boolean; canDownload?: boolean }
  permissions?: { type?: string; role?: string; emailAddress?: string; domain?: string; deleted?: boolean }[]
}
const LISTED =
  "id,name,mimeType,size,modifiedTime,owners(emailAddress),parents,driveId,shared,starred,trashed,shortcutDetails"

// --- Google's API ---

type Asked = {
  method?: string
  query?: Record<string, string | number | boolean | undefined>
  headers?: Record<string, string>
  body?: string | object
}

function send(url: string, { method = "GET", query = {}, headers = {}, body }: Asked): HttpResponse {
  const isJson = typeof body === "object"
  return http({
    url: withQuery(url, query),
    method,
    headers: { ...(isJson ? { "content-type": "application/json" } : {}), ...headers },
    ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : body }),
  })
}

function ask<Answer extends object>(url: string, asked: Asked = {}): Partial<Answer> {
  const response = send(url, asked)
  if (!response.ok) throw new Error(problemOf(response))
  try {
    const answer = response.json()
    // Google's own documentation has its form; each part of it is looked for before it is used.
    if (typeof answer === "object" && answer !== null) return answer
  } catch {
    // said below
  }
  throw new Error("Google Drive answered with what is no JSON. Try again in a minute.")
}

/** What went wrong, and what can be done about it. Reasons: developers.google.com/workspace/drive/api/guides/handle-errors */
function problemOf(response: HttpResponse): string {
  const { status } = response
  const { reasons, message } = errorIn(response)
  const has = (...names: string[]) => names.some((name) => reasons.includes(name))
  const told = message === "" ? "" : ` Google says: ${message}`
  if (status === 401)
    return "Google Drive takes no login from here: it has ended or was withdrawn. The owner logs in again with `ironclaw tool auth google-drive`."
  if (has("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "appNotAuthorizedToFile"))
    return "The Google login does not cover this. The owner logs in again with `ironclaw tool auth google-drive` and leaves every box ticked."
  if (has("accessNotConfigured", "SERVICE_DISABLED"))
    return "The Google Drive API is not enabled in the owner's Google Cloud project. It is enabled at https://console.cloud.google.com/apis/library/drive.googleapis.com and works some minutes later."
  if (has("storageQuotaExceeded", "teamDriveFileLimitExceeded"))
    return "The owner's Google storage is full: something has to go first."
  if (has("dailyLimitExceeded", "quotaExceeded"))
    return `The day's quota at Google Drive is used up: try tomorrow.${told}`
  if (
    status === 429 ||
    has("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "sharingRateLimitExceeded")
  ) {
    const seconds = /^\d{1,5}$/.exec(response.headers["retry-after"] ?? "")?.[0]
    return `Too many requests to Google Drive. Wait ${seconds === undefined ? "a minute" : `${seconds} s`}, then ask for less at once.`
  }
  if (has("exportSizeLimitExceeded"))
    return "Google exports no more than 10 MB of a document, and this one is larger. The owner opens it in Drive, or divides it."
  if (has("cannotDownloadAbusiveFile"))
    return "Google holds this file for malware or spam and hands it to nobody but its owner."
  if (has("fileNotDownloadable", "cannotDownloadFile", "cannotExportFile"))
    return "Whoever shared this file does not let it be downloaded or copied. The owner can still open it in Drive."
  if (has("insufficientFilePermissions", "insufficientParentPermissions"))
    return "The owner may look at this file or folder, and not change it: its own owner gives that right."
  if (has("domainPolicy", "publishOutNotPermitted", "shareOutNotPermitted", "shareInNotPermitted"))
    return `The administrator of this Google Workspace does not allow it: only they can change that.${told}`
  if (status === 403) return `Google Drive does not allow this.${told}`
  if (status === 404)
    return "There is no such file, folder or drive, or it is not shared with the owner. Ids come from gdrive_file_search and gdrive_drive_list."
  if (status >= 500) return `Google Drive has a fault of its own (${status}). Try again in a minute.`
  return `Google Drive refused this (${status}).${told}`
}

function errorIn(response: HttpResponse): { reasons: string[]; message: string } {
  type Told = { error?: { message?: unknown; errors?: { reason?: unknown }[]; details?: { reason?: unknown }[] } }
  try {
    const { error } = response.json() as Told // a form that is looked at part by part
    const all = [error?.errors, error?.details].flatMap((list) => (Array.isArray(list) ? list : []))
    return {
      reasons: all.flatMap(({ reason }) => (typeof reason === "string" ? [reason] : [])),
      message: typeof error?.message === "string" ? plainLine(error.message, 300) : "",
    }
  } catch {
    return { reasons: [], message: "" }
  }
}

/** On one line, without what cannot be seen. */
function plainLine(text: string, max: number): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim()
    .slice(0, max)
    .toWellFormed()
}

function idOf(given: string): string {
  if (/^[A-Za-z0-9_-]{1,200}$/.test(given)) return given
  throw new Error('This is no id of Google Drive: letters, digits, "-" and "_" only. Ids come from gdrive_file_search')
}

function nameOf(given: string): string {
  const name = given.toWellFormed().trim()
  if (name === "" || /\p{Cc}/u.test(name)) throw new Error("The name is empty or holds a control character")
  return name
}

const fileUrl = (id: string) => `${BASE}/files/${idOf(id)}`
const metadata = (id: string, fields: string) => ask<File>(fileUrl(id), { query: { fields, supportsAllDrives: true } })

/** The file that is meant, read before it is touched. */
function meantFile(id: string, name: string): File {
  const file = metadata(id, `${LISTED},capabilities(canEdit,canShare)`)
  const now = plainLine(file.name ?? "", 1_000)
  if (now !== plainLine(name, 1_000))
    throw new Error(`Nothing was done: the name of this file is ${JSON.stringify(now)}`)
  return file
}

// --- finding ---

const KINDS: Record<string, string> = {
  folder: `mimeType = '${FOLDER}'`,
  document: `mimeType = '${NATIVE}document'`,
  spreadsheet: `mimeType = '${NATIVE}spreadsheet'`,
  presentation: `mimeType = '${NATIVE}presentation'`,
  form: `mimeType = '${NATIVE}form'`,
  pdf: "mimeType = 'application/pdf'",
  image: "mimeType contains 'image/'",
  video: "mimeType contains 'video/'",
  audio: "mimeType contains 'audio/'",
  text: "mimeType contains 'text/'",
}

/** As a string of Google's query language: developers.google.com/workspace/drive/api/guides/ref-search-terms */
function quoted(text: string): string {
  return `'${text.toWellFormed().replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`
}

function kindOf(mimeType = ""): string {
  return mimeType.startsWith(NATIVE) ? mimeType.slice(NATIVE.length) : plainLine(mimeType, 80)
}

function summaryOf({
  id = "",
  name = "",
  mimeType,
  size,
  modifiedTime,
  owners,
  parents,
  driveId,
  shared,
  starred,
  trashed,
  shortcutDetails,
}: File) {
  return {
    id,
    name: plainLine(name, 120),
    kind: kindOf(mimeType),
    ...(size === undefined ? {} : { bytes: Number(size) }),
    modified: modifiedTime,
    ...(owners?.[0]?.emailAddress ? { owner: owners[0].emailAddress.slice(0, 100) } : {}),
    ...(parents?.[0] ? { folder_id: parents[0] } : {}),
    ...(driveId ? { drive_id: driveId } : {}),
    ...(shared ? { shared } : {}),
    ...(starred ? { starred } : {}),
    ...(trashed ? { trashed } : {}),
    ...(shortcutDetails?.targetId ? { target_id: shortcutDetails.targetId } : {}),
  }
}

const ID = { type: "string", maxLength: 200 }
const NAME = {
  type: "string",
  maxLength: 1_000,
  description: "The name that it has now; nothing is done to a file of another",
}
const page = {
  type: "string",
  maxLength: 2_000,
  description: "next_page_token of the page before, with the same other arguments",
}

type SearchInput = {
  text?: string
  name?: string
  kind?: string
  folder_id?: string
  owner?: string
  modified_after?: string
  shared_with_me?: boolean
  starred?: boolean
  trashed?: boolean
  drive_id?: string
  limit?: number
  page_token?: string
}

const searchFiles = defineTool({
  name: "gdrive_file_search",
  description:
    "Finds files and folders in the owner's Google Drive by words in them, name, kind, folder, owner or time; without any, the latest. folder_id lists a folder: root is My Drive.",
  input: {
    type: "object",
    properties: {
      text: {
        type: "string",
        maxLength: 300,
        description: "Words in the file or its name; in double quotes, a phrase",
      },
      name: { type: "string", maxLength: 300, description: "What its name, or a word of it, begins with" },
      kind: { type: "string", enum: Object.keys(KINDS) },
      folder_id: ID,
      owner: { type: "string", maxLength: 320, description: "A mail address, or me" },
      modified_after: { type: "string", maxLength: 30, description: "2026-12-01, or 2026-12-01T09:00:00 in UTC" },
      shared_with_me: { type: "boolean" },
      starred: { type: "boolean" },
      trashed: { type: "boolean", default: false },
      drive_id: { type: "string", maxLength: 200, description: "A shared drive of gdrive_drive_list, or all" },
      limit: { type: "integer", minimum: 1, maximum: 30, default: 20 },
      page_token: page,
    },
    additionalProperties: false,
  },
  run(input: SearchInput) {
    const { drive_id: drive, modified_after: after } = input
    if (after !== undefined && !/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d)?$/.test(after))
      throw new Error(`${JSON.stringify(after)} is no time such as 2026-12-01 or 2026-12-01T09:00:00`)
    const terms = [
      ...(input.text ? [`fullText contains ${quoted(input.text)}`] : []),
      ...(input.name ? [`name contains ${quoted(input.name)}`] : []),
      ...(input.kind === undefined ? [] : [KINDS[input.kind] ?? ""]),
      ...(input.folder_id === undefined ? [] : [`${quoted(idOf(input.folder_id))} in parents`]),
      ...(input.owner === undefined ? [] : [`${quoted(input.owner)} in owners`]),
      ...(after === undefined ? [] : [`modifiedTime > ${quoted(after)}`]),
      ...(input.shared_with_me ? ["sharedWithMe = true"] : []),
      ...(input.starred ? ["starred = true"] : []),
      `trashed = ${input.trashed ?? false}`,
    ]
    type Found = { files: File[]; nextPageToken: string; incompleteSearch: boolean }
    const {
      files = [],
      nextPageToken,
      incompleteSearch,
    } = ask<Found>(`${BASE}/files`, {
      query: {
        q: terms.join(" and "),
        // What is found by its words comes in the order of how well it fits; no other can be asked for.
        orderBy: input.text ? undefined : input.folder_id === undefined ? "modifiedTime desc" : "folder,name_natural",
        pageSize: input.limit ?? 20,
        pageToken: input.page_token,
        fields: `nextPageToken,incompleteSearch,files(${LISTED})`,
        supportsAllDrives: true,
        includeItemsFromAllDrives: true,
        ...(drive === undefined
          ? {}
          : drive === "all"
            ? { corpora: "allDrives" }
            : { corpora: "drive", driveId: idOf(drive) }),
      },
    })
    return {
      files: files.map(summaryOf),
      ...(nextPageToken ? { next_page_token: nextPageToken } : {}),
      ...(incompleteSearch ? { incomplete: "Not every shared drive was searched: name one with drive_id" } : {}),
    }
  },
})

const listDrives = defineTool({
  name: "gdrive_drive_list",
  description:
    "Lists the shared drives that the owner is a member of. Their files are found with gdrive_file_search by drive_id.",
  input: { type: "object", properties: { page_token: page }, additionalProperties: false },
  run({ page_token: pageToken }: { page_token?: string }) {
    const { drives = [], nextPageToken } = ask<{ drives: { id?: string; name?: string }[]; nextPageToken: string }>(
      `${BASE}/drives`,
      {
        query: { pageSize: 50, pageToken },
      },
    )
    return {
      drives: drives.map(({ id, name = "" }) => ({ id, name: plainLine(name, 150) })),
      ...(nextPageToken ? { next_page_token: nextPageToken } : {}),
    }
  },
})

const readInfo = defineTool({
  name: "gdrive_file_info",
  description:
    "Says what there is to know of a file or folder besides what is in it: where it lies, who owns it and changed it last, with whom it is shared, its link.",
  input: { type: "object", properties: { file_id: ID }, required: ["file_id"], additionalProperties: false },
  run({ file_id: id }: { file_id: string }) {
    const file = metadata(
      id,
      `${LISTED},description,createdTime,lastModifyingUser(emailAddress,displayName),webViewLink,capabilities(canEdit,canShare,canDownload),permissions(type,role,emailAddress,domain,deleted)`,
    )
    const { description, createdTime, lastModifyingUser: by, webViewLink, capabilities = {}, permissions = [] } = file
    return {
      ...summaryOf(file),
      ...(description ? { description: plainLine(description, 1_000) } : {}),
      created: createdTime,
      ...(by ? { modified_by: plainLine(by.emailAddress ?? by.displayName ?? "", 100) } : {}),
      link: webViewLink,
      may: Object.entries({
        change: capabilities.canEdit,
        share: capabilities.canShare,
        download: capabilities.canDownload,
      }).flatMap(([what, may]) => (may ? [what] : [])),
      shared_with: permissions
        .filter(({ deleted }) => !deleted)
        .slice(0, 60)
        .map(({ type, role, emailAddress, domain }) => ({
          who: plainLine(emailAddress ?? domain ?? type ?? "", 200),
          role,
        })),
      ...(permissions.length > 60 ? { shared_with_more: permissions.length - 60 } : {}),
    }
  },
})

// --- reading ---

/** In which form Google hands out what is no file of its own. */
const EXPORTS: Record<string, string> = {
  document: "text/markdown",
  spreadsheet: "text/csv",
  presentation: "text/plain",
  script: "application/vnd.google-apps.script+json",
}
const TEXT_TYPE =
  /^text\/|^application\/(?:.+\+)?(?:json|xml|yaml|x-yaml|javascript|x-javascript|typescript|sql|x-sh|toml|rtf|x-ndjson)$/
const TEXT_NAME =
  /\.(?:txt|md|csv|tsv|json|jsonl|xml|ya?ml|toml|ini|conf|log|html?|css|[cm]?[jt]sx?|py|rb|go|rs|java|kt|c|h|cpp|sh|sql|tex|srt|vtt|ics|vcf)$/i

const readFile = defineTool({
  name: "gdrive_file_read",
  description:
    "Reads a file that is text: Google documents as Markdown, spreadsheets as CSV (their first sheet), presentations as plain text, other text files as they are. What is long is read on from next_offset.",
  input: {
    type: "object",
    properties: {
      file_id: ID,
      offset: { type: "integer", minimum: 0, default: 0, description: "next_offset of the part before" },
    },
    required: ["file_id"],
    additionalProperties: false,
  },
  run({ file_id: given, offset = 0 }: { file_id: string; offset?: number }) {
    const fields = "id,name,mimeType,size,modifiedTime,shortcutDetails(targetId)"
    const named = metadata(given, fields)
    const target = named.mimeType === SHORTCUT ? named.shortcutDetails?.targetId : undefined
    const file = target === undefined ? named : metadata(target, fields)
    const { id = given, mimeType = "", name = "" } = file
    const about = { id, name: plainLine(name, 150), kind: kindOf(mimeType), modified: file.modifiedTime }
    if (mimeType === FOLDER) throw new Error("It is a folder: gdrive_file_search lists what is in it by folder_id")
    if (mimeType.startsWith(NATIVE)) {
      const format = EXPORTS[kindOf(mimeType)]
      if (format === undefined)
        throw new Error(`A ${kindOf(mimeType)} cannot be read as text. The owner opens it in Drive.`)
      return {
        ...about,
        ...exported(id, format, offset),
        ...(format === "text/csv" ? { note: "The first sheet only" } : {}),
      }
    }
    if (!TEXT_TYPE.test(mimeType) && !TEXT_NAME.test(name))
      throw new Error(`It is ${plainLine(mimeType, 100)}: only text can be read here. The owner opens it in Drive.`)
    return { ...about, ...partOf(id, Number(file.size ?? 0), offset) }
  },
})

function exported(id: string, mimeType: string, offset: number) {
  const response = send(`${fileUrl(id)}/export`, { query: { mimeType } })
  if (!response.ok) throw new Error(problemOf(response))
  // Pictures of a document come as data behind its text, many times as long.
  const text = response
    .text()
    .replaceAll(/^\[image\d+\]: <data:[^>\n]*>$/gm, "")
    .trim()
  const end = offset + MAX_TEXT
  return {
    text: text.slice(offset, end).toWellFormed(),
    ...(text.length > end ? { next_offset: end, characters: text.length } : {}),
  }
}

/** Fetched is only what is read: offsets are in bytes here. */
function partOf(id: string, size: number, offset: number) {
  if (size > 0 && offset >= size) return { text: "" }
  const last = offset + MAX_TEXT - 1
  const response = send(fileUrl(id), {
    query: { alt: "media", supportsAllDrives: true },
    headers: { range: `bytes=${offset}-${last}` },
  })
  if (response.status === 416) return { text: "" } // empty, or shorter than it was
  if (!response.ok) throw new Error(problemOf(response))
  const isPart = response.status === 206
  const bytes = isPart ? response.bytes : response.bytes.subarray(offset, last + 1)
  const all = isPart
    ? Number(/\/(\d+)$/.exec(response.headers["content-range"] ?? "")?.[1] ?? size)
    : response.bytes.length
  const end = offset + bytes.length < all ? wholeLetters(bytes) : bytes.length
  const text = decodeText(bytes.subarray(0, end))
  if (text.includes("\u0000")) throw new Error("It calls itself text and is none. The owner opens it in Drive.")
  return {
    text: text.includes("\ufffd") ? decodeText(bytes.subarray(0, end), "windows-1252") : text,
    ...(offset + end < all ? { next_offset: offset + end, bytes: all } : {}),
  }
}

/** Where the last letter ends that is there whole, in UTF-8. */
function wholeLetters(bytes: Uint8Array): number {
  let at = bytes.length - 1
  while (at > 0 && bytes.length - at < 4 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at--
  const first = bytes[at] ?? 0
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1
  return bytes.length - at < length ? at : bytes.length
}

// --- writing ---

const TYPES: Record<string, string> = {
  md: "text/markdown",
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  json: "application/json",
  html: "text/html",
  xml: "text/xml",
}
const TEXT = { type: "string", maxLength: 200_000 }

function typeFor(name: string): string {
  return TYPES[/\.([a-z]{2,4})$/i.exec(name)?.[1]?.toLowerCase() ?? ""] ?? "text/plain"
}

const createFile = defineTool({
  name: "gdrive_file_create",
  description:
    "Makes a new file of this text in the owner's Drive: uploaded as it is, as a Google document from Markdown, or as a Google spreadsheet from CSV. A file of the same name is left alone.",
  input: {
    type: "object",
    properties: {
      name: { type: "string", minLength: 1, maxLength: 255 },
      text: TEXT,
      as: { type: "string", enum: ["file", "document", "spreadsheet"], default: "file" },
      folder_id: { ...ID, description: "Without it My Drive" },
    },
    required: ["name", "text"],
    additionalProperties: false,
  },
  run({
    name: given,
    text,
    as = "file",
    folder_id: folder,
  }: {
    name: string
    text: string
    as?: string
    folder_id?: string
  }) {
    const name = nameOf(given)
    const type = as === "document" ? "text/markdown" : as === "spreadsheet" ? "text/csv" : typeFor(name)
    const about = {
      name,
      mimeType: as === "file" ? type : `${NATIVE}${as}`,
      ...(folder === undefined ? {} : { parents: [idOf(folder)] }),
    }
    let boundary = "ironclaw"
    while (text.includes(boundary)) boundary += "-next"
    const part = (contentType: string, content: string) =>
      `--${boundary}\r\nContent-Type: ${contentType}; charset=UTF-8\r\n\r\n${content}\r\n`
    const file = ask<File>(`${UPLOAD}/files`, {
      method: "POST",
      query: { uploadType: "multipart", supportsAllDrives: true, fields: `${LISTED},webViewLink` },
      headers: { "content-type": `multipart/related; boundary=${boundary}` },
      body: `${part("application/json", JSON.stringify(about))}${part(type, text)}--${boundary}--`,
    })
    return { created: true, ...summaryOf(file), link: file.webViewLink }
  },
})

const updateFile = defineTool({
  name: "gdrive_file_update",
  description:
    "Replaces all the text of a text file, or of a Google document from Markdown. Drive keeps the former version for a while. With modified, refused where it was changed since then.",
  input: {
    type: "object",
    properties: {
      file_id: ID,
      name: NAME,
      text: TEXT,
      modified: { type: "string", maxLength: 40, description: "As gdrive_file_read gave it" },
    },
    required: ["file_id", "name", "text"],
    additionalProperties: false,
  },
  run({ file_id: id, name, text, modified }: { file_id: string; name: string; text: string; modified?: string }) {
    const before = meantFile(id, name)
    const { mimeType = "" } = before
    const isDocument = mimeType === `${NATIVE}document`
    if (!isDocument && !TEXT_TYPE.test(mimeType) && !TEXT_NAME.test(before.name ?? ""))
      throw new Error(
        `It is a ${kindOf(mimeType)}: text would destroy what else is in it. Make a new file with gdrive_file_create.`,
      )
    if (modified !== undefined && modified !== before.modifiedTime)
      throw new Error(
        `It was changed since then, at ${before.modifiedTime ?? "a time unknown"}. Read it again, then repeat the change if it still fits.`,
      )
    const type = isDocument
      ? "text/markdown"
      : mimeType.includes("/") && TEXT_TYPE.test(mimeType)
        ? mimeType
        : "text/plain"
    const file = ask<File>(`${UPLOAD}/files/${idOf(id)}`, {
      method: "PATCH",
      query: { uploadType: "media", supportsAllDrives: true, fields: LISTED },
      headers: { "content-type": `${type}; charset=UTF-8` },
      body: text,
    })
    return { updated: true, ...summaryOf(file) }
  },
})

const createFolder = defineTool({
  name: "gdrive_folder_create",
  description: "Makes a folder in the owner's Drive, or in one of its folders.",
  input: {
    type: "object",
    properties: {
      name: { type: "string", minLength: 1, maxLength: 255 },
      folder_id: { ...ID, description: "Without it My Drive" },
    },
    required: ["name"],
    additionalProperties: false,
  },
  run({ name, folder_id: folder }: { name: string; folder_id?: string }) {
    const file = ask<File>(`${BASE}/files`, {
      method: "POST",
      query: { supportsAllDrives: true, fields: `${LISTED},webViewLink` },
      body: { name: nameOf(name), mimeType: FOLDER, ...(folder === undefined ? {} : { parents: [idOf(folder)] }) },
    })
    return { created: true, ...summaryOf(file), link: file.webViewLink }
  },
})

const moveFile = defineTool({
  name: "gdrive_file_move",
  description:
    "Moves a file or folder into another folder, renames it, or both. Who may see the new folder may see it too.",
  input: {
    type: "object",
    properties: {
      file_id: ID,
      name: NAME,
      to_folder_id: { ...ID, description: "root is My Drive" },
      new_name: { type: "string", minLength: 1, maxLength: 255 },
    },
    required: ["file_id", "name"],
    additionalProperties: false,
  },
  run({
    file_id: id,
    name,
    to_folder_id: to,
    new_name: newName,
  }: {
    file_id: string
    name: string
    to_folder_id?: string
    new_name?: string
  }) {
    if (to === undefined && newName === undefined) throw new Error("Say where to move it, how to rename it, or both")
    const { parents = [] } = meantFile(id, name)
    const file = ask<File>(fileUrl(id), {
      method: "PATCH",
      query: {
        supportsAllDrives: true,
        fields: LISTED,
        ...(to === undefined ? {} : { addParents: idOf(to), removeParents: parents.join(",") || undefined }),
      },
      body: newName === undefined ? {} : { name: nameOf(newName) },
    })
    return { moved: true, ...summaryOf(file) }
  },
})

type ShareInput = {
  file_id: string
  name: string
  role: string
  email?: string
  group?: boolean
  domain?: string
  anyone?: boolean
  notify?: boolean
  message?: string
}

const shareFile = defineTool({
  name: "gdrive_file_share",
  description:
    "Shares a file or folder with one person or group by mail address, with everybody of a domain, or with anyone who has its link, as reader, commenter or writer. Taking it back is for the owner, in Drive.",
  input: {
    type: "object",
    properties: {
      file_id: ID,
      name: NAME,
      role: { type: "string", enum: ["reader", "commenter", "writer"] },
      email: { type: "string", maxLength: 320 },
      group: { type: "boolean", default: false, description: "The address is a group's" },
      domain: { type: "string", maxLength: 253 },
      anyone: {
        type: "boolean",
        default: false,
        description: "Whoever has the link, without a login; never as writer",
      },
      notify: { type: "boolean", description: "Of email: whether Google sends a mail about it" },
      message: { type: "string", maxLength: 1_000, description: "In that mail" },
    },
    required: ["file_id", "name", "role"],
    additionalProperties: false,
  },
  run({ file_id: id, name, role, email, group = false, domain, anyone = false, notify, message }: ShareInput) {
    if ([email !== undefined, domain !== undefined, anyone].filter(Boolean).length !== 1)
      throw new Error("Say one of `email`, `domain` and `anyone`")
    if (anyone && role === "writer")
      throw new Error("What anyone could change without a login is not shared from here: share it with people")
    if (email !== undefined && notify === undefined)
      throw new Error("Say with `notify` whether Google sends them a mail about it")
    const address = email?.trim()
    if (
      address !== undefined &&
      !/^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}$/.test(address)
    )
      throw new Error(`${JSON.stringify(address.slice(0, 100))} is no mail address such as name@example.com`)
    if (domain !== undefined && !/^(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}$/.test(domain))
      throw new Error(`${JSON.stringify(domain.slice(0, 100))} is no domain such as example.com`)
    const file = meantFile(id, name)
    const who =
      address === undefined
        ? domain === undefined
          ? { type: "anyone" }
          : { type: "domain", domain }
        : { type: group ? "group" : "user", emailAddress: address }
    const made = ask<{ id: string; role: string }>(`${fileUrl(id)}/permissions`, {
      method: "POST",
      query: {
        supportsAllDrives: true,
        fields: "id,type,role",
        ...(address === undefined ? {} : { sendNotificationEmail: notify, emailMessage: notify ? message : undefined }),
      },
      body: { role, ...who, ...(address === undefined ? { allowFileDiscovery: false } : {}) },
    })
    return {
      shared: true,
      id: file.id,
      name: file.name,
      with: address ?? domain ?? "anyone with the link",
      role: made.role ?? role,
    }
  },
})

const trashFile = defineTool({
  name: "gdrive_file_trash",
  description:
    "Moves a file or folder, with all in it, to the trash, where Drive keeps it for 30 days; with restore, takes it back out of there.",
  input: {
    type: "object",
    properties: { file_id: ID, name: NAME, restore: { type: "boolean", default: false } },
    required: ["file_id", "name"],
    additionalProperties: false,
  },
  run({ file_id: id, name, restore = false }: { file_id: string; name: string; restore?: boolean }) {
    meantFile(id, name)
    const file = ask<File>(fileUrl(id), {
      method: "PATCH",
      query: { supportsAllDrives: true, fields: LISTED },
      body: { trashed: !restore },
    })
    return { [restore ? "restored" : "trashed"]: true, ...summaryOf(file) }
  },
})

export const { describe, call } = definePlugin(
  searchFiles,
  readFile,
  readInfo,
  listDrives,
  createFile,
  updateFile,
  createFolder,
  moveFile,
  shareFile,
  trashFile,
)
