"""What people decided about suggestions: accepted, dismissed, done.

Revision: 0013
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATES = """
CREATE TABLE analytics.suggestion_states (
    workspace_id  uuid NOT NULL,
    agent_id      text NOT NULL,
    suggestion_id text NOT NULL,
    state         text NOT NULL CHECK (state IN ('open', 'accepted', 'dismissed', 'done')),
    note          text,
    suggestion    jsonb NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT now(),
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, agent_id, suggestion_id)
);
"""


def upgrade() -> None:
    """Adds the table; suggestions without a row in it are open."""
    op.execute(STATES)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
