-- name: find_database
-- Whether the embedded PostgreSQL has its database already.
SELECT 1 FROM pg_database WHERE datname = %(name)s

-- name: create_database
-- The embedded PostgreSQL's one database; its name is DATABASE in embedded/server.py.
CREATE DATABASE stepwell
