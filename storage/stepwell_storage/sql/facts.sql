-- Writing steps; see facts.py. The order of the columns is that of the fields in step_rows.py, and in rows.py for log
-- records; if you change one, also change the other.

-- name: copy_steps
-- Finished steps, straight into the facts.
COPY analytics.step_facts (
    workspace_id, trace_id, span_id, start_time, parent_span_id, parent_is_remote, end_time,
    duration_ms, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb,
    name, step_name, step_type, role, operation, status, agent_name, span_agent_name, agent_version, model, provider, finish_reason,
    trigger_type, runtime_mode, service_name, service_version, environment, framework, scope_name, key_id, process_key,
    has_input, has_output, flags, resource,
    error_type, error_message, agent_ref, response_id, session_id, conversation_id, user_id,
    checkpoints, trigger_source, input, output, error, attributes, events, links
) FROM STDIN (FORMAT binary);

-- name: copy_live_steps
-- Steps that still run, straight into their table.
COPY analytics.live_steps (
    workspace_id, trace_id, span_id, start_time, parent_span_id, parent_is_remote, end_time,
    duration_ms, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb,
    name, step_name, step_type, role, operation, status, agent_name, span_agent_name, agent_version, model, provider, finish_reason,
    trigger_type, runtime_mode, service_name, service_version, environment, framework, scope_name, key_id, process_key,
    has_input, has_output, flags, resource,
    error_type, error_message, agent_ref, response_id, session_id, conversation_id, user_id,
    checkpoints, trigger_source, input, output, error, attributes, events, links
) FROM STDIN (FORMAT binary);

-- name: create_staging
-- Where rows wait that may be stored already; one for each session.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_steps (LIKE analytics.step_facts INCLUDING DEFAULTS)
ON COMMIT DELETE ROWS;

-- name: empty_staging
-- Leaves nothing of an earlier insertion in the same transaction.
DELETE FROM pg_temp.staged_steps;

-- name: copy_staging
-- Steps that may be stored already.
COPY pg_temp.staged_steps (
    workspace_id, trace_id, span_id, start_time, parent_span_id, parent_is_remote, end_time,
    duration_ms, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb,
    name, step_name, step_type, role, operation, status, agent_name, span_agent_name, agent_version, model, provider, finish_reason,
    trigger_type, runtime_mode, service_name, service_version, environment, framework, scope_name, key_id, process_key,
    has_input, has_output, flags, resource,
    error_type, error_message, agent_ref, response_id, session_id, conversation_id, user_id,
    checkpoints, trigger_source, input, output, error, attributes, events, links
) FROM STDIN (FORMAT binary);

-- name: insert_staged_steps
-- The staged steps that are not stored yet, in the order in which every writer takes its locks; gives their keys.
INSERT INTO analytics.step_facts (
    workspace_id, trace_id, span_id, start_time, parent_span_id, parent_is_remote, end_time,
    duration_ms, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb,
    name, step_name, step_type, role, operation, status, agent_name, span_agent_name, agent_version, model, provider, finish_reason,
    trigger_type, runtime_mode, service_name, service_version, environment, framework, scope_name, key_id, process_key,
    has_input, has_output, flags, resource,
    error_type, error_message, agent_ref, response_id, session_id, conversation_id, user_id,
    checkpoints, trigger_source, input, output, error, attributes, events, links
)
SELECT
    workspace_id, trace_id, span_id, start_time, parent_span_id, parent_is_remote, end_time,
    duration_ms, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb,
    name, step_name, step_type, role, operation, status, agent_name, span_agent_name, agent_version, model, provider, finish_reason,
    trigger_type, runtime_mode, service_name, service_version, environment, framework, scope_name, key_id, process_key,
    has_input, has_output, flags, resource,
    error_type, error_message, agent_ref, response_id, session_id, conversation_id, user_id,
    checkpoints, trigger_source, input, output, error, attributes, events, links
FROM pg_temp.staged_steps
ORDER BY (start_time AT TIME ZONE 'UTC')::date, workspace_id, trace_id, span_id, start_time
ON CONFLICT DO NOTHING
RETURNING workspace_id, trace_id, span_id, (extract(epoch FROM start_time) * 1000000)::bigint AS start_us;

