/** What the doctor is told of plugins: how far each got, what its owner has still to set, and what of their own network it reaches. */
import type { Examination } from "#gateway/deps.ts"
import { AppError } from "#core/errors.ts"
import type { LoginDesk } from "#sandbox/login-desk.ts"
import type { Plugins } from "#sandbox/plugins.ts"

export function examinePlugins({
  plugins,
  loginDesk,
}: {
  plugins: Pick<Plugins, "list">
  loginDesk: Pick<LoginDesk, "status">
}): () => Promise<Examination["plugins"]> {
  return async () =>
    Promise.all(
      (await plugins.list()).map(async ({ name, state, secrets, settings }) => {
        const login = state === "active" ? await loginDesk.status(name).catch(noLogin) : null
        const secretNames = secrets.filter(({ isSet, isRequired, way }) => !isSet && isRequired && way === "token")
        const unset = settings.filter(
          ({ isRequired, value, default: standard }) => isRequired && value === null && standard === null,
        )
        return {
          name,
          state,
          missing: [...secretNames.map((one) => one.name), ...unset.map(({ key }) => key)],
          login: login && { provider: login.provider, state: login.state, missing: login.missing },
          endpoints: settings.flatMap(({ isEndpoint, value }) => (isEndpoint && value !== null ? [String(value)] : [])),
        }
      }),
    )
}

/** It went away while it was looked at. */
function noLogin(error: unknown): null {
  if (error instanceof AppError) return null
  throw error
}
