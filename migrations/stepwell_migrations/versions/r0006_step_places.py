"""What the fold finds about each step is kept on its execution, so that a page of steps needs no other steps.

Revision: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# In the order of step_span_ids; null on executions that were folded before. `step_marks` packs what takes a few bits,
# `duplicates_of` has the indexes of the steps that duplicate_span_ids repeat.
PLACES = """
ALTER TABLE analytics.agent_executions
    ADD COLUMN step_depths integer[],
    ADD COLUMN step_marks smallint[],
    ADD COLUMN step_self_ms double precision[],
    ADD COLUMN duplicates_of integer[];
"""


def upgrade() -> None:
    """Adds the columns, which come last in the partitions as well."""
    op.execute(PLACES)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
