/** What a file is by its first bytes, for telling a model why it gets no text. */

/** Text, or the name of something else. */
export type FileKind = { text: true } | { text: false; what: string }

export const KIND_BYTES = 8_192 // git looks at as many for a NUL, and calls the file binary if there is one

// First bytes in hex, from the formats' own specifications; `at` bytes after the beginning.
const SIGNATURES: readonly { hex: string; at?: number; what: string }[] = [
  { hex: "89504e470d0a1a0a", what: "a PNG image" },
  { hex: "ffd8ff", what: "a JPEG image" },
  { hex: "474946383961", what: "a GIF image" },
  { hex: "474946383761", what: "a GIF image" },
  { hex: "57454250", at: 8, what: "a WebP image" },
  { hex: "25504446", what: "a PDF document" },
  { hex: "504b0304", what: "a ZIP archive, or a document in one (docx, xlsx, epub, jar)" },
  { hex: "1f8b", what: "gzip data" },
  { hex: "fd377a585a00", what: "xz data" },
  { hex: "28b52ffd", what: "Zstandard data" },
  { hex: "425a68", what: "bzip2 data" },
  { hex: "377abcaf271c", what: "a 7z archive" },
  { hex: "7573746172", at: 257, what: "a tar archive" },
  { hex: "7f454c46", what: "a program (ELF)" },
  { hex: "4d5a", what: "a program (Windows)" },
  { hex: "cafebabe", what: "a program (Java class or Mach-O)" },
  { hex: "cffaedfe", what: "a program (Mach-O)" },
  { hex: "0061736d", what: "a WebAssembly module" },
  { hex: "53514c69746520666f726d61742033", what: "an SQLite database" },
  { hex: "d0cf11e0a1b11ae1", what: "an old Office document" },
  { hex: "494433", what: "an MP3" },
  { hex: "4f676753", what: "Ogg audio or video" },
  { hex: "664c6143", what: "FLAC audio" },
  { hex: "66747970", at: 4, what: "an MP4 or HEIC" },
  { hex: "fffe", what: "text in UTF-16, which is not read" },
  { hex: "feff", what: "text in UTF-16, which is not read" },
]

/** `head`: the first {@link KIND_BYTES} of the file, or all of it. */
export function judgeFileKind(head: Uint8Array): FileKind {
  // Text holds no NUL, so a text that happens to begin like "MZ" or "ID3" stays one.
  if (!head.includes(0)) {
    const hex = Buffer.from(head.subarray(0, 8)).toString("hex")
    const known = SIGNATURES.find(
      ({ hex: signature, at }) => at === undefined && signature.length >= 6 && hex.startsWith(signature),
    )
    return known && !isAscii(head.subarray(0, known.hex.length / 2))
      ? { text: false, what: known.what }
      : judgePrinted(head)
  }
  const known = SIGNATURES.find(
    ({ hex, at = 0 }) => Buffer.from(head.subarray(at, at + hex.length / 2)).toString("hex") === hex,
  )
  return { text: false, what: known?.what ?? "binary data" }
}

/** Without a NUL it is text, unless it is a document that begins like one. */
function judgePrinted(head: Uint8Array): FileKind {
  return Buffer.from(head.subarray(0, 5)).toString("latin1") === "%PDF-"
    ? { text: false, what: "a PDF document" }
    : { text: true }
}

function isAscii(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte < 0x80)
}
