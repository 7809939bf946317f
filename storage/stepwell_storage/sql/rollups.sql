-- Figures by hour and by day; see the package rollups. Columns are those of figures.MEASURES, in their order.

-- name: copy_deltas
-- What a transaction adds to the figures of some hours; the columns are those of deltas.py, in the same order.
COPY analytics.rollup_deltas (
    workspace_id, agent_id, bucket, environment, version, kind, item_id, item, detail, step_name, pending, running,
    success, failed, timeout, cancelled, executions, retries, duration_count, duration_ms, duration_square_ms2,
    self_ms, critical_ms, critical_success_ms, prompt_tokens, prompt_known, completion_tokens, completion_known,
    cost_usd, cost_known, credits, credits_known, api_calls, memory_mb, memory_known, steps, durations, memories,
    last_seen
) FROM STDIN

-- name: take_turn
-- One sums up at a time, in the whole database; false where another does. The turn ends with the transaction.
SELECT pg_try_advisory_xact_lock(%(key)s)

-- name: compact
-- Adds the oldest waiting rows to the hours; days that they touch are no longer complete. Gives how many there were.
-- By a bound and not by a list of them: a join of a table whose statistics lag behind may take minutes.
WITH taken AS (
    DELETE FROM analytics.rollup_deltas
    WHERE sequence <= (SELECT max(sequence) FROM (SELECT sequence FROM analytics.rollup_deltas
                                                  ORDER BY sequence LIMIT %(limit)s) AS oldest)
    RETURNING *
),
summed AS (
    INSERT INTO analytics.rollup_hours AS h (
        workspace_id, agent_id, bucket, environment, version, kind, item_id, item, detail, step_name, pending,
        running, success, failed, timeout, cancelled, executions, retries, duration_count, duration_ms,
        duration_square_ms2, self_ms, critical_ms, critical_success_ms, prompt_tokens, prompt_known,
        completion_tokens, completion_known, cost_usd, cost_known, credits, credits_known, api_calls, memory_mb,
        memory_known, steps, durations, memories, last_seen
    )
    SELECT
        workspace_id, agent_id, bucket, environment, version, kind, item_id, item, detail, step_name, sum(pending),
        sum(running), sum(success), sum(failed), sum(timeout), sum(cancelled), sum(executions), sum(retries),
        sum(duration_count), sum(duration_ms), sum(duration_square_ms2), sum(self_ms), sum(critical_ms),
        sum(critical_success_ms), sum(prompt_tokens), sum(prompt_known), sum(completion_tokens),
        sum(completion_known), sum(cost_usd), sum(cost_known), sum(credits), sum(credits_known), sum(api_calls),
        sum(memory_mb), sum(memory_known), sum(steps), analytics.sum_histograms(durations),
        analytics.sum_histograms(memories), max(last_seen)
    FROM taken
    GROUP BY workspace_id, agent_id, bucket, environment, version, kind, item_id, item, detail, step_name
    ORDER BY workspace_id, agent_id, kind, bucket, environment, version, item_id
    ON CONFLICT (workspace_id, agent_id, kind, bucket, environment, version, item_id) DO UPDATE SET
        pending = h.pending + EXCLUDED.pending,
        running = h.running + EXCLUDED.running,
        success = h.success + EXCLUDED.success,
        failed = h.failed + EXCLUDED.failed,
        timeout = h.timeout + EXCLUDED.timeout,
        cancelled = h.cancelled + EXCLUDED.cancelled,
        executions = h.executions + EXCLUDED.executions,
        retries = h.retries + EXCLUDED.retries,
        duration_count = h.duration_count + EXCLUDED.duration_count,
        duration_ms = h.duration_ms + EXCLUDED.duration_ms,
        duration_square_ms2 = h.duration_square_ms2 + EXCLUDED.duration_square_ms2,
        self_ms = h.self_ms + EXCLUDED.self_ms,
        critical_ms = h.critical_ms + EXCLUDED.critical_ms,
        critical_success_ms = h.critical_success_ms + EXCLUDED.critical_success_ms,
        prompt_tokens = h.prompt_tokens + EXCLUDED.prompt_tokens,
        prompt_known = h.prompt_known + EXCLUDED.prompt_known,
        completion_tokens = h.completion_tokens + EXCLUDED.completion_tokens,
        completion_known = h.completion_known + EXCLUDED.completion_known,
        cost_usd = h.cost_usd + EXCLUDED.cost_usd,
        cost_known = h.cost_known + EXCLUDED.cost_known,
        credits = h.credits + EXCLUDED.credits,
        credits_known = h.credits_known + EXCLUDED.credits_known,
        api_calls = h.api_calls + EXCLUDED.api_calls,
        memory_mb = h.memory_mb + EXCLUDED.memory_mb,
        memory_known = h.memory_known + EXCLUDED.memory_known,
        steps = h.steps + EXCLUDED.steps,
        durations = analytics.add_histograms(h.durations, EXCLUDED.durations),
        memories = analytics.add_histograms(h.memories, EXCLUDED.memories),
        last_seen = greatest(h.last_seen, EXCLUDED.last_seen)
),
incomplete AS (
    DELETE FROM analytics.rollup_complete_days c
    USING (SELECT DISTINCT workspace_id, date_trunc('day', bucket, 'UTC') AS day FROM taken) AS touched
    WHERE c.workspace_id = touched.workspace_id AND c.day = touched.day
)
SELECT count(*) FROM taken

