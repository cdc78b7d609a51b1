/**
 * gmail: finds and reads mail, files it, drafts and sends it, by Gmail's API (developers.google.com/workspace/gmail/api/reference/rest).
 * One file, as every plugin is. What comes out of a mail is written by strangers: no header of theirs decides who gets a mail of ours.
 */
import { decodeText, definePlugin, defineTool, encodeText, htmlText, http, type HttpResponse } from "ironclaw"

const BASE = "https://gmail.googleapis.com/gmail/v1/users/me"
/** A model is shown some 16,000 characters of a result: what is longer is read on from an offset. */
const MAX_TEXT = 10_000
const MAX_THREAD_TEXT = 11_000
const MAX_THREAD_ANSWER = 15_000
/** Deeper than any mail that a program makes. */
const MAX_DEPTH = 20
/** A text part that is this long is shown to the plugin as an attachment of its own. */
const MAX_FETCHED_PARTS = 3
/** Looked at, and told of where they are asked for. */
const MAX_ANCHORS = 300
const MAX_LINKS = 20
const MAX_ATTACHMENT_BYTES = 4_000_000

type Header = { name?: string; value?: string }
type Part = {
  partId?: string
  mimeType?: string
  filename?: string
  headers?: Header[]
  body?: { attachmentId?: string; size?: number; data?: string }
  parts?: Part[]
}
type Message = {
  id?: string
  threadId?: string
  labelIds?: string[]
  snippet?: string
  internalDate?: string
  payload?: Part
}
type Label = { id?: string; name?: string; type?: string }

// --- Gmail's API ---

type Asked = { query?: Record<string, string | number | boolean | readonly string[] | undefined>; body?: object }

/** POST where there is a body, else GET. */
function ask<Answer extends object>(path: string, { query = {}, body }: Asked = {}): Partial<Answer> {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}=${encodeURIComponent(String(one).toWellFormed())}`),
  )
  const response = http({
    url: `${BASE}${path}${pairs.length > 0 ? `?${pairs.join("&")}` : ""}`,
    ...(body ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {}),
  })
  if (!response.ok) throw new Error(problemOf(response))
  if (response.bytes.length === 0) return {}
  try {
    const answer = response.json()
    // Gmail's own documentation has its form; each part of it is looked for before it is used.
    if (typeof answer === "object" && answer !== null) return answer
  } catch {
    // said below
  }
  throw new Error("Gmail answered with what is no JSON. Try again in a minute.")
}

/** What went wrong, and what can be done about it. Reasons: developers.google.com/workspace/gmail/api/guides/handle-errors */
function problemOf(response: HttpResponse): string {
  const { status } = response
  const { reasons, message } = errorIn(response)
  const has = (...names: string[]) => names.some((name) => reasons.includes(name))
  const told = message === "" ? "" : ` Google says: ${message}`
  if (status === 401)
    return "Gmail takes no login from here: it has ended or was withdrawn. The owner logs in again with `ironclaw tool auth gmail`."
  if (has("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"))
    return "The Google login does not cover this. The owner logs in again with `ironclaw tool auth gmail` and leaves every box ticked."
  if (has("accessNotConfigured", "SERVICE_DISABLED"))
    return "The Gmail API is not enabled in the owner's Google Cloud project. It is enabled at https://console.cloud.google.com/apis/library/gmail.googleapis.com and works some minutes later."
  if (has("dailyLimitExceeded", "quotaExceeded")) return `The day's quota at Gmail is used up: try tomorrow.${told}`
  if (status === 429 || has("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED")) {
    const seconds = /^\d{1,5}$/.exec(response.headers["retry-after"] ?? "")?.[0]
    return `Too many requests to Gmail. Wait ${seconds === undefined ? "a minute" : `${seconds} s`}, then ask for less at once.`
  }
  if (status === 403 && has("domainPolicy"))
    return `The administrator of this Google Workspace does not allow it: only they can change that.${told}`
  if (status === 403) return `Gmail does not allow this.${told}`
  if (status === 404)
    return "There is no such message, thread, label or draft. Ids come from gmail_message_search and gmail_draft_list; a page token belongs to its search."
  if (status >= 500) return `Gmail has a fault of its own (${status}). Try again in a minute.`
  return `Gmail refused this (${status}).${told}`
}

