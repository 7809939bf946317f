-- Reading the rollups: complete days, hours of the others and of the edges, and what waits to be added. `start` and
-- `stop` are whole hours; the days between `first_day` and `last_day` lie within, the edges beside them.

-- name: read_hours
-- An agent's runs by the hour in which they started; what nobody asks for by the hour is left out. Hours to which nothing
-- waits to be added come as they are; the others are added up here, so that a figure is the same before and after.
WITH waiting AS (
    SELECT * FROM analytics.rollup_deltas
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = %(kind)s
      AND bucket >= %(start)s AND bucket < %(stop)s
      AND (%(environments)s::text[] IS NULL OR environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR version = ANY (%(versions)s))
),
hours AS (
    SELECT * FROM analytics.rollup_hours
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = %(kind)s
      AND bucket >= %(start)s AND bucket < %(stop)s
      AND (%(environments)s::text[] IS NULL OR environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR version = ANY (%(versions)s))
)
SELECT bucket, environment, version, item_id,
       0 AS pending, running, success, failed, timeout, cancelled, executions, 0 AS retries, duration_count,
       duration_ms::double precision AS duration_ms, duration_square_ms2::double precision AS duration_square_ms2,
       0 AS self_ms, 0 AS critical_ms, 0 AS critical_success_ms,
       least(prompt_tokens, 9223372036854775807)::bigint AS prompt_tokens, prompt_known,
       least(completion_tokens, 9223372036854775807)::bigint AS completion_tokens, completion_known,
       cost_usd::double precision AS cost_usd, cost_known, credits::double precision AS credits, credits_known,
       api_calls, memory_mb::double precision AS memory_mb, memory_known, 0 AS steps,
       last_seen, durations, memories, NULL::text AS added_durations, NULL::text AS added_memories
FROM hours
WHERE executions <> 0 AND bucket NOT IN (SELECT bucket FROM waiting)
UNION ALL
SELECT bucket, environment, version, item_id,
       0, sum(running)::bigint, sum(success)::bigint, sum(failed)::bigint, sum(timeout)::bigint,
       sum(cancelled)::bigint, sum(executions)::bigint, 0, sum(duration_count)::bigint,
       sum(duration_ms)::double precision, sum(duration_square_ms2)::double precision,
       0, 0, 0,
       least(sum(prompt_tokens), 9223372036854775807)::bigint, sum(prompt_known)::bigint,
       least(sum(completion_tokens), 9223372036854775807)::bigint, sum(completion_known)::bigint,
       sum(cost_usd)::double precision, sum(cost_known)::bigint, sum(credits)::double precision,
       sum(credits_known)::bigint, sum(api_calls)::bigint, sum(memory_mb)::double precision,
       sum(memory_known)::bigint, 0, max(last_seen), NULL, NULL,
       json_agg(durations) FILTER (WHERE durations IS NOT NULL)::text,
       json_agg(memories) FILTER (WHERE memories IS NOT NULL)::text
FROM (
    SELECT bucket, environment, version, item_id, running, success, failed, timeout, cancelled, executions,
           duration_count, duration_ms, duration_square_ms2, prompt_tokens, prompt_known, completion_tokens,
           completion_known, cost_usd, cost_known, credits, credits_known, api_calls, memory_mb, memory_known,
           durations, memories, last_seen
    FROM hours
    WHERE bucket IN (SELECT bucket FROM waiting)
    UNION ALL
    SELECT bucket, environment, version, item_id, running, success, failed, timeout, cancelled, executions,
           duration_count, duration_ms, duration_square_ms2, prompt_tokens, prompt_known, completion_tokens,
           completion_known, cost_usd, cost_known, credits, credits_known, api_calls, memory_mb, memory_known,
           durations, memories, last_seen
    FROM waiting
) AS figures
GROUP BY bucket, environment, version, item_id
HAVING sum(executions) <> 0
ORDER BY bucket, environment, version, item_id

