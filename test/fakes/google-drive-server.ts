/** Google Drive's API as its reference describes it (developers.google.com/workspace/drive/api/reference/rest/v3), with made-up files. */
import { fieldsOf, googleError, notFound, pageOf, withToken } from "./google-server.ts"
import { createVendorServer, type VendorAnswer, type VendorRequest, type VendorServer } from "./vendor-server.ts"

export type DriveFile = Record<string, unknown> & {
  id: string
  name: string
  mimeType: string
  parents: string[]
  trashed: boolean
  modifiedTime: string
  owners: { emailAddress: string }[]
  permissions: Record<string, unknown>[]
}
export type GoogleDrive = VendorServer & {
  files: Map<string, DriveFile>
  contents: Map<string, Uint8Array>
  drives: { id: string; name: string }[]
}

const NATIVE = "application/vnd.google-apps."
const EXPORTS: Record<string, string[]> = {
  document: ["text/markdown", "text/plain"],
  spreadsheet: ["text/csv"],
  presentation: ["text/plain"],
}

export function googleDrive(): GoogleDrive {
  const files = new Map<string, DriveFile>()
  const contents = new Map<string, Uint8Array>()
  const drives: { id: string; name: string }[] = []
  return { ...createVendorServer(withToken(route)), files, contents, drives }

  function route(request: VendorRequest): VendorAnswer {
    const [, upload, path = ""] = /^(\/upload)?\/drive\/v3\/(.*)$/.exec(request.path) ?? []
    const [kind, id, part] = path.split("/")
    if (kind === "drives") {
      const { items, next } = pageOf(drives, {
        size: Number(request.query["pageSize"]),
        token: request.query["pageToken"],
      })
      return { body: { drives: items, ...next } }
    }
    if (kind !== "files") return notFound()
    if (id === undefined) return request.method === "POST" ? create(request, upload !== undefined) : search(request)
    const file = files.get(id)
    if (!file) return notFound()
    if (part === "export") return exportOf(file, request.query["mimeType"] ?? "")
    if (part === "permissions") return share(file, request)
    if (request.method === "PATCH") return upload === undefined ? change(file, request) : replace(file, request)
    return request.query["alt"] === "media" ? download(file, request) : { body: file }
  }

  function search({ query }: VendorRequest): VendorAnswer {
    let found = [...files.values()]
    for (const term of termsOf(query["q"] ?? "")) {
      const matches = predicateOf(term)
      if (!matches) return googleError(400, "invalid", `Invalid Value: ${term}`)
      found = found.filter(matches)
    }
    if (query["orderBy"] && query["q"]?.includes("fullText"))
      return googleError(403, "forbidden", "Sorting is not supported for queries with fullText terms.")
    const { items, next } = pageOf(found, { size: Number(query["pageSize"]), token: query["pageToken"] })
    return {
      body: { kind: "drive#fileList", incompleteSearch: query["corpora"] === "allDrives", files: items, ...next },
    }
  }

  function predicateOf(term: string): ((file: DriveFile) => boolean) | null {
    const [, left = "", operator = "", right = ""] =
      /^('(?:[^'\\]|\\.)*'|\w+) (contains|in|=|>) ('(?:[^'\\]|\\.)*'|\w+)$/.exec(term) ?? []
    const text = (given: string) => given.slice(1, -1).replaceAll(/\\(.)/g, "$1")
    const has = (whole: unknown, words: string) => String(whole).toLowerCase().includes(words.toLowerCase())
    switch (`${left.startsWith("'") ? "'" : left} ${operator} ${left.startsWith("'") ? right : ""}`.trim()) {
      case "name contains":
        return ({ name }) => name.toLowerCase().startsWith(text(right).toLowerCase())
      case "fullText contains":
        return ({ id, name }) => has(name, text(right)) || has(Buffer.from(contents.get(id) ?? []), text(right))
      case "mimeType =":
        return ({ mimeType }) => mimeType === text(right)
      case "mimeType contains":
        return ({ mimeType }) => mimeType.startsWith(text(right))
      case "modifiedTime >":
        return ({ modifiedTime }) => modifiedTime > text(right)
      case "trashed =":
      case "starred =":
      case "sharedWithMe =":
        return (file) => (file[left] === true) === (right === "true")
      case "' in parents":
        return ({ parents }) => parents.includes(text(left))
      case "' in owners":
        return ({ owners }) => owners.some(({ emailAddress }) => emailAddress === text(left))
      default:
        return null
    }
  }

  function create({ body, headers }: VendorRequest, isUpload: boolean): VendorAnswer {
    const id = `made${files.size + 1}`
    const parts = isUpload ? partsOf(String(body), String(headers["content-type"])) : null
    if (isUpload && parts?.length !== 2) return googleError(400, "badRequest", "Malformed multipart body.")
    const about = parts ? fieldsOf(JSON.parse(parts[0]?.content ?? "")) : fieldsOf(body)
    const made = file(id, String(about["name"]), { ...about, mimeType: String(about["mimeType"]) })
    files.set(id, made)
    if (parts) contents.set(id, Buffer.from(parts[1]?.content ?? ""))
    return { body: { ...made, webViewLink: `https://drive.google.com/file/d/${id}/view` } }
  }

  function change(of: DriveFile, { body, query }: VendorRequest): VendorAnswer {
    Object.assign(of, body)
    const gone = (query["removeParents"] ?? "").split(",")
    if (query["addParents"]) of.parents = [...of.parents.filter((one) => !gone.includes(one)), query["addParents"]]
    return { body: of }
  }

  function replace(of: DriveFile, { body }: VendorRequest): VendorAnswer {
    contents.set(of.id, Buffer.from(typeof body === "string" ? body : JSON.stringify(body)))
    of.modifiedTime = "2026-11-30T12:00:00.000Z"
    return { body: of }
  }

  function share(of: DriveFile, { body }: VendorRequest): VendorAnswer {
    of.permissions.push({ id: `p${of.permissions.length}`, ...fieldsOf(body) })
    return { body: of.permissions.at(-1) }
  }

  function exportOf({ id, mimeType }: DriveFile, wanted: string): VendorAnswer {
    const bytes = contents.get(id) ?? new Uint8Array()
    if (!mimeType.startsWith(NATIVE))
      return googleError(403, "fileNotExportable", "Export only supports Docs Editors files.")
    if (!EXPORTS[mimeType.slice(NATIVE.length)]?.includes(wanted))
      return googleError(400, "badRequest", "The requested conversion is not supported.")
    if (bytes.length > 10_000_000)
      return googleError(403, "exportSizeLimitExceeded", "This file is too large to be exported.")
    return { headers: { "content-type": wanted }, body: Buffer.from(bytes).toString() }
  }

  function download({ id, mimeType }: DriveFile, { headers }: VendorRequest): VendorAnswer {
    if (mimeType.startsWith(NATIVE))
      return googleError(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
    const bytes = contents.get(id) ?? new Uint8Array()
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(String(headers["range"] ?? "")) ?? []
    if (from === undefined) return { headers: { "content-type": mimeType }, bytes }
    if (Number(from) >= bytes.length) return { status: 416, body: "" }
    const part = bytes.subarray(Number(from), Number(to) + 1)
    const range = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`
    return { status: 206, headers: { "content-type": mimeType, "content-range": range }, bytes: part }
  }
}

export function file(id: string, name: string, more: Partial<DriveFile> = {}): DriveFile {
  return {
    id,
    name,
    mimeType: "text/plain",
    parents: ["root"],
    trashed: false,
    modifiedTime: "2026-11-01T12:00:00.000Z",
    owners: [{ emailAddress: "me@example.com" }],
    permissions: [],
    capabilities: { canEdit: true, canShare: true, canDownload: true },
    ...more,
  }
}

/** Terms of a query, where `and` within a text joins nothing. */
function termsOf(query: string): string[] {
  return [...query.matchAll(/((?:'(?:[^'\\]|\\.)*'|[^'])+?)(?: and |$)/g)].map(([, term = ""]) => term)
}

function partsOf(body: string, contentType: string): { type: string; content: string }[] {
  const boundary = /boundary=(\S+)$/.exec(contentType)?.[1] ?? ""
  const sections = body.split(`--${boundary}`)
  if (sections[0] !== "" || sections.at(-1) !== "--") return []
  return sections.slice(1, -1).map((section) => {
    const at = section.indexOf("\r\n\r\n")
    return { type: section.slice(0, at).trim(), content: section.slice(at + 4, -2) }
  })
}
