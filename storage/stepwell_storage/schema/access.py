"""Who may do what in a workspace, what is redacted in it, and who did what."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, UUID

from stepwell_storage.schema.columns import TIME, key, metadata, now, optional, required
from stepwell_storage.schema.tenants import workspaces


def _of_workspace() -> "Column[Any]":
    """The first part of a key whose rows go with their workspace."""
    return Column("workspace_id", UUID(), ForeignKey(workspaces.c.workspace_id, ondelete="CASCADE"), primary_key=True)


sessions = Table(
    "sessions",
    metadata,
    _of_workspace(),
    key("session_id", Text()),
    required("token_hash", BYTEA()),
    *optional(Text(), "key_id", "person"),
    *optional(ARRAY(Text()), "groups"),
    now("created_at"),
    required("expires_at", TIME),
    UniqueConstraint("token_hash"),
)

members = Table(
    "members",
    metadata,
    _of_workspace(),
    *[key(name, Text()) for name in ("kind", "name")],
    required("role", Text()),
    now("created_at"),
    CheckConstraint("kind IN ('group', 'person')"),
    CheckConstraint("role IN ('admin', 'editor', 'viewer')"),
)

audit_log = Table(
    "audit_log",
    metadata,
    key("workspace_id", UUID()),
    Column("entry_id", BigInteger(), Identity(always=True), primary_key=True),
    now("at"),
    *[required(name, Text()) for name in ("actor", "action")],
    *optional(Text(), "target"),
    Column("detail", JSONB(), nullable=False, server_default=text("'{}'::jsonb")),
)

redaction_rules = Table(
    "redaction_rules",
    metadata,
    _of_workspace(),
    key("name", Text()),
    *[required(name, Text()) for name in ("kind", "pattern")],
    now("created_at"),
    CheckConstraint("kind IN ('key', 'pattern')"),
)
