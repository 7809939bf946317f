"""Sessions of people in the dashboard: begun with a key or by an OpenID provider's word, ended by time or on purpose.

A browser holds a token of 256 random bits in a cookie; the database holds its hash. What a session may do is asked
anew of its key or of the person's memberships (`authentication`), so that it ends when these do.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import psycopg

from stepwell_storage import queries
from stepwell_storage.keys import Scope, hash_of

SQL = queries.load("authentication")
Connection = psycopg.AsyncConnection[Any]


class Role(StrEnum):
    """What a member may do in a workspace."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


ROLE_SCOPES: Final = {Role.VIEWER: Scope.READ, Role.EDITOR: Scope.EDIT, Role.ADMIN: Scope.ADMIN}


@dataclass(frozen=True, slots=True)
class Opened:
    """What a session or a key opens, as `describe` finds it."""

    workspaces: tuple[tuple[UUID, str], ...]
    """Ids and names of those between which it may change, by name."""
    expires_at: datetime | None
    """``None`` for a key."""


async def begin_with_key(connection: Connection, workspace_id: UUID, key_id: str, lifetime: timedelta) -> str:
    """Begins a session of a key and gives its token; the key has been checked."""
    return await _begin(connection, workspace_id, lifetime, key_id=key_id)


async def begin_for_person(
    connection: Connection, person: str, groups: Sequence[str], lifetime: timedelta
) -> tuple[str, UUID] | None:
    """Begins a session of a person, in the first of their workspaces; ``None`` where there is none."""
    cursor = await connection.execute(SQL.workspaces_of_person, {"person": person, "groups": list(groups)})
    found = await cursor.fetchone()
    if found is None:
        return None
    token = await _begin(connection, found[0], lifetime, person=person, groups=groups)
    return token, found[0]


async def _begin(
    connection: Connection,
    workspace_id: UUID,
    lifetime: timedelta,
    *,
    key_id: str | None = None,
    person: str | None = None,
    groups: Sequence[str] = (),
) -> str:
    token = "ss_" + secrets.token_urlsafe(32)
    parameters = {
        "workspace_id": workspace_id,
        "session_id": secrets.token_hex(8),
        "token_hash": hash_of(token),
        "key_id": key_id,
        "person": person,
        "groups": list(groups),
        "lifetime": lifetime,
    }
    await connection.execute(SQL.insert_session, parameters)
    return token


async def describe(connection: Connection, workspace_id: UUID, credential: bytes) -> Opened:
    """What the session or the key with this hash opens beside its own workspace."""
    asked = {"workspace_id": workspace_id, "token_hash": credential}
    rows = await (await connection.execute(SQL.workspaces_of_session, asked)).fetchall()
    return Opened(tuple((row[0], row[1]) for row in rows), rows[0][2] if rows else None)


async def change_workspace(connection: Connection, token_hash: bytes, workspace_id: UUID) -> bool:
    """Changes a person's session to another of their workspaces; whether it is one."""
    cursor = await connection.execute(SQL.move_session, {"token_hash": token_hash, "workspace_id": workspace_id})
    return await cursor.fetchone() is not None


async def end(connection: Connection, token_hash: bytes) -> None:
    """Ends a session for good."""
    await connection.execute(SQL.delete_session, {"token_hash": token_hash})