-- name: read_items
-- The figures of an agent's runs, or of their paths, failures, steps or models, over a window.
WITH days AS (
    SELECT day FROM analytics.rollup_complete_days
    WHERE workspace_id = %(workspace_id)s AND day >= %(first_day)s AND day < %(last_day)s
),
gaps AS (
    SELECT found.day AS start, found.day + interval '1 day' AS stop
    FROM (
        SELECT DISTINCT date_trunc('day', bucket, 'UTC') AS day FROM analytics.rollup_hours
        WHERE workspace_id = %(workspace_id)s AND agent_id = '' AND kind = 'total'
          AND bucket >= %(first_day)s AND bucket < %(last_day)s
    ) AS found
    WHERE found.day NOT IN (SELECT day FROM days)
    UNION ALL
    SELECT edge.start, edge.stop
    FROM unnest(%(edge_starts)s::timestamptz[], %(edge_stops)s::timestamptz[]) AS edge (start, stop)
)
SELECT item, detail, step_name,
       sum(pending)::bigint AS pending, sum(running)::bigint AS running, sum(success)::bigint AS success,
       sum(failed)::bigint AS failed, sum(timeout)::bigint AS timeout, sum(cancelled)::bigint AS cancelled,
       sum(executions)::bigint AS executions, sum(retries)::bigint AS retries,
       sum(duration_count)::bigint AS duration_count, sum(duration_ms)::double precision AS duration_ms,
       sum(duration_square_ms2)::double precision AS duration_square_ms2, sum(self_ms)::double precision AS self_ms,
       sum(critical_ms)::double precision AS critical_ms,
       sum(critical_success_ms)::double precision AS critical_success_ms,
       least(sum(prompt_tokens), 9223372036854775807)::bigint AS prompt_tokens,
       sum(prompt_known)::bigint AS prompt_known,
       least(sum(completion_tokens), 9223372036854775807)::bigint AS completion_tokens,
       sum(completion_known)::bigint AS completion_known, sum(cost_usd)::double precision AS cost_usd,
       sum(cost_known)::bigint AS cost_known, sum(credits)::double precision AS credits,
       sum(credits_known)::bigint AS credits_known, sum(api_calls)::bigint AS api_calls,
       sum(memory_mb)::double precision AS memory_mb, sum(memory_known)::bigint AS memory_known,
       sum(steps)::bigint AS steps, json_agg(durations) FILTER (WHERE durations IS NOT NULL)::text AS durations,
       json_agg(memories) FILTER (WHERE memories IS NOT NULL)::text AS memories, max(last_seen) AS last_seen
FROM (
    SELECT d.item, d.detail, d.step_name, d.pending, d.running, d.success, d.failed, d.timeout, d.cancelled,
           d.executions, d.retries, d.duration_count, d.duration_ms, d.duration_square_ms2, d.self_ms, d.critical_ms,
           d.critical_success_ms, d.prompt_tokens, d.prompt_known, d.completion_tokens, d.completion_known,
           d.cost_usd, d.cost_known, d.credits, d.credits_known, d.api_calls, d.memory_mb, d.memory_known, d.steps,
           d.durations, d.memories, d.last_seen
    FROM days
    JOIN analytics.rollup_days d
        ON d.workspace_id = %(workspace_id)s AND d.agent_id = %(agent_id)s AND d.kind = %(kind)s AND d.bucket = days.day
        AND (%(environments)s::text[] IS NULL OR d.environment = ANY (%(environments)s))
        AND (%(versions)s::text[] IS NULL OR d.version = ANY (%(versions)s))
    UNION ALL
    SELECT h.item, h.detail, h.step_name, h.pending, h.running, h.success, h.failed, h.timeout, h.cancelled,
           h.executions, h.retries, h.duration_count, h.duration_ms, h.duration_square_ms2, h.self_ms, h.critical_ms,
           h.critical_success_ms, h.prompt_tokens, h.prompt_known, h.completion_tokens, h.completion_known,
           h.cost_usd, h.cost_known, h.credits, h.credits_known, h.api_calls, h.memory_mb, h.memory_known, h.steps,
           h.durations, h.memories, h.last_seen
    FROM gaps
    JOIN analytics.rollup_hours h
        ON h.workspace_id = %(workspace_id)s AND h.agent_id = %(agent_id)s AND h.kind = %(kind)s AND h.bucket >= gaps.start AND h.bucket < gaps.stop
        AND (%(environments)s::text[] IS NULL OR h.environment = ANY (%(environments)s))
        AND (%(versions)s::text[] IS NULL OR h.version = ANY (%(versions)s))
    UNION ALL
    SELECT item, detail, step_name, pending, running, success, failed, timeout, cancelled, executions, retries,
           duration_count, duration_ms, duration_square_ms2, self_ms, critical_ms, critical_success_ms, prompt_tokens,
           prompt_known, completion_tokens, completion_known, cost_usd, cost_known, credits, credits_known, api_calls,
           memory_mb, memory_known, steps, durations, memories, last_seen
    FROM analytics.rollup_deltas
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = %(kind)s
      AND bucket >= %(start)s AND bucket < %(stop)s
      AND (%(environments)s::text[] IS NULL OR environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR version = ANY (%(versions)s))
) AS figures
GROUP BY item, detail, step_name
HAVING sum(executions) <> 0
ORDER BY sum(executions) DESC, item, detail, step_name

