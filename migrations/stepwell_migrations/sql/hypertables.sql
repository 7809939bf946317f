-- From plain or natively partitioned tables to hypertables; see hypertables.py and move.py.
-- {table} is a table's name, {old} and {new} are what it and its hypertable are called in between; {extension} is the
-- schema that TimescaleDB was created in.

-- name: extension_schema
-- Where TimescaleDB's functions are.
SELECT extnamespace::regnamespace::text FROM pg_catalog.pg_extension WHERE extname = 'timescaledb';

-- name: tables
-- Which of these tables are there, and whether as hypertables.
SELECT present.relname, EXISTS (
    SELECT FROM timescaledb_information.hypertables
    WHERE hypertable_schema = 'analytics' AND hypertable_name = present.relname
)
FROM pg_catalog.pg_class AS present
WHERE present.relnamespace = 'analytics'::regnamespace AND present.relname = ANY (%(names)s);

-- name: views
-- All our views in the order of their making, with who may do what with them.
SELECT c.relname, pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class'), pg_get_userbyid(c.relowner), coalesce((
    SELECT jsonb_agg(jsonb_build_array(g.privilege_type, coalesce(r.rolname, 'public'), g.is_grantable))
    FROM aclexplode(c.relacl) AS g LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee
    WHERE g.grantee <> c.relowner
), '[]')
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = 'v'
  AND NOT EXISTS (SELECT FROM timescaledb_information.continuous_aggregates
                  WHERE view_schema = 'analytics' AND view_name = c.relname)
ORDER BY c.oid;

-- name: drop_view
-- A view of a table that is about to be another one; its definition is kept meanwhile.
DROP VIEW analytics.{view};

-- name: create_view
-- The same view again.
CREATE VIEW analytics.{view} AS {definition};

-- name: comment_on_view
-- With its comment.
COMMENT ON VIEW analytics.{view} IS {comment};

-- name: lock
-- Waits until nobody uses the table, and keeps everybody out until the transaction ends.
LOCK TABLE analytics.{table} IN ACCESS EXCLUSIVE MODE;

-- name: indexes
-- A table's indexes: name, what follows USING in the definition, is it unique, is it the primary key.
SELECT i.relname, split_part(pg_get_indexdef(i.oid), ' USING ', 2), x.indisunique, x.indisprimary
FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
WHERE x.indrelid = %(table)s::regclass
ORDER BY x.indisprimary DESC, i.relname;

-- name: owner_and_grants
-- Whose a table is, and what others may do with it.
SELECT pg_get_userbyid(c.relowner), coalesce((
    SELECT jsonb_agg(jsonb_build_array(g.privilege_type, coalesce(r.rolname, 'public'), g.is_grantable))
    FROM aclexplode(c.relacl) AS g LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee
    WHERE g.grantee <> c.relowner
), '[]')
FROM pg_catalog.pg_class AS c
WHERE c.oid = %(table)s::regclass;

-- name: grant
-- The same rights again.
GRANT {privilege} ON analytics.{table} TO {grantee};

-- name: grant_with_option
-- The same rights again, to be passed on.
GRANT {privilege} ON analytics.{table} TO {grantee} WITH GRANT OPTION;

-- name: own
-- The same owner again.
ALTER TABLE analytics.{table} OWNER TO {owner};

-- name: rename_table
-- Under its other name.
ALTER TABLE analytics.{table} RENAME TO {other_name};

-- name: rename_index
-- Under its other name.
ALTER INDEX analytics.{table} RENAME TO {other_name};

-- name: create_like
-- The table that becomes the hypertable: the same but for the indexes, which keep their names.
CREATE TABLE analytics.{new} (LIKE analytics.{old} INCLUDING ALL EXCLUDING INDEXES);

-- name: create_hypertable
-- Partitioned by TimescaleDB from now on.
SELECT {extension}.create_hypertable({new}::regclass, {time_column}::name, chunk_time_interval => {chunk}::interval,
                                     create_default_indexes => false);

-- name: set_storage
-- How its chunks store long values.
ALTER TABLE analytics.{new} SET (toast_tuple_target = {toast_tuple_target});

-- name: add_primary_key
-- The primary key; its columns as PostgreSQL wrote them.
ALTER TABLE analytics.{table} ADD CONSTRAINT {index} PRIMARY KEY {columns};

-- name: create_index
-- An index as PostgreSQL wrote it.
CREATE INDEX {index} ON analytics.{table} USING {columns};

-- name: create_unique_index
-- A unique one.
CREATE UNIQUE INDEX {index} ON analytics.{table} USING {columns};

-- name: enable_columnstore
-- Cold chunks are stored by columns: together what one workspace's agent did, in the order of time. Never by ids.
ALTER TABLE analytics.{table} SET (
    timescaledb.compress, timescaledb.compress_segmentby = {segment_by}, timescaledb.compress_orderby = {order_by}
);

