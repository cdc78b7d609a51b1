-- What drizzle's schema cannot say: the order of events, the chain of the audit log, fences, and the rows that every home begins with.

-- Events take their seq from here under an advisory lock that is held until the commit, so the order of seq is the order of commits.
-- A rollback leaves a gap; a number is never given twice, also when the newest events were deleted.
CREATE SEQUENCE event_seq AS bigint;
--> statement-breakpoint
-- The hash of an audit row: sha256, in hex, over the UTF-8 bytes of a JSON array as jsonb prints it (a space after each comma and colon).
-- prev_hash is in it, so a row that is changed, removed or put in between breaks every hash after it.
CREATE FUNCTION audit_hash(entry audit) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT encode(sha256(convert_to(jsonb_build_array(
    entry.seq, to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), entry.agent_id, entry.act, entry.principal,
    entry.subject, entry.outcome, entry.session_id, entry.turn_id, entry.arguments_hash, entry.preview, entry.verdicts,
    entry.destination, entry.secret_names, entry.bytes_out, entry.bytes_in, entry.duration_ms, entry.labels, entry.source,
    entry.prev_hash
  )::text, 'UTF8')), 'hex')
$$;
--> statement-breakpoint
-- Gives rows (a JSON array of objects with the columns of audit) their place in the chain: INSERT INTO audit SELECT * FROM audit_chain(...).
-- The lock is held until the commit: two processes never continue the chain from the same row.
CREATE FUNCTION audit_chain(entries jsonb) RETURNS SETOF audit LANGUAGE plpgsql AS $$
DECLARE
  entry audit;
  last_seq bigint;
  last_hash text;
BEGIN
  PERFORM pg_advisory_xact_lock(7233512);
  SELECT seq, hash INTO last_seq, last_hash FROM audit ORDER BY seq DESC LIMIT 1;
  FOR entry IN
    -- Beside the row, not in the list of columns: there it would be made once for every column.
    SELECT made.* FROM jsonb_array_elements(entries) WITH ORDINALITY AS item(value, place),
      LATERAL jsonb_populate_record(NULL::audit, item.value) AS made
    ORDER BY item.place
  LOOP
    last_seq := coalesce(last_seq, 0) + 1;
    entry.seq := last_seq;
    entry.prev_hash := coalesce(last_hash, '');
    last_hash := audit_hash(entry);
    entry.hash := last_hash;
    RETURN NEXT entry;
  END LOOP;
END
$$;
--> statement-breakpoint
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is only ever appended to' USING ERRCODE = '42501';
END
$$;
--> statement-breakpoint
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
--> statement-breakpoint
CREATE TRIGGER audit_never_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
--> statement-breakpoint
-- For fenced changes: WITH done AS (UPDATE ... RETURNING 1) SELECT expect_rows(count(*), 1, 'what') FROM done. Raises IC001 otherwise.
CREATE FUNCTION expect_rows(actual bigint, expected bigint, what text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF actual IS DISTINCT FROM expected THEN
    RAISE EXCEPTION '%', what USING ERRCODE = 'IC001';
  END IF;
  RETURN actual;
END
$$;
--> statement-breakpoint
INSERT INTO agents (id) VALUES ('main');
--> statement-breakpoint
INSERT INTO people (id, role, name) VALUES ('per_00000000000070008000000000000001', 'owner', 'Owner');
--> statement-breakpoint
INSERT INTO identities (channel, external_id, person_id) VALUES ('terminal', 'owner', 'per_00000000000070008000000000000001');