-- name: read_agents
-- The figures of the runs of every agent over a window, by the name that the runs tell.
WITH days AS (
    SELECT day FROM analytics.rollup_complete_days
    WHERE workspace_id = %(workspace_id)s AND day >= %(first_day)s AND day < %(last_day)s
),
gaps AS (
    SELECT found.day AS start, found.day + interval '1 day' AS stop
    FROM (
        SELECT DISTINCT date_trunc('day', bucket, 'UTC') AS day FROM analytics.rollup_hours
        WHERE workspace_id = %(workspace_id)s AND agent_id = '' AND kind = 'total'
          AND bucket >= %(first_day)s AND bucket < %(last_day)s
    ) AS found
    WHERE found.day NOT IN (SELECT day FROM days)
    UNION ALL
    SELECT edge.start, edge.stop
    FROM unnest(%(edge_starts)s::timestamptz[], %(edge_stops)s::timestamptz[]) AS edge (start, stop)
)
SELECT agent_id, detail AS agent_name,
       sum(pending)::bigint AS pending, sum(running)::bigint AS running, sum(success)::bigint AS success,
       sum(failed)::bigint AS failed, sum(timeout)::bigint AS timeout, sum(cancelled)::bigint AS cancelled,
       sum(executions)::bigint AS executions, sum(retries)::bigint AS retries,
       sum(duration_count)::bigint AS duration_count, sum(duration_ms)::double precision AS duration_ms,
       sum(duration_square_ms2)::double precision AS duration_square_ms2, sum(self_ms)::double precision AS self_ms,
       sum(critical_ms)::double precision AS critical_ms,
       sum(critical_success_ms)::double precision AS critical_success_ms,
       least(sum(prompt_tokens), 9223372036854775807)::bigint AS prompt_tokens,
       sum(prompt_known)::bigint AS prompt_known,
       least(sum(completion_tokens), 9223372036854775807)::bigint AS completion_tokens,
       sum(completion_known)::bigint AS completion_known, sum(cost_usd)::double precision AS cost_usd,
       sum(cost_known)::bigint AS cost_known, sum(credits)::double precision AS credits,
       sum(credits_known)::bigint AS credits_known, sum(api_calls)::bigint AS api_calls,
       sum(memory_mb)::double precision AS memory_mb, sum(memory_known)::bigint AS memory_known,
       sum(steps)::bigint AS steps, json_agg(durations) FILTER (WHERE durations IS NOT NULL)::text AS durations,
       json_agg(memories) FILTER (WHERE memories IS NOT NULL)::text AS memories, max(last_seen) AS last_seen
