"""Which executions have not ended, by their keys: found without a search through all days of executions.

Revision: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPEN = """
ALTER TABLE analytics.execution_keys ADD COLUMN is_open boolean NOT NULL DEFAULT false;
CREATE INDEX execution_keys_open
    ON analytics.execution_keys (workspace_id, last_activity_at, execution_id) WHERE is_open;
"""


def upgrade() -> None:
    """Adds the column, which the worker fills for executions that are there already."""
    op.execute(OPEN)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