function errorIn(response: HttpResponse): { reasons: string[]; message: string } {
  type Told = { error?: { message?: unknown; errors?: { reason?: unknown }[]; details?: { reason?: unknown }[] } }
  try {
    const { error } = response.json() as Told // a form that is looked at part by part
    const all = [error?.errors, error?.details].flatMap((list) => (Array.isArray(list) ? list : []))
    return {
      reasons: all.flatMap(({ reason }) => (typeof reason === "string" ? [reason] : [])),
      message: typeof error?.message === "string" ? plainLine(error.message).slice(0, 300) : "",
    }
  } catch {
    return { reasons: [], message: "" }
  }
}

function idOf(given: string, what: string): string {
  if (/^[A-Za-z0-9_-]{1,200}$/.test(given)) return given
  throw new Error(`This is no ${what} id of Gmail: letters, digits, "-" and "_" only`)
}

// --- reading ---

/** On one line, without what cannot be seen. */
function plainLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ").trim()
}

function headerOf(headers: readonly Header[] = [], name: string): string {
  const found = headers.find((header) => header.name?.toLowerCase() === name)?.value ?? ""
  return plainLine(decodeWords(found)).slice(0, 2_000)
}

/** RFC 2047: words that carry their charset. Neighbours of one charset are one text, for some cut a letter in two. */
function decodeWords(value: string): string {
  const word = /=\?([^?\s*]{1,40})(?:\*[^?\s]{0,20})?\?([bq])\?([^?\s]*)\?=/gi
  return value.replace(/\?=\s+=\?/g, "?==?").replace(/(?:=\?[^?\s]{1,60}\?[bq]\?[^?\s]*\?=)+/gi, (run) => {
    const parts: { charset: string; bytes: number[] }[] = []
    for (const [, charset = "", how = "", text = ""] of run.matchAll(word)) {
      const bytes = how.toLowerCase() === "b" ? bytesOf(text) : quotedBytes(text.replaceAll("_", " "))
      const last = parts.at(-1)
      if (last?.charset === charset.toLowerCase()) last.bytes.push(...bytes)
      else parts.push({ charset: charset.toLowerCase(), bytes: [...bytes] })
    }
    return parts.map(({ charset, bytes }) => decodeText(new Uint8Array(bytes), charset)).join("")
  })
}

function quotedBytes(text: string): number[] {
  const plain = text.replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Array.from(plain, (char) => (char.codePointAt(0) ?? 0) & 0xff)
}

/** Base64 of either alphabet; what is none is nothing. */
function bytesOf(data: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(data.replaceAll("-", "+").replaceAll("_", "/").replaceAll("=", ""))
  } catch {
    return new Uint8Array()
  }
}

/** Gmail hands over most texts as UTF-8, whatever their headers say of them; the rest are in the charset that they name. */
function textIn(part: Part, bytes: Uint8Array): string {
  const type = part.headers?.find(({ name }) => name?.toLowerCase() === "content-type")?.value ?? ""
  const charset = /charset\s*=\s*"?([\w.:-]{1,40})/i.exec(type)?.[1] ?? "utf-8"
  const text = decodeText(bytes)
  // ISO-2022 is ASCII with escapes, so it is UTF-8 too where Gmail left it as it was.
  const isLeft = text.includes("\ufffd") || (text.includes("\u001b") && /^iso-2022/i.test(charset))
  return isLeft ? decodeText(bytes, charset) : text
}

type Attachment = { part: string; name: string; type: string; bytes: number }
type Link = { text: string; url: string }
type Found = { attachments: Attachment[]; links: Link[]; fetched: number; messageId: string }

/** Where a mail's text leads, in its order. Tags are looked for one after the other, so that each byte is looked at once. */
function linksIn(html: string): Link[] {
  const links = new Map<string, Link>()
  for (let at = html.indexOf("<a "), n = 0; at !== -1 && n < MAX_ANCHORS && links.size < MAX_LINKS; n++) {
    const open = html.indexOf(">", at)
    if (open === -1) break
    const [, href] =
      /\shref\s*=\s*["'](https?:\/\/[^"'<>\s]{1,400})["']/i.exec(html.slice(at, Math.min(open, at + 2_000))) ?? []
    const url = htmlText(href ?? "")
    const text = html.slice(open + 1, open + 400).split(/<\/a/i, 1)[0] ?? ""
    if (url !== "" && !links.has(url)) links.set(url, { text: plainLine(htmlText(text)).slice(0, 100), url })
    at = html.indexOf("<a ", open)
  }
  return [...links.values()]
}

