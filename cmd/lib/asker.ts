/** How a wizard talks with a person: a few kinds of questions, a line of what was done. Drawn, plain, or with nobody there. */

export type Choice<T extends string> = { value: T; label: string; hint?: string }

export type Choosing<T extends string> = {
  message: string
  choices: readonly Choice<T>[]
  /** What Enter takes. */
  initial?: T
}

export type Writing = {
  message: string
  initial?: string
  /** What is wrong with the text, null where nothing is. */
  judge?: (text: string) => string | null
}

/** Every question throws `usage.interrupted` where the person leaves. */
export type Asker = {
  /** False where nobody is there: then a question gives its initial answer, and one without is a mistake of whoever asks. */
  readonly someone: boolean
  begin(title: string): void
  heading(title: string): void
  choose<T extends string>(question: Choosing<T>): Promise<T>
  /** Any number of them, none at first. */
  several<T extends string>(question: Omit<Choosing<T>, "initial">): Promise<T[]>
  text(question: Writing): Promise<string>
  /** Without echo. */
  hidden(question: Pick<Writing, "message" | "judge">): Promise<string>
  say(line: string): void
  done(line: string): void
  warn(line: string): void
  /** Shows that something is being waited for. */
  working<T>(what: string, work: () => Promise<T>): Promise<T>
}
