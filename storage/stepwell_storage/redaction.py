"""What each workspace wants masked in what comes in: built-in sets, and rules of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import psycopg

from stepwell_storage import queries

SQL = queries.load("redaction")

Connection = psycopg.AsyncConnection[Any]
RuleKind = Literal["key", "pattern"]
MAX_RULES: Final = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a workspace wants."""

    sets: tuple[str, ...] | None
    """``None`` for what holds for all."""
    rules: dict[str, tuple[str, str]]
    """Name → (``key`` or ``pattern``, what it is)."""


async def read(connection: Connection, workspace_id: UUID) -> Wanted:
    """What the workspace wants."""
    rows = await (await connection.execute(SQL.read, {"workspace_id": workspace_id})).fetchall()
    sets = tuple(rows[0][0]) if rows and rows[0][0] is not None else None
    return Wanted(sets, {name: (kind, pattern) for _, name, kind, pattern in rows if name is not None})


async def choose(connection: Connection, workspace_id: UUID, sets: Sequence[str] | None) -> None:
    """Says which of the built-in sets hold in a workspace; ``None`` for what holds for all."""
    await connection.execute(SQL.choose, {"workspace_id": workspace_id, "sets": None if sets is None else list(sets)})


async def set_rule(connection: Connection, workspace_id: UUID, name: str, kind: RuleKind, pattern: str) -> None:
    """Adds a rule, or changes the one of this name."""
    values = {"workspace_id": workspace_id, "name": name, "kind": kind, "pattern": pattern}
    await connection.execute(SQL.set_rule, values)


async def remove_rule(connection: Connection, workspace_id: UUID, name: str) -> bool:
    """Takes a rule away; whether there was one."""
    cursor = await connection.execute(SQL.remove_rule, {"workspace_id": workspace_id, "name": name})
    return cursor.rowcount > 0
