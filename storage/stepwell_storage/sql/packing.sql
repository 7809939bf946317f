-- Rewriting cold partitions with their long values compressed; see packing.py. {partition} is quoted by psycopg.sql.

-- name: unpacked
-- The next partition of steps that is old enough, of a size that is soon rewritten, and not packed yet; oldest first.
SELECT c.relname
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'analytics.step_facts'::regclass
  AND c.relname ~ '^step_facts_p[0-9]{8}$' AND c.relname < %(before)s
  AND NOT coalesce(%(packed)s = ANY (c.reloptions), false)
  AND pg_table_size(c.oid) BETWEEN %(smallest_bytes)s AND %(largest_bytes)s
ORDER BY c.relname
LIMIT 1;

-- name: bound_lock_wait
-- Whoever waits for a lock also holds up those who come after; to be reset, since VACUUM takes no transaction.
SELECT set_config('lock_timeout', %(wait)s, false);

-- name: begin_packing
-- From now on what is written there is compressed; the number tells that the rewriting is not done.
ALTER TABLE analytics.{partition} SET (toast_tuple_target = 2041);

-- name: rewrite
-- All rows anew, each with its long values compressed.
VACUUM (FULL, ANALYZE) analytics.{partition};

-- name: finish_packing
-- Notes that it is done.
ALTER TABLE analytics.{partition} SET (toast_tuple_target = 2040);
