/**
 * The parsers of foreign formats, as the engine of a child that has no code of a plugin and no host functions. They are ours, and loaded
 * before the lock; what they read is not, and comes after it.
 */
import { systemClock } from "#core/clock.ts"
import { type Engine, failureOf } from "../child/engine.ts"
import { encodeOpened } from "./archive-answer.ts"
import { openArchive } from "./archive.ts"
import { readableOf } from "./html-markdown.ts"

/** By the name of a call. `about` is what its caller says of the bytes, never the bytes' own word. */
type Parse = (bytes: Uint8Array, about: Readonly<Record<string, string>>) => Promise<Uint8Array>

/** Parsing leaves many times its input to the collector, which then runs after each page of some size: 25 MB less of an idle child (2026-11). */
const LEFT_FOR_EACH_BYTE = 400

const encoder = new TextEncoder()

const formats: Readonly<Record<string, Parse>> = {
  async html(bytes, { url = "" }) {
    const page = await readableOf({ html: new TextDecoder().decode(bytes), url, clock: systemClock })
    return encoder.encode(JSON.stringify(page))
  },
  archive: async (bytes) => encodeOpened(openArchive(bytes)),
}

export function createParsers(): Engine {
  return {
    async call({ name, input, config, maxOutputBytes }) {
      const used = { fuel: 0n, memoryBytes: input.length * LEFT_FOR_EACH_BYTE }
      try {
        const parse = Object.hasOwn(formats, name) ? formats[name] : undefined
        if (!parse) return { ok: false, reason: "code", words: `There is no parser for "${name}"`, ...used }
        const output = await parse(input, config)
        if (output.length <= maxOutputBytes) return { ok: true, output, ...used }
        return { ok: false, reason: "size", words: `It makes more than ${maxOutputBytes} bytes`, ...used }
      } catch (error) {
        return { ...failureOf(error, 0n), ...used }
      }
    },
  }
}
