/**
 * GitHub over its REST API: issues, pull requests, reviews, files, history, search and notifications. A plugin is one file, so this one is
 * long: how it asks and what refusals mean, how what is long is cut, then the tools by what they are about. It never sends DELETE: labels
 * are taken away by writing those that stay.
 */
import {
  decodeText,
  definePlugin,
  defineTool,
  encodeText,
  fieldsOf,
  hasSecret,
  http,
  type HttpResponse,
  itemsOf,
  type Json,
  numberOf,
  textOf,
  withQuery,
} from "ironclaw"

const API = "https://api.github.com"
const API_VERSION = "2022-11-28"
/** Of what one call tells; a model sees some 16,000 characters of a result before its middle is left out. */
const MAX_TEXT = 12_000
const MAX_COMMENT = 1_500
const MAX_WORDS = 400 // of an error, in GitHub's own words
const PER_PAGE = 20
/** GitHub gives at most 3,000 files of a pull request, 100 at a time. */
const MAX_FILE_PAGES = 30
const TOKEN_HINT = "The owner sets one with `ironclaw tool auth github`."

type Fields = Record<string, unknown>
type Query = Record<string, string | number | boolean | undefined>

// ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `what`: what is missing where GitHub answers 404. */
type Ask = { method?: "GET" | "POST" | "PATCH" | "PUT"; query?: Query; body?: Json; accept?: string; what: string }

function ask(path: string, { method = "GET", query = {}, body, accept, what }: Ask): HttpResponse {
  const answer = http({
    url: withQuery(`${API}${path}`, query),
    method,
    headers: { accept: accept ?? "application/vnd.github+json", "x-github-api-version": API_VERSION },
    ...(body === undefined ? {} : { body }),
  })
  if (answer.ok) return answer
  throw new Error(refusalOf(answer, { what, isChange: method !== "GET" }))
}

function jsonOf(answer: HttpResponse): unknown {
  try {
    return answer.json()
  } catch {
    throw new Error("GitHub answered with what is no JSON. Try again in some minutes.")
  }
}
const get = (path: string, given: Ask) => fieldsOf(jsonOf(ask(path, given)))

/** What a refusal means, and what can be done about it. */
function refusalOf({ status, headers, text }: HttpResponse, asked: { what: string; isChange: boolean }): string {
  const words = wordsOf(text())
  const said = words ? ` GitHub says: ${words}` : ""
  const hasToken = hasSecret("github_token")
  switch (status) {
    case 401:
      return hasToken
        ? `GitHub does not accept the token (401): it is wrong, has expired or was revoked. ${TOKEN_HINT}${said}`
        : `GitHub wants a token for this (401), and none is set. ${TOKEN_HINT}`
    case 403:
    case 429:
      return waitOf({ headers, words, status, hasToken }) ?? `${forbidden(headers, hasToken)}${said}`
    case 404:
      return `GitHub has no ${asked.what}, or does not show it to ${hasToken ? "this token" : "anybody without a token"} (404). Check how it is written, and whether it was renamed; a private repository needs a token that was given access to it. ${TOKEN_HINT}`
    case 405:
      return `GitHub does not do this as things stand (405).${said}`
    case 409:
      return `It has changed meanwhile, or collides with something (409). Read it again before another try.${said}`
    case 410:
      return `This is gone, or turned off in this repository (410).${said}`
    case 422:
      return `GitHub does not take it as it is (422).${said || " It does not say why."}`
    default:
      if (status >= 500)
        return `GitHub is out of order at the moment (${status}).${asked.isChange ? " Look whether it took effect before you send it again." : " Try again in some minutes."}`
      if (status >= 300 && status < 400) return `GitHub sends to another address (${status}): was it renamed or moved?`
      return `GitHub refuses this (${status}).${said}`
  }
}

/** Null where it is no matter of waiting. */
function waitOf({
  headers,
  words,
  status,
  hasToken,
}: {
  headers: HttpResponse["headers"]
  words: string
  status: number
  hasToken: boolean
}): string | null {
  const seconds = /^\d{1,6}$/.exec(headers["retry-after"] ?? "")?.[0]
  if (seconds !== undefined)
    return `GitHub asks for a pause of ${seconds} s (${status}): too much in a short time. Send nothing more before.`
  const reset = Number(headers["x-ratelimit-reset"])
  if (headers["x-ratelimit-remaining"] === "0" && reset > 0) {
    const until = new Date(reset * 1_000).toISOString().slice(0, 16)
    const more = hasToken ? "" : ` With a token there are many more an hour. ${TOKEN_HINT}`
    return `The requests that GitHub allows are used up until ${until} UTC (${status}).${more}`
  }
  if (status === 429 || /rate limit/i.test(words))
    return `GitHub had too much from here in a short time (${status}). Wait at least a minute, then send less.`
  return null
}

