/**
 * Shapes of secrets that are more than a prefix and a filling (those are in leak-vendors.ts), one row each: where the vendor describes
 * the format, and what its values begin with. It is one file, long as it is, because it is one table: a new format is one row here or
 * there, and one in the test.
 *
 * How sure they are: on 2026-11-27 each row was compared with what the public detectors gitleaks, TruffleHog, Nosey Parker and Kingfisher
 * look for, and a few with the vendor's page itself. Those in `unconfirmed` are in neither: they were written from what is remembered of
 * the vendor's page, and their lengths may be off.
 */
import type { Anchored } from "./anchors.ts"
import { vendorKeys } from "./leak-vendors.ts"

export type LeakPattern = Anchored & {
  rule: string
  /** Who says that it looks so. */
  source: string
  /**
   * `random`: the value is random, so a text without enough different characters is a placeholder. `form`: the form alone decides.
   * `jwt`: its header is read. `url`: the password in it is read. `password`, `named`: only the name before it says that it is one; leaks.ts judges the value.
   */
  value: "random" | "form" | "jwt" | "url" | "password" | "named"
}

type Place = Pick<LeakPattern, "before" | "edge"> & { value?: "form" | "jwt" | "url" }

/** `pattern` begins where the literal does. Flags: sticky, and unicode off, because every format is ASCII. */
function row(
  rule: string,
  literal: string | readonly string[],
  pattern: RegExp,
  source: string,
  place: Place = {},
): LeakPattern {
  return { rule, literal, pattern, source, value: "random", ...place }
}

/** Not in the middle of a word, for prefixes that words may end in. */
const WORD_START = { edge: "word" } as const
/** Nor in the middle of base64. */
const LONE = { edge: "token" } as const

