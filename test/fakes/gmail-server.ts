/** Gmail's API as its reference describes it (developers.google.com/workspace/gmail/api/reference/rest), with made-up mail. */
import { fieldsOf, googleError, notFound, pageOf, withToken } from "./google-server.ts"
import { createVendorServer, type VendorAnswer, type VendorRequest, type VendorServer } from "./vendor-server.ts"

export type MailPart = {
  partId?: string
  mimeType: string
  filename?: string
  headers?: { name: string; value: string }[]
  body?: { attachmentId?: string; size?: number; data?: string }
  parts?: MailPart[]
}
export type Mail = {
  id: string
  threadId: string
  labelIds: string[]
  snippet: string
  internalDate: string
  payload: MailPart
}

export type Gmail = VendorServer & {
  mails: Mail[]
  drafts: { id: string; message: Mail }[]
  labels: { id: string; name: string; type: string }[]
  attachments: Map<string, Uint8Array>
  /** Whole mails as they were handed in, in order. */
  sent: { raw: string; threadId: string | undefined }[]
}

export function text(content: string | Uint8Array, mimeType = "text/plain", charset = "utf-8"): MailPart {
  const bytes = typeof content === "string" ? Buffer.from(content) : Buffer.from(content)
  return {
    mimeType,
    filename: "",
    headers: [{ name: "Content-Type", value: `${mimeType}; charset="${charset}"` }],
    body: { size: bytes.length, data: bytes.toString("base64url") },
  }
}

export function mail(id: string, headers: Record<string, string>, payload: MailPart, more: Partial<Mail> = {}): Mail {
  let count = 0
  const numbered = (part: MailPart): MailPart => ({
    ...part,
    partId: String(count++),
    ...(part.parts ? { parts: part.parts.map(numbered) } : {}),
  })
  return {
    id,
    threadId: `t-${id}`,
    labelIds: ["INBOX", "UNREAD"],
    snippet: "It&#39;s a snippet",
    internalDate: "1780000000000",
    ...more,
    payload: {
      ...numbered(payload),
      headers: [...Object.entries(headers).map(([name, value]) => ({ name, value })), ...(payload.headers ?? [])],
    },
  }
}

const ROOT = "/gmail/v1/users/me"

