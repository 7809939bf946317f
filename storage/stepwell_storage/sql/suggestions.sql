-- What people decided about suggestions.

-- name: read_states
-- All decisions about an agent's suggestions, the newest first.
SELECT suggestion_id, state, note, suggestion::text AS suggestion, changed_at
FROM analytics.suggestion_states
WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s
ORDER BY changed_at DESC, suggestion_id

-- name: decide
-- Notes a decision; the time of an earlier one stays where the state does.
INSERT INTO analytics.suggestion_states AS s (workspace_id, agent_id, suggestion_id, state, note, suggestion)
VALUES (%(workspace_id)s, %(agent_id)s, %(suggestion_id)s, %(state)s, %(note)s, %(suggestion)s::jsonb)
ON CONFLICT (workspace_id, agent_id, suggestion_id) DO UPDATE
SET state = EXCLUDED.state, note = coalesce(EXCLUDED.note, s.note),
    changed_at = CASE WHEN s.state = EXCLUDED.state THEN s.changed_at ELSE now() END
