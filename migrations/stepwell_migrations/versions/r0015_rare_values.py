"""Indexes for the paths and environments that executions are filtered by.

Revision: 0015
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Without them a filter for a path or an environment that few runs had looks at every run of its window. A path may be
# longer than an index takes, so it is found by its hash.
INDEXES = """
CREATE INDEX agent_executions_path
    ON analytics.agent_executions (workspace_id, hashtextextended(path, 0), start_time DESC, execution_id);
CREATE INDEX agent_executions_environment
    ON analytics.agent_executions (workspace_id, environment, start_time DESC, execution_id);
"""


def upgrade() -> None:
    """Adds the indexes, which keeps writers waiting while they are built."""
    op.execute(INDEXES)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
