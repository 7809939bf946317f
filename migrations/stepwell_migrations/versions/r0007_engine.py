"""Which engine stores the rows: native partitions or TimescaleDB's hypertables; decided by `stepwell migrate`.

Revision: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# `moving` is set while a move to hypertables is under way: what it takes to finish it.
ENGINE = """
CREATE TABLE analytics.engine (
    is_only    boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    engine     text NOT NULL CHECK (engine IN ('undecided', 'native', 'timescale')),
    moving     jsonb,
    decided_at timestamptz
);
INSERT INTO analytics.engine (engine)
SELECT CASE WHEN EXISTS (SELECT FROM analytics.step_facts) OR EXISTS (SELECT FROM analytics.agent_executions)
            THEN 'native' ELSE 'undecided' END;
"""


def upgrade() -> None:
    """Adds the table with its row; a database that holds data already stays what it is."""
    op.execute(ENGINE)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
