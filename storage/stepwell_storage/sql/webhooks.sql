-- Webhooks, what waits to be sent to them, and what became of it. See `stepwell_api.webhooks`.

-- name: insert_webhook
-- A new webhook; nothing where there is one for the agent's recoveries already.
INSERT INTO analytics.webhooks
    (workspace_id, webhook_id, purpose, agent_id, name, url, format, salt, key_id, max_attempts, hour_budget,
     day_budget, is_enabled)
VALUES
    (%(workspace_id)s, %(webhook_id)s, %(purpose)s, %(agent_id)s, %(name)s, %(url)s, %(format)s, %(salt)s, %(key_id)s,
     %(max_attempts)s, %(hour_budget)s, %(day_budget)s, %(is_enabled)s)
ON CONFLICT DO NOTHING
RETURNING workspace_id, webhook_id, purpose, agent_id, name, url, format, salt, key_id, max_attempts, hour_budget,
          day_budget, is_enabled, created_at, changed_at

-- name: change_webhook
-- Changes what is not null.
UPDATE analytics.webhooks
SET name = coalesce(%(name)s, name), url = coalesce(%(url)s, url), format = coalesce(%(format)s, format),
    salt = coalesce(%(salt)s, salt), key_id = coalesce(%(key_id)s, key_id),
    max_attempts = coalesce(%(max_attempts)s, max_attempts), hour_budget = coalesce(%(hour_budget)s, hour_budget),
    day_budget = coalesce(%(day_budget)s, day_budget), is_enabled = coalesce(%(is_enabled)s, is_enabled),
    changed_at = now()
WHERE workspace_id = %(workspace_id)s AND webhook_id = %(webhook_id)s
RETURNING workspace_id, webhook_id, purpose, agent_id, name, url, format, salt, key_id, max_attempts, hour_budget,
          day_budget, is_enabled, created_at, changed_at

-- name: delete_webhook
-- What waits for it is cancelled by the next attempt.
DELETE FROM analytics.webhooks WHERE workspace_id = %(workspace_id)s AND webhook_id = %(webhook_id)s

-- name: list_webhooks
-- The webhooks of a workspace, or one of them.
SELECT workspace_id, webhook_id, purpose, agent_id, name, url, format, salt, key_id, max_attempts, hour_budget,
       day_budget, is_enabled, created_at, changed_at
FROM analytics.webhooks
WHERE workspace_id = %(workspace_id)s AND (%(webhook_id)s::text IS NULL OR webhook_id = %(webhook_id)s)
ORDER BY purpose, agent_id, created_at, webhook_id

-- name: find_recovery_webhook
-- The webhook that recovers an agent's runs: its own, else that of all agents. Locked, so that budgets are counted in turn.
SELECT workspace_id, webhook_id, purpose, agent_id, name, url, format, salt, key_id, max_attempts, hour_budget,
       day_budget, is_enabled, created_at, changed_at
FROM analytics.webhooks
WHERE workspace_id = %(workspace_id)s AND purpose = 'recovery' AND is_enabled AND agent_id IN (%(agent_id)s, '')
ORDER BY agent_id DESC
LIMIT 1
FOR UPDATE

-- name: lock_webhook
-- The same of one webhook, for its budget of alerts.
SELECT workspace_id, webhook_id, purpose, agent_id, name, url, format, salt, key_id, max_attempts, hour_budget,
       day_budget, is_enabled, created_at, changed_at
FROM analytics.webhooks
WHERE workspace_id = %(workspace_id)s AND webhook_id = %(webhook_id)s
FOR UPDATE

-- name: spent
-- How much of a budget is spent: what was to be sent in the last hour and day to a webhook for an agent.
SELECT count(*) FILTER (WHERE created_at > %(now)s::timestamptz - interval '1 hour') AS in_hour, count(*) AS in_day,
       min(created_at) FILTER (WHERE created_at > %(now)s::timestamptz - interval '1 hour') AS first_in_hour,
       min(created_at) AS first_in_day
FROM analytics.webhook_deliveries
WHERE workspace_id = %(workspace_id)s AND webhook_id = %(webhook_id)s AND agent_id = %(agent_id)s
  AND state <> 'cancelled' AND created_at > %(now)s::timestamptz - interval '1 day'

-- name: enqueue
-- Something to be sent.
INSERT INTO analytics.webhook_deliveries
    (workspace_id, delivery_id, webhook_id, agent_id, subject, body, state, next_attempt_at, created_at, ended_at,
     reason)
VALUES
    (%(workspace_id)s, %(delivery_id)s, %(webhook_id)s, %(agent_id)s, %(subject)s, %(body)s, %(state)s,
     %(not_before)s, %(now)s, %(ended_at)s, %(reason)s)

