/**
 * Makes dist/notices.txt.zst, what `ironclaw licences` prints: whose work is in the program, and under which licence. The build embeds
 * it as it embeds the database's snapshot; cmd/lib/notices.ts finds it among the embedded files by its name.
 */
import { join } from "node:path"
import { NOTICES_FILE } from "#cmd/lib/notices.ts"
import { type BundledPackage, bundledPackages } from "./bundled-packages.ts"
import { readText } from "./tree.ts"

/** Licences that let a program be given away whole, with their texts beside it. Another one is looked at by a person first. */
const accepted = new Set([
  "0BSD",
  "AFL-2.1",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
  "PostgreSQL",
  "Unlicense",
])

/** Packages whose licence is none that we know; of a choice one that is accepted is enough. */
export function strangeLicences(packages: readonly BundledPackage[]): string[] {
  return packages
    .filter(
      ({ licence }) =>
        !licence
          .replace(/[()]/g, "")
          .split(" OR ")
          .some((one) => accepted.has(one)),
    )
    .map(({ name, version, licence }) => `${name}@${version}: ${licence || "no licence"}`)
}

/** What no package.json tells: the runtime that the program is compiled with, and the database inside PGlite. */
function runtimeNotices(bunVersion: string): string {
  return `Bun ${bunVersion}
https://bun.sh

The program carries the Bun runtime, MIT licence, copyright its authors. Bun links JavaScriptCore and parts of WebKit (LGPL-2.0),
TinyCC (LGPL-2.1), BoringSSL, brotli, c-ares, ICU, libarchive, libbase64, libdeflate, libjpeg-turbo, libspng, libuv, libwebp, lol-html,
ls-hpack, ls-qpack, lsquic, highway, mimalloc, picohttpparser, simdutf, uSockets, uWebSockets, zlib-ng and zstd. Their licences, the
sources of the LGPL libraries, and how to link Bun anew with changed ones: https://github.com/oven-sh/bun/blob/bun-v${bunVersion}/LICENSE.md
The sources of this program, with which it can be compiled on such a Bun, come with every release.

PostgreSQL (in @electric-sql/pglite) and pgvector (in @electric-sql/pglite-pgvector)
https://www.postgresql.org

Portions Copyright (c) 1996-2026, The PostgreSQL Global Development Group
Portions Copyright (c) 1994, The Regents of the University of California

Permission to use, copy, modify, and distribute this software and its documentation for any purpose, without fee, and without a written
agreement is hereby granted, provided that the above copyright notice and this paragraph and the following two paragraphs appear in all
copies.

IN NO EVENT SHALL THE UNIVERSITY OF CALIFORNIA BE LIABLE TO ANY PARTY FOR DIRECT, INDIRECT, SPECIAL, INCIDENTAL, OR CONSEQUENTIAL
DAMAGES, INCLUDING LOST PROFITS, ARISING OUT OF THE USE OF THIS SOFTWARE AND ITS DOCUMENTATION, EVEN IF THE UNIVERSITY OF CALIFORNIA HAS
BEEN ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

THE UNIVERSITY OF CALIFORNIA SPECIFICALLY DISCLAIMS ANY WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF
MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE. THE SOFTWARE PROVIDED HEREUNDER IS ON AN "AS IS" BASIS, AND THE UNIVERSITY OF
CALIFORNIA HAS NO OBLIGATIONS TO PROVIDE MAINTENANCE, SUPPORT, UPDATES, ENHANCEMENTS, OR MODIFICATIONS.`
}

const RULE = "-".repeat(80)

/** Packages under the very same text stand together above it. */
export function noticesText(
  packages: readonly BundledPackage[],
  { own, runtime }: { own: string; runtime: string },
): string {
  const groups = new Map<string, BundledPackage[]>()
  for (const each of packages) {
    const text =
      each.texts.join("\n\n") || `Its licence is ${each.licence || "not named"}; the package carries no text of it.`
    groups.set(text, [...(groups.get(text) ?? []), each])
  }
  const sections = [...groups].map(([text, members]) => {
    const names = members.map(({ name, version, licence, homepage }) =>
      [`${name} ${version}`, licence, homepage].filter((part) => part !== "").join("  "),
    )
    return `${names.join("\n")}\n\n${text}`
  })
  return `${[own, runtime, ...sections].join(`\n\n${RULE}\n\n`)}\n`
}

export function notices(root: string): string {
  const bunVersion = Bun.version
  const own = `ironclaw\n\nMIT or Apache-2.0, as you like.\n\n${readText(root, "LICENSE-MIT").trim()}\n\nThe text of the Apache licence, version 2.0, stands below, with the packages that are under it.\n\nWhat follows is the work of others, with thanks.`
  return noticesText(bundledPackages(root), { own, runtime: runtimeNotices(bunVersion) })
}

/** Returns the size in bytes. */
export async function buildNotices(root: string, outFile: string): Promise<number> {
  // 19 is the highest level without long windows; a quarter of a second for 300 KB.
  return Bun.write(outFile, Bun.zstdCompressSync(Buffer.from(notices(root)), { level: 19 }))
}

if (import.meta.main) {
  const root = join(import.meta.dir, "..")
  const outFile = join(root, "dist", NOTICES_FILE)
  console.log(`${outFile}: ${await buildNotices(root, outFile)} bytes`)
}
