"""Up to when a workspace's payloads have been emptied, so that no pass looks at those days again.

Revision: 0011
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; `payloads_before` is where emptying is to reach, this where it has."""
    op.execute("ALTER TABLE analytics.retention ADD COLUMN payloads_emptied_before timestamptz")


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
