"""How long rows are kept, what is gone already, and which traces were deleted on purpose.

Revision: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The workspace 00000000-… stands for all that say nothing themselves. Days: null for what holds for all, 0 for ever.
RETENTION = """
CREATE TABLE analytics.retention (
    workspace_id    uuid PRIMARY KEY,
    raw_days        integer CHECK (raw_days >= 0),
    payload_days    integer CHECK (payload_days >= 0),
    hour_days       integer CHECK (hour_days >= 0),
    day_days        integer CHECK (day_days >= 0),
    raw_before      timestamptz,
    payloads_before timestamptz,
    deleted_at      timestamptz
);
CREATE TABLE analytics.deleted_traces (
    workspace_id uuid NOT NULL,
    trace_id     bytea NOT NULL,
    span_ids     bytea[],
    deleted_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, trace_id)
);
"""


def upgrade() -> None:
    """Adds the tables; without rows in them everything is kept for ever."""
    op.execute(RETENTION)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
