-- Alert rules, the figures that they are about, and alerts. See `stepwell_api.alerts`.

-- name: read_fine
-- Runs in steps of five minutes by their start, of a bounded time: an hour is too long for what happens within minutes.
SELECT date_bin('5 minutes', e.start_time, 'epoch'::timestamptz) AS bucket,
       count(*) AS executions, count(*) FILTER (WHERE e.status = 'success') AS success,
       count(*) FILTER (WHERE e.status = 'failed') AS failed, count(*) FILTER (WHERE e.status = 'timeout') AS timeout,
       count(*) FILTER (WHERE e.status = 'cancelled') AS cancelled, count(e.duration_ms) AS duration_count,
       coalesce(sum(e.duration_ms), 0) AS duration_ms, coalesce(sum(e.prompt_tokens), 0)::double precision AS prompt_tokens,
       coalesce(sum(e.completion_tokens), 0)::double precision AS completion_tokens,
       coalesce(sum(e.cost_usd), 0) AS cost_usd, count(e.cost_usd) AS cost_known,
       coalesce(sum(e.credits_consumed), 0) AS credits, sum(e.api_calls_count) AS api_calls,
       CASE WHEN %(with_durations)s THEN array_agg(e.duration_ms) FILTER (WHERE e.duration_ms IS NOT NULL) END AS raw
FROM analytics.agent_executions e
WHERE e.workspace_id = %(workspace_id)s AND e.start_time >= %(start)s AND e.start_time < %(stop)s
  AND (%(agent_id)s = '' OR e.agent_id = %(agent_id)s)
  AND (%(environment)s = '' OR e.environment = %(environment)s)
GROUP BY bucket
ORDER BY bucket

-- name: read_hours
-- Runs, or the calls of a step, by the hour of their run's start: from rollups, and what waits to be added to them.
SELECT bucket, sum(executions)::bigint AS executions, sum(success)::bigint AS success, sum(failed)::bigint AS failed,
       sum(timeout)::bigint AS timeout, sum(cancelled)::bigint AS cancelled,
       sum(duration_count)::bigint AS duration_count, sum(duration_ms)::double precision AS duration_ms,
       sum(prompt_tokens)::double precision AS prompt_tokens,
       sum(completion_tokens)::double precision AS completion_tokens, sum(cost_usd)::double precision AS cost_usd,
       sum(cost_known)::bigint AS cost_known, sum(credits)::double precision AS credits,
       sum(api_calls)::bigint AS api_calls,
       CASE WHEN %(with_durations)s THEN json_agg(durations) FILTER (WHERE durations IS NOT NULL) END AS raw
FROM (
    SELECT bucket, executions, success, failed, timeout, cancelled, duration_count, duration_ms, prompt_tokens,
           completion_tokens, cost_usd, cost_known, credits, api_calls, durations
    FROM analytics.rollup_hours
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = %(kind)s
      AND bucket >= %(start)s AND bucket < %(stop)s
      AND (%(environment)s = '' OR environment = %(environment)s)
      AND (%(step_name)s::text IS NULL OR item = %(step_name)s)
    UNION ALL
    SELECT bucket, executions, success, failed, timeout, cancelled, duration_count, duration_ms, prompt_tokens,
           completion_tokens, cost_usd, cost_known, credits, api_calls, durations
    FROM analytics.rollup_deltas
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = %(kind)s
      AND bucket >= %(start)s AND bucket < %(stop)s
      AND (%(environment)s = '' OR environment = %(environment)s)
      AND (%(step_name)s::text IS NULL OR item = %(step_name)s)
) AS figures
GROUP BY bucket
ORDER BY bucket

-- name: read_clusters
-- The hours in which runs failed, by agent and kind of failure.
SELECT agent_id, kind, item, detail, step_name, bucket, sum(executions)::bigint AS executions
FROM (
    SELECT agent_id, kind, item, detail, step_name, bucket, executions
    FROM analytics.rollup_hours
    WHERE workspace_id = %(workspace_id)s AND kind IN ('failure', 'timeout')
      AND bucket >= %(start)s AND bucket < %(stop)s AND agent_id <> ''
      AND (%(agent_id)s = '' OR agent_id = %(agent_id)s) AND (%(environment)s = '' OR environment = %(environment)s)
    UNION ALL
    SELECT agent_id, kind, item, detail, step_name, bucket, executions
    FROM analytics.rollup_deltas
    WHERE workspace_id = %(workspace_id)s AND kind IN ('failure', 'timeout')
      AND bucket >= %(start)s AND bucket < %(stop)s AND agent_id <> ''
      AND (%(agent_id)s = '' OR agent_id = %(agent_id)s) AND (%(environment)s = '' OR environment = %(environment)s)
) AS hours
GROUP BY agent_id, kind, item, detail, step_name, bucket
HAVING sum(executions) > 0
ORDER BY agent_id, kind, item, detail, step_name, bucket
LIMIT %(limit)s

