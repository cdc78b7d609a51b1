/**
 * Bodies that are wrong as JSON, or right and mean: after the families that RFC 8259 leaves room for (numbers, strings, structure,
 * encodings). `bytes` is what goes over the wire; none of them is a body that any route of ours accepts.
 */
export type TortureCase = { name: string; bytes: Uint8Array }

const text = (name: string, json: string): TortureCase => ({ name, bytes: new TextEncoder().encode(json) })
const raw = (name: string, ...bytes: number[]): TortureCase => ({ name, bytes: new Uint8Array(bytes) })
const deep = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth)

export const tortureCases: readonly TortureCase[] = [
  // Structure.
  text("an open brace", "{"),
  text("an open bracket", "["),
  text("a closed brace alone", "}"),
  text("a brace closed twice", '{"a":1}}'),
  text("a bracket closed by a brace", '{"a":[1}'),
  text("a comma at the end of an object", '{"content":"x",}'),
  text("a comma at the end of a list", '{"content":[1,]}'),
  text("a comma at the start", '{,"content":"x"}'),
  text("a colon for a comma", '{"content":"x":"y"}'),
  text("no colon", '{"content" "x"}'),
  text("a key without quotes", '{content:"x"}'),
  text("single quotes", "{'content':'x'}"),
  text("a number as a key", '{1:"x"}'),
  text("a comment", '{"content":"x"/* y */}'),
  text("a line comment", '{"content":"x"} // y'),
  text("two documents", '{"a":1}{"b":2}'),
  text("words after it", '{"a":1} and more'),
  text("words", "content=x&y=z"),
  text("a page", "<html><body>no</body></html>"),
  text("100,000 open brackets", "[".repeat(100_000)),
  text("lists 100,000 deep", deep("[", "]", 100_000)),
  text("objects 20,000 deep", `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`),
  text("lists 65 deep in a field", `{"content":${deep("[", "]", 65)}}`),
  // Values.
  text("null", "null"),
  text("true", "true"),
  text("a number", "7"),
  text("a string", '"content"'),
  text("an empty list", "[]"),
  text("a list of bodies", '[{"content":"x"}]'),
  text("NaN", '{"content":NaN}'),
  text("minus infinity", '{"content":-Infinity}'),
  text("undefined", '{"content":undefined}'),
  text("True as Python writes it", '{"content":True}'),
  // Numbers.
  text("a leading zero", '{"content":012}'),
  text("a plus", '{"content":+1}'),
  text("a number in hex", '{"content":0xFF}'),
  text("a point without digits", '{"content":1.}'),
  text("a number beyond all bounds", '{"content":1e999999}'),
  text("a number of 100,000 digits", `{"content":${"9".repeat(100_000)}}`),
  // Strings.
  text("a string without an end", '{"content":"x'),
  text("a line break in a string", '{"content":"a\nb"}'),
  text("a bare tab in a string", '{"content":"a\tb"}'),
  text("an unknown escape", '{"content":"\\x41"}'),
  text("half an escape", '{"content":"\\u00"}'),
  text("a backslash at the end", '{"content":"\\"}'),
  // Names that JavaScript takes for more than names.
  text("__proto__", '{"__proto__":{"content":"x"}}'),
  text("constructor", '{"constructor":{"prototype":{"content":"x"}}}'),
  text("a NUL in a name", '{"con\\u0000tent":"x"}'),
  text("half a pair in a name", '{"\\ud800":"x"}'),
  text("10,000 unknown fields", `{${Array.from({ length: 10_000 }, (_, at) => `"field${at}":1`).join(",")}}`),
  // Encodings.
  raw("a NUL byte", 0),
  raw("a byte that is no UTF-8", 0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d),
  raw("an overlong slash", 0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc0, 0xaf, 0x22, 0x7d),
  raw("half a surrogate pair in UTF-8", 0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x7d),
  raw("UTF-16", 0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00),
  raw("a gzip header", 0x1f, 0x8b, 0x08, 0x00),
]
