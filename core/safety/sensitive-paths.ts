/** Files and folders that hold keys, passwords or what a person typed. A path with one of these in it is closed to tools. */

/**
 * `path`: one name, or some that follow each other; `*` stands for anything within a name. Compared in lower case.
 * Names that every project has (config, credentials of tests) are listed with their folder, so that the others stay open.
 */
export type SensitivePath = { path: string; why: string }

export const SENSITIVE_PATHS: readonly SensitivePath[] = [
  { path: ".env", why: "environment with keys" },
  { path: ".env.*", why: "environment with keys" },
  { path: ".envrc", why: "environment with keys" },
  { path: ".dev.vars*", why: "environment with keys" },
  { path: ".ssh", why: "SSH keys" },
  { path: "id_rsa*", why: "SSH keys" },
  { path: "id_dsa*", why: "SSH keys" },
  { path: "id_ecdsa*", why: "SSH keys" },
  { path: "id_ed25519*", why: "SSH keys" },
  { path: ".gnupg", why: "GPG keys" },
  { path: ".password-store", why: "passwords" },
  { path: ".aws", why: "cloud credentials" },
  { path: ".azure", why: "cloud credentials" },
  { path: ".config/gcloud", why: "cloud credentials" },
  { path: "application_default_credentials.json", why: "cloud credentials" },
  { path: "client_secret*.json", why: "cloud credentials" },
  { path: ".oci", why: "cloud credentials" },
  { path: ".kube", why: "cluster credentials" },
  { path: "kubeconfig", why: "cluster credentials" },
  { path: ".docker/config.json", why: "registry credentials" },
  { path: ".dockercfg", why: "registry credentials" },
  { path: ".config/gh", why: "GitHub token" },
  { path: ".config/hub", why: "GitHub token" },
  { path: ".netrc", why: "passwords" },
  { path: "_netrc", why: "passwords" },
  { path: ".npmrc", why: "registry token" },
  { path: ".yarnrc.yml", why: "registry token" },
  { path: ".pypirc", why: "registry token" },
  { path: ".gem/credentials", why: "registry token" },
  { path: ".cargo/credentials*", why: "registry token" },
  { path: ".terraformrc", why: "registry token" },
  { path: ".terraform.d/credentials*", why: "registry token" },
  { path: "*.tfstate", why: "infrastructure state with secrets" },
  { path: "*.tfstate.*", why: "infrastructure state with secrets" },
  { path: ".pgpass", why: "passwords" },
  { path: "pgpass.conf", why: "passwords" },
  { path: ".my.cnf", why: "passwords" },
  { path: ".htpasswd", why: "passwords" },
  { path: ".git-credentials", why: "passwords" },
  { path: ".config/git/credentials", why: "passwords" },
  { path: ".vault-token", why: "vault token" },
  { path: ".*_history", why: "history of a shell" },
  { path: ".histfile", why: "history of a shell" },
  { path: ".viminfo", why: "history of an editor" },
  { path: ".lesshst", why: "history of a pager" },
  { path: "*.pem", why: "private key" },
  { path: "*.key", why: "private key" },
  { path: "*.p8", why: "private key" },
  { path: "*.p12", why: "private key" },
  { path: "*.pfx", why: "private key" },
  { path: "*.jks", why: "private key" },
  { path: "*.keystore", why: "private key" },
  { path: "*.ppk", why: "private key" },
  { path: "*.agekey", why: "private key" },
  { path: "*.kdbx", why: "passwords" },
  { path: "*.keychain", why: "passwords" },
  { path: "*.keychain-db", why: "passwords" },
  { path: ".ironclaw", why: "the assistant's own home" },
]

/** Open for reading, closed for writing: what lies there runs when its owner next uses the project. */
export const READ_ONLY_PATHS: readonly SensitivePath[] = [
  { path: ".git", why: "its hooks and configuration run commands" },
  { path: ".husky", why: "its hooks run commands" },
]

/** Shared on purpose: they show which names to fill in, not what with. */
export const HARMLESS_NAMES: readonly string[] = [
  ".env.example",
  ".env.sample",
  ".env.template",
  ".env.dist",
  ".env.defaults",
  "id_rsa.pub",
  "id_dsa.pub",
  "id_ecdsa.pub",
  "id_ed25519.pub",
]
