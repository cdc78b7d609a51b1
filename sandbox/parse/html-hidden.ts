/**
 * Which elements of a page no reader sees: that is where instructions to a model are put. Known limits: style sheets of other files are
 * not fetched, scripts are not run, and text in the colour of a background that such a sheet sets looks like any other. The flow gate,
 * not this, keeps a page from steering: this only takes away the cheapest places.
 */

type Attributes = Readonly<Record<string, string>>
/** Names that the page's own style sheets hide: `.note`, `#note`, `p.note`. */
export type HiddenNames = { add(css: string): void; has(tag: string, attributes: Attributes): boolean }

const MAX_CSS_CHARACTERS = 256 * 1024 // of all style elements of a page; the rest is not looked at
const MAX_HIDDEN_NAMES = 5_000
const OFF_SCREEN_PX = 400 // further out than any layout puts what it wants to show

/** Classes that common frameworks hide with, from sheets that we do not fetch. Those for screen readers alone are among them. */
const HIDING_CLASSES: readonly string[] = [
  "d-none",
  "hidden",
  "hide",
  "invisible",
  "is-hidden",
  "screen-reader-text",
  "sr-only",
  "visually-hidden",
  "visuallyhidden",
]
/** `md:block`, `d-lg-flex`: hidden on small screens alone. */
const SHOWN_WHERE_WIDE =
  /^(?:\w+:(?:block|flex|grid|inline\S*|table\S*|visible|contents|not-sr-only)|d-\w+-(?!none)\w+)$/

export function isHidden(tag: string, attributes: Attributes, names: HiddenNames): boolean {
  if ("hidden" in attributes || attributes["aria-hidden"]?.trim().toLowerCase() === "true") return true
  if (hides(declarationsOf(attributes["style"] ?? ""))) return true
  const classes = classesOf(attributes)
  const byFramework = classes.some((name) => HIDING_CLASSES.includes(name.toLowerCase()))
  return (byFramework && !classes.some((name) => SHOWN_WHERE_WIDE.test(name))) || names.has(tag, attributes)
}