function forbidden(headers: HttpResponse["headers"], hasToken: boolean): string {
  if (!hasToken) return `GitHub does not allow this without a token (403). ${TOKEN_HINT}`
  const sso = /\burl=(https:\/\/github\.com\/\S+)/.exec(headers["x-github-sso"] ?? "")?.[1]
  if (sso !== undefined)
    return `The organization wants the token authorized for its single sign-on (403): the owner does that at ${sso}.`
  const permissions = short(headers["x-accepted-github-permissions"] ?? "", 200)
  const scopes = short(headers["x-accepted-oauth-scopes"] ?? "", 200)
  const needed = permissions ? ` It needs: ${permissions}.` : scopes ? ` It needs one of the scopes: ${scopes}.` : ""
  return `The token may not do this (403).${needed} The owner widens it at https://github.com/settings/tokens, or gives another one with \`ironclaw tool auth github\`.`
}

function wordsOf(text: string): string {
  let body: Fields
  try {
    body = fieldsOf(JSON.parse(text))
  } catch {
    return ""
  }
  const errors = itemsOf(body["errors"]).map((error) => {
    const { resource, field, code, message } = fieldsOf(error)
    return textOf(error) || textOf(message) || [textOf(resource), textOf(field), textOf(code)].filter(Boolean).join(" ")
  })
  const all = [textOf(body["message"]), ...errors.filter(Boolean)].filter(Boolean).join("; ")
  return all.length > MAX_WORDS ? `${all.slice(0, MAX_WORDS)}…` : all
}

// ── Names, pages, and what is long ───────────────────────────────────────────────────────────────────────────────────────────────────

/** `/repos/owner/name/…`: no part of it can become another path. */
function at(repo: string, ...parts: (string | number)[]): string {
  const found = /^(?:https:\/\/github\.com\/)?([\w-]{1,60})\/([\w.-]{1,100}?)(?:\.git)?\/?$/.exec(repo.trim())
  const [, owner = "", name = ""] = found ?? []
  if (found === null || /^\.+$/.test(name))
    throw new Error(`${JSON.stringify(repo)} is no repository: write owner/name`)
  return ["/repos", owner, name, ...parts.map((part) => segment(String(part)))].join("/")
}

function segment(part: string): string {
  if (part === "" || /^\.+$/.test(part)) throw new Error(`${JSON.stringify(part)} is no part of a path`)
  return encodeURIComponent(part.toWellFormed())
}

const pathParts = (path: string) => path.split("/").filter((part) => part !== "" && part !== ".")

/** Where the list goes on, as GitHub says it in the Link header. */
function nextOf({ headers }: HttpResponse): { next_page?: number; next_after?: string } {
  const next = /<([^<>]*)>;\s*rel="next"/.exec(headers["link"] ?? "")?.[1] ?? ""
  const page = /[?&]page=(\d+)/.exec(next)?.[1]
  const after = /[?&]after=([^&]+)/.exec(next)?.[1]
  return {
    ...(page === undefined ? {} : { next_page: Number(page) }),
    ...(after === undefined ? {} : { next_after: decodeURIComponent(after) }),
  }
}

/** Without what says nothing. */
function filled(given: Fields): Fields {
  return Object.fromEntries(
    Object.entries(given).filter(
      ([, value]) =>
        value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0),
    ),
  )
}

