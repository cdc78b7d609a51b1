/**
 * Whether a sed script only prints. w writes, e runs, r and R read other files, and s has flags that do; with any delimiter. What is not
 * one of the few commands below is not known to be harmless.
 * Source: POSIX.1-2024 sed; GNU sed 4.9 manual for e, w and the flags of s.
 */

/** Every word that may be a script: all after -e, else the first that is no option. Other words are files. */
export function judgeSed(own: readonly string[]): boolean {
  const named = own.filter((_, at) => own[at - 1] === "-e")
  const scripts = named.length > 0 ? named : own.filter((word) => !word.startsWith("-")).slice(0, 1)
  return scripts.length > 0 && scripts.every(onlyPrints)
}

const ADDRESS = /^(?:\d+(?:~\d+)?|\$|\/(?:[^/\\]|\\.)*\/I?)/
const COMMAND = /^[pPdDnNgGhHxl=qQ]\d*/

function onlyPrints(script: string): boolean {
  let rest = script
  for (;;) {
    rest = rest.replace(/^[\s;{}]+/, "")
    if (rest === "") return true
    const first = ADDRESS.exec(rest)
    if (first) {
      rest = rest.slice(first[0].length).replace(/^\s*,\s*(?:\+|~)?/, (comma) => (comma.includes(",") ? "," : comma))
      if (rest.startsWith(",")) {
        const second = ADDRESS.exec(rest.slice(1))
        if (!second) return false
        rest = rest.slice(1 + second[0].length)
      }
      rest = rest.replace(/^\s*!?\s*/, "")
    }
    const simple = COMMAND.exec(rest)
    if (simple) rest = rest.slice(simple[0].length)
    else if (/^[sy]/.test(rest)) {
      const behind = behindReplacement(rest)
      if (behind === null) return false
      rest = behind
    } else return false
    if (!/^\s*(?:[;}\n]|$)/.test(rest)) return false
  }
}

/** `s`, any delimiter, two parts, flags that only choose what is replaced. Null: it is something else. */
function behindReplacement(script: string): string | null {
  const delimiter = script.charAt(1)
  if (delimiter === "" || /[\\\n\s]/.test(delimiter)) return null
  let parts = 0
  let at = 2
  for (; at < script.length && parts < 2; at++) {
    if (script[at] === "\\") at += 1
    else if (script[at] === delimiter) parts += 1
  }
  if (parts < 2) return null
  return script.slice(at).replace(/^[gpiI\d]*/, "")
}
