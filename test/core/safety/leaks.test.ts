import { describe, expect, test } from "bun:test"
import { leakPatterns, unconfirmed } from "#core/safety/leak-patterns.ts"
import { findLeaks, redactLeaks } from "#core/safety/leaks.ts"
import {
  ALNUM,
  BASE32,
  BASE58,
  BECH32,
  DIGITS,
  type Fixture,
  HEX,
  LETTERS,
  LOWER,
  made,
  plain,
  randomOf,
  UPPER,
} from "./made-keys.ts"
import { vendorFixtures } from "./vendor-fixtures.ts"

const fixtures: readonly Fixture[] = [
  ...vendorFixtures,
  plain("anthropic-key", ["sk", "-ant-", "api03-"], ALNUM, 80),
  plain("openrouter-key", ["sk", "-or-", "v1-"], HEX, 64),
  plain("openai-key", ["sk", "-proj-"], ALNUM, 60),
  plain("openai-legacy-key", ["sk", "-"], ALNUM, 48),
  plain("groq-key", ["gs", "k_"], ALNUM, 52),
  plain("xai-key", ["xa", "i-"], ALNUM, 80),
  plain("perplexity-key", ["pp", "lx-"], ALNUM, 48),
  plain("huggingface-token", ["h", "f_"], LETTERS, 34),
  plain("replicate-token", ["r", "8_"], ALNUM, 37),
  plain("fireworks-key", ["f", "w_"], ALNUM, 24),
  plain("tavily-key", ["tv", "ly-"], ALNUM, 32),
  plain("near-secret-key", ["ed25519", ":"], BASE58, 87),
  plain("ironclaw-token", ["ic", "t_"], ALNUM, 43),
  plain("github-token", ["gh", "p_"], ALNUM, 36),
  plain("github-fine-grained", ["github", "_pat_"], ALNUM, 82),
  plain("gitlab-token", ["gl", "pat-"], ALNUM, 20),
  plain("gitlab-runner-token", ["GR", "1348941"], ALNUM, 20),
  plain("npm-token", ["np", "m_"], ALNUM, 36),
  plain("pypi-token", ["py", "pi-", "AgEIcHlwaS5vcmc"], ALNUM, 70),
  plain("rubygems-key", ["ruby", "gems_"], HEX, 48),
  plain("clojars-token", ["CLO", "JARS_"], LOWER, 60),
  plain("docker-token", ["dckr", "_pat_"], ALNUM, 27),
  plain("sourcegraph-token", ["sg", "p_"], HEX, 40),
  plain("artifactory-key", ["AK", "Cp"], ALNUM, 69),
  plain("artifactory-reference", ["cmVm", "dGtu"], ALNUM, 56),
  plain("aws-access-key", ["AK", "IA"], BASE32, 16),
  plain("google-api-key", ["AI", "za"], ALNUM, 35),
  plain("google-oauth", ["GO", "CSPX-"], ALNUM, 28),
  made(
    "azure-storage-key",
    (random) => `Account${"Key"}=${random(ALNUM, 86)}==`,
    (random) => [`AccountKey=${random(ALNUM, 40)}==`, `Accountkeys ${random(ALNUM, 86)}`],
  ),
  made(
    "azure-ad-secret",
    (random) => `${random(ALNUM, 3)}8${"Q~"}${random(ALNUM, 34)}`,
    (random) => [`8Q~${random(ALNUM, 9)}`, `abcXQ~${random(ALNUM, 34)}`],
  ),
  made(
    "teams-webhook",
    (random) =>
      `https://acme.webhook.${"office"}.com/webhookb2/${random(HEX, 36)}@${random(HEX, 36)}/IncomingWebhook/${random(HEX, 32)}`,
    () => ["https://acme.webhook.office.com/webhookb2/", "https://acme.office.com/webhookb2/help"],
  ),
  plain("digitalocean-token", ["do", "p_v1_"], HEX, 64),
  plain("alibaba-access-key", ["LT", "AI"], ALNUM, 20),
  made(
    "cloudflare-origin-ca",
    (random) => `v1${".0-"}${random(HEX, 24)}-${random(HEX, 146)}`,
    (random) => [`v1.0-${random(HEX, 24)}`, `v2.0-${random(HEX, 24)}-${random(HEX, 146)}`],
  ),
  plain("heroku-key", ["HR", "KU-AA"], ALNUM, 58),
  plain("flyio-token", ["fm", "2_"], ALNUM, 60),
  plain("databricks-token", ["da", "pi"], HEX, 32),
  plain("planetscale-token", ["pscale", "_tkn_"], ALNUM, 43),
  plain("supabase-token", ["sb", "p_"], HEX, 40),
  made(
    "hashicorp-tf-token",
    (random) => `${random(ALNUM, 14)}.atlas${"v1."}${random(ALNUM, 65)}`,
    (random) => [
      `${random(ALNUM, 14)}.atlasv1.${random(ALNUM, 9)}`,
      `${random(ALNUM, 14)}.atlasv2.${random(ALNUM, 65)}`,
    ],
  ),
  plain("vault-token", ["hv", "s."], ALNUM, 90),
  plain("doppler-token", ["dp", ".pt."], ALNUM, 43),
  plain("pulumi-token", ["pu", "l-"], HEX, 40),
  plain("prefect-key", ["pn", "u_"], ALNUM, 36),
  plain("1password-service-token", ["ops", "_eyJ"], ALNUM, 250),
  made(
    "1password-secret-key",
    (random) =>
      [
        "A3",
        random(UPPER, 6),
        random(UPPER, 6),
        random(UPPER, 5),
        random(UPPER, 5),
        random(UPPER, 5),
        random(UPPER, 5),
      ].join("-"),
    (random) => [`A3-${random(UPPER, 6)}`, `A4-${random(UPPER, 6)}-${random(UPPER, 6)}-${random(UPPER, 5)}`],
  ),
  plain("age-secret-key", ["AGE-SECRET", "-KEY-1"], BECH32, 58),
  made(
    "slack-token",
    (random) => `xo${"xb-"}${random(DIGITS, 12)}-${random(DIGITS, 12)}-${random(ALNUM, 24)}`,
    () => ["xoxb-my-bot-token-goes-here", "github.com/xoxa-nyc/xoxa-nyc.github.io"],
  ),
  made(
    "slack-webhook",
    (random) => `https://hooks.${"slack"}.com/services/T${random(UPPER, 8)}/B${random(UPPER, 8)}/${random(ALNUM, 24)}`,
    () => ["https://hooks.slack.com/services/", "https://api.slack.com/messaging/webhooks"],
  ),
  made(
    "discord-webhook",
    (random) => `https://discord.com/api/${"webhooks"}/${random(DIGITS, 18)}/${random(ALNUM, 68)}`,
    () => ["https://discord.com/api/webhooks/123", "https://discord.com/developers/docs/resources/webhook"],
  ),
  made(
    "telegram-bot",
    (random) => `${random("123456789", 10)}:${"AA"}${random(ALNUM, 33)}`,
    (random) => [`12:AA${random(ALNUM, 33)}`, `${random("123456789", 10)}:AA${random(ALNUM, 8)}`],
  ),
  made(
    "sendgrid-key",
    (random) => `S${"G."}${random(ALNUM, 22)}.${random(ALNUM, 43)}`,
    (random) => [`SG.${random(ALNUM, 22)}`, `MSG.${random(ALNUM, 22)}.${random(ALNUM, 43)}`],
  ),
  plain("mailgun-key", ["ke", "y-"], HEX, 32),
  made(
    "brevo-key",
    (random) => `xkey${"sib-"}${random(HEX, 64)}-${random(ALNUM, 16)}`,
    (random) => [`xkeysib-${random(HEX, 20)}`, `xkeysid-${random(HEX, 64)}-${random(ALNUM, 16)}`],
  ),
  made(
    "mailchimp-key",
    (random) => `${random(HEX, 32)}-${"us"}12`,
    (random) => [`${random(HEX, 20)}-us12`, `${random(HEX, 32)}-use`],
  ),
  plain("twilio-key", ["S", "K"], HEX, 32),
  plain("stripe-key", ["sk", "_live_"], ALNUM, 24),
  plain("stripe-webhook", ["wh", "sec_"], ALNUM, 32),
  plain("square-token", ["EA", "AA"], ALNUM, 60),
  plain("shopify-token", ["sh", "pat_"], HEX, 32),
  plain("flutterwave-key", ["FLW", "SECK_TEST-"], HEX, 32),
  plain("easypost-key", ["EZ", "AK"], ALNUM, 54),
  plain("shippo-token", ["shippo", "_live_"], HEX, 40),
  plain("notion-token", ["nt", "n_"], ALNUM, 46),
  plain("linear-key", ["lin", "_api_"], ALNUM, 40),
  made(
    "airtable-token",
    (random) => `pa${"t"}${random(ALNUM, 14)}.${random(HEX, 64)}`,
    (random) => [`pat${random(ALNUM, 14)}`, `pat${random(ALNUM, 14)}.${random(HEX, 12)}`],
  ),
  plain("atlassian-token", ["AT", "ATT3"], ALNUM, 186),
  plain("figma-token", ["fi", "gd_"], ALNUM, 43),
  made(
    "hubspot-token",
    (random) => `pa${"t-"}na1-${[8, 4, 4, 4, 12].map((length) => random(HEX, length)).join("-")}`,
    (random) => [
      `pat-na1-${random(HEX, 8)}`,
      `pat-us1-${[8, 4, 4, 4, 12].map((length) => random(HEX, length)).join("-")}`,
    ],
  ),
  plain("dropbox-token", ["s", "l."], ALNUM, 140),
  plain("facebook-token", ["EA", "AC"], ALNUM, 80),
  plain("adobe-secret", ["p8", "e-"], ALNUM, 32),
  plain("readme-key", ["rd", "me_"], LOWER, 70),
  made(
    "maxmind-key",
    (random) => `${random(ALNUM, 6)}_${random(ALNUM, 29)}_${"mmk"}`,
    (random) => [`${random(ALNUM, 6)}_mmk`, `${random(ALNUM, 6)}_${random(ALNUM, 29)}_mmq`],
  ),
  made(
    "grafana-token",
    (random) => `gl${"sa_"}${random(ALNUM, 32)}_${random(HEX, 8)}`,
    (random) => [`glsa_${random(ALNUM, 12)}`, `glsb_${random(ALNUM, 32)}_${random(HEX, 8)}`],
  ),
  plain("newrelic-key", ["NR", "AK-"], UPPER, 27),
  plain("sentry-token", ["sntr", "yu_"], HEX, 64),
  made(
    "dynatrace-token",
    (random) => `dt0${"c01."}${random(UPPER, 24)}.${random(UPPER, 64)}`,
    (random) => [`dt0c01.${random(UPPER, 24)}`, `dt1c01.${random(UPPER, 24)}.${random(UPPER, 64)}`],
  ),
  plain("octopus-key", ["AP", "I-"], UPPER, 26),
  made(
    "postman-key",
    (random) => `PM${"AK-"}${random(HEX, 24)}-${random(HEX, 34)}`,
    (random) => [`PMAK-${random(HEX, 24)}`, `PMAX-${random(HEX, 24)}-${random(HEX, 34)}`],
  ),
  made(
    "tailscale-key",
    (random) => `ts${"key-"}auth-${random(ALNUM, 12)}-${random(ALNUM, 32)}`,
    (random) => [`tskey-auth-${random(ALNUM, 3)}`, `tskeys ${random(ALNUM, 32)}`],
  ),
  made(
    "private-key",
    (random) =>
      `-----BEGIN RSA ${"PRIVATE"} KEY-----\n${random(ALNUM, 64)}\n${random(ALNUM, 64)}\n-----END RSA ${"PRIVATE"} KEY-----`,
    (random) => [
      `-----BEGIN PUBLIC KEY-----\n${random(ALNUM, 64)}\n-----END PUBLIC KEY-----`,
      "A file with -----BEGIN PRIVATE KEY----- in its first line is a key.",
    ],
  ),
  made(
    "jwt",
    (random) => {
      const [header, payload] = [{ alg: "HS256" }, { sub: random(ALNUM, 20) }].map((part) =>
        Buffer.from(JSON.stringify(part)).toString("base64url"),
      )
      return `${header}.${payload}.${random(ALNUM, 43)}`
    },
    (random) => [`eyJ${random(ALNUM, 20)}`, `eyJ${random(ALNUM, 20)}.eyJ${random(ALNUM, 60)}`],
  ),
  made(
    "azure-marked-key",
    (random) => `${random(ALNUM, 76)}${"+A"}St${random(ALNUM, 6)}==`,
    (random) => [`${random(ALNUM, 20)}+ASt${random(ALNUM, 6)}==`, `${random(ALNUM, 76)}+ASx${random(ALNUM, 6)}==`],
  ),
  made(
    "azure-devops-token",
    (random) => `${random(ALNUM, 76)}${"AZ"}DO${random(ALNUM, 4)}`,
    (random) => [`${random(ALNUM, 60)}AZDO${random(ALNUM, 4)}`, `${random(ALNUM, 76)}AZXO${random(ALNUM, 4)}`],
  ),
  made(
    "azure-sas",
    (random) => `https://acme.blob.core.windows.net/a?sv=2022-11-02&sr=b&${"si"}g=${random(ALNUM, 43)}%3D`,
    (random) => [`?sv=2022-11-02&sig=${random(ALNUM, 9)}%3D`, `mysig=${random(ALNUM, 43)}%3D`],
  ),
  made(
    "facebook-app-token",
    (random) => `${random("123456789", 15)}${"|"}${random(ALNUM, 27)}`,
    (random) => [`${random("123456789", 4)}|${random(ALNUM, 27)}`, `${random("123456789", 15)}|${random(ALNUM, 9)}`],
  ),
  made(
    "discord-bot",
    (random) => `M${random(ALNUM, 23)}.${"G"}${random(ALNUM, 5)}.${random(ALNUM, 38)}`,
    (random) => [
      `M${random(ALNUM, 23)}.G${random(ALNUM, 5)}`,
      `M${random(ALNUM, 9)}.G${random(ALNUM, 5)}.${random(ALNUM, 38)}`,
    ],
  ),
  made(
    "rapidapi-key",
    (random) => `${random(LOWER, 10)}${"ms"}h${random(LOWER, 15)}p1${random(LOWER, 6)}jsn${random(LOWER, 12)}`,
    (random) => [
      `${random(LOWER, 10)}msh${random(LOWER, 15)}`,
      `${random(LOWER, 10)}msh${random(LOWER, 15)}p2${random(LOWER, 6)}jsn${random(LOWER, 12)}`,
    ],
  ),
  made(
    "vault-legacy-token",
    (random) => `${"s"}.${random(ALNUM, 22)}A1`,
    (random) => [`s.${random(LETTERS, 9)}`, `s.${random(LOWER, 24)}`],
  ),
  plain("grafana-legacy-key", ["eyJr", "Ijoi"], ALNUM, 90),
  made(
    "kubernetes-secret",
    (random) => `kind: ${"Secret"}\nmetadata:\n  name: db\ndata:\n  pass: ${random(ALNUM, 24)}`,
    () => ["kind: Secret\nmetadata:\n  name: db", "kind: SecretStore\nspec:\n  provider: x"],
  ),
  made(
    "putty-private-key",
    (random) =>
      `PuTTY-User-Key-${"File"}-3: ssh-ed25519\nPublic-Lines: 2\n${random(ALNUM, 64)}\nPrivate-Lines: 1\n${random(ALNUM, 64)}`,
    (random) => [
      "PuTTY-User-Key-File-3: ssh-ed25519",
      `PuTTY-User-Key-File-3: ssh-ed25519\nPublic-Lines: 2\n${random(ALNUM, 64)}`,
    ],
  ),
  made(
    "wireguard-key",
    (random) => `Private${"Key"} = ${random(ALNUM, 42)}A=`,
    (random) => [`PrivateKey = ${random(ALNUM, 12)}=`, `PublicKey = ${random(ALNUM, 42)}A=`],
  ),
  made(
    "curl-credentials",
    (random) => `curl -s -u ${"admin"}:${random(ALNUM, 20)}7Aa https://example.com`,
    () => ["curl -u admin:$PASSWORD https://example.com", "curl -u user:password https://example.com"],
  ),
  plain("jwt-base64", ["ZX", "lK"], ALNUM, 120),
  made(
    "bearer",
    (random) => `Bearer ${random(ALNUM, 40)}`,
    () => ["bearer of bad news and of good news alike", "Bearer authentication-scheme-registration"],
  ),
  made(
    "basic-credentials",
    (random) => `Authorization: Basic ${random(ALNUM, 32)}`,
    () => ["Basic understanding", "authorization basics of the protocol"],
  ),
  made(
    "url-credentials",
    (random) => `postgres://app:${random(ALNUM, 16)}@db.internal/app`,
    () => ["https://example.com:8080/a@b", "mailto:someone@example.com"],
  ),
  made(
    "named-password",
    (random) => `"password": "${random(ALNUM, 12)}7Aa!"`,
    () => ['"password": "string"', "password: ${DB_PASSWORD}"],
  ),
  made(
    "named-password",
    (random) => `mot de passe: ${random(ALNUM, 12)}7Aa!`,
    () => ["mot de passe oublié", "haslo = changeme"],
  ),
  made(
    "named-password",
    (random) => `密码：${random(ALNUM, 12)}7Aa!`,
    () => ["密码：请输入", "пароль = пример"],
  ),
  made(
    "named-secret",
    (random) => `client_secret = "${random(ALNUM, 32)}"`,
    () => ["token = getToken(request)", 'api_key: "your-api-key-here"'],
  ),
]

