-- The ledger of what came in; see ledger.py.

-- name: append_entries
-- Counts of the caller's transaction; those without an hour are of what arrives in it.
INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
SELECT workspace_id, key_id, signal, outcome, reason, coalesce(hour, date_trunc('hour', now(), 'UTC')), amount
FROM unnest(%(workspace_ids)s::uuid[], %(key_ids)s::text[], %(signals)s::text[], %(outcomes)s::text[],
            %(reasons)s::text[], %(hours)s::timestamptz[], %(amounts)s::numeric[])
     AS t (workspace_id, key_id, signal, outcome, reason, hour, amount)

-- name: sum_entries
-- Moves the oldest entries into the sums of their hours, one caller at a time; gives how many, 0 where another does it.
-- By a bound and not by a list of them: a join of a table whose statistics lag behind may take minutes.
WITH last AS MATERIALIZED (
    SELECT workspace_id, entry_id
    FROM (SELECT workspace_id, entry_id FROM analytics.ledger_entries
          WHERE (SELECT pg_try_advisory_xact_lock(%(turn)s))
          ORDER BY workspace_id, entry_id
          LIMIT %(limit)s) AS oldest
    ORDER BY workspace_id DESC, entry_id DESC
    LIMIT 1
), taken AS (
    DELETE FROM analytics.ledger_entries
    WHERE (workspace_id, entry_id) <= ((SELECT workspace_id FROM last), (SELECT entry_id FROM last))
    RETURNING workspace_id, key_id, signal, outcome, reason, hour, amount
), added AS (
    INSERT INTO analytics.ledger_hours (workspace_id, hour, key_id, signal, outcome, reason, amount)
    SELECT workspace_id, hour, key_id, signal, outcome, reason, sum(amount)
    FROM taken
    GROUP BY workspace_id, hour, key_id, signal, outcome, reason
    ORDER BY workspace_id, hour, key_id, signal, outcome, reason
    ON CONFLICT (workspace_id, hour, key_id, signal, outcome, reason)
        DO UPDATE SET amount = ledger_hours.amount + EXCLUDED.amount
)
SELECT count(*) FROM taken

-- name: read_ledger
-- Sums over a window of hours: in all, by key, and by hour. One statement, so that no entry is read twice or missed.
WITH counts AS (
    SELECT key_id, hour, outcome, reason, amount
    FROM analytics.ledger_hours
    WHERE workspace_id = %(workspace_id)s AND signal = %(signal)s AND hour >= %(start)s AND hour < %(stop)s
    UNION ALL
    SELECT key_id, hour, outcome, reason, amount
    FROM analytics.ledger_entries
    WHERE workspace_id = %(workspace_id)s AND signal = %(signal)s AND hour >= %(start)s AND hour < %(stop)s
), sums AS (
    SELECT grouping(key_id) = 0 AS is_of_key, grouping(hour) = 0 AS is_of_hour,
           key_id, hour, outcome, reason, sum(amount) AS amount
    FROM counts
    GROUP BY GROUPING SETS ((outcome, reason), (key_id, outcome, reason), (hour, outcome, reason))
)
SELECT is_of_key, is_of_hour, s.key_id, k.key_prefix, s.hour, s.outcome, s.reason, s.amount
FROM sums s
LEFT JOIN analytics.api_keys k ON k.workspace_id = %(workspace_id)s AND k.key_id = s.key_id
ORDER BY s.hour, s.key_id, s.outcome, s.reason

-- name: forget_findings
-- What earlier folds had found about these traces.
DELETE FROM analytics.trace_findings f
USING unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) AS t (workspace_id, trace_id)
WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id
RETURNING f.workspace_id, f.key_id, f.hour, f.outcome, f.amount

-- name: record_findings
-- What a fold finds about single spans, summed for each trace by the keys and the hours in which they came.
INSERT INTO analytics.trace_findings (workspace_id, trace_id, hour, key_id, outcome, amount)
SELECT t.workspace_id, t.trace_id, date_trunc('hour', s.created_at, 'UTC'), coalesce(s.key_id, ''), t.outcome,
       sum(t.amount)
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(earliest)s::timestamptz[], %(latest)s::timestamptz[],
            %(span_ids)s::bytea[], %(outcomes)s::text[], %(amounts)s::numeric[])
     AS t (workspace_id, trace_id, earliest, latest, span_id, outcome, amount)
CROSS JOIN LATERAL (
    SELECT f.created_at, f.key_id, 1 AS preference, f.start_time
    FROM analytics.step_facts f
    WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id AND f.span_id = t.span_id
      AND f.start_time BETWEEN t.earliest AND t.latest
      AND f.start_time BETWEEN %(lowest)s AND %(highest)s
    UNION ALL
    SELECT l.created_at, l.key_id, 2, l.start_time
    FROM analytics.live_steps l
    WHERE l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id AND l.span_id = t.span_id
    ORDER BY preference, start_time
    LIMIT 1
) s
GROUP BY t.workspace_id, t.trace_id, date_trunc('hour', s.created_at, 'UTC'), coalesce(s.key_id, ''), t.outcome
RETURNING workspace_id, key_id, hour, outcome, amount
