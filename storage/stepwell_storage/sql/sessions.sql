-- Settings of our database sessions; see database.py.

-- name: configure
-- Makes a session ours: no JIT (seconds of compiling for queries over many partitions), UTC, a bound on statements, and
-- none on what TimescaleDB unpacks for a change, where it is there: late spans may change any number of old runs.
SELECT
    set_config('jit', 'off', false),
    set_config('TimeZone', 'UTC', false),
    set_config('statement_timeout', %(statement_timeout)s, false),
    (SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings
     WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction')

-- name: defer_durability
-- Lets commits of this session return before they are on disk; see database.py.
SELECT set_config('synchronous_commit', 'off', false)
