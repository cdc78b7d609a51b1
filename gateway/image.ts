/** Images that clients send: base64 whose bytes are what their type says. Nothing is ever fetched by address. */
import type { MessagePart } from "#core/db/schema.ts"
import { AppError } from "#core/errors.ts"

export const MAX_IMAGES = 8 // what the vendors' cheaper models still read in one message
/** Decoded. The strictest of the large vendors refuses images above 5 MB. */
const MAX_IMAGE_BYTES = 5 * 1024 * 1024

/** First bytes by type, from the formats' specifications. */
const signatures: Readonly<Record<string, (head: string) => boolean>> = {
  "image/png": (head) => head.startsWith("89504e470d0a1a0a"),
  "image/jpeg": (head) => head.startsWith("ffd8ff"),
  "image/gif": (head) => head.startsWith("474946383761") || head.startsWith("474946383961"),
  "image/webp": (head) => head.startsWith("52494646") && head.startsWith("57454250", 16),
}
export const imageTypes = Object.keys(signatures)

/** Throws `input.invalid`, `input.too_large`. `where` names the field in the message. */
export function parseImage({
  mediaType,
  base64,
  where,
}: {
  mediaType: string
  base64: string
  where: string
}): MessagePart {
  const hasSignature = Object.hasOwn(signatures, mediaType) ? signatures[mediaType] : undefined
  if (!hasSignature)
    throw new AppError("input.invalid", `${where}: "${mediaType.slice(0, 60)}" is not one of ${imageTypes.join(", ")}`)
  const bytes = Math.floor((base64.length / 4) * 3)
  if (bytes > MAX_IMAGE_BYTES) throw new AppError("input.too_large", `${where}: the image is larger than 5 MiB`)
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    throw new AppError("input.invalid", `${where}: the image is not base64`)
  if (!hasSignature(Buffer.from(base64.slice(0, 16), "base64").toString("hex"))) {
    throw new AppError("input.invalid", `${where}: the bytes are not ${mediaType}`)
  }
  return { type: "image", mediaType, base64 }
}

/** `data:image/png;base64,…`; anything else, above all an address to fetch, is `input.invalid`. */
export function parseDataUrl(url: string, where: string): MessagePart {
  const comma = url.indexOf(",")
  const found = /^data:(image\/[a-z0-9.+-]+);base64$/i.exec(url.slice(0, Math.max(comma, 0)).slice(0, 100))
  if (!found?.[1])
    throw new AppError(
      "input.invalid",
      `${where}: images are accepted as data URLs with base64 alone; nothing is fetched`,
    )
  return parseImage({ mediaType: found[1].toLowerCase(), base64: url.slice(comma + 1), where })
}
