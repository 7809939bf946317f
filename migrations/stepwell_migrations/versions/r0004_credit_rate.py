"""A workspace's rate from US dollars to its credits.

Revision: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the rate, which is unknown until somebody sets it."""
    op.execute("ALTER TABLE analytics.workspaces ADD COLUMN credits_per_usd double precision")


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
