/** A summary without a model: what each side said, shortened to its first sentence, oldest first; the middle goes when it is too long. */

const MAX_LINES = 40
const MAX_LINE_CHARACTERS = 200

export function extractSummary(request: string): string {
  const lines = request
    .split("\n")
    .slice(1) // the request itself
    .map((line) => line.trim())
    .filter((line) => line.length > 0 && !/^<\/?[a-z][^>]*>$/i.test(line)) // marks around the transcript
    .map(firstSentence)
  if (lines.length === 0) return "Nothing was said yet."
  const kept =
    lines.length <= MAX_LINES
      ? lines
      : [
          ...lines.slice(0, MAX_LINES / 2),
          `(${lines.length - MAX_LINES} lines left out)`,
          ...lines.slice(-MAX_LINES / 2),
        ]
  return `Summary made without a model, from the first sentence of each line:\n${kept.map((line) => `- ${line}`).join("\n")}`
}

function firstSentence(line: string): string {
  const end = /[.!?](\s|$)/.exec(line)
  const sentence = end ? line.slice(0, end.index + 1) : line
  return sentence.length <= MAX_LINE_CHARACTERS
    ? sentence
    : `${sentence.slice(0, MAX_LINE_CHARACTERS - 1)}…`.toWellFormed()
}