/** The text of a part and all below it; what is no text is listed. */
function textOf(part: Part, found: Found, depth = 0): string {
  const type = (part.mimeType ?? "text/plain").toLowerCase()
  const below = depth < MAX_DEPTH ? (part.parts ?? []) : []
  if (type === "multipart/alternative") {
    const texts = below.map((one) => ({ type: one.mimeType, text: textOf(one, found, depth + 1) }))
    const seen = texts.filter(({ text }) => text.trim() !== "")
    // What comes last is the richest, and what is plain was made for readers like us.
    return (seen.find((one) => one.type === "text/plain") ?? seen.at(-1))?.text ?? ""
  }
  if (type.startsWith("multipart/") || (type === "message/rfc822" && below.length > 0)) {
    const texts = below.map((one) => textOf(one, found, depth + 1)).filter((text) => text !== "")
    const mark = type === "message/rfc822" ? "[A forwarded mail]\n" : ""
    return `${mark}${texts.join("\n\n")}`
  }
  if (part.filename || (type !== "text/plain" && type !== "text/html")) {
    found.attachments.push({
      part: part.partId || "root",
      name: plainLine(decodeWords(part.filename ?? "")).slice(0, 120),
      type,
      bytes: part.body?.size ?? 0,
    })
    return ""
  }
  const text = textIn(part, bodyOf(part, found))
  if (type === "text/html") found.links.push(...linksIn(text))
  return type === "text/html" ? htmlText(text) : text.replaceAll(/\r\n?/g, "\n").trim()
}

/** Long bodies are not in the message: Gmail keeps them apart. */
function bodyOf({ body = {} }: Part, found: Found): Uint8Array {
  if (body.data !== undefined || !body.attachmentId) return bytesOf(body.data ?? "")
  if (++found.fetched > MAX_FETCHED_PARTS || (body.size ?? 0) > MAX_ATTACHMENT_BYTES) return new Uint8Array()
  return bytesOf(attachmentData(found.messageId, body.attachmentId))
}

function attachmentData(messageId: string, attachmentId: string): string {
  const path = `/messages/${idOf(messageId, "message")}/attachments/${encodeURIComponent(attachmentId)}`
  return ask<{ data: string }>(path).data ?? ""
}

const LISTED_HEADERS = ["From", "To", "Cc", "Subject", "Date"]

/** Labels of the owner's own have ids that say nothing; names cost one request more, and only where there are such. */
function withLabelNames<One extends { labels: string[] }>(all: readonly One[]): One[] {
  if (!all.some(({ labels }) => labels.some((id) => id.startsWith("Label_")))) return [...all]
  const names = new Map(labelList().map(({ id, name = "" }) => [id, plainLine(name).slice(0, 100)]))
  return all.map((one) => ({ ...one, labels: one.labels.map((id) => names.get(id) ?? id) }))
}

function summaryOf({ id = "", threadId = "", labelIds = [], snippet = "", internalDate, payload }: Message) {
  const header = (name: string) => headerOf(payload?.headers, name)
  const time = Number(internalDate)
  return {
    id,
    thread_id: threadId,
    from: header("from").slice(0, 200),
    to: header("to").slice(0, 200),
    ...(header("cc") === "" ? {} : { cc: header("cc").slice(0, 200) }),
    subject: header("subject").slice(0, 200),
    at: time > 0 && time < 8e15 ? new Date(time).toISOString() : header("date"),
    labels: labelIds,
    snippet: plainLine(htmlText(snippet)).slice(0, 160).toWellFormed(),
  }
}

/** Where it begins and where one reads on. */
function sliceOf(text: string, offset: number, length: number) {
  const end = offset + length
  return {
    text: text.slice(offset, end).toWellFormed(),
    ...(text.length > end ? { next_offset: end, characters: text.length } : {}),
  }
}

function readMessage(message: Message): Pick<Found, "attachments" | "links"> & { text: string } {
  const found: Found = { attachments: [], links: [], fetched: 0, messageId: message.id ?? "" }
  const text = message.payload ? textOf(message.payload, found) : ""
  return { text, attachments: found.attachments.slice(0, 20), links: found.links.slice(0, MAX_LINKS) }
}

