"""The words of each execution's texts, for searching.

Revision: 0010
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Distinct words with a space between, null until the worker has read them; a fold writes the row anew, without them.
# The index holds the words of all workspaces: an index method for both text search and uuid needs an extension that
# not every server has.
WORDS = """
ALTER TABLE analytics.agent_executions ADD COLUMN words text;
CREATE INDEX agent_executions_words
    ON analytics.agent_executions USING gin (array_to_tsvector(string_to_array(words, ' ')));
CREATE INDEX agent_executions_unread
    ON analytics.agent_executions (workspace_id, start_time) WHERE words IS NULL;
"""


def upgrade() -> None:
    """Adds the column and its indexes; the worker fills it for what is stored already."""
    op.execute(WORDS)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