function short(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max).toWellFormed()}… [${text.length - max} more characters]`
}

/** A part of a long text, and where to go on. */
function windowOf(text: string, from: number, max = MAX_TEXT): { part: string; next?: number } {
  const part = text.slice(from, from + max).toWellFormed()
  return from + max < text.length ? { part, next: from + max } : { part }
}

const loginOf = (user: unknown) => textOf(fieldsOf(user)["login"])
const namesOf = (list: unknown, key: string) => itemsOf(list).map((one) => textOf(one) || textOf(fieldsOf(one)[key]))
/** `…/repos/owner/name/…` → owner/name. */
const repoIn = (url: unknown) => /\/repos\/([^/]+\/[^/]+)/.exec(textOf(url))?.[1] ?? ""

// ── Schemas ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const text = (maxLength: number, description?: string) => ({
  type: "string",
  minLength: 1,
  maxLength,
  ...(description === undefined ? {} : { description }),
})
const oneOf = (values: string[], description?: string) => ({
  type: "string",
  enum: values,
  ...(description === undefined ? {} : { description }),
})
const list = (maxItems: number, description?: string) => ({
  type: "array",
  maxItems,
  items: text(100),
  ...(description === undefined ? {} : { description }),
})
const repoField = text(180, "owner/name")
const numberField = { type: "integer", minimum: 1 }
const pageField = { type: "integer", minimum: 1, maximum: 1_000, description: "next_page of the answer before" }
const countField = { type: "integer", minimum: 1, maximum: 50, description: `Default ${PER_PAGE}` }
const bodyField = text(60_000, "Markdown")
const fromField = { type: "integer", minimum: 0, description: "Where a long text goes on: next_from of the answer" }
const inputOf = (properties: Record<string, object>, ...required: string[]) =>
  ({ type: "object", properties, required, additionalProperties: false }) as const

type Paged = { page?: number; count?: number }
type InRepo = { repo: string }
type Numbered = InRepo & { number: number }
type Texts<Names extends string> = Partial<Record<Names, string>>
const paging = ({ page, count = PER_PAGE }: Paged) => ({ per_page: count, page })
const reads = { readOnlyHint: true }

// ── Repositories, search ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function repoFacts(one: Fields): Fields {
  return filled({
    repo: one["full_name"],
    description: short(textOf(one["description"]), 300),
    private: one["private"],
    archived: one["archived"] === true ? true : undefined,
    fork: one["fork"] === true ? true : undefined,
    language: one["language"],
    stars: one["stargazers_count"],
    default_branch: one["default_branch"],
    pushed: one["pushed_at"],
    url: one["html_url"],
  })
}

const repoRead = defineTool({
  name: "github_repo_read",
  description: "Facts about a repository; without repo: the repositories that the token's user can reach.",
  input: inputOf({ repo: repoField, page: pageField, count: countField }),
  annotations: reads,
  run({ repo, ...paged }: Paged & { repo?: string }) {
    if (repo === undefined) {
      const answer = ask("/user/repos", {
        query: { sort: "pushed", ...paging(paged) },
        what: "repositories of this user",
      })
      return {
        repositories: itemsOf(jsonOf(answer)).map((one) => repoFacts(fieldsOf(one))),
        ...nextOf(answer),
      }
    }
    const one = get(at(repo), { what: `repository ${repo}` })
    return {
      ...repoFacts(one),
      ...filled({
        open_issues_and_pulls: one["open_issues_count"],
        forks: one["forks_count"],
        topics: namesOf(one["topics"], "name"),
        license: fieldsOf(one["license"])["spdx_id"],
        homepage: one["homepage"],
        created: one["created_at"],
        issues_enabled: one["has_issues"],
        parent: fieldsOf(one["parent"])["full_name"],
        may: Object.entries(fieldsOf(one["permissions"]))
          .filter(([, has]) => has === true)
          .map(([name]) => name),
      }),
    }
  },
})

const search = defineTool({
  name: "github_search",
  description:
    "Search issues and pull requests, code, or repositories in GitHub's search syntax, such as 'repo:owner/name is:issue is:open crash'.",
  input: inputOf(
    {
      kind: oneOf(["issues", "code", "repositories"]),
      query: text(256, "With qualifiers such as repo: org: user: is: label: author: language: path:"),
      sort: oneOf(["created", "updated", "comments", "stars", "forks"], "Default best match; not for code"),
      page: pageField,
      count: countField,
    },
    "kind",
    "query",
  ),
  annotations: reads,
  run({
    kind,
    query,
    sort,
    ...paged
  }: Paged & { kind: "issues" | "code" | "repositories"; query: string; sort?: string }) {
    const answer = ask(`/search/${kind}`, {
      query: { q: query, sort: kind === "code" ? undefined : sort, ...paging(paged) },
      accept: kind === "code" ? "application/vnd.github.text-match+json" : "application/vnd.github+json",
      what: "such search",
    })
    const body = fieldsOf(jsonOf(answer))
    const facts = { issues: issueFacts, code: codeFacts, repositories: repoFacts }[kind]
    return filled({
      total: body["total_count"],
      incomplete: body["incomplete_results"] === true ? "GitHub ran out of time: there may be more" : undefined,
      found: itemsOf(body["items"]).map((item) => facts(fieldsOf(item))),
      ...nextOf(answer),
    })
  },
})

function codeFacts(one: Fields): Fields {
  return filled({
    repo: fieldsOf(one["repository"])["full_name"],
    path: one["path"],
    url: one["html_url"],
    lines: itemsOf(one["text_matches"])
      .map((match) => short(textOf(fieldsOf(match)["fragment"]), 400))
      .slice(0, 3),
  })
}

// ── Issues ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Of issues and pull requests alike: to GitHub each pull request is an issue too. */
function issueFacts(one: Fields): Fields {
  const isPull = "pull_request" in one || "head" in one
  return filled({
    kind: isPull ? "pull request" : "issue",
    repo: repoIn(one["repository_url"]),
    number: one["number"],
    title: short(textOf(one["title"]), 300),
    state: one["state"],
    state_reason: one["state_reason"],
    draft: one["draft"] === true ? true : undefined,
    author: loginOf(one["user"]),
    labels: namesOf(one["labels"], "name"),
    assignees: namesOf(one["assignees"], "login"),
    milestone: fieldsOf(one["milestone"])["title"],
    comments: one["comments"],
    created: one["created_at"],
    updated: one["updated_at"],
    closed: one["closed_at"],
    url: one["html_url"],
  })
}

const issueList = defineTool({
  name: "github_issue_list",
  description: "Issues of a repository, newest first; without repo: those assigned to the token's user, everywhere.",
  input: inputOf({
    repo: repoField,
    state: oneOf(["open", "closed", "all"], "Default open"),
    labels: list(10, "That have all of these"),
    assignee: text(60, "A login, 'none' or '*'"),
    creator: text(60, "A login"),
    since: text(30, "Changed since, such as 2026-01-31T00:00:00Z"),
    sort: oneOf(["created", "updated", "comments"]),
    pulls: { type: "boolean", description: "Pull requests too (default false)" },
    page: pageField,
    after: text(300, "next_after of the answer before"),
    count: countField,
  }),
  annotations: reads,
  run({
    repo,
    state,
    labels,
    assignee,
    creator,
    since,
    sort,
    pulls = false,
    after,
    ...paged
  }: Paged &
    Texts<"repo" | "state" | "assignee" | "creator" | "since" | "sort" | "after"> & {
      labels?: string[]
      pulls?: boolean
    }) {
    if (repo === undefined && (assignee ?? creator) !== undefined)
      throw new Error("By assignee or creator: name a repository, or search with assignee: and author:")
    const common = { state, labels: labels?.join(","), since, sort, ...paging(paged) }
    const answer =
      repo === undefined
        ? ask("/issues", { query: { filter: "assigned", ...common }, what: "issues of this user" })
        : ask(at(repo, "issues"), { query: { ...common, assignee, creator, after }, what: `repository ${repo}` })
    const all = itemsOf(jsonOf(answer)).map(fieldsOf)
    const kept = pulls ? all : all.filter((one) => !("pull_request" in one))
    return {
      issues: kept.map(issueFacts),
      ...(kept.length < all.length ? { pulls_left_out: all.length - kept.length } : {}),
      ...nextOf(answer),
    }
  },
})

const issueRead = defineTool({
  name: "github_issue_read",
  description: "An issue or pull request with its text and the comments below it, a page at a time.",
  input: inputOf(
    {
      repo: repoField,
      number: numberField,
      page: pageField,
      count: countField,
      comment: { ...numberField, description: "Only this comment, whole: its id" },
      from: fromField,
    },
    "repo",
    "number",
  ),
  annotations: reads,
  run({ repo, number, comment, from = 0, ...paged }: Paged & Numbered & { comment?: number; from?: number }) {
    if (comment !== undefined) {
      const what = `comment ${comment} in ${repo}`
      const one = get(at(repo, "issues", "comments", comment), { what })
      return { ...commentFacts(one, from, MAX_TEXT), url: one["html_url"] }
    }
    const one = get(at(repo, "issues", number), { what: `issue ${repo}#${number}` })
    const body = windowOf(textOf(one["body"]), from, MAX_TEXT / 2)
    const head = { ...issueFacts(one), ...filled({ text: body.part, next_from: body.next }) }
    if (from > 0 || one["comments"] === 0) return head
    const answer = ask(at(repo, "issues", number, "comments"), {
      query: paging(paged),
      what: `comments of ${repo}#${number}`,
    })
    const comments = itemsOf(jsonOf(answer))
    const room = Math.max(200, Math.min(MAX_COMMENT, Math.floor(MAX_TEXT / 2 / Math.max(1, comments.length))))
    return {
      ...(paged.page === undefined || paged.page === 1 ? head : { number, title: head["title"] }),
      thread: comments.map((given) => commentFacts(fieldsOf(given), 0, room)),
      ...nextOf(answer),
    }
  },
})

