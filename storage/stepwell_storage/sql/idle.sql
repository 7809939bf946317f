-- Traces that hold no agent, model or tool activity: existing pipelines forward everything.

-- name: mark_idle
-- Notes since when a trace is known to hold no execution; new spans of it clear the note (widen_windows).
UPDATE analytics.trace_windows w
SET idle_since = now()
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) AS t (workspace_id, trace_id)
WHERE w.workspace_id = t.workspace_id AND w.trace_id = t.trace_id

-- name: idle_traces
-- Some of the traces that have been idle for long enough, the oldest first.
SELECT workspace_id, trace_id, earliest, latest
FROM analytics.trace_windows
WHERE idle_since < now() - %(drop_after)s::interval
ORDER BY idle_since, workspace_id, trace_id
LIMIT %(limit)s

-- name: forget_windows
-- Removes the windows of traces that are still idle and have no new spans waiting; only theirs may be deleted.
DELETE FROM analytics.trace_windows w
USING unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) AS t (workspace_id, trace_id)
WHERE w.workspace_id = t.workspace_id AND w.trace_id = t.trace_id AND w.idle_since IS NOT NULL
  AND NOT EXISTS (SELECT FROM analytics.dirty_traces d
                  WHERE d.workspace_id = t.workspace_id AND d.trace_id = t.trace_id)
RETURNING w.workspace_id, w.trace_id, w.earliest, w.latest

-- name: delete_steps
-- Deletes the finished steps of these traces, tells the ledger by which key and when they had come, and gives how many.
WITH gone AS (
    DELETE FROM analytics.step_facts f
    USING unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(earliest)s::timestamptz[], %(latest)s::timestamptz[])
          AS t (workspace_id, trace_id, earliest, latest)
    WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id AND f.start_time BETWEEN t.earliest AND t.latest
      AND f.start_time BETWEEN %(lowest)s AND %(highest)s
    RETURNING f.workspace_id, f.key_id, f.created_at
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'traces', 'dropped', %(reason)s, date_trunc('hour', created_at, 'UTC'),
           count(*)
    FROM gone
    GROUP BY 1, 2, 6
)
SELECT count(*) FROM gone

-- name: delete_logs
-- Deletes the log records of these traces, tells the ledger by which key and when they had come, and gives how many.
WITH gone AS (
    DELETE FROM analytics.step_logs l
    USING unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) AS t (workspace_id, trace_id)
    WHERE l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id
    RETURNING l.workspace_id, l.key_id, l.created_at
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'logs', 'dropped', %(reason)s, date_trunc('hour', created_at, 'UTC'),
           count(*)
    FROM gone
    GROUP BY 1, 2, 6
)
SELECT count(*) FROM gone

-- name: delete_live_steps
-- Deletes the running steps of these traces, tells the ledger by which key and when they had come, and gives how many.
WITH gone AS (
    DELETE FROM analytics.live_steps l
    USING unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) AS t (workspace_id, trace_id)
    WHERE l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id
    RETURNING l.workspace_id, l.key_id, l.created_at
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'traces', 'dropped', %(reason)s, date_trunc('hour', created_at, 'UTC'),
           count(*)
    FROM gone
    GROUP BY 1, 2, 6
)
SELECT count(*) FROM gone