/** Without the lines at its end that repeat what a former mail of the thread says. */
function withoutQuote(text: string): string {
  const lines = text.split("\n")
  const last = lines.findLastIndex((line) => line !== "" && !line.startsWith(">"))
  const quoted = lines.slice(last + 1).filter((line) => line.startsWith(">")).length
  if (last < 0 || quoted === 0) return text
  return `${lines.slice(0, last + 1).join("\n")}\n[${quoted} quoted lines]`
}

const ID = { type: "string", maxLength: 200 }
const page = { type: "string", maxLength: 500, description: "next_page_token of the page before" }

const searchMessages = defineTool({
  name: "gmail_message_search",
  description:
    "Finds mails in the owner's Gmail, in the inbox or anywhere, by Gmail's search operators, newest first: from, subject, date, labels and a snippet of each. Read one with gmail_message_read.",
  input: {
    type: "object",
    properties: {
      query: {
        type: "string",
        maxLength: 500,
        description:
          "As in Gmail's search box: from:anna is:unread newer_than:7d has:attachment in:inbox subject:(a b). Empty: all",
      },
      limit: { type: "integer", minimum: 1, maximum: 25, default: 10 },
      page_token: page,
      spam_and_trash: { type: "boolean", default: false },
    },
    additionalProperties: false,
  },
  run(input: { query?: string; limit?: number; page_token?: string; spam_and_trash?: boolean }) {
    const {
      messages = [],
      nextPageToken,
      resultSizeEstimate,
    } = ask<{
      messages: Message[]
      nextPageToken: string
      resultSizeEstimate: number
    }>("/messages", {
      query: {
        q: input.query || undefined,
        maxResults: input.limit ?? 10,
        pageToken: input.page_token,
        includeSpamTrash: input.spam_and_trash,
      },
    })
    return {
      messages: withLabelNames(messages.map(({ id }) => summaryOf(readSummary(id ?? "")))),
      ...(nextPageToken ? { next_page_token: nextPageToken } : {}),
      ...(resultSizeEstimate === undefined ? {} : { about: resultSizeEstimate }),
    }
  },
})

function readSummary(id: string): Message {
  return ask<Message>(`/messages/${idOf(id, "message")}`, {
    query: { format: "metadata", metadataHeaders: LISTED_HEADERS },
  })
}

const readOne = defineTool({
  name: "gmail_message_read",
  description:
    "Reads one mail: sender, recipients, text, and its attachments by name, type and size. reply_to says where an answer would go. A long text is read on from next_offset.",
  input: {
    type: "object",
    properties: {
      message_id: ID,
      offset: { type: "integer", minimum: 0, default: 0 },
      links: { type: "boolean", default: false, description: "Tell where the links of an HTML mail lead, too" },
    },
    required: ["message_id"],
    additionalProperties: false,
  },
  run({
    message_id: id,
    offset = 0,
    links: asksLinks = false,
  }: {
    message_id: string
    offset?: number
    links?: boolean
  }) {
    const message = ask<Message>(`/messages/${idOf(id, "message")}`, { query: { format: "full" } })
    const { text, attachments, links } = readMessage(message)
    const length = asksLinks ? Math.max(2_000, MAX_TEXT - JSON.stringify(links).length) : MAX_TEXT
    const replyTo = headerOf(message.payload?.headers, "reply-to")
    const [{ snippet: _, ...summary } = summaryOf(message)] = withLabelNames([summaryOf(message)])
    return {
      ...summary,
      reply_to: replyTo || summary.from,
      attachments,
      ...(asksLinks ? { links } : {}),
      ...sliceOf(text, offset, length),
    }
  },
})

const readThread = defineTool({
  name: "gmail_thread_read",
  description:
    "Reads a whole conversation, oldest mail first, each without the lines that it quotes. Long mails are cut; gmail_message_read has all of one.",
  input: {
    type: "object",
    properties: { thread_id: ID },
    required: ["thread_id"],
    additionalProperties: false,
  },
  run({ thread_id: id }: { thread_id: string }) {
    const { messages = [], tooLarge = false } = threadOf(idOf(id, "thread"))
    const latest = messages.slice(-20)
    const each = Math.min(4_000, Math.floor(MAX_THREAD_TEXT / Math.max(1, latest.length)))
    const shown = withLabelNames(latest.map((message) => inThread(message, each)))
    // Headers of strangers can be long too: the oldest mails go first.
    while (shown.length > 1 && JSON.stringify(shown).length > MAX_THREAD_ANSWER) shown.shift()
    return {
      thread_id: id,
      subject: summaryOf(messages[0] ?? {}).subject,
      ...(messages.length > shown.length ? { earlier_messages_left_out: messages.length - shown.length } : {}),
      ...(tooLarge ? { note: "Too large to be read at once: read its mails one by one with gmail_message_read" } : {}),
      messages: shown,
    }
  },
})

