"""The ledger of what came in, over a window of hours: in all, by API key, and by hour."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.amounts import LARGEST
from stepwell_api.times import Window
from stepwell_storage import queries
from stepwell_storage.ledger import Outcome

SQL = queries.load("ledger")

HOUR = timedelta(hours=1)
BY_REASON = {
    Outcome.REJECTED: "rejected_by_reason",
    Outcome.DROPPED: "dropped_by_reason",
    Outcome.REFUSED: "refused_by_reason",
}
FOLLOWED = frozenset(("traces", "logs"))
"""Signals whose deletions the ledger learns; samples of memory expire without a word."""
NAMES = {outcome: outcome.value for outcome in Outcome} | {Outcome.REFUSED: "refused_requests"}


async def read_ledger(connection: AsyncConnection, workspace_id: UUID, window: Window, signal: str) -> dict[str, Any]:
    """The counts of a signal for the hours that the window touches."""
    start, stop = _hour_of(window.start), _next_hour(window.stop)
    bound = {"workspace_id": workspace_id, "signal": signal, "start": start, "stop": stop}
    rows = (await connection.exec_driver_sql(SQL.read_ledger, bound)).all()
    totals: list[Row[Any]] = []
    keys: dict[tuple[str, str | None], list[Row[Any]]] = {}
    hours: dict[datetime, list[Row[Any]]] = {}
    for row in rows:
        if row.is_of_key:
            keys.setdefault((row.key_id, row.key_prefix), []).append(row)
        elif row.is_of_hour:
            hours.setdefault(row.hour, []).append(row)
        else:
            totals.append(row)
    return {
        "from": start,
        "to": stop,
        "signal": signal,
        "totals": _counts(totals, signal),
        "by_key": [
            {"key_id": key_id or None, "key_prefix": prefix, **_counts(told, signal)}
            for (key_id, prefix), told in keys.items()
        ],
        "by_hour": [{"hour": hour.astimezone(UTC), **_counts(told, signal)} for hour, told in hours.items()],
    }


def _counts(rows: Iterable[Row[Any]], signal: str) -> dict[str, Any]:
    sums = dict.fromkeys(Outcome, 0)
    reasons: dict[Outcome, list[dict[str, Any]]] = {outcome: [] for outcome in BY_REASON}
    for row in rows:
        outcome, amount = Outcome(row.outcome), int(row.amount)
        sums[outcome] += amount
        if outcome in BY_REASON and amount:
            reasons[outcome].append({"reason": row.reason, "count": amount})
    return {
        **{NAMES[outcome]: min(amount, LARGEST) for outcome, amount in sums.items()},
        **{BY_REASON[outcome]: told for outcome, told in reasons.items()},
        "kept": sums[Outcome.STORED] - sums[Outcome.REPLACED] - sums[Outcome.DROPPED] if signal in FOLLOWED else None,
    }


def _hour_of(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def _next_hour(time: datetime) -> datetime:
    """The next full hour, or `time` where it is one; the last hour that there is has no next one."""
    start = _hour_of(time)
    if start == time:
        return time
    try:
        return start + HOUR
    except OverflowError:
        return time
