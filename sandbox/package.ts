/** What a folder holds as a plugin: a manifest that is right, and code that may run. Says all that is wrong with it at once. */
import { checkCode } from "./check-code.ts"
import type { GuestKind } from "./child/guest.ts"
import { sha256Of } from "./folder.ts"
import { judgeManifest, type Manifest } from "./manifest.ts"
import type { PluginCode, PluginFolder } from "./plugin.ts"

const accepted = { verdict: "accepted", why: null, exports: null } as const

export type JudgedPackage = { ok: true; manifest: Manifest; code: PluginCode } | { ok: false; problems: string[] }

/** `agreed`: the hash of a folder whose code was judged when its owner agreed to it; rewriting a module again to see that it may run takes long. */
export function judgePackage(
  { files, sha256: of }: PluginFolder,
  { agreed }: { agreed: string | null },
): JudgedPackage {
  const text = files.get("plugin.json")
  if (!text) return { ok: false, problems: ["There is no plugin.json"] }
  const judged = judgeManifest(text)
  if (!judged.ok) return judged
  const { manifest } = judged
  const bytes = files.get(manifest.entry)
  if (!bytes) return { ok: false, problems: [`plugin.json /entry: there is no ${manifest.entry}`] }
  const sha256 = sha256Of(bytes)
  const problems: string[] = []
  if (manifest.sha256 !== undefined && manifest.sha256 !== sha256)
    problems.push(`plugin.json /sha256: ${manifest.entry} is ${sha256}`)
  const { verdict, why, exports } = of === agreed ? accepted : checkCode(manifest.entry, bytes)
  if (verdict === "refused") problems.push(`${manifest.entry}: ${why ?? "it may not run"}`)
  if (verdict === "accepted" && manifest.hooks && exports !== null && !exports.includes("hook"))
    problems.push(`${manifest.entry}: plugin.json asks for hooks, and it exports no function "hook"`)
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, manifest, code: { kind: kindOf(manifest.entry), sha256, bytes } }
}

export function kindOf(entry: string): GuestKind {
  return entry.endsWith(".wasm") ? "wasm" : entry.endsWith(".ts") ? "ts" : "js"
}