function commentFacts(one: Fields, from: number, max: number): Fields {
  const { part, next } = windowOf(textOf(one["body"]), from, max)
  return filled({
    id: one["id"],
    author: loginOf(one["user"]),
    at: one["created_at"] ?? one["submitted_at"],
    text: part,
    next_from: next,
  })
}

const issueCreate = defineTool({
  name: "github_issue_create",
  description: "Open an issue.",
  input: inputOf(
    {
      repo: repoField,
      title: text(256),
      body: bodyField,
      labels: list(50),
      assignees: list(10),
      milestone: numberField,
    },
    "repo",
    "title",
  ),
  run({ repo, ...issue }: { repo: string } & Record<string, Json>) {
    return issueFacts(get(at(repo, "issues"), { method: "POST", body: issue, what: `repository ${repo}` }))
  },
})

const issueUpdate = defineTool({
  name: "github_issue_update",
  description: "Change an issue or pull request: title, text, labels, assignees; close it or open it again.",
  input: inputOf(
    {
      repo: repoField,
      number: numberField,
      title: text(256),
      body: bodyField,
      state: oneOf(["open", "closed"]),
      state_reason: oneOf(["completed", "not_planned", "duplicate", "reopened"]),
      labels: list(100, "All that it is to have"),
      add_labels: list(50),
      remove_labels: list(50),
      assignees: list(10, "All that it is to have"),
      milestone: { type: ["integer", "null"], description: "Its number; null for none" },
    },
    "repo",
    "number",
  ),
  run({
    repo,
    number,
    add_labels: add = [],
    remove_labels: remove = [],
    ...change
  }: { repo: string; number: number; add_labels?: string[]; remove_labels?: string[] } & Record<string, Json>) {
    const what = `issue ${repo}#${number}`
    const path = at(repo, "issues", number)
    if (add.length + remove.length > 0) {
      if ("labels" in change) throw new Error("Give either labels, or those to add and to remove")
      const without = remove.map((name) => name.toLowerCase())
      const now = namesOf(get(path, { what })["labels"], "name")
      change["labels"] = [...new Set([...now.filter((name) => !without.includes(name.toLowerCase())), ...add])]
    }
    if (Object.keys(change).length === 0) throw new Error("Say what is to change")
    return issueFacts(get(path, { method: "PATCH", body: change, what }))
  },
})

