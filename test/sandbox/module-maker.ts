/** Makes small WebAssembly modules from numbers, so that no test needs a compiler or somebody's files. */

export const I32 = 0x7f
export const FUNCREF = 0x70

export function leb(value: number): number[] {
  const out: number[] = []
  let rest = value
  for (;;) {
    const low = rest & 0x7f
    rest >>>= 7
    if (rest === 0) return [...out, low]
    out.push(low | 0x80)
  }
}

export function signed(value: number): number[] {
  const out: number[] = []
  let rest = value
  for (;;) {
    const low = rest & 0x7f
    rest >>= 7
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...out, low]
    out.push(low | 0x80)
  }
}

const text = (value: string) => [...new TextEncoder().encode(value)]
export const name = (value: string) => [...leb(text(value).length), ...text(value)]
export const list = (items: readonly (readonly number[])[]) => [...leb(items.length), ...items.flat()]
export const section = (id: number, content: readonly number[]) => [id, ...leb(content.length), ...content]

export type Func = {
  params?: readonly number[]
  results?: readonly number[]
  locals?: readonly (readonly [count: number, type: number])[]
  /** Instructions, the closing `end` left out. */
  code: readonly number[]
  export?: string
}

export type ModuleOf = {
  imports?: readonly { module: string; name: string; params?: readonly number[]; results?: readonly number[] }[]
  functions?: readonly Func[]
  memory?: readonly [least: number, most?: number]
  table?: readonly [least: number, most?: number]
  /** Functions that the table begins with. */
  elements?: readonly number[]
  /** Mutable i32 globals, by their first value. */
  globals?: readonly number[]
  start?: number
  exports?: readonly { name: string; kind: number; index: number }[]
}

const limits = ([least, most]: readonly [number, number?]) =>
  most === undefined ? [0, ...leb(least)] : [1, ...leb(least), ...leb(most)]

export function makeModule(of: ModuleOf): Uint8Array<ArrayBuffer> {
  const { imports = [], functions = [], globals = [], exports = [] } = of
  const type = (one: { params?: readonly number[]; results?: readonly number[] }) => [
    0x60,
    ...list((one.params ?? []).map((byte) => [byte])),
    ...list((one.results ?? []).map((byte) => [byte])),
  ]
  const body = ({ locals = [], code }: Func) => {
    const whole = [...list(locals.map(([count, kind]) => [...leb(count), kind])), ...code, 0x0b]
    return [...leb(whole.length), ...whole]
  }
  const exported = [
    ...exports.map(({ name: as, kind, index }) => [...name(as), kind, ...leb(index)]),
    ...functions.flatMap((one, at) =>
      one.export === undefined ? [] : [[...name(one.export), 0, ...leb(imports.length + at)]],
    ),
  ]
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    0x01,
    0x00,
    0x00,
    0x00,
    ...section(1, list([...imports, ...functions].map(type))),
    ...(imports.length > 0
      ? section(2, list(imports.map((one, at) => [...name(one.module), ...name(one.name), 0, ...leb(at)])))
      : []),
    ...section(3, list(functions.map((_, at) => leb(imports.length + at)))),
    ...(of.table ? section(4, list([[FUNCREF, ...limits(of.table)]])) : []),
    ...(of.memory ? section(5, list([limits(of.memory)])) : []),
    ...(globals.length > 0 ? section(6, list(globals.map((value) => [I32, 1, 0x41, ...signed(value), 0x0b]))) : []),
    ...section(7, list(exported)),
    ...(of.start === undefined ? [] : section(8, leb(of.start))),
    ...(of.elements ? section(9, list([[0, 0x41, 0, 0x0b, ...list(of.elements.map(leb))]])) : []),
    ...section(10, list(functions.map(body))),
  ])
}