-- name: insert_staged_live_steps
-- The same for steps that still run.
INSERT INTO analytics.live_steps (
    workspace_id, trace_id, span_id, start_time, parent_span_id, parent_is_remote, end_time,
    duration_ms, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb,
    name, step_name, step_type, role, operation, status, agent_name, span_agent_name, agent_version, model, provider, finish_reason,
    trigger_type, runtime_mode, service_name, service_version, environment, framework, scope_name, key_id, process_key,
    has_input, has_output, flags, resource,
    error_type, error_message, agent_ref, response_id, session_id, conversation_id, user_id,
    checkpoints, trigger_source, input, output, error, attributes, events, links
)
SELECT
    workspace_id, trace_id, span_id, start_time, parent_span_id, parent_is_remote, end_time,
    duration_ms, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb,
    name, step_name, step_type, role, operation, status, agent_name, span_agent_name, agent_version, model, provider, finish_reason,
    trigger_type, runtime_mode, service_name, service_version, environment, framework, scope_name, key_id, process_key,
    has_input, has_output, flags, resource,
    error_type, error_message, agent_ref, response_id, session_id, conversation_id, user_id,
    checkpoints, trigger_source, input, output, error, attributes, events, links
FROM pg_temp.staged_steps
ORDER BY workspace_id, trace_id, span_id
ON CONFLICT DO NOTHING
RETURNING workspace_id, trace_id, span_id, (extract(epoch FROM start_time) * 1000000)::bigint AS start_us;

-- name: refresh_live_steps
-- Of the staged steps that still run and are stored already, takes over what those say that were sent again later;
-- gives their keys. The rows are locked in the order in which every writer takes its locks.
WITH newer AS (
    SELECT l.workspace_id, l.trace_id, l.span_id
    FROM analytics.live_steps l
    JOIN pg_temp.staged_steps s USING (workspace_id, trace_id, span_id)
    WHERE CASE jsonb_typeof(s.attributes -> 'stepwell.span.seen_ns') WHEN 'number' THEN
              (s.attributes ->> 'stepwell.span.seen_ns')::numeric ELSE 0 END
        > CASE jsonb_typeof(l.attributes -> 'stepwell.span.seen_ns') WHEN 'number' THEN
              (l.attributes ->> 'stepwell.span.seen_ns')::numeric ELSE 0 END
    ORDER BY l.workspace_id, l.trace_id, l.span_id
    FOR UPDATE OF l
)
UPDATE analytics.live_steps l
SET (
        parent_span_id, parent_is_remote, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens,
        reasoning_tokens, cost_usd, credits, memory_mb, name, step_name, step_type, role, operation, agent_name,
        span_agent_name, agent_ref, agent_version, model, provider, response_id, finish_reason, session_id,
        conversation_id, user_id, trigger_type, runtime_mode, environment, has_input, has_output, flags, checkpoints,
        trigger_source, input, output, attributes, events, links
    ) = (
        s.parent_span_id, s.parent_is_remote, s.prompt_tokens, s.completion_tokens, s.cache_read_tokens,
        s.cache_write_tokens, s.reasoning_tokens, s.cost_usd, s.credits, s.memory_mb, s.name, s.step_name,
        s.step_type, s.role, s.operation, s.agent_name, s.span_agent_name, s.agent_ref, s.agent_version, s.model,
        s.provider, s.response_id, s.finish_reason, s.session_id, s.conversation_id, s.user_id, s.trigger_type,
        s.runtime_mode, s.environment, s.has_input, s.has_output, s.flags, s.checkpoints, s.trigger_source, s.input,
        s.output, s.attributes, s.events, s.links
    )
FROM newer
JOIN pg_temp.staged_steps s USING (workspace_id, trace_id, span_id)
WHERE l.workspace_id = newer.workspace_id AND l.trace_id = newer.trace_id AND l.span_id = newer.span_id
RETURNING l.workspace_id, l.trace_id, l.span_id, (extract(epoch FROM l.start_time) * 1000000)::bigint AS start_us;

