-- What `stepwell doctor` asks a database; see stepwell_api/doctor/database.py.

-- name: clock
-- The database's time.
SELECT clock_timestamp();

-- name: policies
-- What TimescaleDB does by itself with our tables.
SELECT hypertable_name::text, proc_name::text, coalesce(config ->> 'compress_after', config ->> 'drop_after')
FROM timescaledb_information.jobs
WHERE hypertable_schema = 'analytics'
ORDER BY hypertable_name, proc_name;

-- name: continuous_aggregates
-- The names of ours.
SELECT coalesce(array_agg(view_name::text ORDER BY view_name), '{}')
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = 'analytics';

-- name: size_of_hypertable
-- What a hypertable takes with its indexes, about how many rows it has, its chunks, and how many are stored by columns.
SELECT
    coalesce(hypertable_size(table_name::regclass), 0),
    coalesce(approximate_row_count(table_name::regclass), 0),
    (SELECT count(*) FROM timescaledb_information.chunks c
     WHERE c.hypertable_schema = 'analytics' AND c.hypertable_name = %(table)s),
    (SELECT count(*) FROM timescaledb_information.chunks c
     WHERE c.hypertable_schema = 'analytics' AND c.hypertable_name = %(table)s AND c.is_compressed)
FROM (SELECT 'analytics.' || %(table)s::text AS table_name) AS asked;

-- name: size_of_partitions
-- The same for a table with native partitions; none of them is stored by columns.
SELECT
    coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint,
    coalesce(sum(greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid))), 0)::bigint,
    count(*),
    0::bigint
FROM pg_partition_tree(('analytics.' || %(table)s::text)::regclass) AS tree
JOIN pg_catalog.pg_class AS c ON c.oid = tree.relid
WHERE tree.isleaf;

-- name: count_step_facts
-- Exactly, where statistics know of none.
SELECT count(*) FROM analytics.step_facts;

-- name: count_agent_executions
-- The same for executions.
SELECT count(*) FROM analytics.agent_executions;
