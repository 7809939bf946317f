-- The audit log; see audit.py.

-- name: insert_entry
-- Writes a change down.
INSERT INTO analytics.audit_log (workspace_id, actor, action, target, detail)
VALUES (%(workspace_id)s, %(actor)s, %(action)s, %(target)s, %(detail)s);

-- name: list_entries
-- The newest entries of a workspace, or those before one.
SELECT entry_id, at, actor, action, target, detail
FROM analytics.audit_log
WHERE workspace_id = %(workspace_id)s AND (%(before)s::bigint IS NULL OR entry_id < %(before)s)
ORDER BY entry_id DESC
LIMIT %(limit)s;