describe("the leak table", () => {
  test("has a fixture for every rule, and a source in every row", () => {
    expect(fixtures.map(({ rule }) => rule).toSorted()).toEqual(
      leakPatterns()
        .map(({ rule }) => rule)
        .toSorted(),
    )
    for (const { source } of leakPatterns()) expect(source).not.toBe("")
    const rules = new Set(leakPatterns().map(({ rule }) => rule))
    expect(unconfirmed.filter((rule) => !rules.has(rule))).toEqual([])
    expect(rules.size).toBeGreaterThanOrEqual(150)
  })

  test("named-secret: where a list goes on is no secret, whatever it is called", () => {
    const place = randomOf(5)(ALNUM, 40)
    for (const name of ["nextPageToken", "pageToken", "next_page_token", "page-token"])
      for (const text of [`{"${name}":"${place}"}`, `https://example.com/list?q=a&${name}=${place}`])
        expect(findLeaks(text)).toEqual([])
    expect(findLeaks(`{"pageTokenSecret":"${place}","token":"${place}"}`)).toHaveLength(2)
  })

  for (const { rule, make, near } of fixtures) {
    test(`${rule}: finds it in prose and in JSON, whole and at its place`, () => {
      for (const [seed, before, after] of [
        [3, "Here it is: ", " – keep it safe."],
        [7, '{"value":"', '","n":1}'],
      ] as const) {
        const secret = make(randomOf(seed))
        const text = before + secret + after
        const [leak, ...others] = findLeaks(text)
        expect(others).toEqual([])
        expect(leak?.rule).toBe(rule)
        const found = text.slice(leak?.start, leak?.end)
        expect(secret).toContain(found)
        expect(found.length).toBeGreaterThanOrEqual(Math.min(16, secret.length))
      }
    })
    test(`${rule}: leaves alone what only looks like it`, () => {
      const misses = near(randomOf(11))
      expect(misses).toHaveLength(2)
      for (const miss of misses) expect(findLeaks(`See ${miss} for that.`)).toEqual([])
    })
  }
})