export function createHiddenNames(): HiddenNames {
  const hidden = new Set<string>()
  let room = MAX_CSS_CHARACTERS
  return {
    add(css) {
      const text = css.slice(0, room).replace(/\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\//g, " ")
      room -= Math.min(room, css.length)
      for (const { selectors, body } of rulesOf(text)) {
        if (!hides(declarationsOf(body))) continue
        for (const selector of selectors.split(",")) {
          // A longer selector hides only sometimes, such as when a script has set a class on the page.
          const name = selector.trim()
          if (/^(?:[a-z][a-z0-9]*)?[.#][\w-]+$/i.test(name) && hidden.size < MAX_HIDDEN_NAMES) hidden.add(foldTag(name))
        }
      }
    },
    has(tag, attributes) {
      if (hidden.size === 0) return false
      const names = classesOf(attributes).map((name) => `.${name}`)
      if (attributes["id"]) names.push(`#${attributes["id"].trim()}`)
      return names.some((name) => hidden.has(name) || hidden.has(tag + name))
    },
  }
}

function foldTag(selector: string): string {
  return selector.replace(/^[a-z][a-z0-9]*/i, (tag) => tag.toLowerCase())
}

function classesOf(attributes: Attributes): string[] {
  return (attributes["class"] ?? "").slice(0, 2_000).split(/\s+/).filter(Boolean)
}

/** Rules that always hold: those inside @media and the like may not, so they are passed over. */
function* rulesOf(css: string): Generator<{ selectors: string; body: string }> {
  let depth = 0
  let start = 0
  let selectors = ""
  for (let at = 0; at < css.length; at++) {
    const character = css[at]
    if (character === "{") {
      if (depth === 0) [selectors, start] = [css.slice(start, at), at + 1]
      depth++
    } else if (character === "}" && depth > 0) {
      depth--
      if (depth > 0) continue
      if (!selectors.trim().startsWith("@")) yield { selectors, body: css.slice(start, at) }
      start = at + 1
    } else if (character === ";" && depth === 0) start = at + 1 // @import, @charset
  }
}

type Declarations = ReadonlyMap<string, string>

function declarationsOf(style: string): Declarations {
  const found = new Map<string, string>()
  // Browsers read \64 isplay as display.
  const plain = style
    .replace(/\/\*.*?\*\//gs, "")
    .replace(/\\([0-9a-f]{1,6})\s?/gi, (_, code: string) => characterOf(code))
  for (const declaration of plain.slice(0, 4_000).split(";")) {
    const colon = declaration.indexOf(":")
    if (colon < 0) continue
    const value = declaration.slice(colon + 1).replace(/!\s*important/i, "")
    found.set(declaration.slice(0, colon).trim().toLowerCase(), value.trim().toLowerCase())
  }
  return found
}

function characterOf(code: string): string {
  const point = Number.parseInt(code, 16)
  return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : ""
}

function hides(style: Declarations): boolean {
  const value = (name: string) => style.get(name) ?? ""
  if (style.size === 0) return false
  if (value("display") === "none" || /^(?:hidden|collapse)$/.test(value("visibility"))) return true
  if (value("content-visibility") === "hidden") return true
  if (isAtMost(value("opacity"), 0.05) || /opacity\(\s*0(?:\.0\d*)?%?\s*\)/.test(value("filter"))) return true
  if (isAtMost(value("font-size"), 1) && !/^[\d.]*[1-9][\d.]*r?em$/.test(value("font-size"))) return true
  if (/^0(?:px|pt|em|rem|%)?[\s/]/.test(value("font"))) return true
  const clipped = /hidden|clip/.test(value("overflow") + value("overflow-x") + value("overflow-y"))
  const sizes = ["width", "height", "max-width", "max-height"]
  if (clipped && sizes.some((name) => isAtMost(value(name), 1) && !/%|em/.test(value(name)))) return true
  const places = ["left", "right", "top", "bottom", "inset", "text-indent", "margin-left", "margin-top", "margin"]
  if (places.some((name) => isFarOut(value(name)))) return true
  if (/scale[xy]?\(\s*0(?:\.0\d*)?\s*[,)]/.test(value("transform")) || isFarOut(insideOf(value("transform"))))
    return true
  if (/rect\(\s*(?:0|1px)/.test(value("clip")) || /inset\(\s*(?:50|100)%|circle\(\s*0/.test(value("clip-path")))
    return true
  return hasNoColour(value("color"), value("background-color") || value("background"))
}

function isAtMost(value: string, most: number): boolean {
  const number = Number.parseFloat(value)
  return !Number.isNaN(number) && number >= 0 && number <= most
}

/** `-9999px`, `-100vw`, `-50em`. */
function isFarOut(value: string): boolean {
  return [...value.matchAll(/-(\d+(?:\.\d+)?)(px|pt|em|rem|vw|vh|%|cm|in)/g)].some(([, number = "0", unit = "px"]) => {
    const px = { px: 1, pt: 1.33, em: 16, rem: 16, vw: 10, vh: 10, "%": 5, cm: 38, in: 96 }[unit] ?? 1
    return Number(number) * px >= OFF_SCREEN_PX
  })
}

function insideOf(transform: string): string {
  return transform.startsWith("translate") ? transform : ""
}

function hasNoColour(color: string, background: string): boolean {
  if (color === "") return false
  if (color === "transparent" || /^#(?:[0-9a-f]{3}0|[0-9a-f]{6}00)$/.test(color)) return true
  if (/^(?:rgb|hsl)a?\(.*[,/]\s*0(?:\.0\d*)?%?\s*\)$/.test(color) && /a\(|\//.test(color)) return true
  return background !== "" && plainColour(color) === plainColour(background)
}

function plainColour(color: string): string {
  const named: Record<string, string> = { white: "#ffffff", black: "#000000" }
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/.exec(color)
  if (short)
    return `#${short
      .slice(1)
      .map((digit) => digit + digit)
      .join("")}`
  const rgb = /^rgb\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)\s*\)$/.exec(color)
  if (rgb)
    return `#${rgb
      .slice(1)
      .map((part) => Math.min(255, Number(part)).toString(16).padStart(2, "0"))
      .join("")}`
  return named[color] ?? color
}
