import { describe, expect, test } from "bun:test"
import { parseDataUrl, parseImage } from "#gateway/image.ts"
import { PNG } from "../fakes/gateway.ts"

const GIF = "R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="

describe("an image", () => {
  test("is accepted where its bytes are what its type says", () => {
    expect(parseImage({ mediaType: "image/png", base64: PNG, where: "/x" })).toEqual({
      type: "image",
      mediaType: "image/png",
      base64: PNG,
    })
    expect(parseDataUrl(`data:image/gif;base64,${GIF}`, "/x").mediaType).toBe("image/gif")
    expect(parseDataUrl(`data:image/PNG;base64,${PNG}`, "/x").mediaType).toBe("image/png")
  })
  test.each(["image/svg+xml", "text/html", "image/bmp", "", "constructor"])("of type %p is refused", (mediaType) =>
    expect(() => parseImage({ mediaType, base64: PNG, where: "/x" })).toThrow("is not one of"),
  )
  test("under another type's name is refused", () => {
    expect(() => parseImage({ mediaType: "image/jpeg", base64: PNG, where: "/x" })).toThrow("are not image/jpeg")
    expect(() =>
      parseImage({ mediaType: "image/png", base64: btoa("<script>alert(1)</script>"), where: "/x" }),
    ).toThrow("are not image/png")
  })
  test.each(["not base64!!", "iVBORw0KGgo", "iVBO Rw0K", "____"])("in %p, which is no base64, is refused", (base64) =>
    expect(() => parseImage({ mediaType: "image/png", base64, where: "/x" })).toThrow("base64"),
  )
  test("above 5 MiB is refused", () => {
    expect(() => parseImage({ mediaType: "image/png", base64: PNG + "A".repeat(7_000_000), where: "/x" })).toThrow(
      "5 MiB",
    )
  })
  test.each([
    "https://example.org/a.png",
    "http://169.254.169.254/",
    "file:///etc/passwd",
    "data:text/html;base64,AAAA",
    "data:image/png,abc",
    "javascript:1",
    "",
    "data:",
  ])("by the address %p is refused: nothing is fetched", (url) =>
    expect(() => parseDataUrl(url, "/x")).toThrow("nothing is fetched"),
  )
})
