/** Advisories on paths and files. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "paths/patch-leaves",
    covers: ["CVE-2026-32060", "GHSA-r5fq-947m-xm57", "GHSA-h9xm-j4qg-fvpg"],
    attack: "A patch writes outside",
    status: "tested",
    test: [
      "test/core/tools/file-write.test.ts › file_write › writes nothing at %j and keeps no record of it",
      "test/core/safety/paths.test.ts › a jail with %s › writes nothing outside by any of these ways",
    ],
  },
  {
    id: "paths/id-as-path",
    covers: ["GHSA-64qx-vpxx-mvqf", "GHSA-5xfq-5mr7-426q"],
    attack: "An id of a session is a path",
    status: "tested",
    test: [
      "test/gateway/server.test.ts › what comes in wrong › the unknown session %p is 404",
      "test/gateway/client.test.ts › the client › keeps an id in its place in the path, whatever is in it",
    ],
  },
  {
    id: "paths/included-file",
    covers: ["GHSA-56pc-6hvp-4gv4", "CVE-2026-32061"],
    attack: "Settings include other files",
    status: "tested",
    test: [
      "test/core/config.test.ts › mistakes › an unknown key in the file names its line and the nearest one",
      "test/core/config.test.ts › mistakes › a file that is no TOML names the line",
    ],
  },
  {
    id: "paths/identity-link",
    covers: ["CVE-2026-35632", "GHSA-fgvx-58p6-gjwc"],
    attack: "A document of who the assistant is, as a link",
    status: "tested",
    test: [
      "test/core/memory/tools.test.ts › an untrusted turn › cannot write, add to or delete %s",
      "test/core/memory/path.test.ts › judgeMemoryPath › refuses %j",
    ],
  },
  {
    id: "paths/hard-link",
    covers: ["GHSA-3jx4-q2m7-r496"],
    attack: "A hard link to a file outside",
    status: "tested",
    test: ["test/core/safety/paths.test.ts › a jail with %s › reads no file that has another name outside"],
  },
  {
    id: "paths/marked-absolute",
    covers: ["GHSA-27cr-4p5m-74rj"],
    attack: "A mark before an absolute path",
    status: "tested",
    test: ["test/core/safety/paths.test.ts › the text of a path › that leaves, or is no name, is refused: %j"],
  },
  {
    id: "paths/media-parameter",
    covers: [
      "CVE-2026-27522",
      "CVE-2026-35668",
      "CVE-2026-35658",
      "GHSA-v8wv-jg3q-qwpq",
      "GHSA-9f72-qcpw-2hxc",
      "GHSA-q6qf-4p5j-r25g",
      "CVE-2026-42438",
      "CVE-2026-41389",
      "CVE-2026-44996",
      "CVE-2026-32846",
      "GHSA-h3x4-hc5v-v2gm",
    ],
    attack: "A parameter for media goes round the limit",
    status: "later",
    rule: "The path gate (core/safety/paths.ts): files are opened below a held folder without following links; no part has a file routine of its own",
  },
  {
    id: "paths/channel-upload",
    covers: [
      "CVE-2026-26321",
      "CVE-2026-41363",
      "CVE-2026-41911",
      "CVE-2026-43533",
      "GHSA-846p-hgpv-vphc",
      "GHSA-rwj8-p9vq-25gv",
    ],
    attack: "What a channel sends is a file of the machine",
    status: "later",
    rule: "The path gate (core/safety/paths.ts): files are opened below a held folder without following links; no part has a file routine of its own",
  },
  {
    id: "paths/output-path",
    covers: ["CVE-2026-26329", "CVE-2026-26972", "GHSA-gq9c-wg68-gwj2", "CVE-2026-32054", "CVE-2026-43567"],
    attack: "Where a screen is saved is anywhere",
    status: "later",
    rule: "The path gate (core/safety/paths.ts): files are opened below a held folder without following links; no part has a file routine of its own",
  },
  {
    id: "paths/race-in-writing",
    covers: ["GHSA-x82f-27x3-q89c", "GHSA-xvx8-77m6-gwg6"],
    attack: "A race in a careful write",
    status: "tested",
    test: [
      "test/core/safety/paths.test.ts › a jail with %s › replaces a file only as it was read, and keeps its mode",
      "test/core/safety/paths.test.ts › a folder that is swapped for a link while it is held is still the folder",
      "test/core/safety/paths.test.ts › a jail with %s › writes a new file whole, with the folders on its way, and leaves nothing beside it",
    ],
  },
  {
    id: "paths/avatar-link",
    covers: ["GHSA-rx3g-mvc3-qfjf", "GHSA-9mph-4f7v-fmvh"],
    attack: "A picture that is a link",
    status: "tested",
    test: ["test/gateway/image.test.ts › an image › by the address %p is refused: nothing is fetched"],
  },
  {
    id: "paths/memory-paths",
    covers: ["CVE-2026-44111", "CVE-2026-53813", "CVE-2026-53825"],
    attack: "Memory reads files of the machine",
    status: "tested",
    test: [
      "test/core/memory/path.test.ts › judgeMemoryPath › refuses %j",
      "test/core/memory/tools.test.ts › a path that is none says why: %s",
    ],
  },
  {
    id: "paths/call-sets-folder",
    covers: ["GHSA-2rqg-gjgv-84jm"],
    attack: "A call names another folder to work in",
    status: "tested",
    test: [
      "test/core/safety/paths.test.ts › the disk, a file, a missing folder and the assistant's own home are no project folders",
      "test/gateway/api/config.test.ts › a setting that makes a difference to safety › asked for by a process that is at no terminal is not changed",
    ],
  },
]
