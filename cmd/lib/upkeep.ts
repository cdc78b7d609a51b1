/** What a service does by itself from time to time. Each task runs alone, one run at a time; a failure is logged and tried again later. */
import type { Clock } from "#core/clock.ts"
import type { Log } from "#core/log.ts"

/** `firstMs`: after the start; absent: one interval after it, for most of this is not urgent, and a start has other things to do. */
export type Task = { name: string; everyMs: number; firstMs?: number; run: () => Promise<unknown> }

export function startUpkeep({ clock, log, tasks }: { clock: Clock; log: Log; tasks: readonly Task[] }): {
  stop(): Promise<void>
} {
  const running = new Set<Promise<void>>()
  const cancels = new Map<Task, () => void>()
  let stopped = false

  function later(task: Task, delayMs: number): void {
    cancels.set(
      task,
      clock.after(delayMs, () => {
        const run = task
          .run()
          .then(() => {})
          .catch((error: unknown) => log.warn("Upkeep failed; it is tried again later", { task: task.name, error }))
          .finally(() => {
            running.delete(run)
            if (!stopped) later(task, task.everyMs)
          })
        running.add(run)
      }),
    )
  }
  for (const task of tasks) later(task, task.firstMs ?? task.everyMs)

  return {
    async stop() {
      stopped = true
      for (const cancel of cancels.values()) cancel()
      await Promise.all(running)
    },
  }
}
