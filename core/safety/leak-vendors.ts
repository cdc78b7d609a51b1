/**
 * Vendors whose keys are a prefix of their own and a filling, one line each: what it is called, what it begins with, what follows, and
 * where the vendor describes it. It is one file, long as it is, because it is one table. Other shapes are in leak-patterns.ts.
 */

export type VendorKey = {
  rule: string
  prefixes: readonly string[]
  /** A regular expression for what follows the prefix; bounded, so that no text makes it slow. */
  filling: string
  source: string
  /** `token`: not in the middle of base64 or of a path. `word`: not in the middle of a word. Long prefixes need neither. */
  edge?: "word" | "token"
}

const repeated =
  (letters: string) =>
  (least: number, most: number = least) =>
    `[${letters}]{${least === most ? least : `${least},${most}`}}`
const hex = repeated("a-f0-9")
const digits = repeated("0-9")
const lower = repeated("a-z0-9")
const upper = repeated("A-Z0-9")
const alnum = repeated("A-Za-z0-9")
const word = repeated("A-Za-z0-9_-")
const base64 = repeated("A-Za-z0-9+/")
const bech32 = repeated("qpzry9x8gf2tvdw0s3jn54khce6mua7l")
const base58 = repeated("1-9A-HJ-NP-Za-km-z")
const UUID = "[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"
/** Nothing of a word goes on behind it: for fillings that longer words begin with. */
const END = "(?![A-Za-z0-9])"
/** Letters with dashes between them may be a name; a key of that length has a capital letter and a digit early on. */
const MIXED = "(?=[a-z0-9_-]{0,40}[A-Z])(?=[A-Za-z_-]{0,40}[0-9])"

function key(
  rule: string,
  prefix: string | readonly string[],
  filling: string,
  source: string,
  edge?: VendorKey["edge"],
): VendorKey {
  return { rule, prefixes: [prefix].flat(), filling, source, ...(edge ? { edge } : {}) }
}

