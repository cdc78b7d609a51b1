/**
 * Question: is this data what the schema says? The one place that knows TypeBox: schema builders, and the check at every border (HTTP,
 * config, model output, guests).
 * Fails closed by: what does not fit is refused with every problem listed; nothing is coerced, filled in or dropped.
 * Known limits: shape alone: what a text means, whether an id exists, and how large a body may be are others' questions.
 * Source: JSON Schema 2020-12; what Elysia's own types coerce was measured.
 */
import { type Static, type TObject, type TSchema, Type } from "@sinclair/typebox"
import { TypeCompiler, type TypeCheck } from "@sinclair/typebox/compiler"
import { AppError } from "./errors.ts"

export { Type as t }
export type { Static, TObject, TSchema }

/** A whole number. Elysia's own integer type coerces strings; a tool schema sent to a model must not lie about that. */
export function int(options: { minimum?: number; maximum?: number; description?: string; default?: number } = {}) {
  return Type.Integer(options)
}

/** What one value did wrong: `path` in JSON-pointer form ("" is the whole value), `message` in plain words. */
export type SchemaProblem = { path: string; message: string }
export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: SchemaProblem[] }

const compiled = new WeakMap<TSchema, TypeCheck<TSchema>>()
const MAX_PROBLEMS = 20 // enough to fix a form in one go; an adversarial value cannot make the answer long

function checkerOf(schema: TSchema): TypeCheck<TSchema> {
  let checker = compiled.get(schema)
  if (!checker) {
    checker = TypeCompiler.Compile(schema)
    compiled.set(schema, checker)
  }
  return checker
}

/** Judges `value` by `schema` without changing it: no coercion, no defaults, unknown fields are problems where the schema says so. */
export function judgeShape<S extends TSchema>(schema: S, value: unknown): Parsed<Static<S>> {
  const checker = checkerOf(schema)
  // The compiled check proves the type, so the cast only repeats it.
  if (checker.Check(value)) return { ok: true, value: value as Static<S> }
  const problems: SchemaProblem[] = []
  for (const error of checker.Errors(value)) {
    problems.push({ path: error.path, message: error.message })
    if (problems.length === MAX_PROBLEMS) break
  }
  return { ok: false, problems }
}

/** Like {@link judgeShape}, for borders where a wrong shape is the caller's mistake: throws `input.invalid` naming every problem. */
export function parse<S extends TSchema>(schema: S, value: unknown, what = "input"): Static<S> {
  const parsed = judgeShape(schema, value)
  if (parsed.ok) return parsed.value
  throw new AppError("input.invalid", `The ${what} is not valid: ${describeProblems(parsed.problems)}`)
}

/** One line for people and models: `/limit: Expected integer; /query: Required property`. */
export function describeProblems(problems: readonly SchemaProblem[]): string {
  return problems.map(({ path, message }) => `${path || "(whole)"}: ${message}`).join("; ")
}