function inThread(message: Message, length: number) {
  const { text, attachments } = readMessage(message)
  const { thread_id: _, snippet: __, subject: ___, ...summary } = summaryOf(message)
  const whole = withoutQuote(text)
  const cut = whole.length > length
  return {
    ...summary,
    text: cut ? `${whole.slice(0, length).toWellFormed()}…` : whole,
    ...(cut ? { cut: true } : {}),
    ...(attachments.length > 0 ? { attachments } : {}),
  }
}

/** Its mails, or where they have too many bytes to be fetched at once, their headers. */
function threadOf(id: string): { messages?: Message[]; tooLarge?: boolean } {
  try {
    return ask<{ messages: Message[] }>(`/threads/${id}`, { query: { format: "full" } })
  } catch (error) {
    if (!(error instanceof Error) || !/answer .*\d bytes/.test(error.message)) throw error
    const query = { format: "metadata", metadataHeaders: LISTED_HEADERS }
    return { ...ask<{ messages: Message[] }>(`/threads/${id}`, { query }), tooLarge: true }
  }
}

const readAttachment = defineTool({
  name: "gmail_attachment_read",
  description:
    "Reads an attachment that is text: txt, csv, json, xml, html, md, ics and the like. `part` is the one that gmail_message_read gives. Others, such as PDF, cannot be read here.",
  input: {
    type: "object",
    properties: {
      message_id: ID,
      part: { type: "string", maxLength: 50 },
      offset: { type: "integer", minimum: 0, default: 0 },
    },
    required: ["message_id", "part"],
    additionalProperties: false,
  },
  run({ message_id: id, part: wanted, offset = 0 }: { message_id: string; part: string; offset?: number }) {
    const message = ask<Message>(`/messages/${idOf(id, "message")}`, { query: { format: "full" } })
    const part = partOf(message.payload ?? {}, wanted)
    if (!part) throw new Error(`This mail has no part ${JSON.stringify(wanted)}: gmail_message_read lists them`)
    const type = (part.mimeType ?? "").toLowerCase()
    const name = plainLine(decodeWords(part.filename ?? ""))
    if (
      !/^text\/|[/+](?:json|xml|csv|yaml|javascript)$|^application\/ics$/.test(type) &&
      !/\.(?:txt|csv|tsv|json|xml|html?|md|ics|ya?ml|log|vcf)$/i.test(name)
    )
      throw new Error(
        `It is ${plainLine(type).slice(0, 100)}: only text can be read here. The owner opens it in Gmail.`,
      )
    const { attachmentId, data, size = 0 } = part.body ?? {}
    if (size > MAX_ATTACHMENT_BYTES)
      throw new Error(
        `It has ${size} bytes, over the ${MAX_ATTACHMENT_BYTES} that can be read here. The owner opens it in Gmail.`,
      )
    const text = textIn(part, bytesOf(data ?? (attachmentId ? attachmentData(id, attachmentId) : "")))
    const shown = type === "text/html" ? htmlText(text) : text
    return { name: name.slice(0, 200), type, bytes: size, ...sliceOf(shown, offset, MAX_TEXT) }
  },
})

function partOf(part: Part, wanted: string, depth = 0): Part | undefined {
  if ((part.partId || "root") === wanted) return part
  if (depth === MAX_DEPTH) return undefined
  for (const one of part.parts ?? []) {
    const found = partOf(one, wanted, depth + 1)
    if (found) return found
  }
  return undefined
}

// --- filing ---

const labelList = () => ask<{ labels: Label[] }>("/labels").labels ?? []

const listLabels = defineTool({
  name: "gmail_label_list",
  description:
    "Lists the labels of the owner's Gmail: Gmail's own, such as INBOX, STARRED and UNREAD, and those the owner made.",
  input: { type: "object", properties: {}, additionalProperties: false },
  run: () => ({
    labels: labelList()
      .slice(0, 500)
      .map(({ id, name, type }) => ({ id, name, own: type === "user" })),
  }),
})

