-- Deleting what is known of recoveries, webhooks and alerts: with a run, an agent or a workspace.

-- name: delete_recoveries
-- What is known of the recovery of a run, or of an agent's runs, with what was sent for it.
WITH gone AS (
    DELETE FROM analytics.recoveries
    WHERE workspace_id = %(workspace_id)s AND (execution_id = %(execution_id)s OR agent_id = %(agent_id)s)
    RETURNING workspace_id, recovery_id
),
unsent AS (
    DELETE FROM analytics.webhook_deliveries d
    USING gone WHERE d.workspace_id = gone.workspace_id AND d.delivery_id = gone.recovery_id
)
DELETE FROM analytics.webhook_attempts a
USING gone WHERE a.workspace_id = gone.workspace_id AND a.delivery_id = gone.recovery_id

-- name: delete_agent_events
-- What happened to an agent's alerts.
DELETE FROM analytics.alert_events e
USING analytics.alerts a
WHERE e.workspace_id = %(workspace_id)s AND a.workspace_id = e.workspace_id AND a.alert_id = e.alert_id
  AND a.agent_id = %(agent_id)s

-- name: delete_agent_alerts
-- Alerts about an agent.
DELETE FROM analytics.alerts WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s

-- name: delete_agent_rules
-- Rules that are about this agent alone.
DELETE FROM analytics.alert_rules WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s

-- name: delete_agent_webhooks
-- Webhooks that recover this agent's runs alone.
DELETE FROM analytics.webhooks WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s

-- name: delete_agent_deliveries
-- What was sent about an agent.
DELETE FROM analytics.webhook_deliveries WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s

-- name: delete_lost_attempts
-- Calls whose delivery is gone.
DELETE FROM analytics.webhook_attempts a
WHERE a.workspace_id = %(workspace_id)s AND NOT EXISTS (
    SELECT FROM analytics.webhook_deliveries d
    WHERE d.workspace_id = a.workspace_id AND d.delivery_id = a.delivery_id
)

-- name: delete_webhooks
-- A workspace's webhooks.
DELETE FROM analytics.webhooks WHERE workspace_id = %(workspace_id)s

-- name: delete_deliveries
-- What was sent to them.
DELETE FROM analytics.webhook_deliveries WHERE workspace_id = %(workspace_id)s

-- name: delete_attempts
-- The calls.
DELETE FROM analytics.webhook_attempts WHERE workspace_id = %(workspace_id)s

-- name: delete_all_recoveries
-- Which runs were to be recovered.
DELETE FROM analytics.recoveries WHERE workspace_id = %(workspace_id)s

-- name: delete_rules
-- A workspace's alert rules.
DELETE FROM analytics.alert_rules WHERE workspace_id = %(workspace_id)s

-- name: delete_alerts
-- Its alerts.
DELETE FROM analytics.alerts WHERE workspace_id = %(workspace_id)s

-- name: delete_events
-- What happened to them.
DELETE FROM analytics.alert_events WHERE workspace_id = %(workspace_id)s
