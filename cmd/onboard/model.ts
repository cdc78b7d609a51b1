/** Which model answers: what is there already is offered, and one real request shows that it answers before anything is saved. */
import { existsSync } from "node:fs"
import type { Environment } from "#core/config.ts"
import { AppError } from "#core/errors.ts"
import type { LocalServer } from "#core/llm/candidates.ts"
import { findVendor, splitModelId, type Vendor, vendorNamed, vendorOfModel, vendors } from "#core/llm/catalogue.ts"
import type { ModelFailure } from "#core/llm/model.ts"
import { configuredVendor, keyNames, type LlmSettings } from "#core/llm/settings.ts"
import { httpUrlProblem, urlHoldsSecret } from "#core/config-problems.ts"
import { readText } from "#core/config-file.ts"
import { hiddenFromStdin } from "../lib/hidden-text.ts"
import type { Choice } from "../lib/asker.ts"
import { llmSettingsOf } from "../lib/from-config.ts"
import type { Missing, Step, StepResult, Wizard } from "../lib/wizard.ts"

/** What is known before the question. */
type Found = {
  settings: LlmSettings
  /** The vendor that is set up; null where none is. */
  now: Vendor | null
  environment: Environment
  secretNames: ReadonlySet<string>
  local: readonly LocalServer[]
}
/** What is tried: all that will be saved, and nothing else. */
type Try = { vendor: Vendor; baseUrl: string | null; key: string | null; name: string | null }

export const model: Step = {
  name: "model",
  title: "Model",
  async missing(wizard) {
    return missingOf(wizard, await lookRound(wizard, { asksNobody: true }))
  },
  async run(wizard) {
    const found = await lookRound(wizard, { asksNobody: !wizard.ask.someone })
    let tried = (await given(wizard, found)) ?? (await pick(wizard, found))
    for (;;) {
      const whole = await complete(wizard, found, tried)
      const answer = await ask(wizard, whole)
      if (answer.failure === null)
        return await keep(wizard, found, { ...whole, text: answer.text, ms: answer.durationMs })
      wizard.failed(
        new AppError("model.failed", answer.failure.message, {
          hint: whole.vendor.keyUrl === null ? "" : `Keys are at ${whole.vendor.keyUrl}.`,
        }),
      )
      const next = await whatNow(wizard, whole, answer.failure)
      if (next === "later") return { set: "left for later", where: "`ironclaw onboard model` asks again" }
      tried = next === "vendor" ? await pick(wizard, found) : next
    }
  },
}

/** Nothing is opened, and nobody asked, where only the environment can tell and nothing may be changed yet. */
async function lookRound(wizard: Wizard, { asksNobody }: { asksNobody: boolean }): Promise<Found> {
  const { config, environment } = await wizard.config()
  const settings = llmSettingsOf(config)
  const known = { settings, now: configuredVendor(settings), environment }
  if (asksNobody && !(await wizard.isSetUp())) return { ...known, secretNames: new Set(), local: [] }
  const client = await wizard.client()
  const [secrets, local] = await wizard.ask.working("Looking for models", () =>
    Promise.all([client.api.secrets.get(), asksNobody ? { items: [] } : client.api.models.local.get()]),
  )
  return { ...known, secretNames: new Set(secrets.items.map(({ name }) => name)), local: local.items }
}

/** Where the key of a vendor is; null where there is none. */
function keyPlaceOf(vendor: Vendor, { settings, environment, secretNames }: Found): string | null {
  const names = keyNames(vendor, { ...settings, backend: vendor.name })
  const name = names.find((each) => environment.get(each) !== undefined || secretNames.has(each))
  if (name === undefined) return null
  return environment.get(name) === undefined ? "stored" : name
}

function withKeys(found: Found): Vendor[] {
  return vendors.filter((vendor) => !vendor.local && keyPlaceOf(vendor, found) !== null)
}