const changeLabels = defineTool({
  name: "gmail_message_label",
  description:
    "Adds and removes labels of mails. Archive: remove INBOX. Star: add STARRED. Mark as read: remove UNREAD. Move: add the new label, remove the old one. Labels by name or id.",
  input: {
    type: "object",
    properties: {
      message_ids: { type: "array", items: ID, minItems: 1, maxItems: 100 },
      add: { type: "array", items: { type: "string", maxLength: 225 }, maxItems: 20 },
      remove: { type: "array", items: { type: "string", maxLength: 225 }, maxItems: 20 },
    },
    required: ["message_ids"],
    additionalProperties: false,
  },
  run({ message_ids: ids, add = [], remove = [] }: { message_ids: string[]; add?: string[]; remove?: string[] }) {
    if (add.length + remove.length === 0) throw new Error("Say which labels to add or to remove")
    const labels = labelList()
    const idFor = (given: string): string => {
      const like = given.trim().toLowerCase()
      const label = labels.find(({ id, name }) => id?.toLowerCase() === like || name?.toLowerCase() === like)
      if (label?.id) return label.id
      const own = labels.flatMap(({ name, type }) => (type === "user" && name ? [plainLine(name)] : []))
      throw new Error(
        `There is no label ${JSON.stringify(given)}. The owner's own are: ${own.join(", ").slice(0, 1_000) || "none"}`,
      )
    }
    const body = {
      ids: ids.map((id) => idOf(id, "message")),
      addLabelIds: add.map(idFor),
      removeLabelIds: remove.map(idFor),
    }
    ask("/messages/batchModify", { body })
    return { changed: ids.length, added: body.addLabelIds, removed: body.removeLabelIds }
  },
})

const trashMessage = defineTool({
  name: "gmail_message_trash",
  description: "Moves a mail to the trash, where Gmail keeps it for 30 days; with restore, takes it back out of there.",
  input: {
    type: "object",
    properties: { message_id: ID, restore: { type: "boolean", default: false } },
    required: ["message_id"],
    additionalProperties: false,
  },
  run({ message_id: id, restore = false }: { message_id: string; restore?: boolean }) {
    const { labelIds = [] } = ask<Message>(`/messages/${idOf(id, "message")}/${restore ? "untrash" : "trash"}`, {
      body: {},
    })
    return { id, labels: labelIds }
  },
})

// --- writing (RFC 5322, RFC 2045, RFC 2047) ---

type Written = { to?: string[]; cc?: string[]; bcc?: string[]; subject: string; text: string }

/** Whatever would end a header and begin another one never gets near one. */
function lineOf(given: string, what: string): string {
  if (/[\p{Cc}\u2028\u2029]/u.test(given))
    throw new Error(`The ${what} holds a line break or another control character`)
  return given.toWellFormed().trim()
}

/** Words of whole letters, each so short that a line of a header with one in it has at most 76 characters. */
function encodeWords(text: string): string {
  const words: string[] = []
  let word = ""
  for (const letter of text) {
    if (encodeText(word + letter).length > 39) {
      words.push(word)
      word = ""
    }
    word += letter
  }
  return [...words, word].map((one) => `=?UTF-8?B?${encodeText(one).toBase64()}?=`).join("\r\n ")
}

/** As it is where that is plain, and nothing that a reader would decode. */
const isPlain = (text: string) => /^[\x20-\x7e]*$/.test(text) && !text.includes("=?")

/** Folded between words (RFC 5322, 2.2.3). */
const encodeSubject = (text: string) =>
  isPlain(text) ? text.replaceAll(/(.{30,64}) (?=\S)/g, "$1\r\n ") : encodeWords(text)

/** One address. Several in one text, or one with a comment in it, is refused: the owner reads what they agree to. */
function addressOf(given: string, what: string): { header: string; email: string } {
  const [, name = "", inBrackets, bare = ""] = /^(?:([^<>]*)<([^<>]*)>|([^<>]*))$/.exec(lineOf(given, what)) ?? []
  const email = (inBrackets ?? bare).trim()
  if (
    !/^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}$/.test(
      email,
    )
  )
    throw new Error(
      `${JSON.stringify(given.slice(0, 100))} (${what}) is no mail address: write one as name@example.com or "Name <name@example.com>"`,
    )
  const plain = name.trim().replaceAll(/^"|"$/g, "").trim()
  if (plain === "") return { header: email, email }
  const shown = isPlain(plain) ? `"${plain.replaceAll(/["\\]/g, "\\$&")}"` : encodeWords(plain)
  return { header: `${shown}${shown.startsWith("=?") ? "\r\n" : ""} <${email}>`, email }
}

