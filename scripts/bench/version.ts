/** `ironclaw --version` against the least that a compiled program of this runtime takes. */
import { join } from "node:path"
import { binary } from "#test/fakes/binary.ts"
import { compile } from "../build.ts"
import { atMost, type Bench, median, told } from "./figure.ts"
import { makeHome, removeHome } from "./house.ts"

const ROUNDS = 31

export const version: Bench = async ({ tell }) => {
  const home = makeHome()
  try {
    const hello = join(home, "hello")
    const source = join(home, "hello.ts")
    await Bun.write(source, 'console.log("hello")\n')
    tell("version: building a hello-world")
    await compile({ entries: [source], outFile: hello, target: null, stamps: {} })
    const oursMs: number[] = []
    const theirsMs: number[] = []
    tell(`version: ${ROUNDS} rounds`)
    for (let round = 0; round < ROUNDS; round += 1) {
      theirsMs.push(await millisecondsOf([hello], home))
      oursMs.push(await millisecondsOf([binary, "--version"], home))
    }
    return [
      told("compiled hello-world", median(theirsMs), "ms"),
      told("ironclaw --version", median(oursMs), "ms"),
      atMost("ironclaw --version against it", median(oursMs) / median(theirsMs), { value: 1.5, unit: "×" }),
    ]
  } finally {
    removeHome(home)
  }
}

async function millisecondsOf(command: string[], home: string): Promise<number> {
  const startMs = performance.now()
  const child = Bun.spawn(command, {
    cwd: home,
    env: { HOME: home, PATH: "/usr/bin:/bin" },
    stdout: "ignore",
    stderr: "inherit",
  })
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")} failed`)
  return performance.now() - startMs
}
