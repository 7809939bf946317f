-- Deleting a workspace; see deletion/workspaces.py.

-- name: take_turn
-- Waits for the folds that go on; later ones know of the deletion.
SELECT pg_advisory_xact_lock(%(key)s)

-- name: mark_deleted
-- Takes a workspace and its keys away, and notes that it was deleted.
WITH gone_keys AS (
    DELETE FROM analytics.api_keys WHERE workspace_id = %(workspace_id)s
), noted AS (
    INSERT INTO analytics.retention AS r (workspace_id, deleted_at) VALUES (%(workspace_id)s, now())
    ON CONFLICT (workspace_id) DO UPDATE SET deleted_at = now()
)
DELETE FROM analytics.workspaces WHERE workspace_id = %(workspace_id)s

-- name: deleted_workspaces
-- Those that may still hold something.
SELECT workspace_id FROM analytics.retention WHERE deleted_at > now() - interval '2 days' ORDER BY workspace_id

-- name: forget_deleted
-- Forgets workspaces that were deleted long ago.
DELETE FROM analytics.retention WHERE deleted_at < now() - %(kept_for)s::interval

-- name: other_workspaces
-- All that keep something.
SELECT workspace_id FROM analytics.workspaces WHERE workspace_id <> %(workspace_id)s ORDER BY workspace_id

-- name: delete_dirty_traces
-- Traces that wait for a fold.
DELETE FROM analytics.dirty_traces WHERE workspace_id = %(workspace_id)s

-- name: delete_dirty_processes
-- Processes with new samples.
DELETE FROM analytics.dirty_processes WHERE workspace_id = %(workspace_id)s

-- name: delete_memory_samples
-- How much memory its processes took.
DELETE FROM analytics.memory_samples WHERE workspace_id = %(workspace_id)s

-- name: delete_findings
-- What folds found.
DELETE FROM analytics.trace_findings WHERE workspace_id = %(workspace_id)s

-- name: delete_tombstones
-- Which of its traces were deleted.
DELETE FROM analytics.deleted_traces WHERE workspace_id = %(workspace_id)s

-- name: delete_suggestion_states
-- What was decided about suggestions.
DELETE FROM analytics.suggestion_states WHERE workspace_id = %(workspace_id)s

-- name: delete_audit_log
-- What was changed in it.
DELETE FROM analytics.audit_log WHERE workspace_id = %(workspace_id)s

-- name: delete_deltas
-- Figures that wait to be summed up.
DELETE FROM analytics.rollup_deltas WHERE workspace_id = %(workspace_id)s

-- name: delete_hours
-- Its rollups by hour.
DELETE FROM analytics.rollup_hours WHERE workspace_id = %(workspace_id)s

-- name: delete_days
-- Its rollups by day.
DELETE FROM analytics.rollup_days WHERE workspace_id = %(workspace_id)s

-- name: delete_complete_days
-- Which of its days are summed up.
DELETE FROM analytics.rollup_complete_days WHERE workspace_id = %(workspace_id)s

-- name: delete_ledger_entries
-- Its ledger.
DELETE FROM analytics.ledger_entries WHERE workspace_id = %(workspace_id)s

-- name: delete_ledger_hours
-- The sums of its ledger.
DELETE FROM analytics.ledger_hours WHERE workspace_id = %(workspace_id)s
