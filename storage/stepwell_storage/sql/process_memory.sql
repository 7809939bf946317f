-- Memory of processes: samples, and the executions that they tell of; see process_memory.py. The minute by which a
-- sample may lie outside a run is that of analytics.process_memory_mb.

-- name: insert_samples
-- Samples that are new, or larger than the one of the same moment; gives the keys of those.
INSERT INTO analytics.memory_samples AS known (workspace_id, process_key, time, is_resident, memory_mb)
SELECT workspace_id, process_key, time, is_resident, memory_mb
FROM unnest(%(workspace_ids)s::uuid[], %(process_keys)s::bytea[], %(times)s::timestamptz[], %(is_resident)s::boolean[],
            %(memory_mb)s::double precision[]) AS s (workspace_id, process_key, time, is_resident, memory_mb)
ORDER BY workspace_id, process_key, time, is_resident
ON CONFLICT (workspace_id, process_key, time, is_resident) DO UPDATE
    SET memory_mb = EXCLUDED.memory_mb
    WHERE known.memory_mb < EXCLUDED.memory_mb
RETURNING workspace_id, process_key, (extract(epoch FROM time) * 1000000)::bigint AS time_us, is_resident;

-- name: insert_marks
-- Tells the worker which processes have new samples.
INSERT INTO analytics.dirty_processes (workspace_id, process_key, earliest, latest)
SELECT workspace_id, process_key, earliest, latest
FROM unnest(%(workspace_ids)s::uuid[], %(process_keys)s::bytea[], %(earliest)s::timestamptz[], %(latest)s::timestamptz[])
     AS s (workspace_id, process_key, earliest, latest)
ORDER BY workspace_id, process_key;

-- name: claim_marks
-- Takes marks off the queue for this transaction; those that another worker holds are skipped.
DELETE FROM analytics.dirty_processes
WHERE sequence IN (
    SELECT sequence FROM analytics.dirty_processes
    ORDER BY sequence
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING workspace_id, process_key, earliest, latest;

-- name: lock_readers
-- Held by a fold from before it reads samples until its executions are committed; in a fixed order. The seed tells these
-- locks from those of traces.
SELECT pg_advisory_xact_lock_shared(key)
FROM (SELECT DISTINCT hashtextextended(encode(process_key, 'hex'), 1) AS key
      FROM unnest(%(process_keys)s::bytea[]) AS process_key
      ORDER BY key) AS ordered;

-- name: lock_writers
-- Waits for the folds that may have read the processes' samples before these were there; in the same order.
SELECT pg_advisory_xact_lock(key)
FROM (SELECT DISTINCT hashtextextended(encode(process_key, 'hex'), 1) AS key
      FROM unnest(%(process_keys)s::bytea[]) AS process_key
      ORDER BY key) AS ordered;

-- name: memory_of_runs
-- What the samples tell of each run, in the order of the parameters.
SELECT analytics.process_memory_mb(r.workspace_id, r.process_key, r.starts, r.ends)
FROM unnest(%(workspace_ids)s::uuid[], %(process_keys)s::bytea[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
     WITH ORDINALITY AS r (workspace_id, process_key, starts, ends, place)
ORDER BY r.place;

-- name: touched_executions
-- The next executions of a process that samples from `earliest` to `latest` may tell of.
SELECT k.execution_id, k.start_time, k.last_activity_at
FROM analytics.execution_keys k
WHERE k.workspace_id = %(workspace_id)s AND k.process_key = %(process_key)s
  AND k.last_activity_at >= %(earliest)s - interval '1 minute'
  AND k.start_time <= %(latest)s + interval '1 minute'
  AND (k.last_activity_at, k.execution_id) > (%(after_time)s, %(after_id)s)
ORDER BY k.last_activity_at, k.execution_id
LIMIT %(limit)s;

-- name: known_memory
-- The memory that executions at their known start times have now; no one else can change that (lock_writers). Not locked
-- by FOR UPDATE, which compressed chunks do not know.
SELECT e.execution_id, e.memory_usage_mb
FROM unnest(%(execution_ids)s::text[], %(start_times)s::timestamptz[]) AS k (execution_id, start_time)
JOIN analytics.agent_executions e
    ON e.workspace_id = %(workspace_id)s AND e.execution_id = k.execution_id AND e.start_time = k.start_time
    AND e.start_time BETWEEN %(lowest)s AND %(highest)s;

-- name: update_executions
-- Gives executions of a process the memory that its samples tell, where that is another than before. The key is asked
-- again: a fold may have found another process for the run meanwhile.
UPDATE analytics.agent_executions e
SET memory_usage_mb = told.memory_mb, updated_at = now()
FROM (SELECT r.execution_id, r.start_time,
             analytics.process_memory_mb(%(workspace_id)s, %(process_key)s, r.start_time, r.last_activity_at) AS memory_mb
      FROM unnest(%(execution_ids)s::text[], %(start_times)s::timestamptz[], %(last_activity_times)s::timestamptz[])
           AS r (execution_id, start_time, last_activity_at)) AS told
JOIN analytics.execution_keys k ON k.workspace_id = %(workspace_id)s AND k.execution_id = told.execution_id
    AND k.process_key = %(process_key)s
WHERE e.workspace_id = %(workspace_id)s AND e.execution_id = told.execution_id AND e.start_time = told.start_time
  AND e.start_time BETWEEN %(lowest)s AND %(highest)s
  AND e.memory_usage_mb IS DISTINCT FROM told.memory_mb
RETURNING e.execution_id, e.workspace_id, e.agent_id, e.environment, e.version, e.start_time, e.last_activity_at,
          e.duration_ms, e.path, e.error_type, e.error_step_name, e.error_fingerprint, e.prompt_tokens,
          e.completion_tokens, e.cost_usd, e.credits_consumed, e.api_calls_count, e.memory_usage_mb, e.steps_total,
          e.agent_name, e.figures;

-- name: delete_old_samples
-- Deletes samples by when they came, since the times in them may be anything.
DELETE FROM analytics.memory_samples
WHERE created_at < now() - %(keep)s::interval;
