-- The figures of /analytics, for one agent or for all.

-- name: analyze_window
-- Everything in one scan of the runs of a window and of the window before it; each column is JSON.
WITH runs AS MATERIALIZED (
    SELECT execution_id, start_time, start_time >= %(start)s AS is_current, status, error_type, duration_ms,
           credits_consumed, cost_usd, prompt_tokens, completion_tokens, api_calls_count, memory_usage_mb
    FROM analytics.agent_executions
    WHERE workspace_id = %(workspace_id)s
      AND start_time >= %(previous_start)s
      AND start_time < %(stop)s
      AND (%(agent_id)s::text IS NULL OR agent_id = %(agent_id)s)
      AND (%(environments)s::text[] IS NULL OR environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR version = ANY (%(versions)s))
),
statistics AS (
    SELECT period.is_current, figures.*
    FROM (VALUES (true), (false)) AS period (is_current)
    CROSS JOIN LATERAL (
        SELECT count(*) AS total_executions,
               count(*) FILTER (WHERE status = 'success') AS successful,
               count(*) FILTER (WHERE status = 'failed') AS failed,
               count(*) FILTER (WHERE status = 'timeout') AS timeout,
               count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE status = 'running') AS running,
               avg(duration_ms) AS avg_duration,
               percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ms) AS percentiles,
               sum(credits_consumed) AS total_credits,
               avg(credits_consumed) AS avg_credits,
               sum(cost_usd) AS total_cost_usd,
               sum(prompt_tokens) AS prompt_tokens,
               sum(completion_tokens) AS completion_tokens,
               coalesce(sum(api_calls_count), 0) AS api_calls
        FROM runs
        WHERE runs.is_current = period.is_current
    ) AS figures
),
hours AS (
    SELECT date_trunc('hour', start_time, 'UTC') AS hour,
           count(*) AS execution_count,
           avg(duration_ms) AS avg_duration,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95_duration,
           count(*) FILTER (WHERE status = 'success') AS successful,
           sum(prompt_tokens) AS prompt_tokens,
           sum(completion_tokens) AS completion_tokens,
           sum(credits_consumed) AS credits,
           sum(cost_usd) AS cost_usd,
           avg(memory_usage_mb) AS avg_memory_mb,
           max(memory_usage_mb) AS max_memory_mb,
           sum(api_calls_count) AS api_calls
    FROM runs
    WHERE is_current
    GROUP BY 1
),
failures AS (
    SELECT error_type,
           count(*) AS count,
           avg(duration_ms) AS avg_duration_before_failure,
           min(start_time) AS first_seen,
           max(start_time) AS last_seen,
           (array_agg(execution_id ORDER BY start_time DESC, execution_id))[1:5] AS example_execution_ids
    FROM runs
    WHERE is_current AND status = 'failed'
    GROUP BY error_type
),
durations AS (
    SELECT width_bucket(duration_ms, %(bounds_ms)s::double precision[]) AS bucket, count(*) AS count
    FROM runs
    WHERE is_current AND duration_ms IS NOT NULL
    GROUP BY 1
)
SELECT (SELECT to_json(s) FROM statistics s WHERE s.is_current) AS statistics,
       (SELECT to_json(s) FROM statistics s WHERE NOT s.is_current) AS previous_statistics,
       (SELECT json_agg(h ORDER BY h.hour) FROM hours h) AS hours,
       (SELECT json_agg(f ORDER BY f.count DESC, f.error_type) FROM failures f) AS failures,
       (SELECT json_agg(d ORDER BY d.bucket) FROM durations d) AS durations

-- name: has_agent
-- Whether the workspace has ever seen a run of the agent.
SELECT EXISTS (
    SELECT FROM analytics.agent_executions WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s
)
