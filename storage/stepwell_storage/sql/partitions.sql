-- Partitions by UTC day; see partitions.py. Names in {braces} are identifiers and literals that psycopg.sql quotes:
-- PostgreSQL takes no parameters in these statements.

-- name: missing
-- Which of these partitions do not exist; none where the parent is a hypertable, which makes its own chunks. Not by
-- to_regclass: its cache may not know of a table that another session has made since our transaction began.
SELECT wanted.name
FROM unnest(%(names)s::text[], %(parents)s::text[]) AS wanted (name, parent)
JOIN pg_catalog.pg_class AS parent
    ON parent.relname = wanted.parent AND parent.relnamespace = 'analytics'::regnamespace AND parent.relkind = 'p'
LEFT JOIN pg_catalog.pg_class AS present
    ON present.relname = wanted.name AND present.relnamespace = 'analytics'::regnamespace
WHERE present.oid IS NULL
ORDER BY wanted.name;

-- name: take_turn
-- One maker of partitions at a time, in the whole database; the turn ends with the transaction.
SELECT set_config('lock_timeout', %(turn_wait)s, true), pg_advisory_xact_lock(%(key)s);

-- name: bound_lock_wait
-- For the rest of the transaction: whoever waits for a lock also holds up those who come after.
SELECT set_config('lock_timeout', %(wait)s, true);

-- name: create_step_facts
-- A day's table for steps with its indexes, apart from its parent until it is attached; payloads stay inline while the day is hot.
CREATE TABLE analytics.{partition} (LIKE analytics.step_facts INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)
WITH (toast_tuple_target = 8160);

-- name: omit_payload_statistics
-- Nobody asks how often a payload occurs, and gathering it doubles the time of an ANALYZE, which a hot day has many of.
ALTER TABLE analytics.{partition}
    ALTER checkpoints SET STATISTICS 0, ALTER trigger_source SET STATISTICS 0, ALTER input SET STATISTICS 0,
    ALTER output SET STATISTICS 0, ALTER error SET STATISTICS 0, ALTER attributes SET STATISTICS 0,
    ALTER resource SET STATISTICS 0, ALTER events SET STATISTICS 0, ALTER links SET STATISTICS 0;

-- name: create_agent_executions
-- A day's table for executions with its indexes, apart from its parent until it is attached.
CREATE TABLE analytics.{partition} (LIKE analytics.agent_executions INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES);

-- name: lock_default
-- Keeps writers and readers out of the default partition while its rows move; the slow part, the indexes, is done before.
LOCK TABLE analytics.{default} IN ACCESS EXCLUSIVE MODE;

-- name: move_rows
-- Takes the day's rows out of the default partition; both tables have the same columns in the same order.
WITH moved AS (
    DELETE FROM analytics.{default}
    WHERE start_time >= {day_start} AND start_time < {day_end}
    RETURNING *
)
INSERT INTO analytics.{partition} SELECT * FROM moved;

-- name: attach
-- Makes the day's table a partition, its indexes those of the parent's. Blocks neither readers nor writers of others.
ALTER TABLE analytics.{parent} ATTACH PARTITION analytics.{partition}
FOR VALUES FROM ({day_start}) TO ({day_end});
