"""For how many days a workspace keeps what, and the rules between these times."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import psycopg

from stepwell_storage import queries
from stepwell_storage.errors import StorageError

SQL = queries.load("retention")

EVERYONE: Final = UUID(int=0)
"""Stands for all workspaces that say nothing themselves."""
FOR_EVER: Final = 0
MAX_DAYS: Final = 36_500

Connection = psycopg.AsyncConnection[Any]


class Kept(StrEnum):
    """What has a time of its own, in the order of the columns and, by the rules, of the times."""

    PAYLOADS = "payloads"
    """Inputs, outputs, errors' details, attributes, events and log bodies."""
    RAW = "raw"
    """Executions, steps and log records."""
    HOURS = "hours"
    """Rollups by hour."""
    DAYS = "days"
    """Rollups by day."""


class RetentionError(StorageError):
    """These times break a rule; the message tells which."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The times that hold in a workspace, in days; `FOR_EVER` is the default of each."""

    payloads: int = FOR_EVER
    raw: int = FOR_EVER
    hours: int = FOR_EVER
    days: int = FOR_EVER

    def days_of(self, kept: Kept) -> int:
        """The time for one of them."""
        days: int = getattr(self, kept.value)
        return days

    def before(self, kept: Kept, now: datetime) -> datetime | None:
        """The start of the UTC day before which it may go; ``None`` where it is kept for ever."""
        days = self.days_of(kept)
        if days == FOR_EVER:
            return None
        return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)

    def check(self, workspace: str) -> None:
        """Payloads go no later than their rows, these no later than hours, these no later than days.

        Payloads that are kept for ever are kept as long as their rows.

        Raises:
            RetentionError: they do.
        """
        for shorter, longer in pairwise(Kept):
            if shorter is Kept.PAYLOADS and self.payloads == FOR_EVER:
                continue
            if _length(self.days_of(shorter)) > _length(self.days_of(longer)):
                raise RetentionError(
                    f"In {workspace}, {shorter} would be kept for {told(self.days_of(shorter))}, longer than {longer} "
                    f"({told(self.days_of(longer))}); the order is payloads, raw, hours, days"
                )


@dataclass(frozen=True, slots=True)
class WorkspacePolicy:
    """A workspace with the times that hold in it."""

    workspace_id: UUID
    name: str
    policy: Policy
    own: Mapping[Kept, int]
    """Those that it says itself."""


def told(days: int) -> str:
    """A time in words."""
    return "ever" if days == FOR_EVER else f"{days} day{'' if days == 1 else 's'}"


async def read(connection: Connection) -> tuple[Policy, list[WorkspacePolicy]]:
    """What holds for everyone, and the workspaces by name."""
    cursor = await connection.execute(SQL.policies, {"everyone": EVERYONE})
    rows = await cursor.fetchall()
    general = _merged(Policy(), _own(rows[0][2:]))
    return general, [
        WorkspacePolicy(workspace_id, name, _merged(general, _own(days)), _own(days))
        for workspace_id, name, *days in rows[1:]
    ]


async def change(connection: Connection, workspace_id: UUID, times: Mapping[Kept, int | None]) -> None:
    """Sets times of a workspace, or of `EVERYONE`; ``None`` takes a time of its own away.

    Raises:
        RetentionError: a workspace would have times that break the rules; nothing is changed then.
    """
    for days in times.values():
        if days is not None and not 0 <= days <= MAX_DAYS:
            raise RetentionError(f"A time is 1 to {MAX_DAYS:,} days, or for ever")
    async with connection.transaction():
        parameters = {f"{kept}_days": times.get(kept) for kept in Kept}
        given = {f"gives_{kept}": kept in times for kept in Kept}
        await connection.execute(SQL.set_policy, {"workspace_id": workspace_id, **parameters, **given})
        general, workspaces = await read(connection)
        general.check("all workspaces")
        for workspace in workspaces:
            workspace.policy.check(f"the workspace {workspace.name!r}")


@dataclass(frozen=True, slots=True)
class Due:
    """What of a workspace is older than it is to be kept."""

    workspace: WorkspacePolicy
    executions: int
    steps: int


async def due(connection: Connection, now: datetime) -> list[Due]:
    """The runs of each workspace that a pass at `now` would delete; workspaces without any are left out."""
    _, workspaces = await read(connection)
    found = []
    for workspace in workspaces:
        before = workspace.policy.before(Kept.RAW, now)
        if before is not None:
            parameters = {"workspace_id": workspace.workspace_id, "before": before}
            row = await (await connection.execute(SQL.due, parameters)).fetchone()
            if row and row[0]:
                found.append(Due(workspace, int(row[0]), int(row[1])))
    return found


def _own(days: Any) -> dict[Kept, int]:
    return {kept: time for kept, time in zip(Kept, days, strict=True) if time is not None}


def _merged(general: Policy, own: Mapping[Kept, int]) -> Policy:
    return Policy(**{kept.value: own.get(kept, general.days_of(kept)) for kept in Kept})


def _length(days: int) -> float:
    return float("inf") if days == FOR_EVER else days