-- name: add_columnstore_policy
-- A chunk goes there when all of it is old enough.
SELECT {extension}.add_compression_policy({qualified}::regclass, compress_after => {compress_after}::interval,
                                          if_not_exists => true);

-- name: leaves
-- The tables that hold a table's rows, with their size; itself where it has no partitions.
SELECT c.relname, pg_total_relation_size(c.oid), pg_relation_size(c.oid) / current_setting('block_size')::bigint
FROM pg_partition_tree(%(table)s::regclass) AS tree JOIN pg_catalog.pg_class AS c ON c.oid = tree.relid
WHERE tree.isleaf
ORDER BY c.relname;

-- name: columns
-- A table's columns in order.
SELECT attname FROM pg_catalog.pg_attribute
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum;

-- name: move_rows
-- The rows of some blocks change tables: in both or in neither, whatever happens.
WITH moved AS (
    DELETE FROM analytics.{leaf} WHERE ctid >= {first}::tid AND ctid < {last}::tid RETURNING {columns}
)
INSERT INTO analytics.{new} ({columns}) SELECT {columns} FROM moved;

-- name: is_empty
-- Whether no row is left.
SELECT NOT EXISTS (SELECT FROM analytics.{table});

-- name: drop_table
-- What has been emptied, and was looked at in the same transaction.
DROP TABLE analytics.{table};

-- name: analyze
-- A table without statistics is searched by the wrong index.
ANALYZE analytics.{table};

-- name: bound_lock_wait
-- For the rest of the transaction: whoever waits for a lock also holds up those who come after.
SELECT set_config('lock_timeout', %(wait)s, true);

-- name: is_table
-- Whether this is an ordinary table.
SELECT EXISTS (SELECT FROM pg_catalog.pg_class
               WHERE relnamespace = 'analytics'::regnamespace AND relname = %(name)s AND relkind = 'r');

-- name: aggregate_days
-- Days summed up from hours by TimescaleDB; the columns are those of the table that it takes the place of. Only what has
-- been summed up: readers know which days are complete, and add up the hours of the others.
CREATE MATERIALIZED VIEW analytics.rollup_days
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT
    workspace_id, agent_id, {extension}.time_bucket('1 day', bucket) AS bucket, environment, version, kind, item_id,
    item, detail, step_name, sum(pending)::bigint AS pending, sum(running)::bigint AS running,
    sum(success)::bigint AS success, sum(failed)::bigint AS failed, sum(timeout)::bigint AS timeout,
    sum(cancelled)::bigint AS cancelled, sum(executions)::bigint AS executions, sum(retries)::bigint AS retries,
    sum(duration_count)::bigint AS duration_count, sum(duration_ms) AS duration_ms,
    sum(duration_square_ms2) AS duration_square_ms2, sum(self_ms) AS self_ms, sum(critical_ms) AS critical_ms,
    sum(critical_success_ms) AS critical_success_ms, sum(prompt_tokens) AS prompt_tokens,
    sum(prompt_known)::bigint AS prompt_known, sum(completion_tokens) AS completion_tokens,
    sum(completion_known)::bigint AS completion_known, sum(cost_usd) AS cost_usd,
    sum(cost_known)::bigint AS cost_known, sum(credits) AS credits, sum(credits_known)::bigint AS credits_known,
    sum(api_calls)::bigint AS api_calls, sum(memory_mb) AS memory_mb, sum(memory_known)::bigint AS memory_known,
    sum(steps)::bigint AS steps, analytics.sum_histograms(durations) AS durations,
    analytics.sum_histograms(memories) AS memories, max(last_seen) AS last_seen
FROM analytics.rollup_hours
GROUP BY workspace_id, agent_id, {extension}.time_bucket('1 day', bucket), environment, version, kind, item_id, item,
    detail, step_name
WITH NO DATA;

-- name: index_days
-- As the table had it, for one agent's figures.
CREATE INDEX rollup_days_agent ON analytics.rollup_days (workspace_id, agent_id, kind, bucket);

-- name: index_kinds
-- As the table had it, for the figures of all agents.
CREATE INDEX rollup_days_kind ON analytics.rollup_days (workspace_id, kind, bucket);

-- name: forget_complete_days
-- No day is summed up yet; the worker begins with the newest.
TRUNCATE analytics.rollup_complete_days;

-- name: add_refresh_policy
-- TimescaleDB refreshes on its own the days of the last week, of which hours are always kept: a day without its hours
-- would be summed up to nothing. The worker refreshes older days when they change.
SELECT {extension}.add_continuous_aggregate_policy(
    'analytics.rollup_days', start_offset => INTERVAL '8 days', end_offset => INTERVAL '1 day',
    schedule_interval => INTERVAL '1 hour', if_not_exists => true);