/**
 * RFC 2045, 6.7: plain words stay plain, so that whoever looks through what leaves this machine can read them. Lines end between words
 * where they can.
 */
function quotedPrintable(text: string): string {
  const lines = text.toWellFormed().split(/\r\n?|\n/)
  return lines.map((line) => foldedLine(line.replaceAll(/[^\x20-\x3c\x3e-\x7e]+| $/g, escaped))).join("\r\n")
}

const escaped = (run: string) => encodeURIComponent(run).replaceAll("%", "=")

function foldedLine(line: string): string {
  const parts: string[] = []
  let at = 0
  while (line.length - at > 76) {
    const space = line.lastIndexOf(" ", at + 74)
    // No escape is cut in two.
    const hard = at + 75 - (line[at + 74] === "=" ? 1 : line[at + 73] === "=" ? 2 : 0)
    const end = space > at + 20 ? space + 1 : hard
    parts.push(line.slice(at, end))
    at = end
  }
  return [...parts, line.slice(at)].join("=\r\n")
}

function mimeOf({ to = [], cc = [], bcc = [], subject, text }: Written, thread: string[] = []): string {
  const recipients = Object.entries({ To: to, Cc: cc, Bcc: bcc }).flatMap(([header, list]) =>
    list.length === 0 ? [] : [`${header}: ${list.map((one) => addressOf(one, header).header).join(",\r\n ")}`],
  )
  const line = lineOf(subject, "subject")
  const lines = [
    ...recipients,
    `Subject: ${encodeSubject(line)}`,
    ...thread,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=UTF-8",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    quotedPrintable(text),
  ]
  return encodeText(lines.join("\r\n")).toBase64({ alphabet: "base64url" })
}

/** Message ids of a stranger's headers, and nothing else of those. */
function messageIdsIn(headers: readonly Header[] | undefined, name: string): string[] {
  return headerOf(headers, name).match(/<[\x21-\x3b\x3d\x3f-\x7e]{3,250}>/g) ?? []
}

/** Says which mail it answers, so that every reader shows both as one conversation. */
function answering(messageId: string): { threadId: string; subject: string; thread: string[] } {
  const message = ask<Message>(`/messages/${idOf(messageId, "message")}`, {
    query: { format: "metadata", metadataHeaders: ["Subject", "Message-ID", "References"] },
  })
  const headers = message.payload?.headers
  const own = messageIdsIn(headers, "message-id").slice(0, 1)
  const all = [...messageIdsIn(headers, "references"), ...own]
  // The first began the conversation; the middle of a long one may go (RFC 5322, 3.6.4).
  const kept = all.length > 12 ? [...all.slice(0, 1), ...all.slice(-11)] : all
  const subject = headerOf(headers, "subject").slice(0, 900)
  return {
    threadId: message.threadId ?? "",
    subject: /^re:/i.test(subject) ? subject : `Re: ${subject}`,
    thread: own.length === 0 ? [] : [`In-Reply-To: ${own.join("")}`, `References: ${kept.join("\r\n ")}`],
  }
}

const people = { type: "array", items: { type: "string", maxLength: 320 }, maxItems: 50 }
const body = { type: "string", maxLength: 100_000, description: "Plain text" }

const createDraft = defineTool({
  name: "gmail_draft_create",
  description:
    "Writes a draft into the owner's Gmail; it is not sent. With reply_to_message_id it belongs to that conversation, and takes its subject where none is given.",
  input: {
    type: "object",
    properties: {
      to: people,
      cc: people,
      bcc: people,
      subject: { type: "string", maxLength: 250 },
      text: body,
      reply_to_message_id: ID,
    },
    required: ["text"],
    additionalProperties: false,
  },
  run(input: Omit<Written, "subject"> & { subject?: string; reply_to_message_id?: string }) {
    const answered = input.reply_to_message_id === undefined ? null : answering(input.reply_to_message_id)
    const subject = input.subject ?? answered?.subject ?? ""
    const raw = mimeOf({ ...input, subject }, answered?.thread)
    const { id, message } = ask<{ id: string; message: Message }>("/drafts", {
      body: { message: { raw, ...(answered ? { threadId: answered.threadId } : {}) } },
    })
    return { draft_id: id, message_id: message?.id, thread_id: message?.threadId, subject }
  },
})