-- name: read_first_hours
-- When each agent was first seen: what fails in its first days is not new against anything.
SELECT agent_id, min(bucket) AS first
FROM (
    SELECT agent_id, bucket FROM analytics.rollup_days
    WHERE workspace_id = %(workspace_id)s AND kind = 'total' AND agent_id = ANY (%(agent_ids)s::text[]) AND executions > 0
    UNION ALL
    SELECT agent_id, bucket FROM analytics.rollup_hours
    WHERE workspace_id = %(workspace_id)s AND kind = 'total' AND agent_id = ANY (%(agent_ids)s::text[]) AND executions > 0
    UNION ALL
    SELECT agent_id, bucket FROM analytics.rollup_deltas
    WHERE workspace_id = %(workspace_id)s AND kind = 'total' AND agent_id = ANY (%(agent_ids)s::text[]) AND executions > 0
) AS seen
GROUP BY agent_id

-- name: busiest_agents
-- The agents with the most runs since a time.
SELECT agent_id FROM analytics.rollup_hours
WHERE workspace_id = %(workspace_id)s AND kind = 'total' AND bucket >= %(since)s AND agent_id <> ''
GROUP BY agent_id
ORDER BY sum(executions) DESC, agent_id
LIMIT %(limit)s

-- name: insert_rule
-- A new rule.
INSERT INTO analytics.alert_rules
    (workspace_id, rule_id, name, kind, agent_id, environment, condition, severity, cooldown_s, webhook_ids,
     is_enabled, muted_until, created_at, changed_at, next_check_at)
VALUES
    (%(workspace_id)s, %(rule_id)s, %(name)s, %(kind)s, %(agent_id)s, %(environment)s, %(condition)s, %(severity)s,
     %(cooldown_s)s, %(webhook_ids)s, %(is_enabled)s, %(muted_until)s, %(now)s, %(now)s, %(now)s)

-- name: change_rule
-- Writes a rule anew; it is checked at once.
UPDATE analytics.alert_rules
SET name = %(name)s, agent_id = %(agent_id)s, environment = %(environment)s, condition = %(condition)s,
    severity = %(severity)s, cooldown_s = %(cooldown_s)s, webhook_ids = %(webhook_ids)s, is_enabled = %(is_enabled)s,
    muted_until = %(muted_until)s, next_check_at = %(now)s,
    changed_at = CASE WHEN %(is_another)s THEN %(now)s ELSE changed_at END,
    checked_until = CASE WHEN %(is_another)s THEN NULL ELSE checked_until END
WHERE workspace_id = %(workspace_id)s AND rule_id = %(rule_id)s

-- name: delete_rule
-- A rule that nobody wants any more; its alerts stay as history.
DELETE FROM analytics.alert_rules WHERE workspace_id = %(workspace_id)s AND rule_id = %(rule_id)s

-- name: list_rules
-- The rules of a workspace, or one of them.
SELECT workspace_id, rule_id, name, kind, agent_id, environment, condition, severity, cooldown_s, webhook_ids,
       is_enabled, muted_until, created_at, changed_at, checked_at, checked_until, failure
FROM analytics.alert_rules
WHERE workspace_id = %(workspace_id)s AND (%(rule_id)s::text IS NULL OR rule_id = %(rule_id)s)
ORDER BY name, rule_id

-- name: claim_rule
-- Takes the rule whose check is due the longest; whoever comes at the same time finds it taken.
UPDATE analytics.alert_rules r
SET claim = %(claim)s, claimed_until = %(claimed_until)s
FROM (
    SELECT workspace_id, rule_id FROM analytics.alert_rules
    WHERE is_enabled AND next_check_at <= %(now)s AND (claimed_until IS NULL OR claimed_until <= %(now)s)
    ORDER BY next_check_at, rule_id
    LIMIT 1
) AS due
WHERE r.workspace_id = due.workspace_id AND r.rule_id = due.rule_id
  AND r.is_enabled AND r.next_check_at <= %(now)s AND (r.claimed_until IS NULL OR r.claimed_until <= %(now)s)
RETURNING r.workspace_id, r.rule_id, r.name, r.kind, r.agent_id, r.environment, r.condition, r.severity, r.cooldown_s,
          r.webhook_ids, r.is_enabled, r.muted_until, r.created_at, r.changed_at, r.checked_at, r.checked_until,
          r.failure

-- name: finish_check
-- Gives a rule back; nothing where somebody else has taken it meanwhile.
UPDATE analytics.alert_rules
SET claim = NULL, claimed_until = NULL, next_check_at = %(next_check_at)s, failure = %(failure)s,
    checked_at = %(now)s, checked_until = coalesce(%(checked_until)s, checked_until)
