/**
 * Question: what would this command line do?
 * Fails closed by: what is not known to read only is asked; what cannot be read for sure is never allowed.
 * Known limits: POSIX commands; a line for another shell is asked about. No tool runs commands yet. It judges words: aliases, PATH, what files hold and
 * what a shell makes of variables it cannot know. Therefore an allowed line still runs in the jail, or not at all.
 * Source: POSIX.1-2024, 2.2 to 2.10 (shell language); GTFOBins for readers that can be made to run or write.
 */
import { readCommandLine, type SimpleCommand } from "./command-line.ts"
import {
  carriers,
  changers,
  deadlyCommands,
  deadlyLines,
  disks,
  gitReaders,
  guarded,
  interpreters,
  readers,
  reserved,
  secretFiles,
  senders,
  vital,
  writingOptions,
} from "./command-rules.ts"
import { judgeSed } from "./command-sed.ts"

export type CommandVerdict = { verdict: "allow" | "ask" | "deny"; why: string }

const ALLOW: CommandVerdict = { verdict: "allow", why: "It only reads" }
const ask = (why: string): CommandVerdict => ({ verdict: "ask", why })
const deny = (why: string): CommandVerdict => ({ verdict: "deny", why })

/** Substitutions inside substitutions; nobody needs more. */
const MAX_DEPTH = 4

export function judgeCommand(line: string): CommandVerdict {
  return judgeLine(line, 0)
}

