/** The completion scripts themselves: the same rules in the words of three shells. */

/** Everything that may follow the verbs `after`: `words` are verbs or offered values, `flags` what starts with a dash. */
export type CompletionRule = { after: string; words: readonly string[]; flags: readonly string[] }

/** Words go into the scripts bare: what a shell could read as anything else is left out. */
const bare = (words: readonly string[]) => words.filter((word) => /^[\w.-]+$/.test(word)).join(" ")
const paths = (rules: readonly CompletionRule[]) =>
  rules.filter(({ after }) => after !== "").map(({ after }) => `"${after}"`)

export function bashScript(rules: readonly CompletionRule[]): string {
  return `# bash completion for ironclaw
_ironclaw() {
  local current="\${COMP_WORDS[COMP_CWORD]}" trail="" word words="" flags="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "\${trail:+$trail }$word" in
      ${paths(rules).join("|")}) trail="\${trail:+$trail }$word" ;;
    esac
  done
  case "$trail" in
${rules.map(({ after, words, flags }) => `    "${after}") words="${bare(words)}"; flags="${bare(flags)}" ;;`).join("\n")}
  esac
  if [[ "$current" == -* ]]; then words="$flags"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _ironclaw ironclaw
`
}

export function zshScript(rules: readonly CompletionRule[]): string {
  return `#compdef ironclaw
_ironclaw() {
  local current="\${words[CURRENT]}" trail="" word i
  local -a choices options
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    case "\${trail:+$trail }$word" in
      (${paths(rules).join("|")}) trail="\${trail:+$trail }$word" ;;
    esac
  done
  case "$trail" in
${rules.map(({ after, words, flags }) => `    ("${after}") choices=(${bare(words)}); options=(${bare(flags)}) ;;`).join("\n")}
  esac
  if [[ "$current" == -* ]]; then compadd -- $options
  elif (( $#choices )); then compadd -- $choices
  else _files
  fi
}
if [[ "$funcstack[1]" == "_ironclaw" ]]; then _ironclaw "$@"; else compdef _ironclaw ironclaw; fi
`
}

export function fishScript(rules: readonly CompletionRule[]): string {
  const lines = rules.flatMap(({ after, words, flags }) => {
    const condition = `-n '__ironclaw_at "${after}"'`
    const safe = bare(flags)
      .split(" ")
      .filter((flag) => flag !== "")
    return [
      ...(words.length > 0 ? [`complete -c ironclaw ${condition} -f -a '${bare(words)}'`] : []),
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