-- name: mark_dirty
-- Tells the workers which traces have new steps, and wakes them once the transaction has committed.
WITH marked AS (
    INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count, may_end_run)
    SELECT workspace_id, trace_id, earliest, latest, span_count, may_end_run
    FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(earliest)s::timestamptz[],
                %(latest)s::timestamptz[], %(span_counts)s::integer[], %(may_end_runs)s::boolean[])
         AS t (workspace_id, trace_id, earliest, latest, span_count, may_end_run)
)
SELECT pg_notify('stepwell_dirty', '');

-- name: delete_superseded_live_steps
-- Looks at the next live steps after a key and deletes those whose finished span is stored, which the ledger
-- learns; gives where it stopped.
-- The lateral subquery makes each of them a lookup by key in the partitions of its days, whatever the statistics say.
WITH looked_at AS (
    SELECT workspace_id, trace_id, span_id, start_time
    FROM analytics.live_steps
    WHERE (workspace_id, trace_id, span_id) > (%(workspace_id)s, %(trace_id)s, %(span_id)s)
    ORDER BY workspace_id, trace_id, span_id
    LIMIT %(batch_rows)s
    FOR UPDATE SKIP LOCKED
), superseded AS (
    SELECT live.workspace_id, live.trace_id, live.span_id
    FROM looked_at AS live
    CROSS JOIN LATERAL (
        SELECT FROM analytics.step_facts AS finished
        WHERE finished.workspace_id = live.workspace_id
          AND finished.trace_id = live.trace_id
          AND finished.span_id = live.span_id
          AND finished.start_time BETWEEN live.start_time - interval '1 hour' AND live.start_time + interval '1 hour'
        LIMIT 1
    ) AS finished
), deleted AS (
    DELETE FROM analytics.live_steps AS live
    USING superseded
    WHERE live.workspace_id = superseded.workspace_id
      AND live.trace_id = superseded.trace_id
      AND live.span_id = superseded.span_id
    RETURNING live.workspace_id, live.key_id, live.created_at
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'traces', 'replaced', '', date_trunc('hour', created_at, 'UTC'), count(*)
    FROM deleted
    GROUP BY 1, 2, 6
)
SELECT workspace_id, trace_id, span_id, (SELECT count(*) FROM deleted) AS deleted
FROM looked_at
ORDER BY workspace_id DESC, trace_id DESC, span_id DESC
LIMIT 1;

-- name: copy_logs
-- Log records, straight into their table.
COPY analytics.step_logs (
    workspace_id, trace_id, span_id, time, record_key, event_name, severity_number, severity_text,
    input, output, body, attributes, flags, key_id
) FROM STDIN;

-- name: create_staging_for_logs
-- Where log records wait that may be stored already; one for each session.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_logs (LIKE analytics.step_logs INCLUDING DEFAULTS)
ON COMMIT DELETE ROWS;

-- name: empty_staging_for_logs
-- Leaves nothing of an earlier insertion in the same transaction.
DELETE FROM pg_temp.staged_logs;

-- name: copy_staging_for_logs
-- Log records that may be stored already.
COPY pg_temp.staged_logs (
    workspace_id, trace_id, span_id, time, record_key, event_name, severity_number, severity_text,
    input, output, body, attributes, flags, key_id
) FROM STDIN;

-- name: insert_staged_logs
-- The staged log records that are not stored yet, in the order in which every writer takes its locks; gives their keys.
INSERT INTO analytics.step_logs (
    workspace_id, trace_id, span_id, time, record_key, event_name, severity_number, severity_text,
    input, output, body, attributes, flags, key_id
)
SELECT
    workspace_id, trace_id, span_id, time, record_key, event_name, severity_number, severity_text,
    input, output, body, attributes, flags, key_id
FROM pg_temp.staged_logs
ORDER BY workspace_id, trace_id, span_id, time, record_key
ON CONFLICT DO NOTHING
RETURNING workspace_id, trace_id, span_id, (extract(epoch FROM time) * 1000000)::bigint AS time_us, record_key;
