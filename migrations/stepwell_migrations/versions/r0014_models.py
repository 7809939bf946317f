"""An index for the models that executions used.

Revision: 0014
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Without it a filter for a model that few runs used looks at every run of its window.
INDEX = "CREATE INDEX agent_executions_models ON analytics.agent_executions USING gin (models)"


def upgrade() -> None:
    """Adds the index, which keeps writers waiting while it is built."""
    op.execute(INDEX)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
