import { describe, expect, test } from "bun:test"
import { addTallies, describeTally, tallyOf } from "#scripts/test.ts"

const report = (counts: string): string =>
  `<?xml version="1.0"?>\n<testsuites name="bun test" ${counts} time="1">\n</testsuites>`

describe("a run is counted by its report", () => {
  test("all passed", () => {
    expect(tallyOf(report('tests="5" assertions="9" failures="0" skipped="2"'), 0)).toEqual({
      passed: 3,
      failed: 0,
      skipped: 2,
    })
  })
  test("some failed", () => {
    expect(tallyOf(report('tests="5" failures="2" skipped="0"'), 1)).toEqual({ passed: 3, failed: 2, skipped: 0 })
  })
})

describe("a run that ended badly never counts as passed", () => {
  test("when it crashed before its report", () => expect(tallyOf(null, 139).failed).toBe(1))
  test("when an error between the tests failed it", () => {
    expect(tallyOf(report('tests="5" failures="0" skipped="0"'), 1)).toEqual({ passed: 5, failed: 1, skipped: 0 })
  })
  test("when there was nothing to run", () =>
    expect(tallyOf(report('tests="0" failures="0" skipped="0"'), 0).failed).toBe(1))
  test("when the report is cut off", () => expect(tallyOf("<?xml", 0).failed).toBe(1))
})

test("the last line adds up, and names skipped ones only where there are some", () => {
  const one = { passed: 3, failed: 0, skipped: 1 }
  const two = { passed: 4, failed: 2, skipped: 0 }
  expect(describeTally(addTallies([one, two]))).toBe("7 passed, 2 failed, 1 skipped")
  expect(describeTally(two)).toBe("4 passed, 2 failed")
})
