-- The parts of the large tables; see retention/partitions.py. Names in {braces} are identifiers that psycopg.sql quotes.

-- name: is_native
-- Whether a table has native partitions; else it is a hypertable.
SELECT relkind = 'p' FROM pg_catalog.pg_class
WHERE relnamespace = 'analytics'::regnamespace AND relname = %(table)s

-- name: partitions
-- Partitions by day, the oldest first, then the default one; sizes with indexes, blocks of the rows alone.
SELECT 'analytics', c.relname, d.day AT TIME ZONE 'UTC', (d.day + interval '1 day') AT TIME ZONE 'UTC',
       pg_total_relation_size(c.oid), (pg_relation_size(c.oid) / current_setting('block_size')::int)::int
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
CROSS JOIN LATERAL (SELECT to_timestamp(substring(c.relname FROM '_p([0-9]{8})$'), 'YYYYMMDD')::timestamp AS day) d
WHERE i.inhparent = (SELECT oid FROM pg_catalog.pg_class
                     WHERE relnamespace = 'analytics'::regnamespace AND relname = %(table)s)
ORDER BY d.day NULLS LAST, c.relname

-- name: chunks
-- The same of a hypertable.
SELECT chunk_schema, chunk_name, range_start, range_end,
       pg_total_relation_size(format('%%I.%%I', chunk_schema, chunk_name)::regclass), 0
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'analytics' AND hypertable_name = %(table)s
ORDER BY range_start, chunk_name

-- name: holds_rows_of
-- Whether any of these workspaces has rows in a part; a lookup in its index for each.
SELECT EXISTS (SELECT FROM unnest(%(workspace_ids)s::uuid[]) AS kept (workspace_id)
               WHERE EXISTS (SELECT FROM {part} p WHERE p.workspace_id = kept.workspace_id))

-- name: bound_lock_wait
-- For the rest of the transaction.
SELECT set_config('lock_timeout', %(wait)s, true)

-- name: bound_lock_wait_of_session
-- For statements that run in no transaction.
SELECT set_config('lock_timeout', %(wait)s, false)

-- name: lock
-- Keeps writers out of a part, so that its rows are counted once and for all; readers go on.
LOCK TABLE {part} IN SHARE MODE

-- name: count_steps
-- Tells the ledger of all steps of a part by which key and when they had come, and gives how many.
WITH told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'traces', 'dropped', 'retention',
           date_trunc('hour', created_at, 'UTC'), count(*)
    FROM {part}
    GROUP BY 1, 2, 6
    RETURNING amount
)
SELECT coalesce(sum(amount), 0) FROM told

-- name: count_runs
-- How many executions a part holds.
SELECT count(*) FROM {part}

-- name: drop_partition
-- Drops a partition with all that is in it.
DROP TABLE {part}

-- name: extension_schema
-- Where TimescaleDB's functions are.
SELECT n.nspname FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'timescaledb'

-- name: drop_chunk
-- Drops the chunk of these times with all that is in it.
SELECT {extension}.drop_chunks(%(table)s::regclass, older_than => %(stop)s::timestamptz,
                               newer_than => %(start)s::timestamptz)

-- name: vacuum
-- Writes a part anew without the room that deleted and emptied rows took.
VACUUM (FULL, ANALYZE) {part}
