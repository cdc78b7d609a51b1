/** GitHub's REST API as docs.github.com/en/rest describes it, as far as the plugin asks it: one private repository with made-up contents. */
import { createVendorServer, type VendorAnswer, type VendorRequest, type VendorServer } from "./vendor-server.ts"

export const TOKEN = "a-token-of-octocat-0123456789"
export const HEAD_SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
const OTHER_SHA = "aa218f56b14c9653891f9e74264a383fa43fefbd"
const REPO = "octo-org/hello"
const API = "https://api.github.com"

type Row = Record<string, unknown>

const user = (login: string) => ({ login, id: 1, type: "User" })

export type GitHub = VendorServer & {
  issues: Row[]
  comments: Row[]
  files: Map<string, { text: string; sha: string }>
}

export function github(): GitHub {
  const issues: Row[] = Array.from({ length: 45 }, (_, at) => ({
    number: at + 1,
    title: `Issue ${at + 1}`,
    body: `Body of ${at + 1}`,
    state: "open",
    user: user("octocat"),
    labels: [{ name: "bug" }, { name: "Old" }],
    assignees: [],
    milestone: null,
    comments: at === 0 ? 3 : 0,
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-02T00:00:00Z",
    closed_at: null,
    repository_url: `${API}/repos/${REPO}`,
    html_url: `https://github.com/${REPO}/issues/${at + 1}`,
    // Every pull request is an issue too.
    ...(at === 44 ? { pull_request: { url: `${API}/repos/${REPO}/pulls/45` } } : {}),
  }))
  const comments: Row[] = [1, 2, 3].map((id) => ({
    id,
    user: user("hubot"),
    created_at: "2026-01-03T00:00:00Z",
    body: `Comment ${id}`,
    html_url: `https://github.com/${REPO}/issues/1#issuecomment-${id}`,
  }))
  const files = new Map([
    ["README.md", { text: "# Hello\n\nGrüße, 世界 👋\n", sha: OTHER_SHA }],
    ["src/long.ts", { text: Array.from({ length: 2_000 }, (_, at) => `line ${at + 1}`).join("\n"), sha: HEAD_SHA }],
    ["logo.png", { text: "\x89PNG\0\0", sha: HEAD_SHA }],
  ])
  const server = createVendorServer((request) => route(request, { issues, comments, files }))
  return { ...server, issues, comments, files }
}

function route(request: VendorRequest, world: Pick<GitHub, "issues" | "comments" | "files">): VendorAnswer {
  const { method, path, headers } = request
  const token = headers["authorization"]
  if (token !== undefined && token !== `Bearer ${TOKEN}`)
    return {
      status: 401,
      body: { message: "Bad credentials", documentation_url: "https://docs.github.com/rest", status: "401" },
    }
  const missing = { status: 404, body: { message: "Not Found", status: "404" } }
  if (path === "/search/code" && token === undefined)
    return { status: 401, body: { message: "Requires authentication", status: "401" } }
  if (path.startsWith("/search/")) return searched(request)
  if (token === undefined) return missing // the repository is private
  const within = path.startsWith(`/repos/${REPO}`) ? path.slice(`/repos/${REPO}`.length) : null
  if (within === null) return outside(request) ?? missing
  return (method === "GET" ? read(within, request, world) : write(within, request, world)) ?? missing
}

function paged({ query, path }: VendorRequest, all: readonly unknown[], cursor = false): VendorAnswer {
  const [page, per] = [Number(query["page"] ?? 1), Number(query["per_page"] ?? 30)]
  const last = Math.max(1, Math.ceil(all.length / per))
  const to = (n: number, rel: string) =>
    `<${API}${path}?per_page=${per}${cursor ? "&after=Y3Vyc29y%3D" : ""}&page=${n}>; rel="${rel}"`
  const link = page < last ? { link: `${to(page + 1, "next")}, ${to(last, "last")}` } : {}
  return { headers: link, body: all.slice((page - 1) * per, page * per) }
}

function searched(request: VendorRequest): VendorAnswer {
  const { path, query } = request
  const item = path.endsWith("code")
    ? {
        path: "src/long.ts",
        repository: { full_name: REPO },
        html_url: "https://github.com/x",
        text_matches: [{ fragment: "const crash = 1" }],
      }
    : path.endsWith("issues")
      ? {
          number: 7,
          title: "A crash",
          state: "open",
          user: user("octocat"),
          repository_url: `${API}/repos/${REPO}`,
          html_url: `https://github.com/${REPO}/issues/7`,
        }
      : { full_name: REPO, description: "Hello", private: false, stargazers_count: 3, html_url: "https://github.com/x" }
  if (query["q"]?.includes("nothing")) return { body: { total_count: 0, incomplete_results: false, items: [] } }
  const { headers = {}, body } = paged(request, Array(41).fill(item))
  return { headers, body: { total_count: 41, incomplete_results: true, items: body } }
}

