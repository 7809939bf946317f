"""Members of workspaces: people and groups, as an OpenID provider names them, each with a role."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from stepwell_storage import queries
from stepwell_storage.sessions import Role

SQL = queries.load("members")

Connection = psycopg.AsyncConnection[Any]
MemberKind = Literal["group", "person"]


@dataclass(frozen=True, slots=True)
class Member:
    """Who may do what in a workspace."""

    kind: str
    name: str
    role: str
    created_at: datetime


async def read(connection: Connection, workspace_id: UUID) -> list[Member]:
    """The members of a workspace, groups first, by name."""
    async with connection.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(SQL.list_members, {"workspace_id": workspace_id})
        return await cursor.fetchall()


async def put(connection: Connection, workspace_id: UUID, kind: MemberKind, name: str, role: Role) -> None:
    """Adds a member, or gives another role."""
    values = {"workspace_id": workspace_id, "kind": kind, "name": name, "role": str(role)}
    await connection.execute(SQL.put_member, values)


async def remove(connection: Connection, workspace_id: UUID, kind: MemberKind, name: str) -> bool:
    """Takes a member away; sessions notice within two seconds. Whether there was one."""
    values = {"workspace_id": workspace_id, "kind": kind, "name": name}
    return (await connection.execute(SQL.remove_member, values)).rowcount > 0
