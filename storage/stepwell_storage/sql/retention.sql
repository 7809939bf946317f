-- How long rows are kept; see the package retention. Names in {braces} are identifiers that psycopg.sql quotes.

-- name: policies
-- The times of everyone, then of the workspaces by name, each in the order of policy.Kept.
SELECT w.workspace_id, w.name, r.payload_days, r.raw_days, r.hour_days, r.day_days
FROM (SELECT %(everyone)s::uuid AS workspace_id, '' AS name, 0 AS place
      UNION ALL SELECT workspace_id, name, 1 FROM analytics.workspaces) AS w
LEFT JOIN analytics.retention r ON r.workspace_id = w.workspace_id
ORDER BY w.place, w.name

-- name: set_policy
-- Changes the times that are given; the others stay.
INSERT INTO analytics.retention AS r (workspace_id, payload_days, raw_days, hour_days, day_days)
VALUES (%(workspace_id)s, %(payloads_days)s, %(raw_days)s, %(hours_days)s, %(days_days)s)
ON CONFLICT (workspace_id) DO UPDATE SET
    payload_days = CASE WHEN %(gives_payloads)s THEN EXCLUDED.payload_days ELSE r.payload_days END,
    raw_days = CASE WHEN %(gives_raw)s THEN EXCLUDED.raw_days ELSE r.raw_days END,
    hour_days = CASE WHEN %(gives_hours)s THEN EXCLUDED.hour_days ELSE r.hour_days END,
    day_days = CASE WHEN %(gives_days)s THEN EXCLUDED.day_days ELSE r.day_days END

-- name: share_turn
-- Keeps whoever wants to move a horizon waiting until this transaction ends.
SELECT pg_advisory_xact_lock_shared(%(key)s)

-- name: take_turn
-- Waits for all transactions that have shared the turn.
SELECT pg_advisory_xact_lock(%(key)s)

-- name: horizons
-- The workspaces that have lost rows, and before when.
SELECT workspace_id, raw_before FROM analytics.retention WHERE raw_before IS NOT NULL ORDER BY workspace_id

-- name: closed
-- The places of those that began before rows or payloads of their workspace are gone, and whether it is the rows.
SELECT t.place, t.earliest < coalesce(r.raw_before, '-infinity')
FROM unnest(%(workspace_ids)s::uuid[], %(earliest)s::timestamptz[]) WITH ORDINALITY AS t (workspace_id, earliest, place)
JOIN analytics.retention r
    ON r.workspace_id = t.workspace_id AND t.earliest < greatest(r.raw_before, r.payloads_before)

-- name: advance_raw
-- Moves a workspace's horizon forward, never back.
INSERT INTO analytics.retention AS r (workspace_id, raw_before) VALUES (%(workspace_id)s, %(before)s)
ON CONFLICT (workspace_id) DO UPDATE SET raw_before = greatest(r.raw_before, EXCLUDED.raw_before)
RETURNING raw_before

-- name: try_turn
-- One pass at a time; the turn ends with the session, or before.
SELECT pg_try_advisory_lock(%(key)s)

-- name: end_turn
-- Lets others have it.
SELECT pg_advisory_unlock(%(key)s)

-- name: due
-- How many runs of a workspace began before a time, and how many steps they have.
SELECT count(*), coalesce(sum(steps_total), 0)
FROM analytics.agent_executions
WHERE workspace_id = %(workspace_id)s AND start_time < %(before)s

-- name: payloads_gone
-- Whether payloads of what began at a time are gone in a workspace.
SELECT EXISTS (SELECT FROM analytics.retention
               WHERE workspace_id = %(workspace_id)s AND payloads_before > %(start_time)s)