function outside({ method, path, query, body }: VendorRequest): VendorAnswer | null {
  if (path === "/user") return { body: user("octocat") }
  if (path === "/user/repos") return { body: [repository()] }
  if (path === "/issues") return { body: [] }
  if (path === "/notifications" && method === "GET")
    return {
      body: [
        {
          id: "9001",
          unread: query["all"] !== "true",
          reason: "mention",
          updated_at: "2026-02-01T00:00:00Z",
          repository: { full_name: REPO },
          subject: { title: "A crash", type: "Issue", url: `${API}/repos/${REPO}/issues/7` },
        },
      ],
    }
  if (path === "/notifications" && method === "PUT")
    return { status: 202, body: { message: `Marking until ${String((body as Row)["last_read_at"])}` } }
  if (path === "/notifications/threads/9001" && method === "PATCH") return { status: 205 }
  return null
}

const repository = () => ({
  full_name: REPO,
  description: "Hello",
  private: true,
  archived: false,
  fork: false,
  default_branch: "main",
  stargazers_count: 3,
  forks_count: 1,
  open_issues_count: 45,
  has_issues: true,
  topics: ["greeting"],
  license: { spdx_id: "MIT" },
  html_url: `https://github.com/${REPO}`,
  permissions: { admin: false, push: true, pull: true },
})

const pull = (issue: Row) => ({
  ...issue,
  pull_request: undefined,
  head: { ref: "fix", label: "octocat:fix", sha: HEAD_SHA },
  base: { ref: "main", label: "octo-org:main", sha: OTHER_SHA },
  merged: false,
  mergeable: true,
  mergeable_state: "clean",
  commits: 2,
  changed_files: 60,
  additions: 120,
  deletions: 4,
  requested_reviewers: [user("hubot")],
})

const changedFiles = Array.from({ length: 60 }, (_, at) => ({
  filename: `src/file-${at + 1}.ts`,
  status: "modified",
  additions: 2,
  deletions: 0,
  changes: 2,
  ...(at === 2 ? {} : { patch: `@@ -1 +1,2 @@\n+${"x".repeat(at === 1 ? 30_000 : 20)}` }),
}))

function read(within: string, request: VendorRequest, { issues, comments, files }: Parameters<typeof route>[1]) {
  const [, kind = "", id = "", part = ""] = within.split("/")
  const issue = issues.find(({ number }) => String(number) === id)
  switch (`${kind}/${part}`) {
    case "/":
      return { body: repository() }
    case "issues/":
      return id === "" ? paged(request, issues, true) : issue ? { body: issue } : null
    case "issues/comments":
      return paged(request, id === "1" ? comments : [])
    case `issues/${part}`: {
      const one = id === "comments" ? comments.find((comment) => String(comment["id"]) === part) : undefined
      return one ? { body: one } : null
    }
    case "pulls/":
      return id === ""
        ? paged(request, [pull(issues[44] ?? {})])
        : issue?.["pull_request"]
          ? { body: pull(issue) }
          : null
    case "pulls/files":
      return paged(request, changedFiles)
    case "pulls/reviews":
      return paged(request, [
        { id: 1, user: user("hubot"), state: "CHANGES_REQUESTED", body: "No", submitted_at: "2026-01-01T00:00:00Z" },
        { id: 2, user: user("hubot"), state: "APPROVED", body: "Yes", submitted_at: "2026-01-02T00:00:00Z" },
      ])
    case "pulls/comments":
      return paged(request, [{ id: 5, user: user("hubot"), path: "src/file-1.ts", line: 2, body: "Why?" }])
    case "commits/check-runs":
      return {
        body: {
          total_count: 2,
          check_runs: [
            { name: "build", status: "completed", conclusion: "success" },
            { name: "lint", status: "completed", conclusion: "failure" },
          ],
        },
      }
    case "commits/status":
      return { body: { state: "pending", statuses: [{ context: "deploy", state: "pending" }] } }
    case "commits/":
      return paged(request, [
        {
          sha: HEAD_SHA,
          html_url: "https://github.com/c",
          author: user("octocat"),
          commit: { message: "Fix", author: { name: "Octo", date: "2026-01-01T00:00:00Z" } },
        },
      ])
    case "branches/":
    case "tags/":
      return paged(request, [{ name: "main", commit: { sha: HEAD_SHA }, protected: kind === "branches" }])
    case "releases/":
      return paged(request, [
        {
          tag_name: "v1",
          name: "One",
          published_at: "2026-01-01T00:00:00Z",
          body: "Notes",
          assets: [{ name: "a.zip" }],
        },
      ])
    case "notifications/":
      return paged(request, [])
    default:
      return kind === "contents"
        ? contents(decodeURIComponent(within.slice("/contents".length + 1)), request, files)
        : null
  }
}

