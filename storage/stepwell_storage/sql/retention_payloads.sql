-- Emptying payloads; see retention/payloads.py. {part} is an identifier that psycopg.sql quotes.

-- name: advance
-- Moves the time before which payloads are gone, never back; gives up to when that is done.
INSERT INTO analytics.retention AS r (workspace_id, payloads_before) VALUES (%(workspace_id)s, %(before)s)
ON CONFLICT (workspace_id) DO UPDATE SET payloads_before = greatest(r.payloads_before, EXCLUDED.payloads_before)
RETURNING payloads_emptied_before

-- name: note_done
-- Up to when it is done.
UPDATE analytics.retention SET payloads_emptied_before = greatest(payloads_emptied_before, %(before)s)
WHERE workspace_id = %(workspace_id)s

-- name: empty_steps
-- Empties steps in some blocks of a partition. Messages in logs, which go too, count as input and output for ever.
UPDATE {part} AS f
SET input = NULL, output = NULL, error = NULL, attributes = NULL, resource = NULL, events = NULL, links = NULL,
    checkpoints = (SELECT jsonb_agg(c.value - 'state' - 'resume' ORDER BY c.place)
                   FROM jsonb_array_elements(f.checkpoints) WITH ORDINALITY AS c (value, place)),
    has_input = f.has_input OR EXISTS (SELECT FROM analytics.step_logs l
                                       WHERE l.workspace_id = f.workspace_id AND l.trace_id = f.trace_id
                                         AND l.span_id = f.span_id AND l.input IS NOT NULL),
    has_output = f.has_output OR EXISTS (SELECT FROM analytics.step_logs l
                                         WHERE l.workspace_id = f.workspace_id AND l.trace_id = f.trace_id
                                           AND l.span_id = f.span_id AND l.output IS NOT NULL),
    flags = array_append(f.flags, 'payload_expired')
WHERE f.ctid >= %(first)s::tid AND f.ctid < %(last)s::tid AND f.workspace_id = %(workspace_id)s
  AND f.start_time < %(stop)s AND f.start_time >= coalesce(%(start)s::timestamptz, '-infinity')
  AND NOT 'payload_expired' = ANY (f.flags)

-- name: empty_steps_of_chunk
-- The same of a hypertable's chunk, at once.
UPDATE analytics.step_facts AS f
SET input = NULL, output = NULL, error = NULL, attributes = NULL, resource = NULL, events = NULL, links = NULL,
    checkpoints = (SELECT jsonb_agg(c.value - 'state' - 'resume' ORDER BY c.place)
                   FROM jsonb_array_elements(f.checkpoints) WITH ORDINALITY AS c (value, place)),
    has_input = f.has_input OR EXISTS (SELECT FROM analytics.step_logs l
                                       WHERE l.workspace_id = f.workspace_id AND l.trace_id = f.trace_id
                                         AND l.span_id = f.span_id AND l.input IS NOT NULL),
    has_output = f.has_output OR EXISTS (SELECT FROM analytics.step_logs l
                                         WHERE l.workspace_id = f.workspace_id AND l.trace_id = f.trace_id
                                           AND l.span_id = f.span_id AND l.output IS NOT NULL),
    flags = array_append(f.flags, 'payload_expired')
WHERE f.workspace_id = %(workspace_id)s
  AND f.start_time < %(stop)s AND f.start_time >= coalesce(%(start)s::timestamptz, '-infinity')
  AND NOT 'payload_expired' = ANY (f.flags)

-- name: empty_runs
-- Empties executions in some blocks of a partition; the worker reads their words anew, from what is left.
UPDATE {part} AS e
SET input_data = NULL, output_data = NULL, words = NULL,
    checkpoints = ARRAY(SELECT c.value || '{{"state": null, "resume": null}}'::jsonb
                        FROM unnest(e.checkpoints) WITH ORDINALITY AS c (value, place) ORDER BY c.place)
WHERE e.ctid >= %(first)s::tid AND e.ctid < %(last)s::tid AND e.workspace_id = %(workspace_id)s
  AND e.start_time < %(stop)s AND e.start_time >= coalesce(%(start)s::timestamptz, '-infinity')
  AND (e.input_data IS NOT NULL OR e.output_data IS NOT NULL OR cardinality(e.checkpoints) > 0 OR e.words IS NOT NULL)

-- name: empty_runs_of_chunk
-- The same of a hypertable's chunk, at once.
UPDATE analytics.agent_executions AS e
SET input_data = NULL, output_data = NULL, words = NULL,
    checkpoints = ARRAY(SELECT c.value || '{"state": null, "resume": null}'::jsonb
                        FROM unnest(e.checkpoints) WITH ORDINALITY AS c (value, place) ORDER BY c.place)
WHERE e.workspace_id = %(workspace_id)s
  AND e.start_time < %(stop)s AND e.start_time >= coalesce(%(start)s::timestamptz, '-infinity')
  AND (e.input_data IS NOT NULL OR e.output_data IS NOT NULL OR cardinality(e.checkpoints) > 0 OR e.words IS NOT NULL)

-- name: empty_logs
-- Empties log records, of which time and severity stay.
WITH emptied AS (
    UPDATE analytics.step_logs l
    SET input = NULL, output = NULL, body = NULL, attributes = NULL
    FROM unnest(%(workspace_ids)s::uuid[], %(before)s::timestamptz[]) AS w (workspace_id, before)
    WHERE l.ctid >= %(first)s::tid AND l.ctid < %(last)s::tid
      AND l.workspace_id = w.workspace_id AND l.time < w.before
      AND (l.input IS NOT NULL OR l.output IS NOT NULL OR l.body IS NOT NULL OR l.attributes IS NOT NULL)
    RETURNING 1
)
SELECT count(*) FROM emptied

-- name: empty_late
-- Empties steps of some traces that came when the payloads of their day were gone already.
UPDATE analytics.step_facts f
SET input = NULL, output = NULL, error = NULL, attributes = NULL, resource = NULL, events = NULL, links = NULL,
    checkpoints = (SELECT jsonb_agg(c.value - 'state' - 'resume' ORDER BY c.place)
                   FROM jsonb_array_elements(f.checkpoints) WITH ORDINALITY AS c (value, place)),
    flags = array_append(f.flags, 'payload_expired')
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(earliest)s::timestamptz[], %(latest)s::timestamptz[])
     AS t (workspace_id, trace_id, earliest, latest)
JOIN analytics.retention r ON r.workspace_id = t.workspace_id AND t.earliest < r.payloads_before
WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id AND f.start_time BETWEEN t.earliest AND t.latest
  AND f.start_time BETWEEN %(lowest)s AND %(highest)s AND f.start_time < r.payloads_before
  AND NOT 'payload_expired' = ANY (f.flags)
