-- Which engine stores the rows, as recorded; see engine.py.

-- name: read
-- The engine, and what an unfinished move has to know; no row where the schema is older.
SELECT engine, moving FROM analytics.engine;

-- name: decide
-- Records the engine.
UPDATE analytics.engine SET engine = %(engine)s, decided_at = now() WHERE engine <> %(engine)s;

-- name: begin_move
-- Records that tables are on the way, and what is needed to finish.
UPDATE analytics.engine SET moving = %(moving)s;

-- name: end_move
-- All tables are where they belong.
UPDATE analytics.engine SET moving = NULL;

-- name: holds_data
-- Whether anything has been stored.
SELECT EXISTS (SELECT FROM analytics.step_facts) OR EXISTS (SELECT FROM analytics.agent_executions);

-- name: connected
-- Our processes on this database, other than those that migrate.
SELECT application_name, count(*)::integer
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'stepwell %%' AND application_name <> 'stepwell migrate'
GROUP BY application_name
ORDER BY application_name;