function judgeLine(line: string, depth: number): CommandVerdict {
  if (line.trim() === "") return ask("There is no command")
  if (depth > MAX_DEPTH) return ask("It is too nested to be read for sure")
  for (const { pattern, why } of deadlyLines) if (pattern.test(line)) return deny(`Refused: ${why}`)
  const { commands, nested, clear } = readCommandLine(line)
  const verdicts = [
    ...commands.map((command) => judgeSimple(command, depth)),
    ...nested.map((inner) => judgeLine(inner, depth + 1)),
    ...pipelines(commands),
  ]
  if (/^\s*[;&|]/.test(line)) verdicts.push(ask("It begins in the middle of a line"))
  if (
    commands.some(({ words }) => words.some((word) => secretFiles.test(word))) &&
    commands.some(({ words }) => senders.test(nameOf(words[0] ?? "")))
  )
    verdicts.push(deny("Refused: it sends a file that holds secrets"))
  if (!clear) verdicts.push(ask("It cannot be read for sure"))
  if (
    /[\u0000-\u0008\u000b-\u001f\u0085\u00a0\u2000-\u200a\u2028\u2029\u3000\u007f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(
      line,
    )
  )
    verdicts.push(ask("It holds characters that are not seen"))
  return worst(verdicts)
}

function worst(verdicts: readonly CommandVerdict[]): CommandVerdict {
  return (
    verdicts.find(({ verdict }) => verdict === "deny") ?? verdicts.find(({ verdict }) => verdict === "ask") ?? ALLOW
  )
}

/** What a pipe feeds into an interpreter is a program that nobody has read. */
function pipelines(commands: readonly SimpleCommand[]): CommandVerdict[] {
  return commands.flatMap((command) => {
    const { words } = carried(command)
    const name = nameOf(words[0] ?? "")
    if (!command.fed || !interpreters.test(name)) return []
    const script = words.slice(1).find((word) => !word.startsWith("-"))
    return script === undefined || script === "-" || script.startsWith("/dev/")
      ? [deny("Refused: it runs a program that comes out of a pipe")]
      : []
  })
}

function judgeSimple(command: SimpleCommand, depth: number): CommandVerdict {
  const redirects = worst(command.redirects.map(judgeRedirect))
  const { words, dynamic, open, carrier, isSure } = carried(command)
  const [first] = words
  if (first === undefined)
    return worst([redirects, command.words.length > 0 ? ask("It sets variables or runs nothing") : ALLOW])
  const name = nameOf(first)
  const own = words.slice(1)
  for (const { names, arguments: wanted, why } of deadlyCommands) {
    if (names.test(name) && (wanted === undefined || own.some((word) => wanted.test(word))))
      return deny(`Refused: ${why}`)
  }
  const verdicts = [redirects]
  const assigned = command.words.filter((word) => /^[A-Za-z_]\w*\+?=/.test(word))
  if (
    assigned.some((word) =>
      /^(?:LD_|DYLD_|BASH_ENV|ENV=|PROMPT_COMMAND|GIT_SSH|PYTHONSTARTUP|NODE_OPTIONS|PERL5OPT)/.test(word),
    )
  )
    return deny("Refused: it makes a program load another one")
  if (!isSure) verdicts.push(ask(`What ${carrier ?? "it"} runs with these options is not sure`))
  if (assigned.length > 0) verdicts.push(ask("It changes the environment that the command runs in"))
  if (dynamic.has(0) && own.some((word) => vital.test(word)))
    return deny("Refused: a program that is not named, on what cannot be lost")
  if (changers.test(name) && own.some((word) => guarded.test(word)))
    return deny("Refused: it writes a file that says who may enter or what runs at every start")
  if (dynamic.has(0)) verdicts.push(ask("Which program it runs is not written in it"))
  if (interpreters.test(name)) verdicts.push(judgeInterpreter(name, own, { dynamic, depth }))
  if (name === "find") verdicts.push(judgeFind(own, depth))
  if (carrier === "sudo" || carrier === "doas") verdicts.push(ask("It runs with the rights of another user"))
  if (carrier === "chroot" || carrier === "exec" || carrier === "watch")
    verdicts.push(ask(`${carrier} changes how it runs`))
  if (own.some((word) => secretFiles.test(word))) verdicts.push(ask("It reads a file that holds secrets"))
  if (words.some((word, at) => dynamic.has(at) && /\$\{?\w*(?:KEY|TOKEN|SECRET|PASS|PWD_|CREDENTIAL)/i.test(word)))
    verdicts.push(ask("It shows what the environment holds under the name of a secret"))
  if (words.some((word, at) => open.has(at) && /(?:^|\/)\.[^/]*[*?[{]|[*?\]}][^/]*\/\./.test(word)))
    verdicts.push(ask("Its pattern reaches files that are hidden"))
  if (words.some((word) => /^[A-Za-z]:\\|%[A-Za-z_]\w*%/.test(word)))
    verdicts.push(ask("It is written for another shell"))
  // A plain variable holds what the jail gave it, or nothing: setting one in the line is asked about in any case.
  const mayBeOption = own.some(
    (word, at) =>
      (dynamic.has(at + 1) && /^(?:\$\(|`)/.test(word)) ||
      (open.has(at + 1) && (/^[*?[{]+$/.test(word) || /^-|^[{]/.test(word))),
  )
  if (mayBeOption && (readers[name] || name === "git"))
    verdicts.push(ask("What its words become may be an option that writes"))
  verdicts.push(judgeReader(name, own))
  // What a pipe brings as arguments is not seen here, so nothing of it may be an option that writes.
  if (carrier === "xargs" && readers[name] !== null) verdicts.push(ask("Its arguments come out of a pipe"))
  return worst(verdicts)
}

function judgeRedirect({ operator, target }: SimpleCommand["redirects"][number]): CommandVerdict {
  if (/^(?:\/dev\/(?:null|stdout|stderr|tty)|&?[0-9-])$/.test(target)) return ALLOW
  if (!operator.includes(">"))
    return operator === "<" && secretFiles.test(target) ? ask("It reads a file that holds secrets") : ALLOW
  if (disks.test(target)) return deny("Refused: it writes over a disk")
  if (guarded.test(target)) return deny("Refused: it writes a file that says who may enter or what runs at every start")
  return ask("It writes a file")
}

function judgeReader(name: string, own: readonly string[]): CommandVerdict {
  if (name === "git") return judgeGit(own)
  if (!Object.hasOwn(readers, name)) return ask(`${name} is not known to only read`)
  const writing = readers[name]
  const more = ask(`${name} does more than read with these arguments`)
  if (writing && own.some((word) => writing.test(word))) return more
  if (own.some((word) => isWritingOption(name, word))) return more
  if (name === "sed" && !judgeSed(own)) return more
  // The second file of these is where they write.
  if (name === "uniq" && operandsOf(own, /^-[fsw]$/).length > 1) return ask("uniq writes its second file")
  if (name === "xxd" && operandsOf(own, /^-[cglnos]$/).length > 1) return ask("xxd writes its second file")
  // bash runs what stands in the brackets of a variable's name.
  if (/^(?:test|\[|printf)$/.test(name) && own.some((word) => /\[[^\]]*[$`]/.test(word))) return more
  if (/^(?:[ef]?grep|rg)$/.test(name) && readsAll(name, own))
    return ask("It looks through everything that the owner has")
  return ALLOW
}

/** GNU programs take any beginning of a long option that is not another one's. */
function isWritingOption(name: string, word: string): boolean {
  const given = /^--([a-z][a-z0-9-]*)/.exec(word)?.[1]
  return given !== undefined && (writingOptions[name] ?? []).some((option) => option.startsWith(given))
}

function operandsOf(own: readonly string[], valued: RegExp): string[] {
  return own.filter((word, at) => (!word.startsWith("-") || word === "-") && !valued.test(own[at - 1] ?? ""))
}

function readsAll(name: string, own: readonly string[]): boolean {
  const isDeep = name === "rg" || own.some((word) => /^-[a-zA-Z]*[rR]|^--(?:deref|recurs)/.test(word))
  return isDeep && own.some((word) => vital.test(word) && !/^(?:\.|\.\/|\*|\.\/\*)$/.test(word))
}

/** Options before the verb are git's own; few of them are harmless. */
function judgeGit(own: readonly string[]): CommandVerdict {
  const at = own.findIndex((word) => !/^--(?:no-pager|no-optional-locks|literal-pathspecs|bare)$/.test(word))
  const verb = own[at] ?? ""
  const runs = own.slice(at + 1).some((word) => isWritingOption("git", word) || /^-(?:c|O)/.test(word))
  return gitReaders.has(verb) && !runs ? ALLOW : ask("git does more than read with these arguments")
}

/** `-c` and eval carry a line of their own; a script is a program that was not read. */
function judgeInterpreter(
  name: string,
  own: readonly string[],
  { dynamic, depth }: { dynamic: ReadonlySet<number>; depth: number },
): CommandVerdict {
  const isShell = /sh$|^(?:eval|busybox)$/.test(name)
  const at = name === "eval" ? 0 : own.findIndex((word) => /^-[a-z]*[ce]$/.test(word)) + 1
  const inner = name === "eval" ? own.join(" ") : at > 0 ? own[at] : undefined
  if (inner === undefined && own.some((word) => /^<\((?:curl|wget)/.test(word)))
    return deny("Refused: it runs what it fetches")
  if (inner === undefined) return ask(`${name} runs a program that was not read`)
  if (dynamic.has(at + 1) && /\$\((?:curl|wget)|`(?:curl|wget)/.test(inner))
    return deny("Refused: it runs what it fetches")
  if (/base64\s+(?:-d|-D|--decode)|xxd\s+-r/.test(inner) && (name === "eval" || isShell))
    return deny("Refused: it runs a program that is hidden in it")
  if (!isShell)
    return /(?:socket|pty)[\s\S]{0,300}(?:\/bin\/|exec|spawn|system|dup2)/.test(inner)
      ? deny("Refused: it hands a shell to the other side")
      : ask(`${name} runs a program`)
  return worst([judgeLine(inner, depth + 1), ask(`${name} runs a line of its own`)])
}

/** -exec carries a command; -delete takes away everything below. */
function judgeFind(own: readonly string[], depth: number): CommandVerdict {
  const start = own.findIndex((word) => /^-(?:exec|execdir|ok|okdir)$/.test(word))
  const roots = own.slice(0, own.findIndex((word) => word.startsWith("-")) + 1 || undefined)
  const deletes =
    own.includes("-delete") || (start !== -1 && /^(?:rm|shred|unlink)$/.test(nameOf(own[start + 1] ?? "")))
  if (deletes && roots.some((root) => vital.test(root) && root !== "." && root !== "./"))
    return deny("Refused: it deletes what the machine or its owner cannot lose")
  if (start === -1) return ALLOW
  const inner = own.slice(start + 1).filter((word) => word !== ";" && word !== "+" && word !== "{}")
  return judgeSimple({ words: inner, dynamic: new Set(), open: new Set(), redirects: [], fed: false }, depth + 1)
}

type Carried = {
  words: string[]
  dynamic: ReadonlySet<number>
  open: ReadonlySet<number>
  carrier: string | null
  /** All options on the way were understood. */
  isSure: boolean
}

/** Without reserved words, assignments, and commands that only carry another one. */
function carried({ words, dynamic, open }: SimpleCommand): Carried {
  let at = 0
  let carrier: string | null = null
  let isSure = true
  for (;;) {
    const word = words[at]
    if (word === undefined) break
    const name = nameOf(word)
    const known = Object.hasOwn(carriers, name) && words.length > at + 1 ? carriers[name] : undefined
    if (reserved.has(word) || /^[A-Za-z_]\w*\+?=/.test(word)) at += 1
    else if (known) {
      carrier = carrier === "sudo" ? carrier : name
      at += 1
      for (; at < words.length; at++) {
        const option = words[at] ?? ""
        const isDuration = name === "timeout" && /^[\d.]+[smhd]?$/.test(option)
        if (!option.startsWith("-") && !isDuration) break
        if (known.valued.test(option)) at += 1
        else if (!isDuration && !known.plain.test(option)) isSure = false
      }
    } else break
  }
  const behind = (places: ReadonlySet<number>) => new Set([...places].map((place) => place - at))
  return { words: words.slice(at), dynamic: behind(dynamic), open: behind(open), carrier, isSure }
}

/** /bin/rm and rm are one. */
function nameOf(word: string): string {
  return word.slice(word.lastIndexOf("/") + 1)
}
