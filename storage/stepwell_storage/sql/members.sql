-- Members of workspaces; see members.py.

-- name: list_members
-- The members of a workspace.
SELECT kind, name, role, created_at
FROM analytics.members
WHERE workspace_id = %(workspace_id)s
ORDER BY kind, name;

-- name: put_member
-- Adds a member, or gives another role.
INSERT INTO analytics.members (workspace_id, kind, name, role)
VALUES (%(workspace_id)s, %(kind)s, %(name)s, %(role)s)
ON CONFLICT (workspace_id, kind, name) DO UPDATE SET role = excluded.role;

-- name: remove_member
-- Takes a member away.
DELETE FROM analytics.members WHERE workspace_id = %(workspace_id)s AND kind = %(kind)s AND name = %(name)s;
