/** One known attack, and what stands against it: tests that are run, or the rule of ours that its part will have to keep. */
export type Row = {
  /** `area/name`. */
  id: string
  /** Public names of it: advisories of the nearest products, and issues of `ironclaw` where only a number stands. */
  covers?: readonly string[]
  attack: string
} & (
  | { status: "tested"; /** `file › groups › sentence`, each exactly as the file has it. */ test: readonly string[] }
  | { status: "later"; /** Which of our own rules covers it once there is such a part. */ rule: string }
)
/** What is on record and no attack on this product. */
export type NotApplicable = { ids: readonly string[]; why: string }
