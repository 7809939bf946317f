"""Rollups: figures by hour and by day, kept with the executions, so that analytics read no rows of single runs.

Revision: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What is added up is never unknown: how many runs told a figure stands in the column ``…_known`` beside it.
# Sums of what comes from outside are numeric, so that no value however large can stop the adding up.
COLUMNS = """
    workspace_id        uuid NOT NULL,
    agent_id            text NOT NULL,
    bucket              timestamptz NOT NULL,
    environment         text NOT NULL,
    version             text NOT NULL,
    kind                text NOT NULL,
    item_id             uuid NOT NULL,
    item                text NOT NULL,
    detail              text,
    step_name           text,
    pending             bigint NOT NULL DEFAULT 0,
    running             bigint NOT NULL DEFAULT 0,
    success             bigint NOT NULL DEFAULT 0,
    failed              bigint NOT NULL DEFAULT 0,
    timeout             bigint NOT NULL DEFAULT 0,
    cancelled           bigint NOT NULL DEFAULT 0,
    executions          bigint NOT NULL DEFAULT 0,
    retries             bigint NOT NULL DEFAULT 0,
    duration_count      bigint NOT NULL DEFAULT 0,
    duration_ms         numeric NOT NULL DEFAULT 0,
    duration_square_ms2 numeric NOT NULL DEFAULT 0,
    self_ms             numeric NOT NULL DEFAULT 0,
    critical_ms         numeric NOT NULL DEFAULT 0,
    critical_success_ms numeric NOT NULL DEFAULT 0,
    prompt_tokens       numeric NOT NULL DEFAULT 0,
    prompt_known        bigint NOT NULL DEFAULT 0,
    completion_tokens   numeric NOT NULL DEFAULT 0,
    completion_known    bigint NOT NULL DEFAULT 0,
    cost_usd            numeric NOT NULL DEFAULT 0,
    cost_known          bigint NOT NULL DEFAULT 0,
    credits             numeric NOT NULL DEFAULT 0,
    credits_known       bigint NOT NULL DEFAULT 0,
    api_calls           bigint NOT NULL DEFAULT 0,
    memory_mb           numeric NOT NULL DEFAULT 0,
    memory_known        bigint NOT NULL DEFAULT 0,
    steps               bigint NOT NULL DEFAULT 0,
    durations           integer[],
    memories            integer[],
    last_seen           timestamptz
"""

KEY = "workspace_id, agent_id, kind, bucket, environment, version, item_id"

# A histogram is the first bucket that holds anything, then the counts from there on.
FUNCTIONS = """
CREATE FUNCTION analytics.add_histograms(one integer[], other integer[]) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    first integer := least(one[1], other[1]);
    last integer := greatest(one[1] + cardinality(one), other[1] + cardinality(other)) - 2;
    total integer[];
    place integer;
BEGIN
    IF one IS NULL THEN
        RETURN other;
    ELSIF other IS NULL THEN
        RETURN one;
    END IF;
    total := array_fill(0, ARRAY[last - first + 2]);
    total[1] := first;
    FOR place IN 2 .. cardinality(one) LOOP
        total[one[1] - first + place] := one[place];
    END LOOP;
    FOR place IN 2 .. cardinality(other) LOOP
        total[other[1] - first + place] := total[other[1] - first + place] + other[place];
    END LOOP;
    RETURN total;
END
$$;

CREATE AGGREGATE analytics.sum_histograms(integer[]) (
    SFUNC = analytics.add_histograms, STYPE = integer[], COMBINEFUNC = analytics.add_histograms, PARALLEL = SAFE
);
"""

# Rows of deltas come and go all the time, those of hours are changed in place: both need room and an early vacuum.
TABLES = f"""
CREATE TABLE analytics.rollup_deltas (
    sequence            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,{COLUMNS})
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

CREATE TABLE analytics.rollup_hours ({COLUMNS},
    PRIMARY KEY ({KEY})
) WITH (fillfactor = 75);
CREATE INDEX rollup_hours_kind ON analytics.rollup_hours (workspace_id, kind, bucket);

CREATE TABLE analytics.rollup_days ({COLUMNS},
    PRIMARY KEY ({KEY})
);
CREATE INDEX rollup_days_kind ON analytics.rollup_days (workspace_id, kind, bucket);

CREATE TABLE analytics.rollup_complete_days (
    workspace_id uuid NOT NULL,
    day          timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, day)
);
"""

# What was counted of a run beyond its columns, to be taken away when the run is folded anew. Runs of earlier versions
# were never counted (JSON's null): they are folded anew, and so come into the figures. The column has no default, so
# that a worker of an earlier version, which would not count what it writes, writes no more and leaves its marks.
FIGURES = """
ALTER TABLE analytics.agent_executions ADD COLUMN figures jsonb NOT NULL DEFAULT 'null';
ALTER TABLE analytics.agent_executions ALTER COLUMN figures DROP DEFAULT;

INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count)
SELECT workspace_id, trace_id, earliest, latest, 1 FROM analytics.trace_windows ORDER BY earliest;
"""


def upgrade() -> None:
    """Adds the tables, and marks every trace for the worker."""
    for part in (FUNCTIONS, TABLES, FIGURES):
        op.execute(part)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
