/** What the tests of plugins have beside them: two builtin tools, and what a plugin asks for that sends. */
import { t } from "#core/schema.ts"
import { defineTool } from "#core/tools/tool.ts"

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