-- name: claim_due
-- Takes what is due, of each webhook one at a time, and notes that an attempt begins; whoever comes at the same time finds
-- it taken when the row is looked at again.
WITH due AS (
    SELECT DISTINCT ON (workspace_id, webhook_id) workspace_id, delivery_id, next_attempt_at
    FROM analytics.webhook_deliveries
    WHERE state = 'waiting' AND next_attempt_at <= %(now)s AND (claimed_until IS NULL OR claimed_until <= %(now)s)
      AND NOT webhook_id = ANY (%(busy)s::text[])
    ORDER BY workspace_id, webhook_id, next_attempt_at, delivery_id
),
first AS (
    SELECT workspace_id, delivery_id FROM due ORDER BY next_attempt_at, delivery_id LIMIT %(limit)s
),
claimed AS (
    UPDATE analytics.webhook_deliveries d
    SET claimed_until = %(claimed_until)s, claim = %(claim)s, attempts = d.attempts + 1
    FROM first
    WHERE d.workspace_id = first.workspace_id AND d.delivery_id = first.delivery_id
      AND d.state = 'waiting' AND d.next_attempt_at <= %(now)s
      AND (d.claimed_until IS NULL OR d.claimed_until <= %(now)s)
    RETURNING d.workspace_id, d.delivery_id, d.webhook_id, d.body, d.attempts
),
begun AS (
    INSERT INTO analytics.webhook_attempts (workspace_id, delivery_id, attempt, outcome, started_at)
    SELECT workspace_id, delivery_id, attempts, 'sending', %(now)s FROM claimed
),
lost AS (
    UPDATE analytics.webhook_attempts a
    SET outcome = 'unknown', reason = 'The worker ended before it could tell'
    FROM claimed c
    WHERE a.workspace_id = c.workspace_id AND a.delivery_id = c.delivery_id AND a.attempt < c.attempts
      AND a.outcome = 'sending'
)
SELECT c.workspace_id, c.delivery_id, c.webhook_id, c.body, c.attempts, w.url, w.salt, w.key_id, w.max_attempts,
       coalesce(w.is_enabled, false) AS is_enabled
FROM claimed c
LEFT JOIN analytics.webhooks w ON w.workspace_id = c.workspace_id AND w.webhook_id = c.webhook_id
ORDER BY c.workspace_id, c.delivery_id

-- name: settle
-- What became of an attempt, unless somebody else has taken the delivery meanwhile.
UPDATE analytics.webhook_deliveries
SET state = %(state)s, next_attempt_at = coalesce(%(next_attempt_at)s, next_attempt_at), claimed_until = NULL,
    claim = NULL, ended_at = %(ended_at)s, reason = %(reason)s
WHERE workspace_id = %(workspace_id)s AND delivery_id = %(delivery_id)s AND claim = %(claim)s AND state = 'waiting'

-- name: log_attempt
-- The end of an attempt.
UPDATE analytics.webhook_attempts
SET outcome = %(outcome)s, duration_ms = %(duration_ms)s, http_status = %(http_status)s, reason = %(reason)s,
    response = %(response)s
WHERE workspace_id = %(workspace_id)s AND delivery_id = %(delivery_id)s AND attempt = %(attempt)s

-- name: note_told_run
-- The run that a receiver says it has started to recover another.
UPDATE analytics.recoveries SET told_trace_id = %(trace_id)s
WHERE workspace_id = %(workspace_id)s AND recovery_id = %(delivery_id)s

-- name: read_deliveries
-- What was sent to a webhook, the newest first.
SELECT delivery_id, webhook_id, agent_id, subject, state, attempts, created_at, ended_at, reason,
       CASE WHEN state = 'waiting' THEN next_attempt_at END AS next_attempt_at
FROM analytics.webhook_deliveries
WHERE workspace_id = %(workspace_id)s AND webhook_id = %(webhook_id)s
  AND (%(before)s::timestamptz IS NULL OR created_at < %(before)s
       OR (created_at = %(before)s AND delivery_id > %(after_id)s))
ORDER BY created_at DESC, delivery_id
LIMIT %(limit)s

-- name: read_attempts
-- The attempts of deliveries, in order.
SELECT delivery_id, attempt, outcome, started_at, duration_ms, http_status, reason, response
FROM analytics.webhook_attempts
WHERE workspace_id = %(workspace_id)s AND delivery_id = ANY (%(delivery_ids)s::text[])
ORDER BY delivery_id, attempt

-- name: forget
-- Forgets what ended long ago.
WITH gone AS (
    DELETE FROM analytics.webhook_deliveries
    WHERE state <> 'waiting' AND ended_at < %(before)s
    RETURNING workspace_id, delivery_id
)
DELETE FROM analytics.webhook_attempts a
USING gone
WHERE a.workspace_id = gone.workspace_id AND a.delivery_id = gone.delivery_id
