/** What look-alike letters and HTML's names stand for. */

/** Pairs of a letter of another alphabet and the Latin one that it looks like: the most used of Unicode's confusables (UTS 39). */
const PAIRS =
  "аaвbсcԁdеeѕsһhіiјjкkӏlмmнhоoрpԛqтtуyѵvԝwхxгrАAВBСCЕEНHІIЈJКKМMОOРPЅSТTУYХXαaοoρpνvιiκkυuτtεeγyΑAΒBΕEΖZΗH" +
  "ΙIΚKΜMΝNΟOΡPΤTΥYΧXɑaɡgıiոnսuօoհhցgᴏo"

export const LOOKALIKES: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from({ length: PAIRS.length / 2 }, (_, at) => [PAIRS.charAt(at * 2), PAIRS.charAt(at * 2 + 1)]),
)

/** The references of the HTML standard that stand for ASCII, which is what keys and orders are written in. */
export const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  shy: "",
  colon: ":",
  equals: "=",
  lowbar: "_",
  dash: "-",
  period: ".",
  sol: "/",
  num: "#",
  commat: "@",
  excl: "!",
  quest: "?",
  plus: "+",
  tab: " ",
}
