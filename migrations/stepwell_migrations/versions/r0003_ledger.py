"""The ledger of what came in: by which key each fact came, counts by hour, and what folds found.

Revision: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEYS = """
ALTER TABLE analytics.step_facts ADD COLUMN key_id text;
ALTER TABLE analytics.live_steps ADD COLUMN key_id text;
ALTER TABLE analytics.step_logs ADD COLUMN key_id text;
"""

# Receivers append entries, so that they never wait for each other's rows; the worker sums them up by the hour.
# Amounts are numeric: a span may claim any number of tokens, and no sum of them may fail.
LEDGER = """
CREATE TABLE analytics.ledger_entries (
    workspace_id uuid NOT NULL,
    entry_id     bigint GENERATED ALWAYS AS IDENTITY,
    key_id       text NOT NULL,
    signal       text NOT NULL,
    outcome      text NOT NULL,
    reason       text NOT NULL,
    hour         timestamptz NOT NULL,
    amount       numeric NOT NULL,
    PRIMARY KEY (workspace_id, entry_id)
);

CREATE TABLE analytics.ledger_hours (
    workspace_id uuid NOT NULL,
    hour         timestamptz NOT NULL,
    key_id       text NOT NULL,
    signal       text NOT NULL,
    outcome      text NOT NULL,
    reason       text NOT NULL,
    amount       numeric NOT NULL,
    PRIMARY KEY (workspace_id, hour, key_id, signal, outcome, reason)
);

CREATE TABLE analytics.trace_findings (
    workspace_id uuid NOT NULL,
    trace_id     bytea NOT NULL,
    hour         timestamptz NOT NULL,
    key_id       text NOT NULL,
    outcome      text NOT NULL,
    amount       numeric NOT NULL,
    PRIMARY KEY (workspace_id, trace_id, hour, key_id, outcome)
);
"""

# What is stored already was received and stored, in the hour that its row tells.
OPENING = """
INSERT INTO analytics.ledger_hours (workspace_id, hour, key_id, signal, outcome, reason, amount)
SELECT workspace_id, hour, '', signal, outcome, '', count(*)
FROM (
    SELECT workspace_id, date_trunc('hour', created_at, 'UTC') AS hour, 'traces' AS signal, false AS is_live
    FROM analytics.step_facts
    UNION ALL
    SELECT workspace_id, date_trunc('hour', created_at, 'UTC'), 'traces', true
    FROM analytics.live_steps
    UNION ALL
    SELECT workspace_id, date_trunc('hour', created_at, 'UTC'), 'logs', false
    FROM analytics.step_logs
) AS stored
CROSS JOIN LATERAL (VALUES ('received', true), ('stored', true), ('live', is_live)) AS told (outcome, holds)
WHERE told.holds
GROUP BY workspace_id, hour, signal, outcome;
"""


def upgrade() -> None:
    """Adds what the ledger needs, and opens it with what is stored."""
    for part in (KEYS, LEDGER, OPENING):
        op.execute(part)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
