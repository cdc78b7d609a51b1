/** The names of documents: one spelling each, so that no two look alike and none can be taken for a file of the host. */

/** Documents that shape the agent. Text of an untrusted turn never gets into them. */
export const PROMPT_FILES = ["AGENTS.md", "SOUL.md", "USER.md", "IDENTITY.md", "HEARTBEAT.md"] as const

/** What every prompt carries, in this order. MEMORY.md is written by the agent itself; HEARTBEAT.md is read at heartbeats only. */
export const ALWAYS_ON = ["AGENTS.md", "SOUL.md", "USER.md", "IDENTITY.md", "MEMORY.md"] as const

const RESERVED: readonly string[] = [...PROMPT_FILES, "MEMORY.md"]
const MAX_PATH_CHARACTERS = 200 // fits on a screen's line or two; no note needs more

export type MemoryPath = { ok: true; path: string } | { ok: false; why: string }

/** The one spelling of `path`, or why it is none. Separators at the end, doubled ones and a leading `./` are forgiven. */
export function judgeMemoryPath(path: string): MemoryPath {
  const refuse = (why: string): MemoryPath => ({ ok: false, why })
  if (!path.isWellFormed()) return refuse("it holds half a surrogate pair")
  const text = path.normalize("NFC").trim()
  if (text === "") return refuse("it is empty")
  if (text.length > MAX_PATH_CHARACTERS) return refuse(`it is longer than ${MAX_PATH_CHARACTERS} characters`)
  // Control characters, and those that reorder or hide others (bidi marks, zero width, soft hyphen, tags).
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) return refuse("it holds invisible characters")
  if (text.includes("\\")) return refuse("folders are separated by /")
  if (text.startsWith("/") || text.startsWith("~")) return refuse("it is a path of the host, not of memory")
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(text)) return refuse("it is an address or a drive, not a path of memory")
  const segments = text.split("/").filter((segment) => segment !== "" && segment !== ".")
  if (segments.length === 0) return refuse("it names no document")
  for (const segment of segments) {
    if (segment === "..") return refuse("it leads upwards")
    if (segment !== segment.trim()) return refuse("a name begins or ends with a space")
    if (isEncodedSeparator(segment)) return refuse("it holds an encoded separator")
  }
  const spelled = segments.join("/")
  const lookalike = RESERVED.find((name) => name !== spelled && foldPath(name) === foldPath(spelled))
  if (lookalike) return refuse(`it looks like "${lookalike}" and is not spelled so`)
  return { ok: true, path: spelled }
}

export function isPromptFile(path: string): boolean {
  return PROMPT_FILES.some((name) => name === path)
}

export function isAlwaysOn(path: string): boolean {
  return ALWAYS_ON.some((name) => name === path)
}

/** Equal for paths that a person would take for the same: case, width and letters of other scripts that look Latin are folded. */
export function foldPath(path: string): string {
  let folded = ""
  for (const character of path.normalize("NFKC").toLowerCase()) folded += LOOKS_LATIN.get(character) ?? character
  return folded
}

function isEncodedSeparator(segment: string): boolean {
  return /%(?:2e|2f|5c|00)/i.test(segment)
}

// Lower-case Cyrillic and Greek letters that Unicode's confusables.txt (UTS 39) maps to one Latin letter.
const LOOKS_LATIN = new Map(
  Object.entries({
    а: "a",
    е: "e",
    о: "o",
    р: "p",
    с: "c",
    у: "y",
    х: "x",
    і: "i",
    ј: "j",
    ѕ: "s",
    ԁ: "d",
    ԛ: "q",
    ԝ: "w",
    һ: "h",
    м: "m",
    т: "t",
    к: "k",
    в: "b",
    н: "h",
    г: "r",
    ɡ: "g",
    ı: "i",
    α: "a",
    ο: "o",
    ρ: "p",
    ν: "v",
    υ: "u",
    ι: "i",
    κ: "k",
    μ: "u",
    τ: "t",
    ε: "e",
    η: "n",
    χ: "x",
    γ: "y",
    ω: "w",
    β: "b",
  }),
)
