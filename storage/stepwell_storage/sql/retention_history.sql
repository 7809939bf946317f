-- Shortening the rollups; see retention/history.py.

-- name: take_turn
-- Waits until nobody else sums up; the turn ends with the transaction.
SELECT pg_advisory_xact_lock(%(key)s)

-- name: days_with_hours
-- Complete days before a time with more than their first hour. Every run is among all agents'.
SELECT c.day
FROM analytics.rollup_complete_days c
WHERE c.workspace_id = %(workspace_id)s AND c.day < %(before)s
  AND EXISTS (SELECT FROM analytics.rollup_hours h
              WHERE h.workspace_id = %(workspace_id)s AND h.agent_id = '' AND h.kind = 'execution'
                AND h.bucket > c.day AND h.bucket < c.day + interval '1 day')
ORDER BY c.day

-- name: is_complete
-- Whether a day's sum holds all of its hours.
SELECT 1 FROM analytics.rollup_complete_days WHERE workspace_id = %(workspace_id)s AND day = %(day)s

-- name: delete_hours
-- Deletes the hours of a day.
DELETE FROM analytics.rollup_hours
WHERE workspace_id = %(workspace_id)s AND kind = ANY (%(kinds)s) AND bucket >= %(day)s
  AND bucket < %(day)s + interval '1 day'

-- name: keep_sum
-- Keeps the day's sum as its first hour; both tables have the same columns in the same order.
INSERT INTO analytics.rollup_hours
SELECT * FROM analytics.rollup_days
WHERE workspace_id = %(workspace_id)s AND kind = ANY (%(kinds)s) AND bucket = %(day)s

-- name: old_days
-- Days before a time that have any rollups.
SELECT DISTINCT date_trunc('day', bucket, 'UTC') AS day
FROM analytics.rollup_hours
WHERE workspace_id = %(workspace_id)s AND kind = ANY (%(kinds)s) AND bucket < %(before)s
UNION
SELECT DISTINCT bucket FROM analytics.rollup_days
WHERE workspace_id = %(workspace_id)s AND kind = ANY (%(kinds)s) AND bucket < %(before)s
ORDER BY day

-- name: delete_day
-- Deletes the sum of a day.
DELETE FROM analytics.rollup_days
WHERE workspace_id = %(workspace_id)s AND kind = ANY (%(kinds)s) AND bucket = %(day)s

-- name: count_day
-- How many sums of a day there are.
SELECT count(*) FROM analytics.rollup_days
WHERE workspace_id = %(workspace_id)s AND kind = ANY (%(kinds)s) AND bucket = %(day)s

-- name: forget_complete_day
-- A day without rollups is not complete either.
DELETE FROM analytics.rollup_complete_days WHERE workspace_id = %(workspace_id)s AND day = %(day)s