export function gmail(): Gmail {
  const server = createVendorServer(withToken(route))
  const self: Gmail = {
    ...server,
    mails: [],
    drafts: [],
    labels: ["INBOX", "UNREAD", "STARRED", "TRASH"]
      .map((id) => ({ id, name: id, type: "system" }))
      .concat({ id: "Label_7", name: "Taxes 2026", type: "user" }),
    attachments: new Map(),
    sent: [],
  }

  function route(request: VendorRequest): VendorAnswer {
    const [kind = "", id, act, attachment] = request.path.slice(ROOT.length + 1).split("/")
    if (!request.path.startsWith(`${ROOT}/`)) return notFound()
    if (kind === "labels") return { body: { labels: self.labels } }
    if (kind === "threads") return thread(id ?? "", request.query["format"])
    if (kind === "drafts") return request.method === "POST" ? writeDraft(request, id) : readDrafts(request, id)
    if (kind !== "messages") return notFound()
    if (id === undefined) return search(request)
    if (id === "send") return send(request.body)
    if (id === "batchModify") return modify(request.body)
    const found = [...self.mails, ...self.drafts.map(({ message }) => message)].find((one) => one.id === id)
    if (!found) return notFound()
    if (act === "trash" || act === "untrash") {
      found.labelIds = act === "trash" ? ["TRASH"] : ["INBOX"]
      return { body: { id, threadId: found.threadId, labelIds: found.labelIds } }
    }
    if (act === "attachments") {
      const bytes = self.attachments.get(attachment ?? "")
      return bytes ? { body: { size: bytes.length, data: Buffer.from(bytes).toString("base64url") } } : notFound()
    }
    return { body: request.query["format"] === "metadata" ? withoutBody(found) : found }
  }

  function search({ query }: VendorRequest): VendorAnswer {
    const wanted = (query["q"] ?? "").toLowerCase()
    const all = self.mails.filter((one) => JSON.stringify(one.payload.headers).toLowerCase().includes(wanted))
    const { items, next } = pageOf(all, { size: Number(query["maxResults"]), token: query["pageToken"] })
    const messages = items.map(({ id, threadId }) => ({ id, threadId }))
    return { body: { ...(messages.length > 0 ? { messages } : {}), ...next, resultSizeEstimate: all.length } }
  }

  function thread(id: string, format: string | undefined): VendorAnswer {
    const found = self.mails.filter(({ threadId }) => threadId === id)
    const messages = format === "metadata" ? found.map(withoutBody) : found
    return messages.length > 0 ? { body: { id, historyId: "1", messages } } : notFound()
  }

  function send(body: unknown): VendorAnswer {
    const { raw, threadId } = fieldsOf(body)
    if (typeof raw !== "string")
      return googleError(400, "invalidArgument", "'raw' RFC822 payload message string required")
    const of = typeof threadId === "string" ? threadId : undefined
    self.sent.push({ raw: Buffer.from(raw, "base64url").toString(), threadId: of })
    return { body: { id: `sent-${self.sent.length}`, threadId: of ?? "t-new", labelIds: ["SENT"] } }
  }

  function modify(body: unknown): VendorAnswer {
    const { ids, addLabelIds, removeLabelIds } = fieldsOf(body) as Record<string, string[]> // what the reference says it holds
    for (const one of self.mails.filter(({ id }) => ids?.includes(id)))
      one.labelIds = [...one.labelIds.filter((label) => !removeLabelIds?.includes(label)), ...(addLabelIds ?? [])]
    return { status: 204 }
  }

  function readDrafts({ query }: VendorRequest, id: string | undefined): VendorAnswer {
    if (id !== undefined) {
      const found = self.drafts.find((one) => one.id === id)
      return found ? { body: { id, message: withoutBody(found.message) } } : notFound()
    }
    const { items, next } = pageOf(self.drafts, { size: Number(query["maxResults"]), token: query["pageToken"] })
    const drafts = items.map((one) => ({ id: one.id, message: { id: one.message.id, threadId: one.message.threadId } }))
    return { body: { ...(drafts.length > 0 ? { drafts } : {}), ...next } }
  }

  function writeDraft({ body }: VendorRequest, act: string | undefined): VendorAnswer {
    if (act === "send") {
      const found = self.drafts.find(({ id }) => id === fieldsOf(body)["id"])
      if (!found) return notFound()
      self.drafts.splice(self.drafts.indexOf(found), 1)
      self.sent.push({ raw: `draft ${found.id}`, threadId: found.message.threadId })
      return { body: { id: found.message.id, threadId: found.message.threadId, labelIds: ["SENT"] } }
    }
    const { raw, threadId } = fieldsOf(fieldsOf(body)["message"])
    const whole = Buffer.from(String(raw), "base64url").toString()
    const headers = Object.fromEntries(
      [...(whole.split("\r\n\r\n")[0]?.matchAll(/^([\w-]+): (.*(?:\r\n .*)*)/gm) ?? [])].map(([, name, value]) => [
        name,
        value,
      ]),
    )
    const message = mail(`draft-message-${self.drafts.length + 1}`, headers, text(""), { labelIds: ["DRAFT"] })
    if (typeof threadId === "string") message.threadId = threadId
    self.drafts.push({ id: `r${self.drafts.length + 1}`, message })
    return { body: { id: `r${self.drafts.length}`, message: { id: message.id, threadId: message.threadId } } }
  }

  return self
}

function withoutBody({ payload, ...one }: Mail): Omit<Mail, "payload"> & { payload: Partial<MailPart> } {
  return { ...one, payload: { mimeType: payload.mimeType, headers: payload.headers ?? [] } }
}
