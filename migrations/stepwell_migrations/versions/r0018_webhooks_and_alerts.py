"""Webhooks with their outbox and log, recoveries of failed runs, alert rules and alerts.

Revision: 0018
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# What is sent waits in the outbox until a worker has taken it for a while (`claimed_until`); rows are few beside runs.
WEBHOOKS = """
CREATE TABLE analytics.webhooks (
    workspace_id uuid NOT NULL,
    webhook_id   text NOT NULL,
    purpose      text NOT NULL CHECK (purpose IN ('recovery', 'alert')),
    agent_id     text NOT NULL,
    name         text NOT NULL,
    url          text NOT NULL,
    format       text NOT NULL CHECK (format IN ('stepwell', 'slack')),
    salt         bytea NOT NULL,
    key_id       text NOT NULL,
    max_attempts integer NOT NULL CHECK (max_attempts BETWEEN 1 AND 10),
    hour_budget  integer NOT NULL CHECK (hour_budget >= 0),
    day_budget   integer NOT NULL CHECK (day_budget >= 0),
    is_enabled   boolean NOT NULL DEFAULT true,
    created_at   timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, webhook_id)
);
CREATE UNIQUE INDEX webhooks_recovery ON analytics.webhooks (workspace_id, agent_id) WHERE purpose = 'recovery';

CREATE TABLE analytics.webhook_deliveries (
    workspace_id    uuid NOT NULL,
    delivery_id     text NOT NULL,
    webhook_id      text NOT NULL,
    agent_id        text NOT NULL,
    subject         text NOT NULL,
    body            text NOT NULL,
    state           text NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed', 'cancelled')),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    claimed_until   timestamptz,
    claim           text,
    created_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    reason          text,
    PRIMARY KEY (workspace_id, delivery_id)
);
CREATE INDEX webhook_deliveries_waiting
    ON analytics.webhook_deliveries (workspace_id, next_attempt_at, delivery_id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_recent
    ON analytics.webhook_deliveries (workspace_id, webhook_id, created_at DESC, delivery_id);

CREATE TABLE analytics.webhook_attempts (
    workspace_id uuid NOT NULL,
    delivery_id  text NOT NULL,
    attempt      integer NOT NULL,
    outcome      text NOT NULL,
    started_at   timestamptz NOT NULL,
    duration_ms  double precision,
    http_status  integer,
    reason       text,
    response     text,
    PRIMARY KEY (workspace_id, delivery_id, attempt)
);

CREATE TABLE analytics.recoveries (
    workspace_id   uuid NOT NULL,
    recovery_id    text NOT NULL,
    execution_id   text NOT NULL,
    agent_id       text NOT NULL,
    webhook_id     text NOT NULL,
    action         text NOT NULL,
    checkpoint_id  text,
    note           text,
    is_forced      boolean NOT NULL,
    told_trace_id  text,
    requested_at   timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, recovery_id)
);
CREATE INDEX recoveries_execution ON analytics.recoveries (workspace_id, execution_id, requested_at, recovery_id);
CREATE INDEX recoveries_agent ON analytics.recoveries (workspace_id, agent_id, requested_at, recovery_id);
CREATE INDEX recoveries_told
    ON analytics.recoveries (workspace_id, told_trace_id, recovery_id) WHERE told_trace_id IS NOT NULL;
"""

# Evaluated by whichever worker holds the claim; alerts of one rule are told apart by their subject.
ALERTS = """
CREATE TABLE analytics.alert_rules (
    workspace_id    uuid NOT NULL,
    rule_id         text NOT NULL,
    name            text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('figure', 'regression', 'new_failure')),
    agent_id        text NOT NULL,
    environment     text NOT NULL,
    condition       jsonb NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    cooldown_s      integer NOT NULL CHECK (cooldown_s >= 0),
    webhook_ids     text[] NOT NULL,
    is_enabled      boolean NOT NULL DEFAULT true,
    muted_until     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    changed_at      timestamptz NOT NULL DEFAULT now(),
    next_check_at   timestamptz NOT NULL DEFAULT now(),
    checked_at      timestamptz,
    checked_until   timestamptz,
    failure         text,
    claimed_until   timestamptz,
    claim           text,
    PRIMARY KEY (workspace_id, rule_id)
);

CREATE TABLE analytics.alerts (
    workspace_id    uuid NOT NULL,
    alert_id        text NOT NULL,
    rule_id         text NOT NULL,
    subject         text NOT NULL,
    agent_id        text NOT NULL,
    state           text NOT NULL CHECK (state IN ('firing', 'resolved')),
    severity        text NOT NULL,
    title           text NOT NULL,
    detail          text NOT NULL,
    evidence        jsonb NOT NULL,
    holds_since     timestamptz NOT NULL,
    held_until      timestamptz NOT NULL,
    fired_at        timestamptz NOT NULL,
    resolved_at     timestamptz,
    acknowledged_at timestamptz,
    note            text,
    muted_until     timestamptz,
    notified_at     timestamptz,
    times_fired     integer NOT NULL DEFAULT 1,
    PRIMARY KEY (workspace_id, alert_id)
);
CREATE UNIQUE INDEX alerts_firing ON analytics.alerts (workspace_id, rule_id, subject) WHERE state = 'firing';
CREATE INDEX alerts_recent ON analytics.alerts (workspace_id, fired_at DESC, alert_id);
CREATE INDEX alerts_rule ON analytics.alerts (workspace_id, rule_id, subject, fired_at DESC);

CREATE TABLE analytics.alert_events (
    workspace_id uuid NOT NULL,
    alert_id     text NOT NULL,
    event_id     bigint GENERATED ALWAYS AS IDENTITY,
    at           timestamptz NOT NULL,
    event        text NOT NULL,
    detail       text,
    PRIMARY KEY (workspace_id, alert_id, event_id)
);
"""

# Runs that say which run they recover; few do, so that the index holds next to nothing.
RECOVERING = """
CREATE INDEX agent_executions_recovers
    ON analytics.agent_executions (workspace_id, (trigger_source ->> 'recovery_of'), start_time)
    WHERE (trigger_source ->> 'recovery_of') IS NOT NULL;
"""


def upgrade() -> None:
    """Adds the tables, and the index, which keeps writers waiting while it is built."""
    for statement in (WEBHOOKS, ALERTS, RECOVERING):
        op.execute(statement)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
