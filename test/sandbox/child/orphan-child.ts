/** A parent that runs an endless loop in a child, says which process that is, and waits to be killed. */
import { systemClock } from "#core/clock.ts"
import { createSandbox } from "#sandbox/child/sandbox.ts"
import { childCommand, codeOf, guestCall, quietLog } from "#test/fakes/guest.ts"

const sandbox = createSandbox({ command: childCommand, clock: systemClock, log: quietLog })
const code = codeOf("js", "export function loop() { for (;;); }")
void sandbox.call(guestCall({ code, name: "loop" }))
const busy = () => sandbox.status().children.find(({ state }) => state === "busy")
while (!busy()) await Bun.sleep(10)
await Bun.sleep(100)
await Bun.write(Bun.stdout, `${busy()?.pid}\n`)
await new Promise(() => {})
