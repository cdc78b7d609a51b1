/**
 * What a reader sees of an HTML page, as small well-formed HTML: no scripts, styles, comments, forms, menus, hidden text or attributes;
 * links as text. Parsed in pieces by htmlparser2, which takes time linear in the page, so that a caller can stop between two of them.
 */
import { Parser } from "htmlparser2"
import { createHiddenNames, isHidden } from "./html-hidden.ts"

export type Cleaner = {
  /** False: the page is nested too deeply to go on. */
  write(piece: string): boolean
  /** Closes what is open. */
  end(): void
  /** What was made since the last time. */
  take(): string
  title(): string
}

const MAX_DEPTH = 1_000 // of any page seen, 60; closing an element looks through those that are open
const MAX_KEPT_DEPTH = 64
const MAX_GATHERED_CHARACTERS = 4 * 1024 // of one text, before it is handed on
const MAX_TITLE_CHARACTERS = 300
const MAX_LINK_CHARACTERS = 300

/** Left out with all that is in them. `svg` and `math` hold text that is drawn, not read; alternative texts are seen by nobody. */
const DROPPED = new Set(
  "script style noscript template svg math canvas iframe frame object embed applet audio video map select option textarea button input dialog datalist nav menu head".split(
    " ",
  ),
)
/** Around the content of a page, not part of it; inside an article they are. */
const FRAMING = new Set(["header", "footer", "aside"])
const FRAMING_ROLES = /^(?:navigation|banner|contentinfo|complementary|search|menu|menubar|toolbar|dialog|alertdialog)$/
const KEPT = new Set(
  "h1 h2 h3 h4 h5 h6 p ul ol li blockquote pre code table thead tbody tfoot tr th td em strong b i del br hr dl dt dd figure figcaption caption details summary div section article main sub sup kbd".split(
    " ",
  ),
)
const VOID = new Set(["br", "hr"])

/** Characters without a shape, with which text is hidden in text: tags, bidi controls, zero-width spaces, selectors beyond emoji's. */
const UNSEEN = /[\u00AD\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF\u{E0000}-\u{E0FFF}]/gu

type Frame = { close: string; dropped: boolean; article: boolean; kept: boolean; link: Link | null }
type Link = { shown: string; label: string }

export function createCleaner({ url }: { url: string }): Cleaner {
  const names = createHiddenNames()
  const stack: Frame[] = []
  let base = url
  let out: string[] = []
  let title = ""
  let css = ""
  let text = "" // gathered up to the next tag, so that no character is judged in halves
  let dropped = 0 // of the open elements, how many are left out
  let kept = 0
  let articles = 0
  let link: Link | null = null
  let inside = "" // title, style: elements whose text is not for the page

  function flushText(): void {
    if (text === "") return
    const seen = text.replace(UNSEEN, "")
    text = ""
    if (inside === "title") title ||= seen.replace(/\s+/g, " ").trim().slice(0, MAX_TITLE_CHARACTERS).toWellFormed()
    else if (inside === "style") css += seen
    else if (dropped === 0) {
      out.push(escapeText(seen))
      if (link) link.label = (link.label + seen).slice(0, MAX_LINK_CHARACTERS * 2)
    }
  }

  const parser = new Parser({
    onopentag(name, attributes) {
      flushText()
      if (name === "base" && base === url) base = URL.parse(attributes["href"] ?? "", url)?.href ?? url
      if (name === "title" || name === "style") inside = name
      const role = attributes["role"]?.trim().toLowerCase() ?? ""
      const frames = (FRAMING.has(name) || FRAMING_ROLES.test(role)) && articles === 0
      const drops =
        (DROPPED.has(name) && name !== "head") || name === "title" || frames || isHidden(name, attributes, names)
      const article = name === "article" || name === "main" || role === "main"
      const keeps = !drops && dropped === 0 && KEPT.has(name) && kept < MAX_KEPT_DEPTH
      const frame: Frame = {
        close: keeps && !VOID.has(name) ? `</${name}>` : "",
        dropped: drops,
        article,
        kept: keeps,
        link: name === "a" && dropped === 0 && !drops && !link ? linkOf(attributes["href"] ?? "", base) : null,
      }
      if (keeps) out.push(openTag(name, attributes))
      if (frame.link) link = frame.link
      dropped += Number(drops)
      kept += Number(keeps)
      articles += Number(article)
      stack.push(frame)
    },
    ontext(piece) {
      text += piece
      // Not in the middle of a character, which would be judged in halves.
      if (text.length <= MAX_GATHERED_CHARACTERS || !text.isWellFormed()) return
      flushText()
      // The Markdown writer begins anew with a text that goes on; after a tag it does not.
      if (dropped === 0) out.push("<span></span>")
    },
    onclosetag(name) {
      flushText()
      if (name === "style") {
        names.add(css)
        css = ""
      }
      if (name === inside) inside = ""
      const frame = stack.pop()
      if (!frame) return
      dropped -= Number(frame.dropped)
      kept -= Number(frame.kept)
      articles -= Number(frame.article)
      if (frame.link) {
        out.push(escapeText(linkText(frame.link)))
        link = null
      }
      out.push(frame.close)
    },
  })

  return {
    write(piece) {
      parser.write(piece)
      return stack.length <= MAX_DEPTH
    },
    end() {
      parser.end()
      flushText()
    },
    take() {
      const made = out.join("")
      out = []
      return made
    },
    title: () => title,
  }
}

function openTag(name: string, attributes: Readonly<Record<string, string>>): string {
  // The one attribute that Markdown has a place for: the language of code.
  const language =
    name === "code" ? /(?:^|\s)(language-[a-z0-9+#-]{1,20})(?:\s|$)/i.exec(attributes["class"] ?? "") : null
  return language ? `<code class="${language[1]}">` : `<${name}>`
}

function escapeText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")
}

/** Where a link leads, as a person would say it: `example.com/news?page=2`. Null where it leads nowhere else. */
function linkOf(href: string, base: string): Link | null {
  if (href.trim() === "" || href.trim().startsWith("#")) return null
  const target = URL.parse(href, base)
  if (!target) return null
  if (target.protocol === "mailto:") return { shown: target.pathname.slice(0, MAX_LINK_CHARACTERS), label: "" }
  if (target.protocol !== "https:" && target.protocol !== "http:") return null
  const path = target.pathname === "/" && target.search === "" ? "" : target.pathname + target.search
  const scheme = target.protocol === "http:" ? "http://" : ""
  return { shown: `${scheme}${target.host}${path}`.slice(0, MAX_LINK_CHARACTERS), label: "" }
}

/** Only a link that has a text is one that a reader sees. */
function linkText({ shown, label }: Link): string {
  return label.trim() === "" || label.includes(shown) ? "" : ` (${shown})`
}
