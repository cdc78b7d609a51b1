/** A POSIX shell line as the simple commands in it, for judging: it is read, never run. What cannot be read for sure says so. */

export type SimpleCommand = {
  /** Words after quotes are gone. A word that a variable or a substitution makes is kept as written, and `dynamic` counts it. */
  words: string[]
  /** Indexes of words whose value only the shell would know. */
  dynamic: ReadonlySet<number>
  /** Indexes of words with a pattern or a brace outside of quotes: the shell makes other words of them. */
  open: ReadonlySet<number>
  redirects: { operator: string; target: string }[]
  /** Its input comes from a pipe, a here-document or a here-string. */
  fed: boolean
}
/** `nested`: what stands in $(…), `…` and <(…). `clear`: the whole line was understood. */
export type ReadLine = { commands: SimpleCommand[]; nested: string[]; clear: boolean }

/** A line that a person or a model writes; a longer one is a program. */
const MAX_CHARACTERS = 10_000

export function readCommandLine(line: string): ReadLine {
  const commands: SimpleCommand[] = []
  const nested: string[] = []
  if (line.length > MAX_CHARACTERS) return { commands, nested, clear: false }
  let clear = true
  let words: string[] = []
  let dynamic = new Set<number>()
  let open = new Set<number>()
  let redirects: SimpleCommand["redirects"] = []
  let fed = false
  let word: string | null = null
  let isDynamic = false
  let isOpen = false
  let redirect: string | null = null
  let at = 0

  const endWord = () => {
    if (word === null) return
    if (redirect !== null) {
      redirects.push({ operator: redirect, target: word })
      redirect = null
    } else {
      if (isDynamic) dynamic.add(words.length)
      if (isOpen) open.add(words.length)
      words.push(word)
    }
    word = null
    isDynamic = false
    isOpen = false
  }
  const endCommand = (pipes: boolean) => {
    endWord()
    if (redirect !== null) clear = false
    redirect = null
    if (words.length > 0 || redirects.length > 0) commands.push({ words, dynamic, open, redirects, fed })
    words = []
    dynamic = new Set()
    open = new Set()
    redirects = []
    fed = pipes
  }
  /** The text up to the bracket that closes the one before `from`. */
  const bracketed = (from: number): number => {
    let depth = 1
    for (let place = from; place < line.length; place++) {
      const character = line[place]
      if (character === "\\") place += 1
      else if (character === "'") {
        place = line.indexOf("'", place + 1)
        if (place === -1) return -1
      } else if (character === "(") depth += 1
      else if (character === ")" && --depth === 0) return place
    }
    return -1
  }
  /** `$…` or a backtick at `at`; the place behind it. */
  const expansion = (): number => {
    isDynamic = true
    if (line[at] === "`") {
      const end = line.indexOf("`", at + 1)
      if (end === -1) {
        clear = false
        return line.length
      }
      const inner = line.slice(at + 1, end)
      if (inner.includes("\\")) clear = false // what is escaped in it is a substitution of its own
      nested.push(inner)
      return end + 1
    }
    if (line[at + 1] === "(") {
      const end = bracketed(at + 2)
      if (end === -1) {
        clear = false
        return line.length
      }
      nested.push(line.slice(at + 2, end))
      return end + 1
    }
    if (line[at + 1] === "{") {
      const end = line.indexOf("}", at)
      if (end === -1) clear = false
      const inner = line.slice(at + 2, end)
      // A substitution inside of a default value; a value that is read as a name or as a prompt.
      if (/[`(]|^!|@[A-Za-z]$/.test(inner)) clear = false
      return end === -1 ? line.length : end + 1
    }
    const name = /^\$(?:[A-Za-z_]\w*|[0-9@*#?$!-])/.exec(line.slice(at, at + 100))
    if (!name) isDynamic = false
    return at + (name?.[0].length ?? 1)
  }
  const take = (end: number) => {
    word = (word ?? "") + line.slice(at, end)
    at = end
  }

  while (at < line.length) {
    const character = line.charAt(at)
    if (character === "\\") {
      if (line[at + 1] === "\n") at += 2
      else {
        word = (word ?? "") + line.charAt(at + 1)
        at += 2
      }
    } else if (character === "'") {
      const end = line.indexOf("'", at + 1)
      if (end === -1) clear = false
      word = (word ?? "") + line.slice(at + 1, end === -1 ? undefined : end)
      at = end === -1 ? line.length : end + 1
    } else if (character === '"') {
      at += 1
      word ??= ""
      while (at < line.length && line[at] !== '"') {
        if (line[at] === "\\" && /["\\$`\n]/.test(line.charAt(at + 1))) {
          word += line.charAt(at + 1)
          at += 2
        } else if (line[at] === "$" || line[at] === "`") take(expansion())
        else word += line.charAt(at++)
      }
      if (at >= line.length) clear = false
      at += 1
    } else if (character === "$" && (line[at + 1] === "'" || line[at + 1] === '"')) {
      clear = false // ANSI-C quoting can spell anything
      at += 1
    } else if (character === "$" || character === "`") take(expansion())
    else if (character === "#" && word === null) {
      const end = line.indexOf("\n", at)
      at = end === -1 ? line.length : end
    } else if ((character === "<" || character === ">") && line[at + 1] === "(") {
      const end = bracketed(at + 2)
      if (end === -1) clear = false
      nested.push(line.slice(at + 2, end === -1 ? undefined : end))
      isDynamic = true
      take(end === -1 ? line.length : end + 1)
    } else if (character === "<" || character === ">") {
      // A number right before it is a descriptor, no word.
      if (word !== null && /^\d+$/.test(word)) word = null
      endWord()
      const operator = /^(?:<<<|<<-?|<>|<&|>>|>&|>\||[<>])/.exec(line.slice(at, at + 3))?.[0] ?? character
      if (operator.startsWith("<<")) fed = true
      // What follows a here-document is not commands until its word comes, and quotes in it are not quotes.
      if (operator === "<<" || operator === "<<-") clear = false
      redirect = operator
      at += operator.length
    } else if (character === "&" && line[at + 1] === ">") {
      endWord()
      redirect = line[at + 2] === ">" ? ">>" : ">"
      at += redirect.length + 1
    } else if (/[;&|\n]/.test(character)) {
      const isPipe = character === "|" && line[at + 1] !== "|"
      endCommand(isPipe)
      while (/[;&|\n]/.test(line.charAt(at))) at += 1
    } else if (character === " " || character === "\t") {
      endWord()
      at += 1
    } else if (character === "(" || character === ")") {
      // A subshell, a function or a case: the commands in it are judged, what holds them together is not understood.
      endCommand(false)
      clear = false
      at += 1
    } else {
      if (/[*?[{]/.test(character)) isOpen = true
      word = (word ?? "") + character
      at += 1
    }
  }
  endCommand(false)
  return { commands, nested, clear }
}
