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
