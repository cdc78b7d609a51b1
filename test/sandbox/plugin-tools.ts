/** What the tests of plugins have beside them: two builtin tools, and what a plugin asks for that sends. */
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"
import { I32, makeModule, signed } from "./module-maker.ts"

export const looked: string[] = []
export const look = defineTool({
  name: "look_up",
  description: "Reads",
  input: t.Object({ word: t.String() }, { additionalProperties: false }),
  effect: () => "read",
  needs: () => [],
  timeoutMs: 1_000,
  run: async ({ word }) => ({ data: `looked ${looked.push(word)}`, labels: [], source: "test" }),
})
export const mail = defineTool({
  name: "mail_send",
  description: "Sends",
  input: t.Object({ to: t.String() }, { additionalProperties: false }),
  effect: () => "send",
  needs: ({ to }) => [{ kind: "send", channel: `mail:${to}` }],
  timeoutMs: 1_000,
  run: async () => ({ data: "sent", labels: [], source: "test" }),
})

export const httpCapability = {
  http: {
    allowlist: [{ host: "api.example.com", path_prefix: "/v1", methods: ["GET", "POST"] }],
    credentials: {
      main: { secret_name: "api_token", location: { type: "bearer" }, host_patterns: ["api.example.com"] },
    },
  },
}

const I64 = 0x7e
const KERNEL = "extism:host/env"

/** A WebAssembly plugin, as any of Extism's kits makes one, that answers each function with a text. */
export function wasmPlugin(answers: Record<string, string>): Uint8Array<ArrayBuffer> {
  const [alloc, store, output] = [0, 1, 2]
  return makeModule({
    imports: [
      { module: KERNEL, name: "alloc", params: [I64], results: [I64] },
      { module: KERNEL, name: "store_u8", params: [I64, I32] },
      { module: KERNEL, name: "output_set", params: [I64, I64] },
    ],
    functions: Object.entries(answers).map(([as, text]) => {
      const bytes = [...new TextEncoder().encode(text)]
      const length = [0x42, ...signed(bytes.length)] // i64.const
      const stores = bytes.flatMap((byte, at) => [
        0x20,
        0,
        0x42,
        ...signed(at),
        0x7c,
        0x41,
        ...signed(byte),
        0x10,
        store,
      ])
      // local 0 = alloc(length); a store for each byte; output_set(local 0, length); 0
      const code = [...length, 0x10, alloc, 0x21, 0, ...stores, 0x20, 0, ...length, 0x10, output, 0x41, 0]
      return { export: as, results: [I32], locals: [[1, I64]] as const, code }
    }),
    memory: [1],
  })
}
