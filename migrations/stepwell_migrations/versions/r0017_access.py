"""Who may do what: keys that expire, sessions of people, members with roles, what is redacted, and the audit log.

Revision: 0017
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

KEYS = """
ALTER TABLE analytics.api_keys ADD COLUMN expires_at timestamptz, ADD COLUMN last_used_at timestamptz;
"""
# A session is of a key (key_id), or of a person whom an OpenID provider vouched for (groups are what it said of them).
SESSIONS = """
CREATE TABLE analytics.sessions (
    workspace_id uuid NOT NULL REFERENCES analytics.workspaces (workspace_id) ON DELETE CASCADE,
    session_id   text NOT NULL,
    token_hash   bytea NOT NULL UNIQUE,
    key_id       text,
    person       text,
    groups       text[],
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, session_id)
);
CREATE TABLE analytics.members (
    workspace_id uuid NOT NULL REFERENCES analytics.workspaces (workspace_id) ON DELETE CASCADE,
    kind         text NOT NULL CHECK (kind IN ('group', 'person')),
    name         text NOT NULL,
    role         text NOT NULL CHECK (role IN ('admin', 'editor', 'viewer')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, kind, name)
);
"""
AUDIT = """
CREATE TABLE analytics.audit_log (
    workspace_id uuid NOT NULL,
    entry_id     bigint GENERATED ALWAYS AS IDENTITY,
    at           timestamptz NOT NULL DEFAULT now(),
    actor        text NOT NULL,
    action       text NOT NULL,
    target       text,
    detail       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (workspace_id, entry_id)
);
"""
# Which of the built-in sets are redacted: null for the default.
REDACTION = """
ALTER TABLE analytics.workspaces ADD COLUMN redacted text[];
CREATE TABLE analytics.redaction_rules (
    workspace_id uuid NOT NULL REFERENCES analytics.workspaces (workspace_id) ON DELETE CASCADE,
    name         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('key', 'pattern')),
    pattern      text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, name)
);
"""


def upgrade() -> None:
    """Adds columns and tables."""
    for statement in (KEYS, SESSIONS, AUDIT, REDACTION):
        op.execute(statement)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