function missingOf({ answers }: Wizard, found: Found): Missing[] {
  const asked = answers.peek("model")
  if (asked === undefined) {
    if (found.now !== null || withKeys(found).length > 0) return []
    return [{ answer: "model", why: "no model is set up and no key is there; `demo` is the stand-in without a model" }]
  }
  const { vendor, name } = readModel(asked)
  const missing: Missing[] = []
  const keyFile = answers.peek("key-file")
  if (keyFile !== undefined && !existsSync(keyFile))
    missing.push({ answer: "key-file", why: `there is no file ${keyFile}` })
  const keyGiven = answers.has("key-file") || answers.has("key-stdin")
  if (!vendor.local && !keyGiven && keyPlaceOf(vendor, found) === null)
    missing.push({
      answer: "key-file",
      why: `${vendor.title} needs a key: --key-file, --key-stdin, or ${vendor.keyNames[0] ?? "LLM_API_KEY"} in the environment`,
    })
  const hasAddress = vendor.format === "demo" || (vendor.baseUrl ?? found.settings.baseUrl) !== null
  if (!hasAddress && !answers.has("base-url"))
    missing.push({ answer: "base-url", why: `${vendor.title} has no address of its own` })
  if (name === null && vendor.defaultModel === null && found.now !== vendor)
    missing.push({ answer: "model", why: `${vendor.title} has no usual model: write ${vendor.name}/NAME` })
  return missing
}

/** `anthropic`, `anthropic/claude-…`, or a name that the catalogue knows. Throws `model.unknown`, `model.unsupported`. */
function readModel(text: string): { vendor: Vendor; name: string | null } {
  const split = splitModelId(text)
  if (split) return split.vendor.format === "demo" ? { vendor: split.vendor, name: "demo" } : split
  const vendor = findVendor(text)
  if (vendor) return { vendor, name: vendor.format === "demo" ? "demo" : null }
  const owner = vendorOfModel(text)
  return owner ? { vendor: owner, name: text } : { vendor: vendorNamed(text), name: null } // throws, with the names there are
}

async function given(wizard: Wizard, found: Found): Promise<Try | null> {
  const { answers, ask } = wizard
  const asked = answers.take("model")
  if (asked === undefined && ask.someone) return null
  const { vendor, name } =
    asked === undefined
      ? { vendor: found.now ?? withKeys(found)[0] ?? vendorNamed("demo"), name: null }
      : readModel(asked)
  const address = answers.take("base-url")
  const problem = address === undefined ? null : addressProblem(address)
  if (problem !== null) throw new AppError("usage.wrong", `--base-url: ${problem}`)
  const own = vendor === found.now
  const nameNow = own && asked === undefined ? ownName(found.settings, vendor) : null
  return {
    vendor,
    baseUrl: address ?? (own ? found.settings.baseUrl : null),
    key: await givenKey(wizard),
    name: name ?? nameNow,
  }
}

function ownName({ model: name }: LlmSettings, vendor: Vendor): string | null {
  return name === null ? vendor.defaultModel : name.replace(new RegExp(`^${vendor.name}/`), "")
}

async function givenKey({ answers }: Wizard): Promise<string | null> {
  const path = answers.take("key-file")
  if (answers.take("key-stdin") === "true") return (await hiddenFromStdin("The key")).trim()
  if (path === undefined) return null
  const text = readText(path)?.trim()
  if (text) return text
  throw new AppError("usage.wrong", `${path} holds no key`)
}

