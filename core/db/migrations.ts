/** Every migration, in order, as text in the binary. What was released is never edited: a database remembers the hash of what it ran. */
import tables from "./migrations/0000_tables.sql" with { type: "text" }
import guards from "./migrations/0001_guards.sql" with { type: "text" }
import hooks from "./migrations/0002_hooks.sql" with { type: "text" }
import subTurns from "./migrations/0003_sub_turns.sql" with { type: "text" }
import plugins from "./migrations/0004_plugins.sql" with { type: "text" }
import pluginConfig from "./migrations/0005_plugin_config.sql" with { type: "text" }
import pluginPublishers from "./migrations/0006_plugin_publishers.sql" with { type: "text" }
import logins from "./migrations/0007_logins.sql" with { type: "text" }
import channels from "./migrations/0008_channels.sql" with { type: "text" }
import embeddings from "./migrations/vector_0000_embeddings.sql" with { type: "text" }

/** `needs: "vector"` runs only where the server has pgvector, and later when it gets it; such migrations are in an order of their own. */
export type Migration = { name: string; needs: "nothing" | "vector"; sql: string }

export const migrations: readonly Migration[] = [
  { name: "0000_tables", needs: "nothing", sql: tables },
  { name: "0001_guards", needs: "nothing", sql: guards },
  { name: "0002_hooks", needs: "nothing", sql: hooks },
  { name: "0003_sub_turns", needs: "nothing", sql: subTurns },
  { name: "0004_plugins", needs: "nothing", sql: plugins },
  { name: "0005_plugin_config", needs: "nothing", sql: pluginConfig },
  { name: "0006_plugin_publishers", needs: "nothing", sql: pluginPublishers },
  { name: "0007_logins", needs: "nothing", sql: logins },
  { name: "0008_channels", needs: "nothing", sql: channels },
  { name: "vector_0000_embeddings", needs: "vector", sql: embeddings },
]
