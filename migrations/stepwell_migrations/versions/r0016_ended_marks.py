"""Dirty marks tell whether a run may be over, so that the worker folds finished runs before those that go on.

Revision: 0016
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MARKS = """
ALTER TABLE analytics.dirty_traces ADD COLUMN may_end_run boolean NOT NULL DEFAULT false;
"""


def upgrade() -> None:
    """Adds the column; marks of older processes wait their turn as they always have."""
    op.execute(MARKS)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
