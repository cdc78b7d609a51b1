/**
 * Markdown for a terminal, by Bun's own renderer, made fit for text that nobody vouches for: nothing in it reaches the terminal as a
 * command, every link shows where it leads, nothing is fetched, and each line fits the width and stands for itself.
 */
import { visible } from "./ui.ts"

export type MarkdownLook = {
  /** Cells of a line. */
  width: number
  colours: boolean
}

/** Word joiner: no width and no meaning. Put between two characters, it keeps them from being read as a mark; taken out of the output. */
const APART = "\u2060"
/** What {@link visible} lets pass and yet hides text: tags, which nobody sees. */
const HIDING = /[\u{e0000}-\u{e007f}]/gu
const TAB = "    "
const FENCE = /^ {0,3}(?:`{3,}|~{3,})/

/** Somebody's text without anything that a terminal obeys or that shows it as something else; line breaks stay. */
export function cleanText(text: string): string {
  return visible(text.replaceAll("\r\n", "\n").replaceAll(APART, "").replaceAll("\t", TAB)).replace(
    HIDING,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
}

/** One or more blocks as lines of at most `width` cells; the only escapes in them are colours and styles. */
export function renderMarkdown(text: string, { width, colours }: MarkdownLook): string[] {
  const clean = cleanText(text)
  const isCode = FENCE.test(clean)
  const rendered = Bun.markdown.ansi(isCode ? clean : prepare(clean), {
    colors: colours,
    columns: isCode ? 0 : width, // code is broken below, where its indent is known
    hyperlinks: false, // the text of a link that can be clicked hides where it leads
    kittyGraphics: false,
  })
  const plain = onlyStyles(rendered.replaceAll(APART, ""))
  const lines = (isCode ? codeLines(plain, width) : sayAddressOnce(plain).split("\n")).map((line) => line.trimEnd())
  while (lines.length > 0 && Bun.stripANSI(lines.at(-1) ?? "").trim() === "") lines.pop()
  // A block that renders to nothing, such as a link's definition, still says something.
  const shown = lines.length === 0 && clean.trim() !== "" ? clean.trim().split("\n") : lines
  return standalone(shown.flatMap((line) => breakLine(line, width)))
}

/** Text as it is, in lines of at most `width` cells. */
export function plainLines(text: string, width: number): string[] {
  return cleanText(text)
    .split("\n")
    .flatMap((line) => breakLine(line, width).map((part, at) => (at === 0 ? part : part.replace(/^ /, ""))))
}

function prepare(text: string): string {
  return (
    text
      // Entities are decoded after any cleaning of ours: those that would become a control character stay as they are written.
      .replace(/&(#[xX]?[0-9a-fA-F]{1,8}|[a-zA-Z]{2,31});/g, (entity, name: string) =>
        isSafeEntity(name) ? entity : `&${APART}${name};`,
      )
      // Then an image is a link with an exclamation mark, and shows its address.
      .replaceAll("![", `!${APART}[`)
      // A line break that was written is shown: addresses, poems, lists without marks.
      .replace(/([^\s\\])[ ]?\n(?=[^\n])/g, "$1  \n")
  )
}

const HIDING_NAMES: ReadonlySet<string> = new Set(["NewLine", "Tab", "lrm", "rlm", "zwnj", "zwj", "NoBreak"])

function isSafeEntity(name: string): boolean {
  if (!name.startsWith("#")) return !HIDING_NAMES.has(name)
  const code = /^#[xX]/.test(name) ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10)
  if (!(code >= 0x20 && code <= 0x10ffff)) return false
  const character = String.fromCodePoint(code)
  return cleanText(character) === character
}

/** Whatever slipped through both of the above: an escape that is no colour or style is spelled out. */
function onlyStyles(text: string): string {
  return text
    .split(/(\u001b\[[\d;]*m)/)
    .map((part, at) => (at % 2 === 1 ? part : visible(part)))
    .join("")
}

/** `https://a.example (https://a.example)`, as the renderer has it for bare addresses, says it twice. */
function sayAddressOnce(text: string): string {
  return text
    .replace(
      /(\u001b\[34m\u001b\[4m)([^\u001b\n]+)(\u001b\[24m\u001b\[39m)\u001b\[2m\s+\((?:mailto:|https?:\/\/)?\2\u001b\[2m\)\u001b\[39m\u001b\[22m/g,
      "$1$2$3",
    )
    .replace(/(?<=^|\s)([^\s()\u001b]+)\s+\((?:mailto:|http:\/\/)?\1\)/g, (whole, address: string) =>
      /[@./]/.test(address) ? address : whole,
    )
}

const CODE_INDENT = "  "

/** A code block without the frame, so that what is copied from the terminal is the code: its language, then its lines, indented. */
function codeLines(rendered: string, width: number): string[] {
  const [head = "", ...rest] = rendered.replace(/\n+$/, "").split("\n")
  const language = Bun.stripANSI(head).replace(/^(?:┌─|\+-)\s*/, "")
  const body = rest.slice(0, -1).map((line) => line.replace(/^\u001b\[2m│ ?\u001b\[0m|^\| ?/, ""))
  const style = head.includes("\u001b") ? (text: string) => `\u001b[2m${text}\u001b[0m` : (text: string) => text
  return [
    ...(language === "" ? [] : [`${CODE_INDENT}${style(language)}`]),
    ...body.flatMap((line) =>
      breakLine(line, Math.max(1, width - CODE_INDENT.length)).map((part) => CODE_INDENT + part),
    ),
  ]
}

function breakLine(line: string, width: number): string[] {
  if (Bun.stringWidth(line) <= width) return [line]
  return Bun.wrapAnsi(line, Math.max(2, width), { hard: true, trim: false }).split("\n")
}

/** Styles that run over a line's end are closed there and opened again on the next, for lines are shown, cut and redrawn one by one. */
function standalone(lines: readonly string[]): string[] {
  const open = new Map<number, string>()
  return lines.map((line) => {
    const before = [...open.values()].join("")
    let isStyled = open.size > 0
    for (const [style, code = "0"] of line.matchAll(/\u001b\[(\d*)[\d;]*m/g)) {
      const ends = endOf(Number(code))
      isStyled = ends !== 0
      if (ends === 0) open.clear()
      else if (ends === Number(code)) open.delete(ends)
      else open.set(ends, style)
    }
    return isStyled ? `${before}${line}\u001b[0m` : before + line
  })
}

/** The code that ends what this one begins (ECMA-48, SGR); those that end something end themselves; 0 ends all. */
function endOf(code: number): number {
  if (code === 1 || code === 2) return 22
  if (code >= 3 && code <= 9) return code + 20
  if ((code >= 30 && code <= 38) || (code >= 90 && code <= 97)) return 39
  if ((code >= 40 && code <= 48) || (code >= 100 && code <= 107)) return 49
  return code
}
