/**
 * The client of the benches: a process of its own, so that measuring takes no time of what is measured. Sends whole turns through
 * /v1/chat/completions over kept connections and prints one line of JSON. `run` starts it; its request is the only argument.
 */

export type LoadRequest = {
  address: string
  token: string
  turns: number
  /** How many at once. */
  lanes: number
  /** `X-Ironclaw-Session` of every turn; null: each turn has a session of its own. */
  session: string | null
  text: string
}

/** A turn that takes longer has got lost: the bench fails instead of waiting. */
const LOST_AFTER_MS = 30_000

export type LoadResult = { turnsPerSecond: number; timesMs: number[] }

/** Throws where a turn failed. */
export async function runLoad(request: LoadRequest): Promise<LoadResult> {
  const child = Bun.spawn([process.execPath, "--no-env-file", import.meta.path, JSON.stringify(request)], {
    stdout: "pipe",
    stderr: "pipe",
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  if ((await child.exited) !== 0) throw new Error(`A turn failed: ${stderr.trim().slice(-500)}`)
  return JSON.parse(stdout) as LoadResult // what `send` below prints
}

async function send({ address, token, turns, lanes, session, text }: LoadRequest): Promise<LoadResult> {
  const url = `${address}/v1/chat/completions`
  const init = {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      ...(session === null ? {} : { "x-ironclaw-session": session }),
    },
    body: JSON.stringify({ model: "ironclaw", messages: [{ role: "user", content: text }] }),
  }
  const timesMs: number[] = []
  let left = turns
  const lane = async () => {
    while (left-- > 0) {
      const startMs = performance.now()
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(LOST_AFTER_MS) })
      const answer = await response.text()
      timesMs.push(performance.now() - startMs)
      if (response.status !== 200 || !answer.includes('"finish_reason":"stop"')) throw new Error(answer)
    }
  }
  const startMs = performance.now()
  await Promise.all(Array.from({ length: lanes }, lane))
  return { turnsPerSecond: timesMs.length / ((performance.now() - startMs) / 1000), timesMs }
}

if (import.meta.main) {
  const request = JSON.parse(process.argv[2] ?? "{}") as LoadRequest // what `runLoad` above gives
  console.log(JSON.stringify(await send(request)))
}