function contents(path: string, { headers, query }: VendorRequest, files: GitHub["files"]): VendorAnswer | null {
  if (query["ref"] !== undefined && query["ref"] !== "main")
    return { status: 404, body: { message: `No commit found for the ref ${query["ref"]}` } }
  const file = files.get(path)
  if (file) {
    const bytes = Buffer.from(file.text)
    if (String(headers["accept"]).includes("raw"))
      return { headers: { "content-type": "application/vnd.github.raw+json; charset=utf-8" }, body: file.text }
    // Files over 1 MB come without their content.
    const isLarge = bytes.length > 15_000
    return {
      body: {
        type: "file",
        path,
        name: path,
        sha: file.sha,
        size: bytes.length,
        encoding: isLarge ? "none" : "base64",
        content: isLarge ? "" : bytes.toString("base64").replaceAll(/(.{60})/g, "$1\n"),
      },
    }
  }
  const below = [...files].filter(([name]) => path === "" || name.startsWith(`${path}/`))
  if (below.length === 0) return null
  return {
    body: {
      type: "dir",
      path,
      entries: below.map(([name, { text }]) => ({
        name,
        type: name.includes("/") ? "dir" : "file",
        size: text.length,
      })),
    },
  }
}

function write(within: string, { method, body }: VendorRequest, { issues, files }: Parameters<typeof route>[1]) {
  const given = body as Row
  const [, kind = "", id = "", part = ""] = within.split("/")
  const invalid = (message: string): VendorAnswer => ({
    status: 422,
    body: { message: "Validation Failed", errors: [{ resource: "Issue", field: "title", code: "invalid", message }] },
  })
  switch (`${method} ${kind}/${part}`) {
    case "POST issues/": {
      if (given["title"] === "refused") return invalid("title is refused")
      const labels = ((given["labels"] as string[] | undefined) ?? []).map((name) => ({ name }))
      const one = { ...issues[0], ...given, labels, number: issues.length + 1, comments: 0 }
      return { status: 201, body: one }
    }
    case "PATCH issues/": {
      const labels = (given["labels"] as string[] | undefined)?.map((name) => ({ name }))
      const one = issues.find(({ number }) => String(number) === id)
      return one ? { body: { ...one, ...given, ...(labels ? { labels } : {}) } } : null
    }
    case "POST issues/comments":
      return { status: 201, body: { id: 77, html_url: "https://github.com/c", created_at: "2026-01-01T00:00:00Z" } }
    case "POST pulls/comments":
      return { status: 201, body: { id: 78, html_url: "https://github.com/c" } }
    case "POST pulls/":
      return { status: 201, body: pull({ ...issues[44], ...given, number: 46 }) }
    case "POST pulls/reviews":
      return { body: { id: 3, state: given["event"] === "APPROVE" ? "APPROVED" : "COMMENTED" } }
    case "PUT pulls/merge":
      return given["sha"] === HEAD_SHA
        ? { body: { merged: true, sha: OTHER_SHA, message: "Pull Request successfully merged" } }
        : { status: 409, body: { message: "Head branch was modified. Review and try the merge again." } }
  }
  if (method !== "PUT" || kind !== "contents") return null
  const path = within.slice("/contents/".length)
  const old = files.get(path)
  if (old && given["sha"] === undefined) return invalid('"sha" wasn\'t supplied.')
  if (old && given["sha"] !== old.sha) return { status: 409, body: { message: `${path} does not match` } }
  files.set(path, { text: Buffer.from(String(given["content"]), "base64").toString(), sha: OTHER_SHA })
  return {
    status: 201,
    body: { content: { path, sha: OTHER_SHA }, commit: { sha: HEAD_SHA, html_url: "https://github.com/c" } },
  }
}
