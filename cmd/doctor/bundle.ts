/**
 * A report for a bug tracker: versions, what the doctor found, the configuration, and the end of the log. One text that its owner can read
 * before it is sent. No message, no document and no value of a secret goes in: log lines give up their fields but for a few that are
 * known to be harmless, and all of it goes through the redactor.
 */
import { homedir } from "node:os"
import { resolve } from "node:path"
import { describeConfig } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import { preview } from "#core/event.ts"
import { createPrivateFile } from "#core/home-file.ts"
import { redactLeaks } from "#core/safety/leaks.ts"
import { createRedactor } from "#core/safety/redactor.ts"
import { logLines } from "../lib/log-view.ts"
import { secretValuesOf } from "../lib/secret-values.ts"
import { builtAt, commit, releaseNumber, target, version } from "../lib/version.ts"
import type { Facts } from "./facts.ts"
import type { Judged } from "./table.ts"

/** Enough to see what led to a fault; short enough to be read before it is sent. */
const LOG_LINES = 200
const MESSAGE_CHARACTERS = 500
/** Fields of log lines that say what happened and quote nobody. */
const harmless: ReadonlySet<string> = new Set(
  "jobId kind task gate model next status attempts signal database version changed restart pid startedAt what as tries".split(
    " ",
  ),
)

export type Bundle = { path: string; holds: string[] }

/** Throws `conflict` where the file is there already, `home.not_writable`. */
export async function writeBundle({
  path: asked,
  facts,
  judged,
}: {
  path: string
  facts: Facts
  judged: readonly Judged[]
}): Promise<Bundle> {
  const path = resolve(asked)
  const parts = [
    { name: "versions", text: versions() },
    { name: `the findings of ${judged.length} checks`, text: findings(judged) },
    { name: "the configuration", text: configuration(facts) },
    { name: `the last ${LOG_LINES} warnings and errors of the log`, text: logTail(facts) },
  ]
  const text = `# ironclaw: a report\n\nMade at ${facts.clock.iso()}. Secrets, messages and memory are left out.\n\n${parts
    .map((part) => `## ${part.name}\n\n\`\`\`\n${part.text.replaceAll("```", "'''")}\n\`\`\`\n`)
    .join("\n")}`
  const clean = withoutHome(await redact(text, facts))
  if (!createPrivateFile(path, clean))
    throw new AppError("conflict", `${path} is there already`, { hint: "Name another file." })
  return { path, holds: parts.map(({ name }) => name) }
}

/** By the values that the vault holds where it could be asked, by those of the environment and by form in any case. */
async function redact(text: string, { config, redactByVault }: Facts): Promise<string> {
  const environment = config.ok ? config.value.environment : { get: () => undefined }
  const own = createRedactor({ leaks: redactLeaks, secretValues: secretValuesOf({ values: () => [] }, environment) })
  return own(redactByVault === null ? text : await redactByVault(text))
}

function versions(): string {
  return [
    `ironclaw ${version} (${commit}, ${builtAt || "not built"}, release ${releaseNumber})`,
    `built for ${target}, runs on ${process.platform}-${process.arch}, Bun ${Bun.version}`,
  ].join("\n")
}

function findings(judged: readonly Judged[]): string {
  return judged.map(({ id, level, found }) => `${level.padEnd(7)} ${id}: ${found}`).join("\n")
}

function configuration({ config }: Facts): string {
  if (!config.ok) return config.error?.message ?? "It cannot be read"
  return describeConfig(config.value.config)
    .filter(({ source }) => source.from !== "default")
    .map(({ key, value, source }) => `${key} = ${JSON.stringify(value)} (${source.from})`)
    .join("\n")
}

function logTail({ home, homeExists }: Facts): string {
  if (!homeExists) return ""
  return logLines(home, { level: "warn", most: LOG_LINES })
    .map(({ at, level, message, error, ...fields }) => {
      const kept = Object.entries(fields).filter(([name]) => harmless.has(name))
      return [
        `${String(at)} ${String(level)} ${preview(String(message), MESSAGE_CHARACTERS)}`,
        ...kept.map(([name, value]) => `${name}=${JSON.stringify(value)}`),
        errorText(error),
      ]
        .filter((part) => part !== "")
        .join(" ")
    })
    .join("\n")
}

/** Its kind and where it came from; its message may quote what it stumbled over. */
function errorText(error: unknown): string {
  if (typeof error !== "object" || error === null) return ""
  const { name, code, stack, cause } = { name: "", code: "", stack: "", cause: null, ...error }
  const frames = String(stack).split("\n").slice(0, 8).join(" < ")
  const behind = cause === null ? "" : ` caused by ${errorText(cause)}`
  return `error=${String(name)}${code === "" ? "" : ` ${String(code)}`} ${frames}${behind}`
}

/** The user's name stands in the path of every home. */
function withoutHome(text: string): string {
  const folder = homedir()
  return folder.length > 1 ? text.replaceAll(folder, "~") : text
}
