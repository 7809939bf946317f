-- See announcing.py.

-- name: notify
-- Tells whoever listens, once the transaction is committed.
SELECT pg_notify('stepwell_live', %(payload)s)
