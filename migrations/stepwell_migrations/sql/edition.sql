-- What a server's TimescaleDB is; see edition.py. {extension} is the schema that the extension was created in.

-- name: installed
-- The extension's version, licence and schema; no row where it is not created in this database.
SELECT extversion, current_setting('timescaledb.license', true), extnamespace::regnamespace::text
FROM pg_catalog.pg_extension
WHERE extname = 'timescaledb';

-- name: available
-- The version that CREATE EXTENSION would bring; no row where the server has none.
SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = 'timescaledb';

-- name: create_extension
-- Makes TimescaleDB part of this database.
CREATE EXTENSION IF NOT EXISTS timescaledb;

-- name: make_room
-- A schema to try things in; it goes with its transaction.
CREATE SCHEMA stepwell_probe;

-- name: make_table
-- A table to try things on.
CREATE TABLE stepwell_probe.moments (moment timestamptz NOT NULL);

-- name: make_hypertable
-- What every edition can do.
SELECT {extension}.create_hypertable('stepwell_probe.moments', 'moment');

-- name: make_continuous_aggregate
-- What only the Community edition can do, and only where its library is there.
CREATE MATERIALIZED VIEW stepwell_probe.hours WITH (timescaledb.continuous) AS
SELECT {extension}.time_bucket('1 hour', moment) AS hour, count(*) AS moments FROM stepwell_probe.moments GROUP BY 1
WITH NO DATA;