export const vendorKeys = (): VendorKey[] => [
  // Models and what serves them
  key("nvidia-key", "nvapi-", word(60, 72), "docs.nvidia.com/ngc: API keys"),
  key("cerebras-key", "csk-", lower(48), "inference-docs.cerebras.ai: authentication", "token"),
  key("voyage-key", "pa-", MIXED + word(43) + END, "docs.voyageai.com: API keys", "token"),
  key("pinecone-key", "pcsk_", word(60, 80), "docs.pinecone.io: API keys"),
  key("langsmith-key", ["lsv2_pt_", "lsv2_sk_"], `${hex(32)}_${hex(10)}`, "docs.smith.langchain.com: API keys"),
  key("langfuse-key", "sk-lf-", UUID, "langfuse.com/docs: API keys"),
  key("helicone-key", "sk-helicone-", lower(7) + word(20, 60), "docs.helicone.ai: API keys"),
  key("firecrawl-key", "fc-", hex(32) + END, "docs.firecrawl.dev: authentication", "token"),
  key("jina-key", "jina_", hex(32) + word(20, 40), "jina.ai/embeddings: API keys", "word"),
  key("elevenlabs-key", "sk_", hex(48) + END, "elevenlabs.io/docs: authentication", "token"),
  key("together-key", "tgp_v1_", word(43), "docs.together.ai: API keys"),
  key("runpod-key", "rpa_", alnum(40, 52), "docs.runpod.io: API keys", "word"),
  key("e2b-key", "e2b_", hex(40), "e2b.dev/docs: API keys", "word"),
  key("wandb-key", "wandb_v1_", word(60, 90), "docs.wandb.ai: API keys"),
  key("brave-search-key", "BSA", MIXED + word(27, 29) + END, "api-dashboard.search.brave.com: API keys", "token"),
  key("apify-token", "apify_api_", alnum(34, 40), "docs.apify.com: API tokens"),
  key("openai-session", "sess-", alnum(40) + END, "platform.openai.com/docs: sessions", "token"),
  key("mem0-key", "m0-", alnum(40) + END, "docs.mem0.ai: API keys", "token"),
  key("modal-token", ["ak-", "as-"], alnum(22) + END, "modal.com/docs: tokens", "token"),
  key("coze-token", "pat_", alnum(64) + END, "coze.com/docs: personal access tokens", "token"),
  key("voiceflow-key", ["VF.DM.", "VF.WS."], `${hex(24)}\\.${alnum(16)}`, "docs.voiceflow.com: API keys"),
  key(
    "aws-bedrock-key",
    ["ABSK", "bedrock-api-key-"],
    base64(100, 400),
    "docs.aws.amazon.com/bedrock: API keys",
    "token",
  ),

  // Code, packages and their machines
  key("nuget-key", "oy2", lower(43) + END, "learn.microsoft.com/nuget: API keys", "token"),
  key("crates-token", "cio", alnum(32) + END, "doc.rust-lang.org/cargo: registry tokens", "token"),
  key("jsr-token", ["jsrp_", "jsrt_"], alnum(32, 64), "jsr.io/docs: tokens"),
  key("deno-token", ["ddp_", "ddo_", "ddw_"], alnum(36) + END, "docs.deno.com/deploy: access tokens", "word"),
  key("buildkite-token", ["bkua_", "bkct_", "bkpt_"], hex(40), "buildkite.com/docs/apis: access tokens"),
  key("circleci-token", ["CCIPAT_", "CCIPRA_"], `${alnum(22)}_${hex(40)}`, "circleci.com/docs: API tokens"),
  key("dbt-token", ["dbtc_", "dbtu_", "dbts_"], word(32, 64), "docs.getdbt.com: service tokens", "word"),
  key("sonar-token", ["sqp_", "squ_", "sqa_"], hex(40), "docs.sonarsource.com: tokens", "word"),
  key("netlify-token", ["nfp_", "nfc_", "nfo_", "nfu_"], alnum(36) + END, "docs.netlify.com: access tokens", "word"),
  key("vercel-token", ["vcp_", "vci_", "vca_", "vcr_", "vck_"], alnum(40, 64), "vercel.com/docs: tokens", "word"),
  key("render-key", "rnd_", alnum(28, 32) + END, "render.com/docs/api: API keys", "word"),
  key("infracost-key", "ico-", alnum(32) + END, "infracost.io/docs: API keys", "token"),
  key(
    "harness-token",
    ["pat.", "sat."],
    `${word(22)}\\.${hex(24)}\\.${alnum(20)}`,
    "developer.harness.io: API keys",
    "word",
  ),
  key("scalingo-token", "tk-us-", word(48), "developers.scalingo.com: tokens", "word"),
  key("endor-key", "endr+", word(16, 20), "docs.endorlabs.com: API keys", "word"),
  key("stackhawk-key", "hawk.", `${word(20)}\\.${word(20)}`, "docs.stackhawk.com: API keys", "word"),
  key("openshift-token", "sha256~", MIXED + word(43), "docs.openshift.com: OAuth access tokens", "word"),
  key("bitbucket-app-password", "ATBB", alnum(32) + END, "support.atlassian.com: app passwords", "token"),
  key("bitbucket-token", "ATCTT3xFfG", "[A-Za-z0-9_=-]{140,220}", "support.atlassian.com: repository access tokens"),
  key("launchdarkly-key", ["sdk-", "api-"], UUID, "docs.launchdarkly.com: SDK keys and tokens", "token"),
  key("statsig-key", "secret-", alnum(43, 50) + END, "docs.statsig.com: API keys", "token"),
  key("netbird-token", "nbp_", alnum(36) + END, "docs.netbird.io: personal access tokens", "word"),
  key("infisical-token", "st.", `${hex(24)}\\.${hex(32)}\\.${hex(32)}`, "infisical.com/docs: service tokens", "token"),
  key("stytch-secret", ["secret-live-", "secret-test-"], word(30, 48), "stytch.com/docs: API keys", "word"),
  key(
    "authress-key",
    ["sc_", "ext_", "scauth_", "authress_"],
    `${lower(5, 30)}\\.${lower(4, 6)}\\.acc[_-][a-z0-9-]{10,32}\\.[A-Za-z0-9+/_=-]{30,120}`,
    "authress.io/knowledge-base: service clients",
    "word",
  ),
  key("sourcegraph-license", "slk_", hex(64), "sourcegraph.com/docs: license keys", "word"),
  key("chromatic-token", "chpt_", lower(12, 40), "chromatic.com/docs: project tokens", "word"),
  key("hoppscotch-token", "pat-", UUID, "docs.hoppscotch.io: access tokens", "token"),
  key(
    "inngest-key",
    ["signkey-prod-", "signkey-test-", "signkey-branch-"],
    hex(32, 64),
    "inngest.com/docs: signing keys",
  ),
  key("trigger-dev-key", ["tr_dev_", "tr_prod_", "tr_stg_"], alnum(20, 32), "trigger.dev/docs: API keys", "word"),
  key("intra-42-secret", ["s-s4t2ud-", "s-s4t2af-"], hex(64), "api.intra.42.fr/apidoc"),
  key("posthog-key", ["phx_", "phs_"], word(42, 60), "posthog.com/docs: personal API keys", "word"),
  key("segment-token", "sgp_", alnum(64) + END, "segment.com/docs: public API tokens", "word"),
  key("honeycomb-key", ["hcaik_", "hcbik_", "hcaic_", "hcxik_", "hcamk_"], lower(58), "docs.honeycomb.io: API keys"),
  key("axiom-token", ["xaat-", "xapt-"], UUID, "axiom.co/docs: tokens"),
  key("logfire-token", "pylf_v", `\\d_[a-z]{2}_${alnum(40, 60)}`, "logfire.pydantic.dev: write tokens", "word"),
  key("rootly-key", "rootly_", hex(64), "docs.rootly.com: API keys"),
  key("checkly-key", "cu_", hex(32) + END, "checklyhq.com/docs: API keys", "token"),
  key("censys-token", "censys_", alnum(8, 12) + "_" + alnum(20, 40), "docs.censys.com: API access"),
  key("jumpcloud-key", "jca_", alnum(36, 40), "jumpcloud.com/support: API keys", "word"),

  // Clouds and data
  key(
    "cloudflare-token",
    ["cfk_", "cfut_", "cfat_"],
    alnum(40, 60),
    "developers.cloudflare.com: token formats",
    "word",
  ),
  key("google-refresh-token", "1//0", word(40, 160), "developers.google.com/identity/protocols/oauth2", "token"),
  key("amazon-mws-token", "amzn.mws.", UUID, "developer-docs.amazon.com: MWS auth tokens"),
  key("scaleway-key", "SCW", upper(17) + END, "scaleway.com/docs: API keys", "token"),
  key("upcloud-token", "ucat_", alnum(26, 40), "upcloud.com/docs: API tokens", "word"),
  key("tencent-secret-id", "AKID", alnum(32, 36) + END, "cloud.tencent.com/document: CAM keys", "token"),
  key("volcengine-key", "AKLT", word(40, 60), "volcengine.com/docs: access keys", "token"),
  key("baidu-key", "bce-v3/ALTAK-", `${alnum(21)}/${hex(40)}`, "cloud.baidu.com/doc: API keys"),
  key("yandex-cloud-key", "AQVN", word(35, 38) + END, "yandex.cloud/docs/iam: API keys", "token"),
  key("yandex-oauth", ["y0_", "y1_", "y2_", "y3_"], word(55, 80), "yandex.com/dev/id: OAuth tokens", "token"),
  key("neon-key", "napi_", lower(60, 66), "neon.com/docs: API keys", "word"),
  key("mongodb-atlas-secret", "mdb_sa_sk_", word(36, 64), "mongodb.com/docs/atlas: service accounts"),
  key("cockroach-key", "CCDB1_", `${alnum(22)}_${alnum(40)}`, "cockroachlabs.com/docs: API access"),
  key("fauna-key", ["fnAA", "fnAB", "fnAC", "fnAD", "fnAE", "fnAF"], word(36, 40), "docs.fauna.com: keys", "token"),
  key("aiven-password", "AVNS_", word(19), "aiven.io/docs: service credentials", "word"),
  key("elastic-cloud-key", "essu_", "[A-Za-z0-9+/]{40,120}={0,2}", "elastic.co/guide: API keys", "word"),
  key("clickhouse-key", "4b1d", alnum(38) + END, "clickhouse.com/docs: cloud API keys", "token"),
  key("confluent-secret", "cflt", base64(60) + END, "docs.confluent.io: API keys", "token"),
  key("xata-key", "xau_", alnum(38, 48), "xata.io/docs: API keys", "word"),
  key("zuplo-key", "zpka_", `${hex(32)}_${hex(8)}`, "zuplo.com/docs: API key format", "word"),

  // Chat, mail and notices
  key(
    "matrix-token",
    "syt_",
    `[A-Za-z0-9+/=-]{4,80}_[A-Za-z]{20}_${alnum(6)}`,
    "element-hq/synapse: access tokens",
    "word",
  ),
  key("mailersend-token", "mlsn.", hex(64), "developers.mailersend.com: API tokens"),
  key("resend-key", "re_", `${alnum(8)}_${alnum(24)}`, "resend.com/docs: API keys", "token"),
  key("brevo-smtp-key", "xsmtpsib-", `${hex(64)}-${alnum(16)}`, "developers.brevo.com: SMTP keys"),
  key("telnyx-key", "KEY0", `[A-F0-9]{31,33}_${alnum(22)}`, "developers.telnyx.com: API keys", "token"),
  key(
    "intercom-token",
    "dG9rO",
    "[A-Za-z0-9+/]{50,70}={0,2}",
    "developers.intercom.com: access tokens, base64 of “tok:”",
    "token",
  ),
  key("onesignal-key", ["os_v2_app_", "os_v2_org_"], lower(90, 110), "documentation.onesignal.com: keys"),
  key("ntfy-token", "tk_", lower(29) + END, "docs.ntfy.sh: access tokens", "token"),
  key("pubnub-secret", "sec-c-", alnum(40, 60), "pubnub.com/docs: keys", "word"),
  key("liveblocks-key", ["sk_prod_", "sk_dev_"], MIXED + word(40, 80), "liveblocks.io/docs: authentication", "word"),
  key("instagram-token", ["IGQV", "IGAA"], word(100, 300), "developers.facebook.com/docs/instagram", "token"),
  key(
    "linkedin-secret",
    ["WPL_AP0.", "WPL_AP1."],
    "[A-Za-z0-9+/=.]{16,60}",
    "learn.microsoft.com/linkedin: credentials",
  ),
  key(
    "twitter-bearer",
    "AAAAAAAAAAAAAAAAAAAA",
    "A{0,12}[A-Za-z0-9]{8,30}(?:%[A-Za-z0-9]{2}[A-Za-z0-9]{4,50}){1,4}",
    "developer.x.com: bearer tokens",
    "token",
  ),
  key("zapier-webhook", "hooks.zapier.com/hooks/catch/", "[0-9]{4,12}/[A-Za-z0-9]{5,12}", "help.zapier.com: webhooks"),
  key("ifttt-webhook", "maker.ifttt.com/use/", word(20, 50), "ifttt.com/maker_webhooks"),
  key("make-webhook", [".make.com/"], lower(30, 34) + END, "help.make.com: webhooks"),

  // Money
  key(
    "braintree-token",
    ["access_token$production$", "access_token$sandbox$"],
    `${lower(16)}\\$${hex(32)}`,
    "developer.paypal.com/braintree: access tokens",
  ),
  key("plaid-token", ["access-sandbox-", "access-development-", "access-production-"], UUID, "plaid.com/docs: tokens"),
  key(
    "paddle-key",
    ["pdl_live_apikey_", "pdl_sdbx_apikey_"],
    `${lower(26)}_${alnum(22)}_${alnum(3)}`,
    "developer.paddle.com: API keys",
  ),
  key("razorpay-key", ["rzp_live_", "rzp_test_"], alnum(14) + END, "razorpay.com/docs: API keys"),
  key(
    "payment-live-key",
    ["live_", "test_"],
    "(?=[a-zA-Z_-]{0,30}\\d)" + alnum(30, 43) + END,
    "docs.mollie.com, docs.lob.com, column.com/docs: API keys",
    "token",
  ),
  key("gocardless-token", "live_", MIXED + word(40) + END, "developer.gocardless.com: access tokens", "token"),
  key("duffel-token", ["duffel_live_", "duffel_test_"], "[A-Za-z0-9_=-]{43}", "duffel.com/docs: access tokens"),
  key("xendit-key", ["xnd_production_", "xnd_development_"], alnum(40, 80), "docs.xendit.co: API keys"),
  key("midtrans-key", "Mid-server-", word(20, 32), "docs.midtrans.com: access keys"),
  key(
    "mercadopago-token",
    "APP_USR-",
    `${digits(14, 18)}-${digits(6)}-${hex(32)}`,
    "mercadopago.com/developers: credentials",
  ),
  key("alchemy-token", "alcht_", alnum(30), "docs.alchemy.com: auth tokens", "word"),
  key("polar-token", ["polar_oat_", "polar_pat_", "polar_cst_"], alnum(32, 60), "docs.polar.sh: access tokens"),
  key(
    "settlemint-token",
    ["sm_aat_", "sm_pat_", "sm_sat_"],
    alnum(16),
    "console.settlemint.com/documentation: tokens",
    "word",
  ),
  key(
    "bitcoin-extended-key",
    ["xprv", "yprv", "zprv", "tprv"],
    base58(100, 112),
    "bitcoin BIP 32: serialization",
    "token",
  ),
  key("nostr-secret-key", "nsec1", bech32(58), "nostr NIP-19: bech32 keys", "word"),

  // Work
  key(
    "asana-token",
    ["0/1", "1/1", "2/1"],
    `\\d{14,16}(?:/1\\d{14,16})?:${hex(32)}`,
    "developers.asana.com: personal access tokens",
    "token",
  ),
  key("clickup-token", "pk_", `\\d{6,9}_${upper(32)}`, "developer.clickup.com: personal tokens", "token"),
  key("klaviyo-key", "pk_", hex(34) + END, "developers.klaviyo.com: private keys", "token"),
  key("trello-token", "ATTA", hex(64) + "[A-F0-9]{8}", "developer.atlassian.com/cloud/trello: tokens", "token"),
  key("typeform-token", "tfp_", word(40, 60), "developer.typeform.com: personal access tokens", "word"),
  key("contentful-token", "CFPAT-", word(43), "contentful.com/developers: management tokens"),
  key(
    "salesforce-token",
    "00D",
    "[A-Za-z0-9]{12,15}![A-Za-z0-9._]{80,120}",
    "developer.salesforce.com: session ids",
    "token",
  ),
  key("shopify-partner-token", "prtapi_", hex(32), "shopify.dev: partner API tokens", "word"),
  key("wix-key", "IST.eyJ", "[A-Za-z0-9_.-]{100,1000}", "dev.wix.com: API keys", "word"),
  key("zoho-token", "1000.", `${hex(32)}\\.${hex(32)}`, "zoho.com/accounts: OAuth tokens", "token"),
  key("frameio-token", "fio-u-", "[A-Za-z0-9_=-]{64}", "developer.frame.io: tokens", "word"),
  key("teamwork-token", "tkn.v1_", "[A-Za-z0-9]{60,80}={0,2}", "developer.teamwork.com: API keys", "word"),
  key("samsara-token", "samsara_api_", alnum(30, 32), "developers.samsara.com: authentication"),
  key("retool-token", "retool_0", lower(24, 34), "docs.retool.com: access tokens", "word"),
  key("mapbox-secret", "sk.eyJ", `${word(60, 140)}\\.${word(20, 30)}`, "docs.mapbox.com: access tokens", "word"),
  key("adafruit-key", "aio_", alnum(28), "io.adafruit.com/api/docs: keys", "word"),
  key("ubidots-token", "BBFF-", alnum(30), "docs.ubidots.com: tokens", "word"),
  key("defined-networking-key", "dnkey-", "[a-z0-9=_-]{26}-[a-z0-9=_-]{52}", "docs.defined.net: API keys"),
  key("gitlab-session", "_gitlab_session=", lower(32), "docs.gitlab.com: session cookies"),
  key(
    "bitwarden-token",
    ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "0.a", "0.b", "0.c", "0.d", "0.e", "0.f"],
    `[a-f0-9]{7}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}\\.${alnum(30)}:[A-Za-z0-9+/]{22}==`,
    "bitwarden.com/help: machine account access tokens",
    "token",
  ),
  key("secret-token-uri", "secret-token:", "(?=[^\\d\\s]{0,60}\\d)[A-Za-z0-9._~%!$&*+=:@/-]{16,300}", "RFC 8959"),
]
