-- Settings of our database sessions; see database.py.

-- name: configure
-- Makes a session ours: no JIT (seconds of compiling for queries over many partitions), UTC, a bound on statements.
SELECT
    set_config('jit', 'off', false),
    set_config('TimeZone', 'UTC', false),
    set_config('statement_timeout', %(statement_timeout)s, false)
