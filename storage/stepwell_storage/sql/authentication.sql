-- Who asks: keys, and sessions of people; see authentication.py and sessions.py.

-- name: find_key
-- A key that is good now; its last use is due for writing down where that is a minute ago.
SELECT workspace_id, key_id, key_hash, scopes, coalesce(last_used_at < now() - interval '1 minute', true) AS is_due
FROM analytics.api_keys
WHERE key_hash = %(key_hash)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now());

-- name: note_use
-- Writes down that a key was used, once a minute whatever the number of processes.
UPDATE analytics.api_keys
SET last_used_at = now()
WHERE workspace_id = %(workspace_id)s AND key_id = %(key_id)s
    AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: find_session
-- A session that is good now: its key is, or its person is still a member, by name or by a group.
SELECT s.workspace_id, s.token_hash, s.session_id, s.key_id, s.person, s.expires_at, k.scopes,
    (SELECT array_agg(m.role ORDER BY m.role) FROM analytics.members AS m
     WHERE m.workspace_id = s.workspace_id
         AND (m.kind = 'person' AND m.name = s.person OR m.kind = 'group' AND m.name = ANY (s.groups))) AS roles
FROM analytics.sessions AS s
LEFT JOIN analytics.api_keys AS k ON k.workspace_id = s.workspace_id AND k.key_id = s.key_id
    AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
WHERE s.token_hash = %(token_hash)s AND s.expires_at > now();

-- name: insert_session
-- Begins a session, and forgets those that are over.
WITH over AS (
    DELETE FROM analytics.sessions WHERE expires_at < now()
)
INSERT INTO analytics.sessions (workspace_id, session_id, token_hash, key_id, person, groups, expires_at)
VALUES (%(workspace_id)s, %(session_id)s, %(token_hash)s, %(key_id)s, %(person)s, %(groups)s::text[],
    now() + %(lifetime)s);

-- name: delete_session
-- Ends a session.
DELETE FROM analytics.sessions WHERE token_hash = %(token_hash)s;

-- name: workspaces_of_person
-- The workspaces of which a person is a member, by name or by a group; by name.
SELECT DISTINCT w.workspace_id, w.name
FROM analytics.members AS m
JOIN analytics.workspaces AS w ON w.workspace_id = m.workspace_id
WHERE m.kind = 'person' AND m.name = %(person)s OR m.kind = 'group' AND m.name = ANY (%(groups)s::text[])
ORDER BY w.name;

-- name: workspaces_of_session
-- The workspaces between which a session may change, and when it ends; a key has one, and no end here.
SELECT w.workspace_id, w.name, s.expires_at
FROM analytics.workspaces AS w
LEFT JOIN analytics.sessions AS s ON s.token_hash = %(token_hash)s
WHERE w.workspace_id = %(workspace_id)s OR EXISTS (
    SELECT FROM analytics.members AS m
    WHERE m.workspace_id = w.workspace_id
        AND (m.kind = 'person' AND m.name = s.person OR m.kind = 'group' AND m.name = ANY (s.groups)))
ORDER BY w.name;

-- name: move_session
-- Changes to another workspace of the person; gives no row where it is none of theirs.
UPDATE analytics.sessions AS s
SET workspace_id = %(workspace_id)s
WHERE s.token_hash = %(token_hash)s AND EXISTS (
    SELECT FROM analytics.members AS m
    WHERE m.workspace_id = %(workspace_id)s
        AND (m.kind = 'person' AND m.name = s.person OR m.kind = 'group' AND m.name = ANY (s.groups)))
RETURNING s.session_id;
