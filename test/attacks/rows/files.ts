/** Paths and files. */
import type { Row } from "../row.ts"

export const rows: readonly Row[] = [
  {
    id: "files/traversal",
    attack: "Dots, escapes, other separators, absolute paths, NUL, drives and shares in any path",
    status: "tested",
    test: [
      "test/core/safety/paths.test.ts › the text of a path › that leaves, or is no name, is refused: %j",
      "test/core/tools/file-read.test.ts › file_read › reads nothing at %s",
      "test/core/tools/file-write.test.ts › file_write › writes nothing at %j and keeps no record of it",
      "test/core/tools/file-read.test.ts › file_list › lists nothing at %s",
      "test/core/tools/file-find.test.ts › file_glob › looks nowhere at %s",
      "test/core/memory/path.test.ts › judgeMemoryPath › refuses %j",
      "test/gateway/auth.test.ts › the place a request comes from › path %p is none",
    ],
  },
  {
    id: "files/symlink",
    attack: "Links as target, on the way, dangling or hard; a folder swapped for a link in between",
    status: "tested",
    test: [
      "test/core/safety/paths.test.ts › a jail with %s › follows no link: %s",
      "test/core/safety/paths.test.ts › a jail with %s › reads no file that has another name outside",
      "test/core/safety/paths.test.ts › a jail with %s › writes nothing outside by any of these ways",
      "test/core/safety/paths.test.ts › a folder that is swapped for a link while it is held is still the folder",
      "test/core/tools/file-find.test.ts › file_glob › finds files by pattern, newest first, not through links and not what is closed",
    ],
  },
  {
    id: "files/keys-and-histories",
    attack: "Files that hold keys or passwords, by any of the tools",
    status: "tested",
    test: [
      "test/core/safety/paths.test.ts › the text of a path › that names keys or passwords is refused: %s",
      "test/core/safety/paths.test.ts › the text of a path › that only resembles one is allowed: %s",
      "test/core/safety/paths.test.ts › a jail with %s › keeps the assistant's home closed wherever it lies, and does not list it",
    ],
  },
  {
    id: "files/search-sees-closed",
    covers: ["#934"],
    attack: "A search reads what reading refuses, or memory takes a path of the machine",
    status: "tested",
    test: [
      "test/core/tools/file-find.test.ts › file_glob › finds files by pattern, newest first, not through links and not what is closed",
      "test/core/tools/file-find.test.ts › file_grep › finds lines by regular expression in text that is open",
      "test/core/memory/path.test.ts › judgeMemoryPath › refuses %j",
    ],
  },
  {
    id: "files/archive",
    covers: ["#2093"],
    attack: "An archive writes outside, links outside, or grows without end",
    status: "tested",
    test: [
      "test/sandbox/archive-install.test.ts › an archive › that would lead out, link out, or explode is refused with all that is wrong, and leaves nothing behind",
      "test/sandbox/parse/archive.test.ts › an archive that would lead out, or somewhere else › links, devices and pipes, of every kind",
      "test/sandbox/parse/archive.test.ts › an archive that explodes › by its ratio, its sum, its number, its largest file",
      "test/sandbox/parse/archive.test.ts › in a child › a child that fell to an archive cannot name a file that leads out",
    ],
  },
  {
    id: "files/office-file",
    covers: ["#7568"],
    attack: "A document's entities, sizes or false type harm its parser, or stop a channel for good",
    status: "later",
    rule: "What we did not write is parsed where there is nothing to steal: CONTRIBUTING.md and README's sandbox/; until there is a jail no archive, office, mail or PDF file is opened (core/tools/file-kind.ts tells them apart)",
  },
  {
    id: "files/download-headers",
    attack: "A file name breaks a header; a file is taken for a page",
    status: "later",
    rule: "There is no page of ours yet; the gateway's headers forbid scripts, frames and sniffing (gateway/server.ts), and what becomes a page is served from the program itself under them",
  },
  {
    id: "files/manifest-fields",
    attack: "Paths in the manifest of a plugin lead elsewhere, its provenance is made up",
    status: "tested",
    test: [
      "test/sandbox/archive-install.test.ts › paths in a manifest lead nowhere: its entry is a plain name of its own folder",
      "test/sandbox/source.test.ts › a signed plugin › is installed only where the signature is right; its publisher is kept, and shown",
      "test/sandbox/source.test.ts › a signed plugin › is followed by itself only by what the same key signed",
    ],
  },
  {
    id: "files/planted-link",
    attack: "A file of ours is written or read through a link that somebody laid there; others can read it",
    status: "tested",
    test: [
      "test/core/home.test.ts › private files › a planted symlink is neither written through nor read",
      "test/core/home.test.ts › private files › a file is replaced whole, 0600, and leaves nothing beside it",
      "test/core/home.test.ts › private files › a file that others can read is refused",
      "test/core/secrets/master-key.test.ts › the file › is not read through a symlink, nor where others can read it",
      "test/core/home.test.ts › the socket › a recorded folder that others can enter is refused",
    ],
  },
  {
    id: "files/poisoned-memory",
    covers: ["#1958", "#3167"],
    attack: "Text from outside is written into what every conversation is told",
    status: "tested",
    test: [
      "test/core/memory/tools.test.ts › an untrusted turn › cannot write, add to or delete %s",
      "test/core/memory/tools.test.ts › an untrusted turn adds to MEMORY.md, and does not take away what every conversation is told",
      "test/core/memory/tools.test.ts › what an untrusted turn writes is labelled so when it is read, listed and found",
      "test/core/memory/tools.test.ts › a turn of the owner can change how the agent is",
    ],
  },
]