const commentCreate = defineTool({
  name: "github_comment_create",
  description: "Comment on an issue or pull request, or answer one comment on its lines.",
  input: inputOf(
    {
      repo: repoField,
      number: numberField,
      body: bodyField,
      reply_to: { ...numberField, description: "Id of a comment on lines of a pull request" },
    },
    "repo",
    "number",
    "body",
  ),
  run({ repo, number, body, reply_to: to }: Numbered & { body: string; reply_to?: number }) {
    const path =
      to === undefined ? at(repo, "issues", number, "comments") : at(repo, "pulls", number, "comments", to, "replies")
    const one = get(path, { method: "POST", body: { body }, what: `issue ${repo}#${number}` })
    return filled({ id: one["id"], url: one["html_url"], created: one["created_at"] })
  },
})

// ── Pull requests ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function pullFacts(one: Fields): Fields {
  const { number, ...facts } = issueFacts(one)
  const branch = (side: unknown) => textOf(fieldsOf(side)["label"]) || textOf(fieldsOf(side)["ref"])
  return { number, ...facts, head: branch(one["head"]), base: textOf(fieldsOf(one["base"])["ref"]) }
}

const pullList = defineTool({
  name: "github_pull_list",
  description: "Pull requests of a repository, newest first.",
  input: inputOf(
    {
      repo: repoField,
      state: oneOf(["open", "closed", "all"], "Default open"),
      base: text(200, "Branch that it is to go into"),
      head: text(200, "owner:branch that it comes from"),
      sort: oneOf(["created", "updated", "popularity", "long-running"]),
      page: pageField,
      count: countField,
    },
    "repo",
  ),
  annotations: reads,
  run({
    repo,
    state,
    base,
    head,
    sort,
    ...paged
  }: Paged & { repo: string } & Partial<Record<"state" | "base" | "head" | "sort", string>>) {
    const direction = sort === undefined ? undefined : "desc"
    const query = { state, base, head, sort, direction, ...paging(paged) }
    const answer = ask(at(repo, "pulls"), { query, what: `repository ${repo}` })
    return { pulls: itemsOf(jsonOf(answer)).map((one) => pullFacts(fieldsOf(one))), ...nextOf(answer) }
  },
})

const pullRead = defineTool({
  name: "github_pull_read",
  description:
    "A pull request: text, size, whether it can be merged, checks, who approved; or its reviews; or the comments on its lines.",
  input: inputOf(
    {
      repo: repoField,
      number: numberField,
      part: oneOf(["summary", "reviews", "line_comments"], "Default summary"),
      from: fromField,
      page: pageField,
      count: countField,
    },
    "repo",
    "number",
  ),
  annotations: reads,
  run({ repo, number, part = "summary", from = 0, ...paged }: Paged & Numbered & { part?: string; from?: number }) {
    const what = `pull request ${repo}#${number}`
    if (part !== "summary") {
      const answer = ask(at(repo, "pulls", number, part === "reviews" ? "reviews" : "comments"), {
        query: paging(paged),
        what,
      })
      const all = itemsOf(jsonOf(answer)).map(fieldsOf)
      const room = Math.max(300, Math.min(3_000, Math.floor(MAX_TEXT / Math.max(1, all.length))))
      return {
        [part]: all.map((one) => ({ ...commentFacts(one, 0, room), ...filled(placeFacts(one)) })),
        ...nextOf(answer),
      }
    }
    const one = get(at(repo, "pulls", number), { what })
    const { part: said, next } = windowOf(textOf(one["body"]), from, MAX_TEXT / 2)
    if (from > 0) return filled({ number, text: said, next_from: next })
    const sha = textOf(fieldsOf(one["head"])["sha"])
    return filled({
      ...pullFacts(one),
      merged: one["merged"],
      mergeable: one["mergeable"] ?? "GitHub is still looking: ask again in some seconds",
      merge_state: one["mergeable_state"],
      head_sha: sha,
      commits: one["commits"],
      changed_files: one["changed_files"],
      additions: one["additions"],
      deletions: one["deletions"],
      reviewers_asked: namesOf(one["requested_reviewers"], "login"),
      reviews: orWhy(() => reviewStates(repo, number)),
      ...(sha === ""
        ? {}
        : {
            checks: orWhy(() => verdictsOf(repo, sha, CHECK_RUNS)),
            statuses: orWhy(() => verdictsOf(repo, sha, STATUSES)),
          }),
      text: said,
      next_from: next,
    })
  },
})

const placeFacts = (one: Fields): Fields => ({
  state: one["state"],
  path: one["path"],
  line: one["line"] ?? one["original_line"],
  answers: one["in_reply_to_id"],
})

/** The last word of each reviewer. */
function reviewStates(repo: string, number: number): Fields {
  const answer = ask(at(repo, "pulls", number, "reviews"), { query: { per_page: 100 }, what: "reviews" })
  const said = itemsOf(jsonOf(answer)).map(fieldsOf)
  const judged = said.filter(({ state }) => state !== "COMMENTED" && state !== "PENDING")
  return Object.fromEntries(judged.map((one) => [loginOf(one["user"]), one["state"]]))
}

