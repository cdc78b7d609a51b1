/** What is in the program, for machines: a software bill of materials in CycloneDX 1.6 (ECMA-424), as JSON. */
import { createHash } from "node:crypto"
import type { BundledPackage } from "./bundled-packages.ts"

export type SbomSubject = { version: string; commit: string; created: string; bunVersion: string }

/** The same subject and packages give the same bytes. */
export function sbomOf(packages: readonly BundledPackage[], { version, commit, created, bunVersion }: SbomSubject) {
  const own = `pkg:generic/ironclaw@${version}`
  const components = [
    {
      type: "platform",
      "bom-ref": `pkg:npm/bun@${bunVersion}`,
      name: "bun",
      version: bunVersion,
      purl: `pkg:npm/bun@${bunVersion}`,
      licenses: [{ license: { id: "MIT" } }],
    },
    ...packages.map((each) => ({
      type: "library",
      "bom-ref": purlOf(each),
      name: each.name,
      version: each.version,
      ...(each.description === "" ? {} : { description: each.description }),
      purl: purlOf(each),
      licenses: licencesOf(each.licence),
      ...(each.integrity === null ? {} : { hashes: [{ alg: "SHA-512", content: hexOf(each.integrity) }] }),
    })),
  ]
  const component = {
    type: "application",
    "bom-ref": own,
    name: "ironclaw",
    version,
    purl: own,
    licenses: [{ expression: "MIT OR Apache-2.0" }],
    properties: [{ name: "ironclaw:commit", value: commit }],
  }
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify({ component, components }))}`,
    version: 1,
    metadata: { timestamp: created, component },
    components,
    dependencies: [{ ref: own, dependsOn: components.map((each) => each["bom-ref"]) }],
  }
}

function licencesOf(licence: string) {
  if (licence === "") return []
  return [licence.includes(" ") ? { expression: licence } : { license: { id: licence } }]
}

/** github.com/package-url/purl-spec: the @ of a scope is percent-encoded. */
function purlOf({ name, version }: BundledPackage): string {
  return `pkg:npm/${name.replace(/^@/, "%40")}@${version}`
}

function hexOf(integrity: string): string {
  return Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex")
}

/** RFC 9562, version 8: an identifier made of what it identifies. */
function uuidOf(text: string): string {
  const hash = createHash("sha256").update(text).digest("hex")
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}