-- name: incomplete_days
-- Some days before today with figures that are not summed up yet, the newest first. Every run is among all agents'.
SELECT found.workspace_id, found.day
FROM (
    SELECT DISTINCT h.workspace_id, date_trunc('day', h.bucket, 'UTC') AS day
    FROM analytics.workspaces w
    JOIN analytics.rollup_hours h
        ON h.workspace_id = w.workspace_id AND h.agent_id = '' AND h.kind = 'total' AND h.bucket < %(today)s
) AS found
LEFT JOIN analytics.rollup_complete_days AS complete USING (workspace_id, day)
WHERE complete.day IS NULL
ORDER BY found.day DESC, found.workspace_id
LIMIT %(limit)s

-- name: clear_day
-- Takes a day's sums away.
DELETE FROM analytics.rollup_days
WHERE workspace_id = %(workspace_id)s AND kind = ANY (%(kinds)s) AND bucket = %(day)s

-- name: sum_day
-- Sums the hours of a day up; what has come to nothing is left out.
INSERT INTO analytics.rollup_days (
    workspace_id, agent_id, bucket, environment, version, kind, item_id, item, detail, step_name, pending, running,
    success, failed, timeout, cancelled, executions, retries, duration_count, duration_ms, duration_square_ms2,
    self_ms, critical_ms, critical_success_ms, prompt_tokens, prompt_known, completion_tokens, completion_known,
    cost_usd, cost_known, credits, credits_known, api_calls, memory_mb, memory_known, steps, durations, memories,
    last_seen
)
SELECT
    workspace_id, agent_id, %(day)s, environment, version, kind, item_id, item, detail, step_name, sum(pending),
    sum(running), sum(success), sum(failed), sum(timeout), sum(cancelled), sum(executions), sum(retries),
    sum(duration_count), sum(duration_ms), sum(duration_square_ms2), sum(self_ms), sum(critical_ms),
    sum(critical_success_ms), sum(prompt_tokens), sum(prompt_known), sum(completion_tokens), sum(completion_known),
    sum(cost_usd), sum(cost_known), sum(credits), sum(credits_known), sum(api_calls), sum(memory_mb),
    sum(memory_known), sum(steps), analytics.sum_histograms(durations), analytics.sum_histograms(memories),
    max(last_seen)
FROM analytics.rollup_hours
WHERE workspace_id = %(workspace_id)s AND kind = ANY (%(kinds)s) AND bucket >= %(day)s
  AND bucket < %(day)s + interval '1 day'
GROUP BY workspace_id, agent_id, environment, version, kind, item_id, item, detail, step_name
HAVING sum(executions) <> 0

-- name: complete_day
-- Notes that a day's sums are complete.
INSERT INTO analytics.rollup_complete_days (workspace_id, day) VALUES (%(workspace_id)s, %(day)s)
ON CONFLICT (workspace_id, day) DO NOTHING

-- name: is_aggregate
-- Whether TimescaleDB keeps the days, as a continuous aggregate; and the schema of its procedures.
SELECT c.relkind = 'v', (SELECT extnamespace::regnamespace::text FROM pg_catalog.pg_extension
                         WHERE extname = 'timescaledb')
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'analytics'::regnamespace AND c.relname = 'rollup_days'

-- name: take_long_turn
-- As take_turn, beyond single transactions: until given back, or the session ends.
SELECT pg_try_advisory_lock(%(key)s)

-- name: give_turn_back
-- Ends that turn.
SELECT pg_advisory_unlock(%(key)s)

-- name: refresh_day
-- Sums a day up where TimescaleDB keeps the days; {extension} is its schema, the others are literals.
CALL {extension}.refresh_continuous_aggregate('analytics.rollup_days', {day}, {next_day})
