/**
 * A plugin's settings: what its manifest says that can be set, and what its owner set. The manifest's schema is a form, and so it is flat:
 * texts, numbers, switches and choices. An address of the owner's own network is a setting too, and reaches nothing until they set it.
 */
import { judgeAddress, judgeLocalAddress, parseIp } from "#core/safety/addresses.ts"
import type { HostRule, LocalEndpoint } from "#core/safety/hosts.ts"
import { isHostRule, withoutBrackets } from "#core/safety/hosts.ts"
import { judgeShape, type TSchema, t } from "#core/schema.ts"
import { readForeignSchema } from "#core/tools/foreign-schema.ts"
import type { Manifest } from "./manifest.ts"

export type ConfigValue = string | number | boolean
export type ConfigValues = Readonly<Record<string, ConfigValue>>

export type PluginSetting = {
  key: string
  type: "string" | "number" | "integer" | "boolean"
  description: string
  /** What may be chosen, where it is a choice. */
  choices: readonly string[] | null
  /** Setting it lets the plugin reach that address, and no other of the owner's network. */
  isEndpoint: boolean
  isRequired: boolean
  default: ConfigValue | null
  /** Null: the owner has not set it, or what they set fits no more. */
  value: ConfigValue | null
}

/** Said to a guest, and kept in a row that is sealed. */
const MAX_TEXT = 2_000
const MAX_SETTINGS = 50

const note = {
  description: t.String({ minLength: 1, maxLength: 300, pattern: "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]*$" }),
}
const Form = t.Object({
  type: t.Literal("object"),
  properties: t.Record(
    t.String({ pattern: "^[A-Za-z][A-Za-z0-9_.-]{0,63}$" }),
    t.Union([
      t.Object({
        ...note,
        type: t.Literal("string"),
        enum: t.Optional(t.Array(t.String({ maxLength: 200 }), { minItems: 1, maxItems: 100 })),
        format: t.Optional(t.Literal("local-endpoint")),
      }),
      t.Object({
        ...note,
        type: t.Union([t.Literal("number"), t.Literal("integer"), t.Literal("boolean")]),
        enum: t.Optional(t.Never()),
      }),
    ]),
    { maxProperties: MAX_SETTINGS, additionalProperties: false },
  ),
})

type Read = { settings: Omit<PluginSetting, "value">[]; schemas: ReadonlyMap<string, TSchema> }
const nothing: Read = { settings: [], schemas: new Map() }

/** Each as a path of the manifest and words. */
export function problemsOfConfig(given: Record<string, unknown>): { path: string; words: string }[] {
  const read = readForm(given)
  return Array.isArray(read) ? read : []
}

function readForm(given: Record<string, unknown>): Read | { path: string; words: string }[] {
  const form = judgeShape(Form, given)
  if (!form.ok)
    return form.problems.map(({ path, message }) => ({
      path: `config${path}`,
      words: `${message} (a flat JSON Schema)`,
    }))
  const foreign = readForeignSchema(given)
  if (!foreign.ok) return foreign.problems.map((words) => ({ path: "config", words }))
  const required: unknown = given["required"]
  const schemas = new Map<string, TSchema>()
  const problems: { path: string; words: string }[] = []
  const settings = Object.entries(form.value.properties).map(([key, property]): Read["settings"][number] => {
    const schema = foreign.schema.properties[key] ?? t.Never()
    schemas.set(key, schema)
    const isEndpoint = property.type === "string" && property.format !== undefined
    const standard: unknown = "default" in property ? property.default : undefined
    if (standard !== undefined && isEndpoint)
      problems.push({
        path: `config/properties/${key}/default`,
        words: "an address of the owner's own is theirs to give",
      })
    else if (standard !== undefined && !judgeShape(schema, standard).ok)
      problems.push({ path: `config/properties/${key}/default`, words: "it does not fit its own schema" })
    return {
      key,
      type: property.type,
      description: property.description,
      choices: property.enum ?? null,
      isEndpoint,
      isRequired: Array.isArray(required) && required.includes(key),
      default: isValue(standard) ? standard : null,
    }
  })
  return problems.length > 0 ? problems : { settings, schemas }
}

const forms = new WeakMap<object, Read>()

/** The manifest was judged when its owner agreed; a form that is none any more has no settings. */
function formOf({ config }: Manifest): Read {
  if (config === undefined) return nothing
  const known = forms.get(config)
  if (known) return known
  const read = readForm(config)
  const form = Array.isArray(read) ? nothing : read
  forms.set(config, form)
  return form
}

