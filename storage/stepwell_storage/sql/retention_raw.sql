-- Deleting rows from before the workspaces' horizons; see retention/raw.py.

-- name: delete_steps
-- Deletes some steps of a workspace from a range of time, tells the ledger, and gives how many.
WITH gone AS (
    DELETE FROM analytics.step_facts f
    USING (SELECT trace_id, span_id, start_time
           FROM analytics.step_facts
           WHERE workspace_id = %(workspace_id)s AND start_time < %(stop)s
             AND start_time >= coalesce(%(start)s::timestamptz, '-infinity')
           LIMIT %(limit)s) AS old
    WHERE f.workspace_id = %(workspace_id)s AND f.trace_id = old.trace_id AND f.span_id = old.span_id
      AND f.start_time = old.start_time AND f.start_time < %(stop)s
      AND f.start_time >= coalesce(%(start)s::timestamptz, '-infinity')
    RETURNING f.workspace_id, f.key_id, f.created_at
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'traces', 'dropped', 'retention',
           date_trunc('hour', created_at, 'UTC'), count(*)
    FROM gone
    GROUP BY 1, 2, 6
)
SELECT count(*) FROM gone

-- name: delete_runs
-- Deletes some executions of a workspace from a range of time, and gives how many.
WITH gone AS (
    DELETE FROM analytics.agent_executions e
    USING (SELECT execution_id, start_time
           FROM analytics.agent_executions
           WHERE workspace_id = %(workspace_id)s AND start_time < %(stop)s
             AND start_time >= coalesce(%(start)s::timestamptz, '-infinity')
           LIMIT %(limit)s) AS old
    WHERE e.workspace_id = %(workspace_id)s AND e.execution_id = old.execution_id AND e.start_time = old.start_time
      AND e.start_time < %(stop)s AND e.start_time >= coalesce(%(start)s::timestamptz, '-infinity')
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: blocks
-- How many blocks the rows of a table take.
SELECT pg_relation_size(%(table)s::regclass) / current_setting('block_size')::int

-- name: sweep_keys
-- Forgets where executions stood.
WITH gone AS (
    DELETE FROM analytics.execution_keys k
    USING unnest(%(workspace_ids)s::uuid[], %(before)s::timestamptz[]) AS w (workspace_id, before)
    WHERE k.ctid >= %(first)s::tid AND k.ctid < %(last)s::tid
      AND k.workspace_id = w.workspace_id AND k.start_time < w.before
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: sweep_live_steps
-- Deletes running steps, and tells the ledger.
WITH gone AS (
    DELETE FROM analytics.live_steps l
    USING unnest(%(workspace_ids)s::uuid[], %(before)s::timestamptz[]) AS w (workspace_id, before)
    WHERE l.ctid >= %(first)s::tid AND l.ctid < %(last)s::tid
      AND l.workspace_id = w.workspace_id AND l.start_time < w.before
    RETURNING l.workspace_id, l.key_id, l.created_at
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'traces', 'dropped', 'retention',
           date_trunc('hour', created_at, 'UTC'), count(*)
    FROM gone
    GROUP BY 1, 2, 6
)
SELECT count(*) FROM gone

-- name: sweep_logs
-- Deletes log records, and tells the ledger.
WITH gone AS (
    DELETE FROM analytics.step_logs l
    USING unnest(%(workspace_ids)s::uuid[], %(before)s::timestamptz[]) AS w (workspace_id, before)
    WHERE l.ctid >= %(first)s::tid AND l.ctid < %(last)s::tid
      AND l.workspace_id = w.workspace_id AND l.time < w.before
    RETURNING l.workspace_id, l.key_id, l.created_at
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'logs', 'dropped', 'retention',
           date_trunc('hour', created_at, 'UTC'), count(*)
    FROM gone
    GROUP BY 1, 2, 6
)
SELECT count(*) FROM gone

-- name: sweep_findings
-- Forgets what was found of traces that nobody may fold again; the ledger keeps it.
WITH gone AS (
    DELETE FROM analytics.trace_findings f
    USING unnest(%(workspace_ids)s::uuid[], %(before)s::timestamptz[]) AS w (workspace_id, before)
    WHERE f.ctid >= %(first)s::tid AND f.ctid < %(last)s::tid AND f.workspace_id = w.workspace_id
      AND EXISTS (SELECT FROM analytics.trace_windows t
                  WHERE t.workspace_id = f.workspace_id AND t.trace_id = f.trace_id AND t.earliest < w.before)
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: sweep_windows
-- Forgets traces, a week later than their rows: until then, what still comes of them is known to be of a closed trace.
WITH gone AS (
    DELETE FROM analytics.trace_windows t
    USING unnest(%(workspace_ids)s::uuid[], %(before)s::timestamptz[]) AS w (workspace_id, before)
    WHERE t.ctid >= %(first)s::tid AND t.ctid < %(last)s::tid
      AND t.workspace_id = w.workspace_id AND t.latest < w.before - interval '7 days'
    RETURNING 1
)
SELECT count(*) FROM gone