FROM (
    SELECT d.agent_id, d.detail, d.pending, d.running, d.success, d.failed, d.timeout, d.cancelled, d.executions,
           d.retries, d.duration_count, d.duration_ms, d.duration_square_ms2, d.self_ms, d.critical_ms,
           d.critical_success_ms, d.prompt_tokens, d.prompt_known, d.completion_tokens, d.completion_known,
           d.cost_usd, d.cost_known, d.credits, d.credits_known, d.api_calls, d.memory_mb, d.memory_known, d.steps,
           d.durations, d.memories, d.last_seen
    FROM days
    JOIN analytics.rollup_days d
        ON d.workspace_id = %(workspace_id)s AND d.kind = %(kind)s AND d.agent_id <> '' AND d.bucket = days.day
        AND (%(environments)s::text[] IS NULL OR d.environment = ANY (%(environments)s))
        AND (%(versions)s::text[] IS NULL OR d.version = ANY (%(versions)s))
    UNION ALL
    SELECT h.agent_id, h.detail, h.pending, h.running, h.success, h.failed, h.timeout, h.cancelled, h.executions,
           h.retries, h.duration_count, h.duration_ms, h.duration_square_ms2, h.self_ms, h.critical_ms,
           h.critical_success_ms, h.prompt_tokens, h.prompt_known, h.completion_tokens, h.completion_known,
           h.cost_usd, h.cost_known, h.credits, h.credits_known, h.api_calls, h.memory_mb, h.memory_known, h.steps,
           h.durations, h.memories, h.last_seen
    FROM gaps
    JOIN analytics.rollup_hours h
        ON h.workspace_id = %(workspace_id)s AND h.kind = %(kind)s AND h.agent_id <> '' AND h.bucket >= gaps.start AND h.bucket < gaps.stop
        AND (%(environments)s::text[] IS NULL OR h.environment = ANY (%(environments)s))
        AND (%(versions)s::text[] IS NULL OR h.version = ANY (%(versions)s))
    UNION ALL
    SELECT agent_id, detail, pending, running, success, failed, timeout, cancelled, executions, retries,
           duration_count, duration_ms, duration_square_ms2, self_ms, critical_ms, critical_success_ms, prompt_tokens,
           prompt_known, completion_tokens, completion_known, cost_usd, cost_known, credits, credits_known, api_calls,
           memory_mb, memory_known, steps, durations, memories, last_seen
    FROM analytics.rollup_deltas
    WHERE workspace_id = %(workspace_id)s AND kind = %(kind)s AND agent_id <> ''
      AND bucket >= %(start)s AND bucket < %(stop)s
      AND (%(environments)s::text[] IS NULL OR environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR version = ANY (%(versions)s))
) AS figures
GROUP BY agent_id, detail
HAVING sum(executions) <> 0
ORDER BY agent_id, detail

-- name: read_failures
-- An agent's failed runs by type of error: how many, how long they took, and the first and the last days or hours with any.
WITH days AS (
    SELECT day FROM analytics.rollup_complete_days
    WHERE workspace_id = %(workspace_id)s AND day >= %(first_day)s AND day < %(last_day)s
),
gaps AS (
    SELECT found.day AS start, found.day + interval '1 day' AS stop
    FROM (
        SELECT DISTINCT date_trunc('day', bucket, 'UTC') AS day FROM analytics.rollup_hours
        WHERE workspace_id = %(workspace_id)s AND agent_id = '' AND kind = 'total'
          AND bucket >= %(first_day)s AND bucket < %(last_day)s
    ) AS found
    WHERE found.day NOT IN (SELECT day FROM days)
    UNION ALL
    SELECT edge.start, edge.stop
    FROM unnest(%(edge_starts)s::timestamptz[], %(edge_stops)s::timestamptz[]) AS edge (start, stop)
)
SELECT error_type,
       sum(failed)::bigint AS failed,
       sum(duration_ms)::double precision AS duration_ms,
       sum(duration_count)::bigint AS duration_count,
       (array_agg(start ORDER BY start))[1:1] || (array_agg(stop ORDER BY start))[1:1] AS first,
       (array_agg(start ORDER BY start DESC))[1:5] AS last_starts,
       (array_agg(stop ORDER BY start DESC))[1:5] AS last_stops
