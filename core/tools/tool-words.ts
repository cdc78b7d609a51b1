/** Words by which people tell a need, and tools do not: those that say nothing, and those that mean the same. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about all am an and any are as at be been but by can could d did do does for from had has have he her him his how i
  if in into is it its just let ll m me my need of on onto or our out own please re s she should so some something t than that the their
  them then there these they thing this those to tool tools up us use using ve via want was we were what when where which who whose why will
  with would you your`.split(/\s+/),
)

/** Each line: words that a person would take for one another when they ask for something to be done. */
const GROUPS = `
  find search look lookup locate query google discover grep match
  read open show view see display get fetch retrieve load print
  list enumerate overview browse show
  write create make add new compose draft author put
  draft prepare sketch
  save store keep remember note memorize record persist
  append add extend
  change edit update modify patch replace alter fix adjust correct rename set
  delete remove erase drop forget discard trash clear purge
  undo revert restore rollback back
  refund back return reimburse
  payment pay money charge purchase
  invoice bill
  customer client buyer
  task todo chore
  complete done finish close tick resolve
  open pending active
  new create latest newest recent
  route direction way navigate travel trip bike bicycle car walk
  place location nearby near address restaurant
  device light lamp switch appliance
  temperature climate thermostat warm cold heat
  play listen song music track
  phone telephone number mobile
  log output trace
  translate translation language english german french spanish italian chinese japanese
  picture image photo draw paint illustration
  table database sql row record
  post publish
  send post submit deliver tell notify inform message dispatch
  reply respond answer
  mail email gmail inbox correspondence letter
  message chat text dm notification ping
  calendar event meeting appointment schedule agenda invite
  free available busy availability slot
  reschedule move postpone shift change update
  file document doc
  folder directory dir
  upload put push
  download fetch get pull
  issue bug ticket problem
  pull merge pr request
  repository repo project codebase
  code source program script function class method variable
  web internet online www site website
  page article url link website webpage
  weather forecast temperature rain sun wind climate
  time clock hour now
  date day today weekday
  timezone zone
  memory remember recall know memo note
  api endpoint rest http request call
  run execute start launch perform invoke
  stop cancel abort end kill
  agent helper subagent delegate assistant
  approve permission consent confirm ask allow plan
  json data structure
  pick extract select filter
  text content words
  person people contact user
  comment remark reply discuss
  share invite permission access
  notification alert unread
  label tag category
  rule routine automation recurring cron reminder remind timer alarm regularly daily
  news headline web internet
  current latest recent now
  cost price spend money budget
`

const groups = GROUPS.trim()
  .split("\n")
  .map((line) => line.trim().split(" ").map(stemOf))

const byWord = new Map<string, Set<string>>()
for (const group of groups) for (const word of group) byWord.set(word, new Set([...(byWord.get(word) ?? []), ...group]))

/** English endings, roughly: what matters is that both sides lose the same. */
export function stemOf(word: string): string {
  if (/^[^aeiou]{2}s$/.test(word)) return word.slice(0, -1) // "PRs"
  if (word.length <= 3 || word === "news") return word
  const single = word.endsWith("ies")
    ? `${word.slice(0, -3)}y`
    : /(?:ss|x|z|ch|sh)es$/.test(word)
      ? word.slice(0, -2)
      : /[^su]s$/.test(word)
        ? word.slice(0, -1)
        : word
  const bare = single.replace(/(?<=[^e]..)(?:ing|ed)$/, "").replace(/(?<=...)e$/, "")
  // "planning" and "plan", not "call" and "cal".
  return bare !== single && !bare.endsWith("ll") && !bare.endsWith("ss") ? bare.replace(/([^aeiou])\1$/, "$1") : bare
}

/** Both without endings. */
export function synonymsOf(word: string): Iterable<string> {
  return byWord.get(word) ?? []
}
