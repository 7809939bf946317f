-- Workspaces (tenants) and their API keys; see keys.py.

-- name: insert_workspace
-- Makes a workspace; gives no row where the name is taken.
INSERT INTO analytics.workspaces (workspace_id, name)
VALUES (%(workspace_id)s, %(name)s)
ON CONFLICT (name) DO NOTHING
RETURNING workspace_id, name, created_at, credits_per_usd;

-- name: list_workspaces
-- All workspaces, by name.
SELECT workspace_id, name, created_at, credits_per_usd
FROM analytics.workspaces
ORDER BY name;

-- name: set_credit_rate
-- Sets how many credits a US dollar is, null for none; gives no row where there is no workspace of this name.
UPDATE analytics.workspaces
SET credits_per_usd = %(credits_per_usd)s
WHERE name = %(name)s
RETURNING workspace_id, name, created_at, credits_per_usd;

-- name: credit_rates
-- The rates of these workspaces that have one.
SELECT workspace_id, credits_per_usd
FROM analytics.workspaces
WHERE workspace_id = ANY (%(workspace_ids)s) AND credits_per_usd IS NOT NULL
ORDER BY workspace_id;

-- name: insert_key
-- Stores a key's hash in the workspace of this name; gives no row where there is no such workspace.
INSERT INTO analytics.api_keys (workspace_id, key_id, key_hash, key_prefix, scopes, expires_at)
SELECT workspace_id, %(key_id)s, %(key_hash)s, %(key_prefix)s, %(scopes)s::text[], %(expires_at)s::timestamptz
FROM analytics.workspaces
WHERE name = %(workspace)s
RETURNING key_id, workspace_id, %(workspace)s AS workspace, key_prefix, scopes, created_at, revoked_at, expires_at,
    last_used_at;

-- name: list_keys
-- The keys of a workspace, or of all where its name is null; revoked ones included.
SELECT k.key_id, k.workspace_id, w.name AS workspace, k.key_prefix, k.scopes, k.created_at, k.revoked_at, k.expires_at,
    k.last_used_at
FROM analytics.api_keys AS k
JOIN analytics.workspaces AS w ON w.workspace_id = k.workspace_id
WHERE %(workspace)s::text IS NULL OR w.name = %(workspace)s
ORDER BY w.name, k.created_at, k.key_id;

-- name: revoke_key
-- Ends a key for good, of a workspace or of any where that is null; a second time changes nothing.
UPDATE analytics.api_keys AS k
SET revoked_at = coalesce(k.revoked_at, now())
FROM analytics.workspaces AS w
WHERE k.key_id = %(key_id)s AND w.workspace_id = k.workspace_id
    AND (%(workspace_id)s::uuid IS NULL OR k.workspace_id = %(workspace_id)s)
RETURNING k.key_id, k.workspace_id, w.name AS workspace, k.key_prefix, k.scopes, k.created_at, k.revoked_at,
    k.expires_at, k.last_used_at;
