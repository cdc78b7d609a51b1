/** Shapes of secrets, one row each: where the vendor documents the format, and what its values begin with. */

export type LeakPattern = {
  rule: string
  /** Literal that every match contains: the cheap test before the pattern. Lower case. */
  literal: string
  pattern: RegExp
  source: string
}

const token = (rule: string, literal: string, pattern: RegExp, source: string): LeakPattern => ({
  rule,
  literal,
  pattern,
  source,
})

export const leakPatterns: readonly LeakPattern[] = [
  token("aws-access-key", "akia", /\bAKIA[0-9A-Z]{16}\b/g, "docs.aws.amazon.com/IAM: unique identifiers"),
  token("github-token", "gh", /\bgh[pousr]_[A-Za-z0-9]{36,255}\b/g, "docs.github.com: authentication token formats"),
  token(
    "github-fine-grained",
    "github_pat_",
    /\bgithub_pat_[A-Za-z0-9_]{40,255}\b/g,
    "docs.github.com: authentication token formats",
  ),
  token("anthropic-key", "sk-ant-", /\bsk-ant-[A-Za-z0-9_-]{24,}/g, "docs.anthropic.com: API keys"),
  token("openrouter-key", "sk-or-v1-", /\bsk-or-v1-[A-Za-z0-9]{24,}/g, "openrouter.ai/docs: API keys"),
  token(
    "openai-key",
    "sk-",
    /\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}/g,
    "platform.openai.com/docs: API keys",
  ),
  token("groq-key", "gsk_", /\bgsk_[A-Za-z0-9]{40,}\b/g, "console.groq.com/docs: API keys"),
  token("google-api-key", "aiza", /\bAIza[0-9A-Za-z_-]{35}\b/g, "cloud.google.com/docs/authentication/api-keys"),
  token("slack-token", "xox", /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g, "api.slack.com/authentication/token-types"),
  token("stripe-key", "k_live_", /\b[sr]k_live_[A-Za-z0-9]{20,}\b/g, "docs.stripe.com/keys"),
  token(
    "telegram-bot",
    ":aa",
    /\b[0-9]{8,10}:AA[A-Za-z0-9_-]{32,33}\b/g,
    "core.telegram.org/bots/api: authorizing your bot",
  ),
  token(
    "private-key",
    "private key",
    /-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----[\s\S]{0,20000}?(?:-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|$)/g,
    "RFC 7468, RFC 9580",
  ),
  token("jwt", "eyj", /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/g, "RFC 7519"),
  token("bearer", "bearer ", /\bbearer\s+[A-Za-z0-9._~+/-]{20,}=*/gi, "RFC 6750"),
  token(
    "url-credentials",
    "://",
    /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@]{1,200}:[^\s/@]{3,200}@/gi,
    "RFC 3986, userinfo",
  ),
]