const listDrafts = defineTool({
  name: "gmail_draft_list",
  description: "Lists the drafts in the owner's Gmail, with the recipients and subject of each.",
  input: {
    type: "object",
    properties: { limit: { type: "integer", minimum: 1, maximum: 25, default: 10 }, page_token: page },
    additionalProperties: false,
  },
  run({ limit = 10, page_token: pageToken }: { limit?: number; page_token?: string }) {
    const { drafts = [], nextPageToken } = ask<{ drafts: { id?: string; message?: Message }[]; nextPageToken: string }>(
      "/drafts",
      {
        query: { maxResults: limit, pageToken },
      },
    )
    return {
      drafts: drafts.map(({ id, message }) => {
        const { id: messageId, from: _, ...summary } = summaryOf(readSummary(message?.id ?? ""))
        return { draft_id: id, message_id: messageId, ...summary }
      }),
      ...(nextPageToken ? { next_page_token: nextPageToken } : {}),
    }
  },
})

const sendDraft = defineTool({
  name: "gmail_draft_send",
  description:
    "Sends a draft. `recipients` are all addresses that it goes to, cc and bcc too, as gmail_draft_list shows them: sent is only what goes to exactly these.",
  input: {
    type: "object",
    properties: { draft_id: ID, recipients: { ...people, minItems: 1 } },
    required: ["draft_id", "recipients"],
    additionalProperties: false,
  },
  run({ draft_id: id, recipients }: { draft_id: string; recipients: string[] }) {
    const draft = ask<{ message: Message }>(`/drafts/${idOf(id, "draft")}`, { query: { format: "metadata" } })
    const headers = draft.message?.payload?.headers
    const goesTo = ["to", "cc", "bcc"].flatMap((name) => addressesIn(headerOf(headers, name)))
    const meant = recipients.map((one) => addressOf(one, "recipients").email.toLowerCase())
    const others = goesTo.filter((one) => !meant.includes(one))
    const missing = meant.filter((one) => !goesTo.includes(one))
    if (others.length + missing.length > 0 || goesTo.length === 0)
      throw new Error(
        `Not sent: this draft goes to ${goesTo.join(", ").slice(0, 1_000) || "nobody"}, which is not who was named`,
      )
    const sent = ask<Message>("/drafts/send", { body: { id } })
    return { sent: true, message_id: sent.id, thread_id: sent.threadId, recipients: goesTo }
  },
})

function addressesIn(header: string): string[] {
  const bare = header.replaceAll(/"(?:[^"\\]|\\.)*"/g, " ")
  return (bare.match(/[^\s<>,;:"()]+@[^\s<>,;:"()]+/g) ?? []).map((one) => one.toLowerCase())
}

const sendMessage = defineTool({
  name: "gmail_message_send",
  description: "Sends a new mail from the owner's Gmail, as plain text. To answer a mail take gmail_message_reply.",
  input: {
    type: "object",
    properties: {
      to: { ...people, minItems: 1 },
      cc: people,
      bcc: people,
      subject: { type: "string", maxLength: 250 },
      text: body,
    },
    required: ["to", "subject", "text"],
    additionalProperties: false,
  },
  run(input: Written) {
    const sent = ask<Message>("/messages/send", { body: { raw: mimeOf(input) } })
    return { sent: true, message_id: sent.id, thread_id: sent.threadId }
  },
})

const replyToMessage = defineTool({
  name: "gmail_message_reply",
  description:
    "Answers a mail within its conversation. `to` says who gets it: reply_to of gmail_message_read, and for an answer to all those of to and cc besides the owner. The subject is kept.",
  input: {
    type: "object",
    properties: { message_id: ID, to: { ...people, minItems: 1 }, cc: people, bcc: people, text: body },
    required: ["message_id", "to", "text"],
    additionalProperties: false,
  },
  run({ message_id: id, ...written }: Omit<Written, "subject"> & { message_id: string }) {
    const { threadId, subject, thread } = answering(id)
    const raw = mimeOf({ ...written, subject }, thread)
    const sent = ask<Message>("/messages/send", { body: { raw, threadId } })
    return { sent: true, message_id: sent.id, thread_id: sent.threadId, subject }
  },
})

export const { describe, call } = definePlugin(
  searchMessages,
  readOne,
  readThread,
  readAttachment,
  listLabels,
  changeLabels,
  trashMessage,
  createDraft,
  listDrafts,
  sendDraft,
  sendMessage,
  replyToMessage,
)