const formPatterns = (): LeakPattern[] => [
  // Models
  row("anthropic-key", "sk-ant-", /sk-ant-[A-Za-z0-9_-]{24,160}/y, "docs.anthropic.com: API keys"),
  row("openrouter-key", "sk-or-v1-", /sk-or-v1-[A-Za-z0-9]{24,100}/y, "openrouter.ai/docs: authentication"),
  row(
    "openai-key",
    ["sk-proj-", "sk-svcacct-", "sk-admin-"],
    /sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{32,200}/y,
    "platform.openai.com/docs: API keys",
  ),
  row(
    "openai-legacy-key",
    "sk-",
    /sk-[A-Za-z0-9]{32,64}(?![A-Za-z0-9])/y,
    "platform.openai.com/docs: API keys",
    WORD_START,
  ),
  row("groq-key", "gsk_", /gsk_[A-Za-z0-9]{40,64}/y, "console.groq.com/docs: API keys"),
  row("xai-key", "xai-", /xai-[A-Za-z0-9]{60,100}/y, "docs.x.ai: API keys"),
  row("perplexity-key", "pplx-", /pplx-[A-Za-z0-9]{40,64}/y, "docs.perplexity.ai: API keys"),
  row(
    "huggingface-token",
    ["hf_", "api_org_"],
    /(?:hf|api_org)_[A-Za-z]{34}/y,
    "huggingface.co/docs/hub/security-tokens",
    WORD_START,
  ),
  row("replicate-token", "r8_", /r8_[A-Za-z0-9]{37}/y, "replicate.com/docs/reference/http: authentication", WORD_START),
  row("fireworks-key", "fw_", /fw_[A-Za-z0-9]{22,48}(?![A-Za-z0-9_])/y, "docs.fireworks.ai: API keys", LONE),
  row("tavily-key", "tvly-", /tvly-(?:dev-|prod-)?[A-Za-z0-9]{28,64}/y, "docs.tavily.com: API keys"),
  row(
    "near-secret-key",
    "ed25519:",
    /ed25519:[1-9A-HJ-NP-Za-km-z]{80,90}/y,
    "docs.near.org: access keys; an Ed25519 secret key is 64 bytes",
  ),

  row("ironclaw-token", "ict_", /ict_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/y, "core/safety/tokens.ts: API tokens", LONE),

  // Code and packages
  row(
    "github-token",
    ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
    /gh[pousr]_[A-Za-z0-9]{36,255}/y,
    "docs.github.com: authentication token formats",
  ),
  row(
    "github-fine-grained",
    "github_pat_",
    /github_pat_[A-Za-z0-9_]{60,255}/y,
    "docs.github.com: authentication token formats",
  ),
  row(
    "gitlab-token",
    [
      "glpat-",
      "gldt-",
      "glrt-",
      "glrtr-",
      "glcbt-",
      "glptt-",
      "glft-",
      "glimt-",
      "glagent-",
      "gloas-",
      "glsoat-",
      "glffct-",
    ],
    /gl(?:pat|dt|rtr?|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[A-Za-z0-9_.-]{20,100}/y,
    "docs.gitlab.com: token overview, prefixes",
  ),
  row(
    "gitlab-runner-token",
    "gr1348941",
    /GR1348941[A-Za-z0-9_-]{20}/y,
    "docs.gitlab.com: token overview, runner registration",
  ),
  row("npm-token", "npm_", /npm_[A-Za-z0-9]{36}/y, "docs.npmjs.com: about access tokens"),
  row(
    "pypi-token",
    ["pypi-ageichlwas5vcmc", "pypi-agendgvzdc5wexbpl"],
    /pypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{50,300}/y,
    "pypi.org/help: API tokens; a macaroon for pypi.org",
  ),
  row("rubygems-key", "rubygems_", /rubygems_[a-f0-9]{48}/y, "guides.rubygems.org: API key scopes"),
  row("clojars-token", "clojars_", /clojars_[a-z0-9]{60}/iy, "github.com/clojars/clojars-web/wiki: deploy tokens"),
  row(
    "docker-token",
    ["dckr_pat_", "dckr_oat_"],
    /dckr_[po]at_[A-Za-z0-9_-]{27,40}/y,
    "docs.docker.com: personal access tokens",
  ),
  row(
    "sourcegraph-token",
    ["sgp_", "sgd_"],
    /sg[pd]_(?:[a-f0-9]{16}_|local_)?[a-f0-9]{40}/iy,
    "sourcegraph.com/docs: access tokens",
  ),
  row("artifactory-key", "akcp", /AKCp[A-Za-z0-9]{69}/y, "jfrog.com: API key format", LONE),
  row(
    "artifactory-reference",
    "cmvmdgtu",
    /cmVmdGtu[A-Za-z0-9]{56}/y,
    "jfrog.com: reference tokens, base64 of “reftkn”",
    LONE,
  ),

  // Clouds and hosting
  row(
    "aws-access-key",
    ["akia", "asia", "abia", "acca"],
    /(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])/y,
    "docs.aws.amazon.com/IAM: unique identifiers",
    LONE,
  ),
  row("google-api-key", "aiza", /AIza[A-Za-z0-9_-]{35}/y, "cloud.google.com/docs/authentication/api-keys", WORD_START),
  row(
    "google-oauth",
    ["ya29.", "gocspx-"],
    /(?:ya29\.[A-Za-z0-9_-]{30,300}|GOCSPX-[A-Za-z0-9_-]{28})/y,
    "developers.google.com/identity/protocols/oauth2",
  ),
  row(
    "azure-storage-key",
    "accountkey=",
    /AccountKey=[A-Za-z0-9+/]{86}==/y,
    "learn.microsoft.com: storage connection strings",
  ),
  row(
    "azure-ad-secret",
    Array.from("0123456789", (digit) => `${digit}q~`),
    /\dQ~[A-Za-z0-9_.~-]{31,34}/y,
    "learn.microsoft.com: Entra client secrets",
    {
      before: /(?<![A-Za-z0-9_.~-])[A-Za-z0-9_.~-]{3}$/,
    },
  ),
  row(
    "azure-marked-key",
    ["acdb", "+ast", "azse", "azfu", "azeg", "+acr", "+aba", "apim", "aiot", "+amc"],
    /(?:ACDb|\+ASt|AzSe|AzFu|AZEG|\+ACR|\+ABa|APIM|AIoT|\+AMC)[A-Za-z0-9+/]{5,6}(?![A-Za-z0-9+/])={0,2}/y,
    "github.com/microsoft/security-utilities: identifiable keys",
    { before: /(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{76}|[A-Za-z0-9+/]{42}|[A-Za-z0-9+/]{33})$/ },
  ),
  row(
    "azure-devops-token",
    "azdo",
    /AZDO[A-Za-z0-9]{4}(?![A-Za-z0-9])/y,
    "learn.microsoft.com/azure/devops: personal access tokens",
    { before: /(?<![A-Za-z0-9])[A-Za-z0-9]{76}$/ },
  ),
  row(
    "azure-sas",
    "sig=",
    /sig=[A-Za-z0-9%+/]{43,80}(?:%3D|=)/iy,
    "learn.microsoft.com/azure/storage: shared access signatures",
    { before: /(?:[?&]|&amp;|\\u0026)$/ },
  ),
  row(
    "teams-webhook",
    ".webhook.office.com/webhookb2/",
    /\.webhook\.office\.com\/webhookb2\/[a-z0-9@/-]{80,200}/iy,
    "learn.microsoft.com: incoming webhooks",
    { before: /https:\/\/[a-z0-9-]{1,60}$/i },
  ),
  row(
    "digitalocean-token",
    ["dop_v1_", "doo_v1_", "dor_v1_"],
    /do[opr]_v1_[a-f0-9]{64}/y,
    "docs.digitalocean.com: personal access tokens",
  ),
  row(
    "alibaba-access-key",
    "ltai",
    /LTAI[A-Za-z0-9]{12,26}(?![A-Za-z0-9])/y,
    "alibabacloud.com/help: AccessKey pairs",
    LONE,
  ),
  row(
    "cloudflare-origin-ca",
    "v1.0-",
    /v1\.0-[a-f0-9]{24}-[a-f0-9]{146}/y,
    "developers.cloudflare.com: origin CA keys",
    WORD_START,
  ),
  row("heroku-key", "hrku-aa", /HRKU-AA[A-Za-z0-9_-]{58}/y, "devcenter.heroku.com: OAuth, token prefix"),
  row(
    "flyio-token",
    ["fm1_", "fm1a_", "fm1r_", "fm2_", "fo1_"],
    /f(?:m1[ar]?|m2|o1)_[A-Za-z0-9+/_-]{40,64}/y,
    "fly.io/docs: access tokens",
    WORD_START,
  ),
  row(
    "databricks-token",
    "dapi",
    /dapi[a-f0-9]{32}(?:-\d)?(?![A-Za-z0-9])/y,
    "docs.databricks.com: personal access tokens",
    LONE,
  ),
  row(
    "planetscale-token",
    ["pscale_tkn_", "pscale_pw_", "pscale_oauth_"],
    /pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}/y,
    "planetscale.com/docs: service tokens",
  ),
  row(
    "supabase-token",
    ["sbp_", "sb_secret_"],
    /(?:sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{22,64})/y,
    "supabase.com/docs: API keys",
    WORD_START,
  ),
  row(
    "hashicorp-tf-token",
    ".atlasv1.",
    /\.atlasv1\.[A-Za-z0-9_=-]{60,70}/y,
    "developer.hashicorp.com/terraform: API tokens",
    { before: /[A-Za-z0-9]{14}$/ },
  ),
  row(
    "vault-token",
    ["hvs.", "hvb.", "hvr."],
    /hv[sbr]\.[A-Za-z0-9_-]{24,300}/y,
    "developer.hashicorp.com/vault: token prefixes",
    WORD_START,
  ),
  row(
    "vault-legacy-token",
    Array.from("abcdefghijklmnopqrstuvwxyz0123456789", (first) => `s.${first}`),
    /s\.(?=[a-z0-9]{0,23}[A-Z])(?=[A-Za-z]{0,23}\d)[A-Za-z0-9]{24}(?![A-Za-z0-9])/y,
    "developer.hashicorp.com/vault: token prefixes before 1.10",
    { before: /(?<![A-Za-z0-9_.\])-])$/ },
  ),
  row(
    "doppler-token",
    ["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."],
    /dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}/y,
    "docs.doppler.com: auth token formats",
    WORD_START,
  ),
  row("pulumi-token", "pul-", /pul-[a-f0-9]{40}/y, "pulumi.com/docs: access tokens", WORD_START),
  row("prefect-key", ["pnu_", "pnb_"], /pn[ub]_[A-Za-z0-9]{36}/y, "docs.prefect.io: API keys", WORD_START),
  row(
    "1password-service-token",
    "ops_eyj",
    /ops_eyJ[A-Za-z0-9+/_-]{200,2000}={0,3}/y,
    "developer.1password.com: service accounts",
  ),
  row(
    "1password-secret-key",
    ["a3-"],
    /A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}/y,
    "support.1password.com: Secret Key",
    WORD_START,
  ),
  row(
    "age-secret-key",
    "age-secret-key-1",
    /AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/iy,
    "age-encryption.org/v1: bech32 identities",
  ),

  // Chat and mail
  row(
    "slack-token",
    ["xoxb-", "xoxp-", "xoxa-", "xoxe-", "xoxo-", "xoxr-", "xoxs-", "xapp-", "xoxe.", "xoxc-", "xoxd-"],
    /x(?:ox[abcdeoprs][.-]|app-)(?=[A-Za-z0-9.-]{0,40}\d{5})[A-Za-z0-9.-]{16,300}/y,
    "api.slack.com/authentication/token-types",
  ),
  row(
    "slack-webhook",
    "hooks.slack.com/",
    /hooks\.slack\.com\/(?:services|workflows|triggers)\/[A-Za-z0-9+/]{20,80}/y,
    "api.slack.com/messaging/webhooks",
    { before: /(?:https?:\/\/)?$/ },
  ),
  row(
    "discord-webhook",
    ["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
    /discord(?:app)?\.com\/api\/webhooks\/\d{17,20}\/[A-Za-z0-9_-]{60,80}/y,
    "discord.com/developers/docs: webhooks",
    { before: /(?:https?:\/\/)?$/ },
  ),
  row(
    "telegram-bot",
    [":aa"],
    /:AA[A-Za-z0-9_-]{32,33}(?![A-Za-z0-9_-])/y,
    "core.telegram.org/bots/api: authorizing your bot",
    { before: /(?<![0-9])[0-9]{8,10}$/ },
  ),
  row(
    "discord-bot",
    [".g", ".x", ".y", ".z"].flatMap((dot) =>
      Array.from("abcdefghijklmnopqrstuvwxyz0123456789_-", (next) => dot + next),
    ),
    /\.[GXYZ][A-Za-z0-9_-]{5}\.(?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9_-]{27,38}(?![A-Za-z0-9_-])/y,
    "discord.com/developers/docs/reference: authentication",
    { before: /(?<![A-Za-z0-9_.-])[MNO][A-Za-z0-9]{23,27}$/ },
  ),
  row("sendgrid-key", "sg.", /SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}/y, "docs.sendgrid.com: API keys", LONE),
  row("mailgun-key", "key-", /key-[a-f0-9]{32}(?![A-Za-z0-9])/y, "documentation.mailgun.com: authentication", LONE),
  row("brevo-key", "xkeysib-", /xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}/y, "developers.brevo.com: API keys"),
  row("mailchimp-key", "-us", /-us\d{1,2}(?![A-Za-z0-9])/y, "mailchimp.com/developer: API keys, with the data centre", {
    before: /(?<![A-Za-z0-9])[a-f0-9]{32}$/,
  }),
  row(
    "twilio-key",
    ["sk0", "sk1", "sk2", "sk3", "sk4", "sk5", "sk6", "sk7", "sk8", "sk9", "ska", "skb", "skc", "skd", "ske", "skf"],
    /SK[a-fA-F0-9]{32}(?![A-Za-z0-9])/y,
    "twilio.com/docs/iam/api-keys: SIDs begin with SK",
    LONE,
  ),

  // Money
  row(
    "stripe-key",
    ["sk_live_", "rk_live_", "sk_test_", "rk_test_"],
    /[sr]k_(?:live|test)_[A-Za-z0-9]{20,250}/y,
    "docs.stripe.com/keys",
  ),
  row("stripe-webhook", "whsec_", /whsec_[A-Za-z0-9+/]{32,64}/y, "docs.stripe.com/webhooks: signing secrets"),
  row(
    "square-token",
    ["eaaa", "sq0atp-", "sq0csp-"],
    /(?:EAAA[A-Za-z0-9_-]{60}|sq0(?:atp|csp)-[A-Za-z0-9_-]{22,60})(?![A-Za-z0-9])/y,
    "developer.squareup.com: access tokens",
    LONE,
  ),
  row(
    "shopify-token",
    ["shpat_", "shpca_", "shppa_", "shpss_", "shpit_"],
    /shp(?:at|ca|pa|ss|it)_[a-fA-F0-9]{32}/y,
    "shopify.dev: access tokens",
  ),
  row(
    "flutterwave-key",
    ["flwseck_test-", "flwpubk_test-", "flwseck-"],
    /FLW(?:SECK|PUBK)(?:_TEST)?-?[A-Za-z0-9-]{12,50}/iy,
    "developer.flutterwave.com: API keys",
  ),
  row("easypost-key", ["ezak", "eztk"], /EZ[AT]K[A-Za-z0-9]{54}/y, "docs.easypost.com: authentication", LONE),
  row(
    "shippo-token",
    ["shippo_live_", "shippo_test_"],
    /shippo_(?:live|test)_[a-f0-9]{40}/y,
    "docs.goshippo.com: authentication",
  ),

  // Work
  row(
    "notion-token",
    ["secret_", "ntn_"],
    /(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,60})(?![A-Za-z0-9])/y,
    "developers.notion.com: authorization",
    LONE,
  ),
  row(
    "linear-key",
    ["lin_api_", "lin_oauth_"],
    /lin_(?:api|oauth)_[A-Za-z0-9]{32,64}/y,
    "linear.app/developers: API keys",
  ),
  row(
    "airtable-token",
    "pat",
    /pat[A-Za-z0-9]{14}\.[a-f0-9]{64}/y,
    "airtable.com/developers: personal access tokens",
    LONE,
  ),
  row("atlassian-token", "atatt3", /ATATT3[A-Za-z0-9_=-]{180,220}/y, "support.atlassian.com: API tokens"),
  row("figma-token", "figd_", /figd_[A-Za-z0-9_-]{38,60}/y, "figma.com/developers: access tokens"),
  row(
    "hubspot-token",
    "pat-",
    /pat-(?:na|eu)\d-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}/iy,
    "developers.hubspot.com: private apps",
    WORD_START,
  ),
  row(
    "dropbox-token",
    "sl.",
    /sl\.(?:u\.)?[A-Za-z0-9_-]{120,1300}/y,
    "dropbox.com/developers: short-lived tokens",
    LONE,
  ),
  row(
    "facebook-token",
    ["eaac", "eaab", "eaad", "eaag", "eaam", "eaax"],
    /EAA[A-Z][A-Za-z0-9]{30,300}/y,
    "developers.facebook.com: access tokens",
    LONE,
  ),
  row(
    "facebook-app-token",
    Array.from({ length: 10 }, (_, digit) =>
      Array.from("abcdefghijklmnopqrstuvwxyz0123456789_-", (first) => `${digit}|${first}`),
    ).flat(),
    /\d\|(?=[A-Za-z_-]{0,26}\d)[A-Za-z0-9_-]{26,28}(?![A-Za-z0-9_-])/y,
    "developers.facebook.com: app access tokens",
    { before: /(?<!\d)\d{12,16}$/ },
  ),
  row(
    "rapidapi-key",
    "msh",
    /msh[a-z0-9]{15}p1[a-z0-9]{6}jsn[a-z0-9]{12}(?![A-Za-z0-9])/y,
    "docs.rapidapi.com: X-RapidAPI-Key",
    { before: /(?<![A-Za-z0-9])[a-z0-9]{10}$/ },
  ),
  row("adobe-secret", "p8e-", /p8e-[A-Za-z0-9]{32}(?![A-Za-z0-9])/y, "developer.adobe.com: credentials", LONE),
  row("readme-key", "rdme_", /rdme_[a-z0-9]{60,80}/y, "docs.readme.com: API keys"),
  row("maxmind-key", "_mmk", /_mmk(?![A-Za-z0-9])/y, "dev.maxmind.com: license keys", {
    before: /(?<![A-Za-z0-9])[A-Za-z0-9]{6}_[A-Za-z0-9]{29}$/,
  }),

  // Operations
  row(
    "grafana-token",
    ["glsa_", "glc_eyj"],
    /gl(?:sa_[A-Za-z0-9]{32}_[a-f0-9]{8}|c_eyJ[A-Za-z0-9+/=]{40,400})/y,
    "grafana.com/docs: service account tokens",
    WORD_START,
  ),
  row(
    "grafana-legacy-key",
    "eyjrijoi",
    /eyJrIjoi[A-Za-z0-9+/_-]{70,400}={0,2}/y,
    "grafana.com/docs: API keys before 9.1",
    LONE,
  ),
  row(
    "newrelic-key",
    ["nrak-", "nrjs-", "nrii-", "nraa-"],
    /NR(?:AK-[A-Z0-9]{27}|JS-[a-f0-9]{19}|II-[A-Za-z0-9_-]{32}|AA-[a-f0-9]{27})/y,
    "docs.newrelic.com: API keys",
    WORD_START,
  ),
  row(
    "sentry-token",
    ["sntrys_", "sntryu_"],
    /sntry(?:s_eyJ[A-Za-z0-9+/=_]{80,400}|u_[a-f0-9]{64})/y,
    "docs.sentry.io: auth tokens",
  ),
  row(
    "dynatrace-token",
    "dt0",
    /dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}/iy,
    "docs.dynatrace.com: token format",
    WORD_START,
  ),
  row("octopus-key", "api-", /API-[A-Z0-9]{26}(?![A-Za-z0-9])/y, "octopus.com/docs: API keys", WORD_START),
  row("postman-key", "pmak-", /PMAK-[a-f0-9]{24}-[a-f0-9]{34}/iy, "learning.postman.com: API keys"),
  row(
    "tailscale-key",
    "tskey-",
    /tskey-[a-z]{2,10}-[A-Za-z0-9]{5,30}-[A-Za-z0-9]{20,60}/y,
    "tailscale.com/kb: key prefixes",
  ),

  // Forms that no vendor owns
  row(
    "private-key",
    "private key",
    /PRIVATE KEY(?: BLOCK)? ?-----?(?=[\s\S]{0,300}?[A-Za-z0-9+/]{40})(?:[A-Za-z0-9+/=\s\\:,.()"'#]|-(?!--)){40,20000}(?:-----? ?END [A-Z0-9 ]{0,30}KEY(?: BLOCK)? ?-----?)?/y,
    "RFC 7468, RFC 9580",
    {
      before: /-{4,5} ?BEGIN [A-Z0-9 ]{0,30}$/,
      value: "form",
    },
  ),
  row(
    "putty-private-key",
    "putty-user-key-file-",
    /PuTTY-User-Key-File-\d: (?:(?!PuTTY-User)[^]){1,8000}?Private-Lines: \d{1,4}[\sA-Za-z0-9+/=\\]{39,20000}[A-Za-z0-9+/=]/y,
    "PuTTY manual, appendix: PPK file format",
    { value: "form" },
  ),
  row(
    "wireguard-key",
    ["privatekey", "presharedkey"],
    /(?:PrivateKey|PresharedKey)\s{0,3}=\s{0,3}[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=/y,
    "wireguard: wg(8), key format",
    WORD_START,
  ),
  row("jwt", "eyj", /eyJ[A-Za-z0-9_-]{8,1000}\.eyJ[A-Za-z0-9_-]{8,4000}(?:\.[A-Za-z0-9_-]{8,1000})?/y, "RFC 7519", {
    ...LONE,
    value: "jwt",
  }),
  row(
    "kubernetes-secret",
    ["kind: secret", 'kind: "secret"'],
    /kind: "?Secret"?\s[^]{0,300}?\b(?:data|stringData):\s{1,12}[\w.-]{1,60}: {1,4}["']?(?=[^\s"']{0,400}\d)[A-Za-z0-9+/]{12,4000}={0,2}/y,
    "kubernetes.io/docs: Secret",
  ),
  row("jwt-base64", "zxlk", /ZXlK[A-Za-z0-9+/]{60,4000}={0,2}/y, "RFC 7519, once more in base64", LONE),
  row(
    "bearer",
    "bearer ",
    /bearer {1,8}(?=[A-Za-z0-9._~+/-]{0,400}\d)[A-Za-z0-9._~+/-]{20,2000}={0,2}/iy,
    "RFC 6750",
    WORD_START,
  ),
  row("basic-credentials", "basic ", /basic {1,8}[A-Za-z0-9+/]{16,400}={0,2}/iy, "RFC 7617", {
    before: /authorization["']?\s{0,3}[:=]\s{0,3}["']?$/i,
  }),
  row(
    "url-credentials",
    "://",
    /:\/\/[^\s/:@"'<>\\]{0,200}:[^\s/@"'<>\\]{3,200}@(?=[A-Za-z0-9[])/y,
    "RFC 3986, userinfo",
    {
      before: /(?<![A-Za-z0-9])[a-z][a-z0-9+.-]{1,20}$/i,
      value: "url",
    },
  ),
]

/**
 * Values that only their name gives away: `password = "…"`, `API_TOKEN: …`, `--client-secret …`, `<password>…`, `name: X_TOKEN, value: …`,
 * "the password is …". The value is the last group, quoted or not, as far as it is judged; whether it is one, leaks.ts says.
 */
const SIGN = String.raw`["'\x60\]]{0,2}(?:\s{0,4}(?:=>|:=|={1,3}|::?|：)\s{0,4}|>|(?<=-[a-z-]{3,30}) |,?\s{1,20}["']?value["']?\s{0,3}[:=]\s{0,3}| (?:is|was|ist|lautet|est|es|è|é) |是|为|は)`
const VALUE = String.raw`(?:(?:bearer|token|basic) )?(?:\\?["'\x60]([!#-&(-\[\]-_a-~]{8,48})|([!#-%*+\-.-:=?@-\[\]-_a-z|~]{8,48}))`
const NAMED_VALUE = String.raw`[A-Za-z0-9_.-]{0,24}(?![A-Za-z0-9_.-])${SIGN}${VALUE}`

const englishPasswords = [
  "passw",
  "passphrase",
  "pwd=",
  "pwd:",
  'pwd"',
  "pwd'",
  "pwd ",
  "pwd>",
  "_pass=",
  "_pass:",
  '_pass"',
]
/** The word for it in other languages that many people write; where it has two signs, with what follows it. */
const latinPasswords = [
  "kennwort",
  "mot de passe",
  "mot_de_passe",
  "motdepasse",
  "contraseña",
  "contrasena",
  "senha",
  "palavra-passe",
  "parola",
  "wachtwoord",
  "hasło",
  "haslo",
  "lösenord",
  "adgangskode",
  "passord",
  "salasana",
  "heslo",
  "jelszó",
  "şifre",
  "sifre",
  "kata sandi",
  "mật khẩu",
]
const otherPasswords = [
  "пароль",
  "كلمة المرور",
  "كلمة السر",
  "סיסמה",
  "पासवर्ड",
  "รหัสผ่าน",
  "密码:",
  "密码：",
  "密码是",
  "密码为",
  "密码=",
  "密碼:",
  "密碼：",
  "密碼是",
  "パスワード",
  "비밀번호",
]

const wordsOf = (literals: readonly string[]) => literals.map((word) => RegExp.escape(word.replace(/[:：是为=]$/, "")))

/** A row for each handful of words: all in one pattern, every place of one would be tried with all of them. */
function namedPassword(words: readonly string[], literal: readonly string[]): LeakPattern {
  return {
    rule: "named-password",
    literal,
    pattern: new RegExp(`(?:${words.join("|")})${NAMED_VALUE}`, "iy"),
    source: "names in common use; CWE-798",
    value: "password",
  }
}

const namedPatterns = (): LeakPattern[] => [
  {
    rule: "curl-credentials",
    literal: "curl ",
    pattern:
      /curl [^\n]{0,200}?(?<=\s)(?:-u|--user)[ =]{0,2}(?:["'][^\s"':]{1,60}:([^\s"']{8,100})["']|[^\s"':]{1,60}:([^\s"']{8,100}))/iy,
    source: "curl(1), --user",
    value: "password",
  },
  namedPassword(["passw(?:or[dt])?", "passphrase", "pwd", "_pass"], englishPasswords),
  namedPassword(wordsOf(latinPasswords), latinPasswords),
  namedPassword(wordsOf(otherPasswords), otherPasswords),
  {
    rule: "named-secret",
    // A page token says where a list goes on: whoever cannot hand it back reads first pages only.
    literal: [
      "secret",
      "token",
      "apikey",
      "api_key",
      "api-key",
      "api key",
      "_key",
      "access_key",
      "access-key",
      "accesskey",
      "private_key",
      "private-key",
      "auth_key",
      "authkey",
      "credential",
      "license_key",
      "clé_api",
      "clave_api",
      "schlüssel",
      "geheimnis",
      "токен",
      "секрет",
      "密钥:",
      "密钥：",
      "令牌:",
      "令牌：",
    ],
    pattern: new RegExp(
      `(?:secret(?!ar|ion)|(?<!page[_-]?)token(?!i[sz])|_key|api[_ -]?key|access[_-]?key|private[_-]key|auth_?key|credentials?|license_key|cl(?:é|ave)_api|schlüssel|geheimnis|токен|секрет|密钥|令牌)${NAMED_VALUE}`,
      "iy",
    ),
    source: "names in common use; CWE-798",
    value: "named",
  },
]

const vendorPatterns = () =>
  vendorKeys().map(({ rule, prefixes, filling, source, edge }) =>
    row(
      rule,
      prefixes,
      new RegExp(`(?:${prefixes.map((prefix) => RegExp.escape(prefix)).join("|")})${filling}`, "y"),
      source,
      edge ? { edge } : {},
    ),
  )

/** Rules whose format nobody but memory vouches for; see the header. */
export const unconfirmed: readonly string[] = [
  "fireworks-key",
  "near-secret-key",
  "rapidapi-key",
  "cerebras-key",
  "helicone-key",
  "together-key",
  "runpod-key",
  "e2b-key",
  "openai-session",
  "mem0-key",
  "jsr-token",
  "dbt-token",
  "vercel-token",
  "render-key",
  "netbird-token",
  "stytch-secret",
  "chromatic-token",
  "trigger-dev-key",
  "honeycomb-key",
  "axiom-token",
  "logfire-token",
  "checkly-key",
  "jumpcloud-key",
  "upcloud-token",
  "volcengine-key",
  "baidu-key",
  "neon-key",
  "cockroach-key",
  "fauna-key",
  "aiven-password",
  "elastic-cloud-key",
  "confluent-secret",
  "xata-key",
  "zuplo-key",
  "matrix-token",
  "mailersend-token",
  "brevo-smtp-key",
  "onesignal-key",
  "pubnub-secret",
  "instagram-token",
  "linkedin-secret",
  "ifttt-webhook",
  "make-webhook",
  "braintree-token",
  "plaid-token",
  "xendit-key",
  "midtrans-key",
  "mercadopago-token",
  "polar-token",
  "shopify-partner-token",
  "wix-key",
  "samsara-token",
  "retool-token",
]

/** Made when it is asked for, so that a command which scans nothing does not pay for it. */
export function leakPatterns(): LeakPattern[] {
  return [...formPatterns(), ...vendorPatterns(), ...namedPatterns()]
}