/** Programs say what they think of a commit in two ways: check runs, and the older statuses. */
function verdictsOf(
  repo: string,
  sha: string,
  { path, key, name }: { path: string; key: string; name: string },
): Fields {
  const answer = ask(at(repo, "commits", sha, path), { query: { per_page: 100 }, what: path })
  const all = itemsOf(fieldsOf(jsonOf(answer))[key]).map(fieldsOf)
  const stateOf = (one: Fields) => textOf(one["conclusion"]) || textOf(one["state"]) || textOf(one["status"])
  const counts: Record<string, number> = {}
  for (const one of all) counts[stateOf(one)] = (counts[stateOf(one)] ?? 0) + 1
  const bad = all.filter((one) => !["success", "skipped", "neutral"].includes(stateOf(one)))
  return filled({
    ...counts,
    not_passed: bad.slice(0, 20).map((one) => `${short(textOf(one[name]), 100)}: ${stateOf(one)}`),
  })
}
const CHECK_RUNS = { path: "check-runs", key: "check_runs", name: "name" }
const STATUSES = { path: "status", key: "statuses", name: "context" }

/** A token may be allowed to see the pull request and not all that belongs to it. */
function orWhy(work: () => Fields): Fields {
  try {
    return work()
  } catch (error) {
    return { not_seen: error instanceof Error ? error.message : String(error) }
  }
}

const pullDiff = defineTool({
  name: "github_pull_diff",
  description: "What a pull request changes, as patches by file: all that fit, or those of one path whole.",
  input: inputOf(
    { repo: repoField, number: numberField, path: text(500, "Of one changed file"), from: fromField, page: pageField },
    "repo",
    "number",
  ),
  annotations: reads,
  run({ repo, number, path, from = 0, page }: Numbered & { path?: string; from?: number; page?: number }) {
    const what = `pull request ${repo}#${number}`
    const files = (query: Query) => ask(at(repo, "pulls", number, "files"), { query, what })
    if (path !== undefined) {
      for (let n = 1; n <= MAX_FILE_PAGES; n++) {
        const all = itemsOf(jsonOf(files({ per_page: 100, page: n }))).map(fieldsOf)
        const one = all.find((file) => file["filename"] === path)
        if (one) {
          const { part, next } = windowOf(textOf(one["patch"]) || NO_PATCH, from)
          return `${fileLine(one)}\n${part}${next === undefined ? "" : `\n\n[goes on: from=${next}]`}`
        }
        if (all.length < 100) break
      }
      throw new Error(`${what} does not change ${JSON.stringify(path)}: ask without a path for the list`)
    }
    const answer = files({ per_page: 50, page })
    const all = itemsOf(jsonOf(answer)).map(fieldsOf)
    let room = MAX_TEXT
    const shown = all.map((file) => {
      const patch = textOf(file["patch"]) || NO_PATCH
      const whole = patch.length <= room
      if (whole) room -= patch.length
      return `${fileLine(file)}\n${whole ? patch : "[left out here: ask for this path]"}`
    })
    const { next_page: next } = nextOf(answer)
    return [
      `${repo}#${number}: ${all.length} changed files on this page`,
      ...shown,
      ...(next === undefined ? [] : [`[more files: page=${next}]`]),
    ].join("\n\n")
  },
})
const NO_PATCH = "[GitHub gives no patch: binary, renamed only, or too large]"
const fileLine = (file: Fields) =>
  `--- ${textOf(file["filename"])} (${textOf(file["status"])}${file["previous_filename"] ? ` from ${textOf(file["previous_filename"])}` : ""}, +${String(file["additions"])} -${String(file["deletions"])})`

const pullCreate = defineTool({
  name: "github_pull_create",
  description: "Open a pull request from a branch that is there.",
  input: inputOf(
    {
      repo: repoField,
      title: text(256),
      head: text(200, "Branch, or owner:branch of a fork"),
      base: text(200, "Branch that it is to go into"),
      body: bodyField,
      draft: { type: "boolean" },
    },
    "repo",
    "title",
    "head",
    "base",
  ),
  run({ repo, ...pull }: { repo: string } & Record<string, Json>) {
    return pullFacts(get(at(repo, "pulls"), { method: "POST", body: pull, what: `repository ${repo}` }))
  },
})

const pullMerge = defineTool({
  name: "github_pull_merge",
  description: "Merge a pull request, if its head is still the commit that was looked at.",
  input: inputOf(
    {
      repo: repoField,
      number: numberField,
      sha: { type: "string", minLength: 40, maxLength: 64, description: "head_sha that was looked at" },
      method: oneOf(["merge", "squash", "rebase"], "Default merge"),
      title: text(256, "Of the commit"),
      message: text(10_000, "Of the commit"),
    },
    "repo",
    "number",
    "sha",
  ),
  run({
    repo,
    number,
    sha,
    method = "merge",
    title,
    message,
  }: { repo: string; number: number; sha: string } & Partial<Record<"method" | "title" | "message", string>>) {
    const one = get(at(repo, "pulls", number, "merge"), {
      method: "PUT",
      body: {
        sha,
        merge_method: method,
        ...(title === undefined ? {} : { commit_title: title }),
        ...(message === undefined ? {} : { commit_message: message }),
      },
      what: `pull request ${repo}#${number}`,
    })
    return filled({ merged: one["merged"], sha: one["sha"], message: one["message"] })
  },
})