describe("leaks", () => {
  const key = fixtures.find(({ rule }) => rule === "anthropic-key")?.make(randomOf(5)) ?? ""

  test("are redacted in place, by the name of what they are", () => {
    expect(redactLeaks(`a ${key} b`)).toBe("a [redacted: anthropic-key] b")
    expect(redactLeaks("nothing here")).toBe("nothing here")
  })

  test("are found where they are encoded, and the encoded stretch is what is redacted", () => {
    const encoded = {
      base64: Buffer.from(`the key is ${key}`).toString("base64"),
      "base64 without padding, for URLs": Buffer.from(key).toString("base64url"),
      "base64 twice": Buffer.from(Buffer.from(key).toString("base64")).toString("base64"),
      hex: Buffer.from(key).toString("hex"),
      percent: key.replaceAll("-", "%2D"),
      entities: key.replaceAll("-", "&#45;"),
      "JSON escapes": key.replaceAll("a", "\\u0061"),
      "zero width": Array.from(key).join("\u200b"),
      lookalikes: key.replaceAll("a", "а"),
      fullwidth: key.replaceAll("s", "ｓ"),
    }
    for (const [how, text] of Object.entries(encoded)) {
      const clean = redactLeaks(`before ${text} after`)
      expect([how, clean.startsWith("before "), clean.endsWith(" after")]).toEqual([how, true, true])
      expect([how, clean]).toEqual([how, "before [redacted: anthropic-key] after"])
    }
  })

  test("are values that only their name gives away, in the ways and the languages that people write them", () => {
    const value = `Zk7${"pQ2x"}vR9mW4tLb8`
    for (const before of [
      'password = "',
      "DB_PASSWORD: ",
      '{"apiToken": "',
      "<password>",
      '<add key="Password" value="',
      "--client-secret ",
      "export API_KEY=",
      "- name: DB_PASSWORD\n  value: ",
      '"Env": [{"name": "API_TOKEN", "value": "',
      "The password is ",
      "Passwort: ",
      "Das Kennwort lautet ",
      "mot de passe : ",
      "contraseña: ",
      "senha: ",
      "wachtwoord: ",
      "hasło: ",
      "Пароль: ",
      "şifre: ",
      "كلمة المرور: ",
      "סיסמה: ",
      "mật khẩu: ",
      "รหัสผ่าน: ",
      "密码：",
      "パスワード: ",
      "비밀번호: ",
    ]) {
      const [leak] = findLeaks(`${before}${value}`)
      expect([before, leak?.start, leak?.end]).toEqual([before, before.length, before.length + value.length])
    }
  })

  test("are private keys whole: unterminated, with another end, in JSON, in code", () => {
    const random = randomOf(19)
    const [begin, end] = [`-----BEGIN EC ${"PRIVATE"} KEY-----`, `-----END EC ${"PRIVATE"} KEY-----`]
    const body = [random(ALNUM, 64), random(ALNUM, 64), random(ALNUM, 20)]
    for (const text of [
      [begin, ...body, end].join("\n"),
      [begin, ...body].join("\n"),
      [begin, ...body, `-----END RSA ${"PRIVATE"} KEY-----`].join("\r\n"),
      JSON.stringify({ key: [begin, ...body, end].join("\n") }),
      `"${[begin, ...body, end].join('\\n" +\n  "')}"`,
      [
        `-----BEGIN PGP ${"PRIVATE"} KEY BLOCK-----`,
        "Version: x",
        "",
        ...body,
        `-----END PGP ${"PRIVATE"} KEY BLOCK-----`,
      ].join("\n"),
    ]) {
      const clean = redactLeaks(text)
      expect(clean).toContain("[redacted: private-key]")
      for (const line of body) expect(clean).not.toContain(line)
    }
  })

  test("that overlap are one", () => {
    expect(findLeaks(`https://user:${key}@example.com/`)).toHaveLength(1)
    expect(findLeaks(`Authorization: Bearer ${key}`)).toHaveLength(1)
  })

  test("are not hidden by what is put behind them", () => {
    for (const padding of ["a".repeat(200), "EXAMPLE", "xxxxxxxxxxxxxx"])
      expect(findLeaks(key + padding)[0]?.rule).toBe("anthropic-key")
  })

  test("are not what documentation shows in their place", () => {
    const prefix = `${"gh"}p_`
    for (const stand of ["x".repeat(36), "1234567890".repeat(4).slice(0, 36), ALNUM.slice(0, 36), "a1".repeat(18)])
      expect(findLeaks(prefix + stand)).toEqual([])
    expect(findLeaks(`${"AK"}IAIOSFODNN7EXAMPLE`)).toEqual([])
  })

  test("are not hashes, ids and checksums", () => {
    const random = randomOf(13)
    for (const text of [
      `commit ${random(HEX, 40)}`,
      `"integrity": "sha512-${random(ALNUM, 86)}=="`,
      `checksum = "${random(HEX, 64)}"`,
      `traceparent: 00-${random(HEX, 32)}-${random(HEX, 16)}-01`,
      `request id 0198f0c2-7b1a-7def-8abc-${random(HEX, 12)}`,
      "task-management-and-other-things-of-the-kind",
      "const token = await readToken(path)",
      "password: process.env.DB_PASSWORD",
      "The token: a word, and the secret: another.",
      "The password is required and must have 8 characters.",
      "Secretary: MariaLopez2024 was elected.",
      "postgres://user:password@localhost:5432/app and postgres://app:${PASSWORD}@db/app",
      "api_key: <your-api-key-1234>, token: ${TOKEN_2024}, secret: {{ vault.secret1 }}",
      "img src=data:image/png;base64," + random(ALNUM, 900),
      "com.example.eyJobs.eyJournal.eyJoin",
      "const secret = secrets[0]; key_id: 12345678901234567890",
    ])
      expect([text, findLeaks(text)]).toEqual([text, []])
  })
})