FROM (
    SELECT detail AS error_type, start, stop, sum(failed) AS failed, sum(duration_ms) AS duration_ms,
           sum(duration_count) AS duration_count
    FROM (
        SELECT d.detail, d.bucket AS start, d.bucket + interval '1 day' AS stop, d.failed, d.duration_ms,
               d.duration_count
        FROM days
        JOIN analytics.rollup_days d
            ON d.workspace_id = %(workspace_id)s AND d.agent_id = %(agent_id)s AND d.kind = 'failure' AND d.bucket = days.day
            AND (%(environments)s::text[] IS NULL OR d.environment = ANY (%(environments)s))
            AND (%(versions)s::text[] IS NULL OR d.version = ANY (%(versions)s))
        UNION ALL
        SELECT h.detail, h.bucket, h.bucket + interval '1 hour', h.failed, h.duration_ms, h.duration_count
        FROM gaps
        JOIN analytics.rollup_hours h
            ON h.workspace_id = %(workspace_id)s AND h.agent_id = %(agent_id)s AND h.kind = 'failure' AND h.bucket >= gaps.start AND h.bucket < gaps.stop
            AND (%(environments)s::text[] IS NULL OR h.environment = ANY (%(environments)s))
            AND (%(versions)s::text[] IS NULL OR h.version = ANY (%(versions)s))
        UNION ALL
        SELECT w.detail, coalesce(days.day, w.bucket), coalesce(days.day + interval '1 day', w.bucket + interval '1 hour'),
               w.failed, w.duration_ms, w.duration_count
        FROM analytics.rollup_deltas w
        LEFT JOIN days ON days.day = date_trunc('day', w.bucket, 'UTC')
        WHERE w.workspace_id = %(workspace_id)s AND w.agent_id = %(agent_id)s AND w.kind = 'failure'
          AND w.bucket >= %(start)s AND w.bucket < %(stop)s
          AND (%(environments)s::text[] IS NULL OR w.environment = ANY (%(environments)s))
          AND (%(versions)s::text[] IS NULL OR w.version = ANY (%(versions)s))
    ) AS figures
    GROUP BY detail, start, stop
    HAVING sum(failed) <> 0
) AS parts
GROUP BY error_type

-- name: read_examples
-- Failed runs of some times, for each place the newest, or the first; nothing where the rows are gone.
-- All of the times lie between `lowest` and `highest`, so that only partitions of these are planned for.
SELECT asked.place, run.execution_id, run.start_time
FROM unnest(%(places)s::integer[], %(error_types)s::text[], %(starts)s::timestamptz[], %(stops)s::timestamptz[],
            %(newest)s::boolean[])
     AS asked (place, error_type, start, stop, newest)
CROSS JOIN LATERAL (
    SELECT e.execution_id, e.start_time
    FROM analytics.agent_executions e
    WHERE e.workspace_id = %(workspace_id)s AND e.status = 'failed'
      AND (%(agent_id)s = '' OR e.agent_id = %(agent_id)s)
      AND e.error_type IS NOT DISTINCT FROM asked.error_type
      AND e.start_time >= asked.start AND e.start_time < asked.stop
      AND e.start_time >= %(lowest)s AND e.start_time < %(highest)s
      AND (%(environments)s::text[] IS NULL OR e.environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR e.version = ANY (%(versions)s))
    ORDER BY CASE WHEN asked.newest THEN e.start_time END DESC, e.start_time, e.execution_id
    LIMIT CASE WHEN asked.newest THEN 5 ELSE 1 END
) AS run
ORDER BY asked.place, run.start_time DESC, run.execution_id

-- name: read_edge
-- Runs of a part of an hour, which the rollups cannot tell apart, added up as they were counted: by agent, name, status
-- and type of error. Costs and the like as integers, so that they add up exactly; `rollups.figures.SCALES` has the digits.
SELECT run.agent_id, run.agent_name, run.counted_status AS status, run.failed_with AS error_type,
       count(*) AS executions,
       sum(run.prompt_tokens)::text AS prompt_tokens, count(run.prompt_tokens) AS prompt_known,
       sum(run.completion_tokens)::text AS completion_tokens, count(run.completion_tokens) AS completion_known,
       sum(round(run.cost_usd * 1e12)::numeric)::text AS cost_usd, count(run.cost_usd) AS cost_known,
       sum(round(run.credits_consumed * 1e9)::numeric)::text AS credits, count(run.credits_consumed) AS credits_known,
       sum(run.api_calls_count)::text AS api_calls, sum(run.steps_total)::text AS steps,
       array_agg(run.duration_ms) FILTER (WHERE run.duration_ms IS NOT NULL) AS durations_ms,
       array_agg(run.memory_usage_mb) FILTER (WHERE run.memory_usage_mb IS NOT NULL) AS memories_mb,
       max(run.last_activity_at) AS last_seen