export function settingsOf(manifest: Manifest, values: ConfigValues): PluginSetting[] {
  return formOf(manifest).settings.map((setting) => {
    const value = Object.hasOwn(values, setting.key) ? values[setting.key] : undefined
    return { ...setting, value: value !== undefined && problemOf(manifest, setting, value) === null ? value : null }
  })
}

export type ReadValue = { ok: true; key: string; value: ConfigValue } | { ok: false; problem: string }

/** A text stands for what the setting is, as on a command line. */
export function readConfigValue(manifest: Manifest, key: string, given: ConfigValue): ReadValue {
  const setting = formOf(manifest).settings.find((one) => one.key === key)
  if (!setting) return { ok: false, problem: `It has no setting "${key.slice(0, 80)}"` }
  const value = typeof given === "string" ? valueIn(setting, given.trim()) : given
  const problem = problemOf(manifest, setting, value)
  return problem === null ? { ok: true, key, value } : { ok: false, problem: `${key}: ${problem}` }
}

function valueIn({ type, isEndpoint }: Read["settings"][number], text: string): ConfigValue {
  if (type === "boolean" && /^(?:true|false)$/.test(text)) return text === "true"
  if ((type === "number" || type === "integer") && /^-?[0-9.]+(?:e[+-]?[0-9]+)?$/i.test(text)) return Number(text)
  return isEndpoint ? text.replace(/\/$/, "") : text
}

function problemOf(
  manifest: Manifest,
  { key, choices, isEndpoint }: Read["settings"][number],
  value: ConfigValue,
): string | null {
  if (typeof value === "string" && (value.length > MAX_TEXT || !value.isWellFormed() || value.includes("\0")))
    return `a text of at most ${MAX_TEXT} characters`
  if (choices && !choices.some((choice) => choice === value)) return `one of ${choices.join(", ")}`
  const shape = judgeShape(formOf(manifest).schemas.get(key) ?? t.Never(), value)
  if (!shape.ok) return shape.problems.map(({ message }) => message).join("; ")
  const reach = isEndpoint ? readEndpoint(String(value)) : null
  return reach !== null && !reach.ok ? reach.problem : null
}

/** What the guest finds: texts as they are, everything else as JSON. */
export function guestConfig(manifest: Manifest, values: ConfigValues): Record<string, string> {
  return Object.fromEntries(
    settingsOf(manifest, values).flatMap(({ key, value, default: standard }) => {
      const used = value ?? standard
      return used === null ? [] : [[key, typeof used === "string" ? used : JSON.stringify(used)]]
    }),
  )
}

/** What has to be set before its tools can work. */
export function missingSettings(manifest: Manifest, values: ConfigValues): string[] {
  return settingsOf(manifest, values).flatMap(({ key, isRequired, value, default: standard }) =>
    isRequired && value === null && standard === null ? [key] : [],
  )
}

type Endpoint = { ok: true; rule: HostRule | null; local: LocalEndpoint | null } | { ok: false; problem: string }

/** The addresses that the owner set: to reach a place of their own, exactly as they wrote it. */
export function endpointsOf(manifest: Manifest, values: ConfigValues): { rules: HostRule[]; local: LocalEndpoint[] } {
  const read = settingsOf(manifest, values).flatMap(({ isEndpoint, value }) =>
    isEndpoint && value !== null ? [readEndpoint(String(value))] : [],
  )
  return {
    rules: read.flatMap((one) => (one.ok && one.rule ? [one.rule] : [])),
    local: read.flatMap((one) => (one.ok && one.local ? [one.local] : [])),
  }
}

/** A public name by https is a host like all others; an address of the machine or its network is reached exactly as it is written. */
function readEndpoint(text: string): Endpoint {
  const wrong = (words: string): Endpoint => ({ ok: false, problem: `"${text.slice(0, 200)}" ${words}` })
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol) || url.origin !== text)
    return wrong("is not an address such as http://127.0.0.1:8888: scheme, host and port alone")
  const host = withoutBrackets(url.hostname)
  const scheme = url.protocol === "https:" ? "https" : "http"
  if (parseIp(host) !== null || host === "localhost") {
    const ip = host === "localhost" ? "127.0.0.1" : host
    const isOwn = judgeLocalAddress(ip).verdict === "allow" && judgeAddress(ip).verdict === "deny"
    if (!isOwn) return wrong("is no address of this machine or of its network")
    const port = Number(url.port || (scheme === "https" ? 443 : 80))
    return { ok: true, rule: null, local: { scheme, host: url.hostname, port } }
  }
  if (scheme === "https" && url.port === "" && isHostRule(host)) return { ok: true, rule: { host }, local: null }
  return wrong("is neither an https address of a public host nor an address in numbers of your own network")
}

function isValue(value: unknown): value is ConfigValue {
  return ["string", "number", "boolean"].includes(typeof value)
}