async function pick(wizard: Wizard, found: Found): Promise<Try> {
  const { ask } = wizard
  const { now, local, settings } = found
  const keep = now === null ? null : `${now.name}/${ownName(settings, now) ?? "…"}`
  const keyed = withKeys(found).filter((vendor) => vendor !== now)
  const choices: Choice<string>[] = [
    ...(keep === null ? [] : [{ value: "keep", label: `${keep}, as now` }]),
    ...keyed.map((vendor) => ({
      value: vendor.name,
      label: vendor.title,
      hint: `key ${keyPlaceOf(vendor, found) === "stored" ? "stored here" : `in ${keyPlaceOf(vendor, found) ?? ""}`}`,
    })),
    ...local.map(({ title, baseUrl, models }, at) => ({
      value: `local ${at}`,
      label: `${title} on this machine`,
      hint: `${new URL(baseUrl).host}, ${models.length === 1 ? "one model" : `${models.length} models`}`,
    })),
    { value: "other", label: "A vendor, with a key that you have", hint: "Anthropic, OpenAI, Google …" },
    { value: "address", label: "A server of your own", hint: "by its address" },
    { value: "demo", label: "None yet: the demo", hint: "a script, no model, no key" },
  ]
  const first = choices[0]?.value === "other" ? "demo" : choices[0]?.value
  const answer = await ask.choose({
    message: "Which model shall answer?",
    choices,
    ...(first ? { initial: first } : {}),
  })
  const fresh = { baseUrl: null, key: null, name: null }
  if (answer === "keep" && now !== null)
    return { ...fresh, vendor: now, baseUrl: settings.baseUrl, name: ownName(settings, now) }
  const server = answer.startsWith("local ") ? local[Number(answer.slice("local ".length))] : undefined
  if (server) return { ...fresh, vendor: vendorNamed(server.vendor), baseUrl: server.baseUrl }
  if (answer === "address") {
    const baseUrl = await ask.text({ message: "Its address, such as http://127.0.0.1:8000/v1", judge: addressProblem })
    return { ...fresh, vendor: vendorNamed("openai_compatible"), baseUrl }
  }
  if (answer === "other") return { ...fresh, vendor: await pickVendor(wizard) }
  return { ...fresh, vendor: vendorNamed(answer), ...(answer === "demo" ? { name: "demo" } : {}) }
}

async function pickVendor({ ask }: Wizard): Promise<Vendor> {
  const hosted = vendors.filter((vendor) => !vendor.local)
  const name = await ask.choose({
    message: "Whose?",
    choices: hosted.map((vendor) => ({ value: vendor.name, label: vendor.title, hint: vendor.defaultModel ?? "" })),
    initial: hosted[0]?.name ?? "",
  })
  return vendorNamed(name)
}

type Whole = Try & { name: string }

/** Asks for what is still open: a key where one is needed, and the name. */
async function complete(wizard: Wizard, found: Found, tried: Try): Promise<Whole> {
  const { vendor } = tried
  const needsKey = !vendor.local && tried.key === null && keyPlaceOf(vendor, found) === null
  const key = needsKey ? await askKey(wizard, vendor) : tried.key
  const name = tried.name ?? (await askName(wizard, found, { ...tried, key }))
  return { ...tried, key, name }
}

async function askKey({ ask }: Wizard, { title, keyUrl }: Vendor): Promise<string> {
  return ask.hidden({
    message: `${title} key${keyUrl === null ? "" : ` (from ${keyUrl})`}`,
    judge: (text) => (/[\s\u0080-\uffff]/.test(text) ? "A key has no spaces, and no letters beyond ASCII" : null),
  })
}

/** Vendors list more than what chats. */
const notForChat = /embed|whisper|tts|dall-e|moderation|image|audio|realtime|transcri|rerank|veo|imagen|sora|aqa/i
const TYPED = "\u0000typed" // no model is called so

