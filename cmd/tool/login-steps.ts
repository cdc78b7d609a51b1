/** How one makes a client of one's own at a provider, in steps. From the providers' public documentation; read in late 2026. */

/**
 * Null where we know no steps: the plugin's own words have to do. By the hosts that a login goes to: what a plugin calls its provider
 * could be anything. `redirect`: the public address, where the answer goes there.
 */
export function clientSteps({
  authorizationHost,
  tokenHost,
  redirect,
}: {
  authorizationHost: string
  tokenHost: string
  redirect: string | null
}): readonly string[] | null {
  const isGoogle = authorizationHost === "accounts.google.com" && tokenHost === "oauth2.googleapis.com"
  return isGoogle ? googleSteps(redirect) : null
}

/**
 * developers.google.com/identity/protocols/oauth2/native-app (desktop clients and their loopback address), …/oauth2/web-server (web
 * clients), …/oauth2#expiration (seven days while testing), support.google.com/cloud/answer/15549945 (who may use it).
 */
function googleSteps(redirect: string | null): readonly string[] {
  return [
    "  1. https://console.cloud.google.com/projectcreate: make a project, of any name.",
    "  2. https://console.cloud.google.com/apis/library: enable what your plugins use: Gmail API, Google Calendar API, Google Drive API.",
    '  3. https://console.cloud.google.com/auth/overview: "Get started"; any app name, your own address, audience External.',
    '  4. https://console.cloud.google.com/auth/audience: "Publish app". While it is in testing, Google ends every login after seven days,',
    '     and only test users can log in. It is for you alone, so there is nothing to verify: at the login choose "Advanced", then go on.',
    redirect === null
      ? '  5. https://console.cloud.google.com/auth/clients: "Create client", type "Desktop app".'
      : `  5. https://console.cloud.google.com/auth/clients: "Create client", type "Web application", authorized redirect URI ${redirect}`,
    "  6. Copy its client ID and its client secret; Google shows the secret only then.",
    "More: https://developers.google.com/identity/protocols/oauth2/native-app",
  ]
}
