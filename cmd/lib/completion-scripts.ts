/** The completion scripts themselves: the same rules in the words of three shells. */

import type { LiveKind } from "./live-names.ts"

/**
 * Everything that may follow the verbs `after`: `words` are verbs or offered values, `flags` what starts with a dash, `live` what the
 * program is asked for, which asks a running service.
 */
export type CompletionRule = { after: string; words: readonly string[]; flags: readonly string[]; live?: LiveKind }

/** Words go into the scripts bare: what a shell could read as anything else is left out. */
const bare = (words: readonly string[]) => words.filter((word) => /^[\w.-]+$/.test(word)).join(" ")
const paths = (rules: readonly CompletionRule[]) =>
  rules.filter(({ after }) => after !== "").map(({ after }) => `"${after}"`)

export function bashScript(rules: readonly CompletionRule[]): string {
  return `# bash completion for ironclaw
_ironclaw() {
  local current="\${COMP_WORDS[COMP_CWORD]}" trail="" word words="" flags="" live="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "\${trail:+$trail }$word" in
      ${paths(rules).join("|")}) trail="\${trail:+$trail }$word" ;;
    esac
  done
  case "$trail" in
${rules.map(({ after, words, flags, live = "" }) => `    "${after}") words="${bare(words)}"; flags="${bare(flags)}"; live="${live}" ;;`).join("\n")}
  esac
  if [[ "$current" == -* ]]; then words="$flags"
  elif [[ -n "$live" ]]; then words="$words $("\${COMP_WORDS[0]}" __complete "$live" 2>/dev/null || true)"
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _ironclaw ironclaw
`
}

export function zshScript(rules: readonly CompletionRule[]): string {
  return `#compdef ironclaw
_ironclaw() {
  local current="\${words[CURRENT]}" trail="" word live="" i
  local -a choices options
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    case "\${trail:+$trail }$word" in
      (${paths(rules).join("|")}) trail="\${trail:+$trail }$word" ;;
    esac
  done
  case "$trail" in
${rules.map(({ after, words, flags, live = "" }) => `    ("${after}") choices=(${bare(words)}); options=(${bare(flags)}); live="${live}" ;;`).join("\n")}
  esac
  if [[ -n "$live" && "$current" != -* ]]; then choices+=(\${(f)"$("\${words[1]}" __complete "$live" 2>/dev/null)"}); fi
  if [[ "$current" == -* ]]; then compadd -- $options
  elif (( $#choices )); then compadd -- $choices
  else _files
  fi
}
if [[ "$funcstack[1]" == "_ironclaw" ]]; then _ironclaw "$@"; else compdef _ironclaw ironclaw; fi
`
}

export function fishScript(rules: readonly CompletionRule[]): string {
  const lines = rules.flatMap(({ after, words, flags, live }) => {
    const condition = `-n '__ironclaw_at "${after}"'`
    const safe = bare(flags)
      .split(" ")
      .filter((flag) => flag !== "")
    return [
      ...(words.length > 0 ? [`complete -c ironclaw ${condition} -f -a '${bare(words)}'`] : []),
      ...(live === undefined
        ? []
        : [`complete -c ironclaw ${condition} -f -a '(ironclaw __complete ${live} 2>/dev/null)'`]),
      ...safe.map(
        (flag) =>
          `complete -c ironclaw ${condition} ${flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`}`,
      ),
    ]
  })
  return `# fish completion for ironclaw
function __ironclaw_at
  set -l known ${paths(rules).join(" ")}
  set -l trail ""
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$trail $word")
    contains -- "$next" $known; and set trail "$next"
  end
  test "$trail" = "$argv[1]"
end
${lines.join("\n")}
`
}