const reviewCreate = defineTool({
  name: "github_review_create",
  description: "Review a pull request: approve, ask for changes or comment, with comments on lines.",
  input: inputOf(
    {
      repo: repoField,
      number: numberField,
      event: oneOf(["APPROVE", "REQUEST_CHANGES", "COMMENT"]),
      body: bodyField,
      sha: { type: "string", minLength: 40, maxLength: 64, description: "head_sha that was looked at" },
      comments: {
        type: "array",
        maxItems: 30,
        items: inputOf(
          {
            path: text(500),
            line: { ...numberField, description: "In the new file; with side LEFT in the old one" },
            start_line: numberField,
            side: oneOf(["LEFT", "RIGHT"]),
            body: text(10_000),
          },
          "path",
          "line",
          "body",
        ),
      },
    },
    "repo",
    "number",
    "event",
  ),
  run({ repo, number, sha, ...review }: { repo: string; number: number; sha?: string } & Record<string, Json>) {
    if (review["event"] !== "APPROVE" && !review["body"])
      throw new Error("A review that does not approve has to say something: give a body")
    const one = get(at(repo, "pulls", number, "reviews"), {
      method: "POST",
      body: { ...review, ...(sha === undefined ? {} : { commit_id: sha }) },
      what: `pull request ${repo}#${number}`,
    })
    return filled({ id: one["id"], state: one["state"], url: one["html_url"] })
  },
})

// ── Files and history ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const fileRead = defineTool({
  name: "github_file_read",
  description: "A file of a repository as text, or what a folder holds, at any branch, tag or commit.",
  input: inputOf(
    {
      repo: repoField,
      path: { type: "string", maxLength: 500, description: "Default the root folder" },
      ref: text(200, "Branch, tag or commit (default the default branch)"),
      from_line: { type: "integer", minimum: 1, description: "Where a long file goes on" },
    },
    "repo",
  ),
  annotations: reads,
  run({ repo, path = "", ref, from_line: from = 1 }: InRepo & Texts<"path" | "ref"> & { from_line?: number }) {
    const what = `${path || "root folder"} in ${repo}${ref === undefined ? "" : ` at ${ref}`}`
    const url = at(repo, "contents", ...pathParts(path))
    const one = get(url, { query: { ref }, accept: "application/vnd.github.object+json", what })
    if (one["type"] === "dir" || Array.isArray(one["entries"]))
      return {
        folder: path || "/",
        entries: itemsOf(one["entries"])
          .slice(0, 300)
          .map((given) => {
            const entry = fieldsOf(given)
            return `${textOf(entry["name"])}${entry["type"] === "dir" ? "/" : entry["type"] === "file" ? ` ${String(entry["size"])}` : ` (${textOf(entry["type"])})`}`
          }),
        ...(itemsOf(one["entries"]).length > 300 ? { note: "Only the first 300" } : {}),
      }
    if (one["type"] !== "file")
      return filled({ type: one["type"], path: one["path"], target: one["target"], url: one["html_url"] })
    const held = textOf(one["content"])
    const raw = () => ask(url, { query: { ref }, accept: "application/vnd.github.raw+json", what }).text()
    const isHeld = one["encoding"] === "base64" && held !== ""
    const whole = isHeld ? decodeText(Uint8Array.fromBase64(held)) : one["size"] === 0 ? "" : raw()
    const head = `${textOf(one["path"])} in ${repo}${ref === undefined ? "" : ` at ${ref}`}, ${String(one["size"])} bytes, sha ${textOf(one["sha"])}`
    return whole.includes("\0") ? `${head}: not text` : linesOf(whole, { from, head })
  },
})

/** Whole lines, as many as fit. */
function linesOf(whole: string, { from, head }: { from: number; head: string }): string {
  const lines = whole.replace(/\n$/, "").split("\n")
  if (from > lines.length) throw new Error(`The file has ${lines.length} lines`)
  let size = 0
  let last = from - 1
  while (last < lines.length && (last === from - 1 || size + (lines[last] ?? "").length < MAX_TEXT))
    size += (lines[last++] ?? "").length + 1
  const more = last < lines.length ? `\n\n[goes on: from_line=${last + 1}]` : ""
  const shown = short(lines.slice(from - 1, last).join("\n"), MAX_TEXT)
  return `${head}, lines ${from} to ${last} of ${lines.length}\n\n${shown}${more}`
}

const fileWrite = defineTool({
  name: "github_file_write",
  description: "Create a file, or write another content into it, as a commit on a branch.",
  input: inputOf(
    {
      repo: repoField,
      path: text(500),
      content: { type: "string", maxLength: 700_000, description: "The whole file" },
      message: text(2_000, "Of the commit"),
      branch: text(200, "Default the default branch"),
      sha: {
        type: "string",
        minLength: 40,
        maxLength: 64,
        description: "Of the file as it was read; none for a new one",
      },
    },
    "repo",
    "path",
    "content",
    "message",
  ),
  run({
    repo,
    path,
    content,
    message,
    ...more
  }: Record<"repo" | "path" | "content" | "message", string> & Texts<"branch" | "sha">) {
    const one = get(at(repo, "contents", ...pathParts(path)), {
      method: "PUT",
      body: { message, content: encodeText(content).toBase64(), ...more },
      what: `${repo}, or its branch ${more.branch ?? ""}`,
    })
    const [file, commit] = [fieldsOf(one["content"]), fieldsOf(one["commit"])]
    return filled({ path: file["path"], sha: file["sha"], commit: commit["sha"], url: commit["html_url"] })
  },
})