FROM (
    SELECT e.agent_id, e.agent_name, e.figures ->> 'status' AS counted_status,
           CASE WHEN e.figures ->> 'status' = 'failed' THEN e.error_type END AS failed_with,
           e.prompt_tokens, e.completion_tokens, e.cost_usd, e.credits_consumed, e.api_calls_count, e.steps_total,
           e.duration_ms, e.memory_usage_mb, e.last_activity_at
    FROM analytics.agent_executions e
    WHERE e.workspace_id = %(workspace_id)s AND e.start_time >= %(start)s AND e.start_time < %(stop)s
      AND jsonb_typeof(e.figures) = 'object'
      AND (%(agent_id)s = '' OR e.agent_id = %(agent_id)s)
      AND (%(environments)s::text[] IS NULL OR e.environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR e.version = ANY (%(versions)s))
) AS run
GROUP BY run.agent_id, run.agent_name, run.counted_status, run.failed_with
ORDER BY run.agent_id, run.agent_name, run.counted_status, run.failed_with

-- name: read_edge_runs
-- An agent's runs of a part of an hour, and what was counted of them and of their steps.
SELECT e.workspace_id, e.agent_id, e.environment, e.version, e.start_time, e.last_activity_at, e.duration_ms, e.path,
       e.error_type, e.error_step_name, e.error_fingerprint, e.prompt_tokens, e.completion_tokens, e.cost_usd,
       e.credits_consumed, e.api_calls_count, e.memory_usage_mb, e.steps_total, e.agent_name, e.figures
FROM analytics.agent_executions e
WHERE e.workspace_id = %(workspace_id)s AND e.start_time >= %(start)s AND e.start_time < %(stop)s
  AND e.agent_id = %(agent_id)s AND jsonb_typeof(e.figures) = 'object'
  AND (%(environments)s::text[] IS NULL OR e.environment = ANY (%(environments)s))
  AND (%(versions)s::text[] IS NULL OR e.version = ANY (%(versions)s))
ORDER BY e.start_time, e.execution_id

-- name: read_hour_ends
-- An agent's runs that started from a minute on within their hour, by the hour: the part of it that is another hour where
-- clocks are not whole hours from UTC.
SELECT date_trunc('hour', e.start_time, 'UTC') AS hour, count(*) AS executions,
       count(*) FILTER (WHERE e.status = 'success') AS success, count(e.duration_ms) AS duration_count,
       (coalesce(sum(round(e.duration_ms * 1e6)::numeric), 0) / 1e6)::double precision AS duration_ms
FROM analytics.agent_executions e
WHERE e.workspace_id = %(workspace_id)s AND e.start_time >= %(start)s AND e.start_time < %(stop)s
  AND e.agent_id = %(agent_id)s AND extract(minute FROM e.start_time AT TIME ZONE 'UTC') >= %(minute)s
  AND (%(environments)s::text[] IS NULL OR e.environment = ANY (%(environments)s))
  AND (%(versions)s::text[] IS NULL OR e.version = ANY (%(versions)s))
GROUP BY hour
ORDER BY hour

-- name: has_agent
-- Whether the workspace has ever seen a run of the agent.
SELECT EXISTS (
    SELECT FROM analytics.rollup_hours
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = 'total' AND executions > 0
) OR EXISTS (
    SELECT FROM analytics.rollup_days
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = 'total' AND executions > 0
) OR EXISTS (
    SELECT FROM analytics.rollup_deltas
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = 'total'
    GROUP BY agent_id HAVING sum(executions) > 0
)
