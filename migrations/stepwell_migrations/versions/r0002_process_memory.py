"""Memory of processes: samples of it, and which process each step and each execution ran in.

Revision: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A new column of a partitioned table comes last in its partitions as well, as rows move between these by position.
PROCESSES = """
ALTER TABLE analytics.step_facts ADD COLUMN process_key bytea;
ALTER TABLE analytics.live_steps ADD COLUMN process_key bytea;
ALTER TABLE analytics.execution_keys ADD COLUMN process_key bytea, ADD COLUMN last_activity_at timestamptz;
CREATE INDEX execution_keys_process
    ON analytics.execution_keys (workspace_id, process_key, last_activity_at, execution_id)
    WHERE process_key IS NOT NULL;
"""

SAMPLES = """
CREATE TABLE analytics.memory_samples (
    workspace_id uuid NOT NULL,
    process_key  bytea NOT NULL,
    time         timestamptz NOT NULL,
    is_resident  boolean NOT NULL,
    memory_mb    double precision NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, process_key, time, is_resident)
);
CREATE INDEX memory_samples_age ON analytics.memory_samples (workspace_id, created_at);

CREATE TABLE analytics.dirty_processes (
    sequence     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid NOT NULL,
    process_key  bytea NOT NULL,
    earliest     timestamptz NOT NULL,
    latest       timestamptz NOT NULL,
    marked_at    timestamptz NOT NULL DEFAULT now()
);
"""

# What a run that lasted from `starts` to `ends` took: the largest sample in between; where it was shorter than the
# pause between two samples, the largest around it, an exporter's usual minute away at the most. Resident memory is
# preferred to a runtime's heap, which is a part of it.
PROCESS_MEMORY = """
CREATE FUNCTION analytics.process_memory_mb(
    of_workspace uuid, of_process bytea, starts timestamptz, ends timestamptz
) RETURNS double precision LANGUAGE sql STABLE AS $$
SELECT s.memory_mb
FROM analytics.memory_samples s
WHERE s.workspace_id = of_workspace AND s.process_key = of_process
  AND s.time BETWEEN starts - interval '1 minute' AND ends + interval '1 minute'
ORDER BY s.is_resident DESC, s.time BETWEEN starts AND ends DESC, s.memory_mb DESC
LIMIT 1
$$;
"""


def upgrade() -> None:
    """Adds the columns, the tables and the function."""
    for part in (PROCESSES, SAMPLES, PROCESS_MEMORY):
        op.execute(part)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