async function askName(wizard: Wizard, found: Found, tried: Try): Promise<string> {
  const { ask } = wizard
  const { vendor } = tried
  const client = await wizard.client()
  const { names } = await ask.working(`Asking ${vendor.title} for its models`, () =>
    client.api.models.available.post({ body: candidateOf(tried) }),
  )
  const listed = names.filter((name) => !notForChat.test(name) && nameProblem(name) === null)
  const now = vendor === found.now ? ownName(found.settings, vendor) : null
  const usual = [now, vendor.defaultModel].find(
    (name) => name !== null && (listed.length === 0 || listed.includes(name)),
  )
  const initial = usual ?? (ask.someone || listed.length === 1 ? listed[0] : undefined)
  if (!ask.someone || listed.length === 0)
    return ask.text({
      message: "Which model? Its name",
      ...(initial === undefined ? {} : { initial }),
      judge: nameProblem,
    })
  const sorted = [...new Set([...(initial === undefined ? [] : [initial]), ...listed.toSorted()])]
  const choice = await ask.choose({
    message: "Which model?",
    choices: [
      ...sorted.map((name) => ({ value: name, label: name })),
      { value: TYPED, label: "Another one, by its name" },
    ],
    ...(initial === undefined ? {} : { initial }),
  })
  return choice === TYPED ? ask.text({ message: "Its name", judge: nameProblem }) : choice
}

function nameProblem(name: string): string | null {
  return /^[!-~]{1,200}$/.test(name) ? null : "A model's name has letters, digits and signs, and no spaces"
}

function addressProblem(address: string): string | null {
  return urlHoldsSecret(address) ? "It holds a password or key: that is asked for by itself" : httpUrlProblem(address)
}

function candidateOf({ vendor, baseUrl, key }: Try): { backend: string; baseUrl?: string; key?: string } {
  return { backend: vendor.name, ...(baseUrl === null ? {} : { baseUrl }), ...(key === null ? {} : { key }) }
}

async function ask(
  wizard: Wizard,
  tried: Whole,
): Promise<{ failure: ModelFailure | null; text: string; durationMs: number }> {
  const client = await wizard.client()
  return wizard.ask.working(`Asking ${tried.name} for one word`, () =>
    client.api.models.test.post({ body: { candidate: { ...candidateOf(tried), model: tried.name } } }),
  )
}

async function whatNow(
  wizard: Wizard,
  tried: Whole,
  { kind, status }: ModelFailure,
): Promise<Try | "vendor" | "later"> {
  const answer = await wizard.ask.choose({
    message: "What now?",
    choices: [
      ...(tried.vendor.format === "demo" ? [] : [{ value: "key", label: "Another key" }]),
      { value: "name", label: "Another model of the same" },
      { value: "again", label: "The same once more" },
      { value: "vendor", label: "Something else" },
      { value: "later", label: "Leave it for later" },
    ],
    initial: kind === "auth" ? "key" : status === 404 ? "name" : kind === "network" ? "again" : "vendor",
  })
  if (answer === "key") return { ...tried, key: await askKey(wizard, tried.vendor) }
  if (answer === "name") return { ...tried, name: null }
  return answer === "again" ? tried : answer === "later" ? "later" : "vendor"
}

async function keep(
  wizard: Wizard,
  { environment }: Found,
  { vendor, baseUrl, key, name, ms }: Whole & { text: string; ms: number },
): Promise<StepResult> {
  const { ask } = wizard
  const values = {
    "model.backend": vendor.name,
    "model.base_url": baseUrl === vendor.baseUrl ? null : baseUrl,
    "model.name": vendor.format === "demo" ? null : name,
  }
  if (key === null) await wizard.save(values)
  else {
    const secret = vendor.keyNames[0] ?? "LLM_API_KEY"
    await wizard.keepSecret({ name: secret, value: key }, values)
    const before = environment.get(secret)
    if (before !== undefined && before !== key)
      ask.warn(`${secret} in your environment is another key, and goes before the one that works: take it out there`)
  }
  if (vendor.format === "demo")
    return { set: "the demo, which is no model", where: "`ironclaw onboard model` sets one up" }
  return {
    set: `${vendor.name}/${name}, which answered in ${ms} ms`,
    where:
      key === null
        ? wizard.setting.home.configFile
        : `${wizard.setting.home.configFile}; the key is encrypted in the database`,
  }
}
