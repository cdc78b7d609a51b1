-- Only where the server has pgvector. Embeddings are derived from chunks: they can be dropped and made again.
-- The column takes any number of dimensions, for models differ and may be changed; an HNSW index needs one number, so it is made over
-- (embedding::vector(n)) for one model when there are enough chunks to need it (below some ten thousand an exact scan is quick enough).
CREATE TABLE chunk_embeddings (
  chunk_id text NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
  model text NOT NULL,
  agent_id text NOT NULL,
  dims integer NOT NULL,
  embedding vector NOT NULL,
  created_at timestamp (3) with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (chunk_id, model),
  CONSTRAINT chunk_embeddings_dims CHECK (vector_dims(embedding) = dims)
);
--> statement-breakpoint
CREATE INDEX chunk_embeddings_agent ON chunk_embeddings (agent_id, model);