WHERE workspace_id = %(workspace_id)s AND rule_id = %(rule_id)s AND claim = %(claim)s

-- name: read_standing
-- A rule's newest alert of each subject, as far as it still matters.
SELECT DISTINCT ON (subject) alert_id, subject, state, holds_since, held_until, fired_at, resolved_at, muted_until,
       times_fired
FROM analytics.alerts
WHERE workspace_id = %(workspace_id)s AND rule_id = %(rule_id)s
  AND (state = 'firing' OR resolved_at >= %(since)s)
ORDER BY subject, fired_at DESC

-- name: insert_alert
-- An alert that has begun.
INSERT INTO analytics.alerts
    (workspace_id, alert_id, rule_id, subject, agent_id, state, severity, title, detail, evidence, holds_since,
     held_until, fired_at, resolved_at, notified_at)
VALUES
    (%(workspace_id)s, %(alert_id)s, %(rule_id)s, %(subject)s, %(agent_id)s, %(state)s, %(severity)s, %(title)s,
     %(detail)s, %(evidence)s, %(holds_since)s, %(held_until)s, %(now)s, %(resolved_at)s, %(notified_at)s)

-- name: go_on
-- An alert that still holds, or holds again.
UPDATE analytics.alerts
SET state = 'firing', resolved_at = NULL, held_until = greatest(held_until, %(held_until)s), detail = %(detail)s,
    evidence = %(evidence)s, times_fired = times_fired + %(again)s
WHERE workspace_id = %(workspace_id)s AND alert_id = %(alert_id)s

-- name: resolve
-- An alert that holds no longer.
UPDATE analytics.alerts SET state = 'resolved', resolved_at = %(now)s
WHERE workspace_id = %(workspace_id)s AND alert_id = %(alert_id)s AND state = 'firing'

-- name: resolve_all
-- The alerts of a rule that is deleted or disabled.
UPDATE analytics.alerts SET state = 'resolved', resolved_at = %(now)s
WHERE workspace_id = %(workspace_id)s AND rule_id = %(rule_id)s AND state = 'firing'
RETURNING alert_id

-- name: change_alert
-- What people did about an alert.
UPDATE analytics.alerts
SET acknowledged_at = %(acknowledged_at)s, muted_until = %(muted_until)s, note = %(note)s
WHERE workspace_id = %(workspace_id)s AND alert_id = %(alert_id)s

-- name: note_event
-- Something that happened to an alert.
INSERT INTO analytics.alert_events (workspace_id, alert_id, at, event, detail)
VALUES (%(workspace_id)s, %(alert_id)s, %(now)s, %(event)s, %(detail)s)

-- name: read_alerts
-- Alerts, the newest first, or one of them.
SELECT a.alert_id, a.rule_id, r.name AS rule_name, a.subject, nullif(a.agent_id, '') AS agent_id, a.state, a.severity,
       a.title, a.detail, a.evidence::text AS evidence, a.holds_since, a.held_until, a.fired_at, a.resolved_at,
       a.acknowledged_at, a.note, a.muted_until, a.notified_at, a.times_fired
FROM analytics.alerts a
LEFT JOIN analytics.alert_rules r ON r.workspace_id = a.workspace_id AND r.rule_id = a.rule_id
WHERE a.workspace_id = %(workspace_id)s
  AND (%(alert_id)s::text IS NULL OR a.alert_id = %(alert_id)s)
  AND (%(states)s::text[] IS NULL OR a.state = ANY (%(states)s))
  AND (%(agent_ids)s::text[] IS NULL OR a.agent_id = ANY (%(agent_ids)s))
  AND (%(rule_id)s::text IS NULL OR a.rule_id = %(rule_id)s)
  AND (%(before)s::timestamptz IS NULL OR a.fired_at < %(before)s
       OR (a.fired_at = %(before)s AND a.alert_id > %(after_id)s))
ORDER BY a.fired_at DESC, a.alert_id
LIMIT %(limit)s

-- name: read_events
-- What happened to an alert, in order.
SELECT at, event, detail FROM analytics.alert_events
WHERE workspace_id = %(workspace_id)s AND alert_id = %(alert_id)s
ORDER BY event_id

-- name: forget_alerts
-- Forgets what was resolved long ago.
WITH gone AS (
    DELETE FROM analytics.alerts WHERE state = 'resolved' AND resolved_at < %(before)s
    RETURNING workspace_id, alert_id
)
DELETE FROM analytics.alert_events e
USING gone WHERE e.workspace_id = gone.workspace_id AND e.alert_id = gone.alert_id

-- name: note_told
-- That webhooks were told of an alert.
UPDATE analytics.alerts SET notified_at = %(now)s WHERE workspace_id = %(workspace_id)s AND alert_id = %(alert_id)s
