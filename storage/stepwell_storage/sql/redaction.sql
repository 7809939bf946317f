-- What workspaces want masked; see redaction.py.

-- name: read
-- A row for each rule of a workspace, each with the sets that hold in it; one with nulls where it has no rule.
SELECT w.redacted, r.name, r.kind, r.pattern
FROM analytics.workspaces AS w
LEFT JOIN analytics.redaction_rules AS r ON r.workspace_id = w.workspace_id
WHERE w.workspace_id = %(workspace_id)s
ORDER BY r.name;

-- name: choose
-- Says which sets hold in a workspace.
UPDATE analytics.workspaces SET redacted = %(sets)s::text[] WHERE workspace_id = %(workspace_id)s;

-- name: set_rule
-- Adds or changes a rule.
INSERT INTO analytics.redaction_rules (workspace_id, name, kind, pattern)
VALUES (%(workspace_id)s, %(name)s, %(kind)s, %(pattern)s)
ON CONFLICT (workspace_id, name) DO UPDATE SET kind = excluded.kind, pattern = excluded.pattern;

-- name: remove_rule
-- Takes a rule away.
DELETE FROM analytics.redaction_rules WHERE workspace_id = %(workspace_id)s AND name = %(name)s;