const historyList = defineTool({
  name: "github_history_list",
  description: "Commits, branches, tags or releases of a repository.",
  input: inputOf(
    {
      repo: repoField,
      what: oneOf(["commits", "branches", "tags", "releases"]),
      ref: text(200, "Commits: branch, tag or commit to begin at"),
      path: text(500, "Commits: that changed this"),
      author: text(100, "Commits: login or address"),
      since: text(30, "Commits: such as 2026-01-31T00:00:00Z"),
      until: text(30, "Commits"),
      page: pageField,
      count: countField,
    },
    "repo",
    "what",
  ),
  annotations: reads,
  run({
    repo,
    what,
    ref,
    path,
    author,
    since,
    until,
    ...paged
  }: Paged & { repo: string; what: "commits" | "branches" | "tags" | "releases" } & Partial<
      Record<"ref" | "path" | "author" | "since" | "until", string>
    >) {
    const more = what === "commits" ? { sha: ref, path, author, since, until } : {}
    const answer = ask(at(repo, what), { query: { ...more, ...paging(paged) }, what: `repository ${repo}` })
    const facts = { commits: commitFacts, branches: refFacts, tags: refFacts, releases: releaseFacts }[what]
    return { [what]: itemsOf(jsonOf(answer)).map((one) => facts(fieldsOf(one))), ...nextOf(answer) }
  },
})

function commitFacts(one: Fields): Fields {
  const commit = fieldsOf(one["commit"])
  const author = fieldsOf(commit["author"])
  return filled({
    sha: one["sha"],
    message: short(textOf(commit["message"]), 400),
    author: loginOf(one["author"]) || author["name"],
    date: author["date"],
    url: one["html_url"],
  })
}
const refFacts = (one: Fields): Fields =>
  filled({
    name: one["name"],
    sha: fieldsOf(one["commit"])["sha"],
    protected: one["protected"] === true ? true : undefined,
  })
const releaseFacts = (one: Fields): Fields =>
  filled({
    tag: one["tag_name"],
    name: one["name"],
    published: one["published_at"],
    draft: one["draft"] === true ? true : undefined,
    prerelease: one["prerelease"] === true ? true : undefined,
    notes: short(textOf(one["body"]), 600),
    files: namesOf(one["assets"], "name").slice(0, 20),
    url: one["html_url"],
  })

// ── Notifications ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const CLASSIC =
  "notifications (they need a classic token with the scope notifications: fine-grained ones cannot read them)"

const notificationList = defineTool({
  name: "github_notification_list",
  description: "What GitHub wants the token's user to look at: unread first, or all.",
  input: inputOf({
    all: { type: "boolean", description: "Read ones too" },
    participating: { type: "boolean", description: "Only where the user takes part or is named" },
    repo: repoField,
    since: text(30, "Such as 2026-01-31T00:00:00Z"),
    page: pageField,
    count: countField,
  }),
  annotations: reads,
  run({
    repo,
    all,
    participating,
    since,
    ...paged
  }: Paged & { repo?: string; all?: boolean; participating?: boolean; since?: string }) {
    const answer = ask(repo === undefined ? "/notifications" : at(repo, "notifications"), {
      query: { all, participating, since, ...paging(paged) },
      what: CLASSIC,
    })
    return {
      notifications: itemsOf(jsonOf(answer)).map((given) => {
        const one = fieldsOf(given)
        const subject = fieldsOf(one["subject"])
        return filled({
          thread: one["id"],
          unread: one["unread"],
          why: one["reason"],
          repo: fieldsOf(one["repository"])["full_name"],
          about: subject["type"],
          title: short(textOf(subject["title"]), 300),
          number: numberOf(Number(/\/(?:issues|pulls)\/(\d+)$/.exec(textOf(subject["url"]))?.[1])) || undefined,
          updated: one["updated_at"],
        })
      }),
      ...nextOf(answer),
    }
  },
})

const notificationMark = defineTool({
  name: "github_notification_mark",
  description: "Mark one notification as read, or all up to a time.",
  input: inputOf({
    thread: text(40, "Of one notification"),
    up_to: text(30, "All that are older: such as 2026-01-31T12:00:00Z"),
  }),
  run({ thread, up_to: upTo }: { thread?: string; up_to?: string }) {
    if ((thread === undefined) === (upTo === undefined)) throw new Error("Give a thread, or the time up_to which")
    if (thread !== undefined) ask(`/notifications/threads/${segment(thread)}`, { method: "PATCH", what: CLASSIC })
    else ask("/notifications", { method: "PUT", body: { last_read_at: upTo ?? "", read: true }, what: CLASSIC })
    return { marked: thread ?? `all up to ${upTo ?? ""}` }
  },
})

export const { describe, call } = definePlugin(
  repoRead,
  search,
  issueList,
  issueRead,
  issueCreate,
  issueUpdate,
  commentCreate,
  pullList,
  pullRead,
  pullDiff,
  pullCreate,
  pullMerge,
  reviewCreate,
  fileRead,
  fileWrite,
  historyList,
  notificationList,
  notificationMark,
)
