/** `ironclaw completion`: scripts for three shells, made from the map of verbs, so that they cannot say anything else than the program does. */
import { AppError } from "#core/errors.ts"
import { aliasesOf } from "./lib/arguments.ts"
import { bashScript, fishScript, zshScript, type CompletionRule } from "./lib/completion-scripts.ts"
import { verbTable } from "./lib/verb-table.ts"
import { defineVerb, type Verb, type VerbTable } from "./lib/verb.ts"

const globalFlags = ["--json", "--home", "--set", "--verbose", "--help"]
const shells = ["bash", "zsh", "fish"] as const
type Shell = (typeof shells)[number]
const scripts: Readonly<Record<Shell, (rules: readonly CompletionRule[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}

export default defineVerb({
  meta: {
    description: "Prints a completion script for your shell",
    examples: [
      "source <(ironclaw completion bash)",
      "mkdir -p ~/.local/share/bash-completion/completions",
      "ironclaw completion bash > ~/.local/share/bash-completion/completions/ironclaw",
      'ironclaw completion zsh > "${fpath[1]}/_ironclaw"',
      "mkdir -p ~/.config/fish/completions",
      "ironclaw completion fish > ~/.config/fish/completions/ironclaw.fish",
    ],
    offers: { shell: shells },
  },
  args: { shell: { type: "positional", description: "bash, zsh or fish" } },
  async run({ args, ui }) {
    const { shell } = args
    if (!isShell(shell)) {
      throw new AppError("usage.wrong", `There is no completion for "${shell}"`, {
        hint: `There is one for ${Object.keys(scripts).join(", ")}.`,
      })
    }
    const script = scripts[shell](await completionRules(verbTable))
    return { data: { shell, script }, show: () => ui.content(script) }
  },
})

function isShell(name: string): name is Shell {
  return shells.some((shell) => shell === name)
}

export async function completionRules(verbs: VerbTable): Promise<CompletionRule[]> {
  const rules: CompletionRule[] = [
    { after: "", words: [...Object.keys(verbs), "help"], flags: [...globalFlags, "--version"] },
  ]
  for (const [name, { load }] of Object.entries(verbs)) addRules(rules, name, (await load()).default)
  return rules
}

function addRules(rules: CompletionRule[], after: string, verb: Verb): void {
  const flags = Object.entries(verb.args).filter(([, arg]) => arg.type !== "positional")
  const first = Object.entries(verb.args).find(([, arg]) => arg.type === "positional")?.[0]
  const live = first === undefined ? undefined : verb.meta.live?.[first]
  rules.push({
    after,
    ...(live === undefined ? {} : { live }),
    words: [...Object.keys(verb.subCommands ?? {}), ...(first === undefined ? [] : (verb.meta.offers?.[first] ?? []))],
    flags: [
      ...flags.flatMap(([name, arg]) => [
        `--${name}`,
        ...aliasesOf(arg).map((alias) => (alias.length === 1 ? `-${alias}` : `--${alias}`)),
      ]),
      ...globalFlags,
    ],
  })
  for (const [name, sub] of Object.entries(verb.subCommands ?? {})) addRules(rules, `${after} ${name}`, sub)
}
