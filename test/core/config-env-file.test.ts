import { expect, test } from "bun:test"
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { parseEnv } from "node:util"
import { setEnvValue } from "#core/config-env-file.ts"
import { openHome } from "#core/home.ts"
import { makeHome } from "../fakes/home.ts"

test("one name is set, the lines of others stay as they were, and nobody else can read the file", () => {
  using folder = makeHome()
  const home = openHome({ env: {}, explicit: folder.path })
  setEnvValue(home, "DATABASE_URL", "postgres://me:first@h/d")
  writeFileSync(home.envFile, `# mine\nOPENAI_API_KEY='sk-x' # key\n${readFileSync(home.envFile, "utf8")}`)
  chmodSync(home.envFile, 0o644)
  setEnvValue(home, "DATABASE_URL", "postgres://me:second@h/d")
  expect(readFileSync(home.envFile, "utf8")).toBe(
    "# mine\nOPENAI_API_KEY='sk-x' # key\nDATABASE_URL=postgres://me:second@h/d\n",
  )
  expect(statSync(home.envFile).mode & 0o777).toBe(0o600)
  setEnvValue(home, "DATABASE_URL", null)
  expect(readFileSync(home.envFile, "utf8")).toBe("# mine\nOPENAI_API_KEY='sk-x' # key\n")
})

test.each(["p@ss w#rd", "it's", 'say "so"', "back\\slash\\n", "$HOME", "a=b&c", "ü€"])(
  "%j is read back as it was set",
  (value) => {
    using folder = makeHome()
    const home = openHome({ env: {}, explicit: folder.path })
    setEnvValue(home, "DATABASE_URL", value)
    expect(parseEnv(readFileSync(home.envFile, "utf8"))["DATABASE_URL"]).toBe(value)
  },
)

test("what cannot stand on a line is refused, and the file stays as it was", () => {
  using folder = makeHome()
  const home = openHome({ env: {}, explicit: folder.path })
  setEnvValue(home, "OTHER", "1")
  expect(() => setEnvValue(home, "DATABASE_URL", "a'b`c\"d #e")).toThrow("cannot be written")
  expect(readFileSync(home.envFile, "utf8")).toBe("OTHER=1\n")
})
