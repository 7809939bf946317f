"""Indexes for what lists of executions are ordered and filtered by.

Revision: 0012
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# A list is read backwards as well: highest or lowest first, with the ids the other way round. Most runs succeed and
# lack an error type, so that the indexes for failures hold few entries.
INDEXES = """
CREATE INDEX agent_executions_cost
    ON analytics.agent_executions (workspace_id, cost_usd, execution_id DESC);
CREATE INDEX agent_executions_tokens
    ON analytics.agent_executions (workspace_id, (
        CASE WHEN prompt_tokens IS NOT NULL OR completion_tokens IS NOT NULL
        THEN least(coalesce(prompt_tokens, 0)::numeric + coalesce(completion_tokens, 0)::numeric, 9223372036854775807)
        END::bigint), execution_id DESC);
CREATE INDEX agent_executions_steps
    ON analytics.agent_executions (workspace_id, steps_total, execution_id DESC);
CREATE INDEX agent_executions_unsuccessful
    ON analytics.agent_executions (workspace_id, agent_id, status, start_time DESC, execution_id)
    WHERE status <> 'success';
CREATE INDEX agent_executions_error
    ON analytics.agent_executions (workspace_id, error_type, start_time DESC, execution_id)
    WHERE error_type IS NOT NULL;
CREATE INDEX agent_executions_user
    ON analytics.agent_executions (workspace_id, user_id, start_time DESC, execution_id)
    WHERE user_id IS NOT NULL;
CREATE INDEX agent_executions_session
    ON analytics.agent_executions (workspace_id, session_id, start_time DESC, execution_id)
    WHERE session_id IS NOT NULL;
"""


def upgrade() -> None:
    """Adds the indexes, which keeps writers waiting while they are built."""
    op.execute(INDEXES)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
