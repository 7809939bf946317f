"""`new_failure`: failures of a kind that an agent never had, or not for long."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import psycopg

from stepwell_api.alerts.messages import Sighting, links
from stepwell_api.alerts.rules import HOUR, Rule
from stepwell_storage import queries

SQL = queries.load("alerts")

SHOWN_FOR: Final = timedelta(days=1)
"""It is news for so long; and so long it may take until there are enough of them."""
SETTLING: Final = timedelta(days=1)
"""What fails in an agent's first day is not new against anything."""
MOST_HOURS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hours in which an agent's runs failed in one way."""

    agent_id: str
    status: str
    fingerprint: str
    error_type: str | None
    step_name: str | None
    hours: Sequence[tuple[datetime, int]]

    @property
    def subject(self) -> str:
        """Tells it from others."""
        return f"{self.agent_id}|{self.status}|{self.fingerprint or self.error_type or ''}"


@dataclass(frozen=True, slots=True)
class Onset:
    """When failures of a kind began, and there were enough of them."""

    began: datetime
    enough: datetime
    count: int
    """Up to then."""


def onsets(
    hours: Sequence[tuple[datetime, int]], *, quiet: timedelta, min_count: int, agent_since: datetime | None
) -> Iterator[Onset]:
    """Each time that failures begin after none for so long, with at least so many within `SHOWN_FOR`."""
    last: datetime | None = None
    began: datetime | None = None
    count = 0
    for hour, failures in hours:
        if last is None or hour - last > quiet:
            began, count = hour, 0
        last = hour
        if began is None:
            continue
        count += failures
        is_settled = agent_since is not None and agent_since <= began - SETTLING
        if hour - began > SHOWN_FOR or not is_settled:
            began = None
        elif count >= min_count:
            yield Onset(began, hour, count)
            began = None


async def see(connection: psycopg.AsyncConnection[Any], rule: Rule, first: datetime, now: datetime) -> list[Sighting]:
    """The new failures since the hour `first`."""
    quiet = timedelta(days=rule.condition["quiet_days"])
    clusters = await _read(connection, rule, first - SHOWN_FOR - quiet - HOUR, now)
    since = await _first_hours(connection, rule, clusters)
    found = [
        _sighting(rule, cluster, onset, now)
        for cluster in clusters
        for onset in onsets(
            cluster.hours,
            quiet=quiet,
            min_count=rule.condition["min_count"],
            agent_since=since.get(cluster.agent_id),
        )
        if onset.enough >= first
    ]
    return sorted(found, key=lambda one: (one.fired_at, one.subject))


def _sighting(rule: Rule, cluster: Cluster, onset: Onset, now: datetime) -> Sighting:
    ended = onset.enough + SHOWN_FOR
    what = cluster.error_type or cluster.status
    at = f" at {cluster.step_name}" if cluster.step_name else ""
    stop = min(ended, now)
    return Sighting(
        subject=cluster.subject,
        agent_id=cluster.agent_id,
        holds_since=onset.began,
        fired_at=onset.enough,
        ended_at=ended if ended <= now else None,
        title=f"New failure of {cluster.agent_id}: {what}{at}",
        detail=f"{onset.count} runs since {onset.began:%Y-%m-%d %H:%M} UTC; none in the "
        f"{rule.condition['quiet_days']} days before.",
        evidence={
            "cluster_id": cluster.fingerprint or None,
            "error_type": cluster.error_type,
            "step_name": cluster.step_name,
            "status": "failed" if cluster.status == "failure" else "timeout",
            "count": sum(count for hour, count in cluster.hours if onset.began <= hour < stop),
            "from": onset.began,
            "to": stop,
            **links(cluster.agent_id, rule.environment, onset.began, stop, "failures"),
        },
    )


async def _read(connection: psycopg.AsyncConnection[Any], rule: Rule, start: datetime, now: datetime) -> list[Cluster]:
    parameters = {
        **{name: getattr(rule, name) for name in ("workspace_id", "agent_id", "environment")},
        "start": start,
        "stop": now + HOUR,
        "limit": MOST_HOURS,
    }
    rows = await (await connection.execute(SQL.read_clusters, parameters)).fetchall()
    return [
        Cluster(agent_id, status, fingerprint, error_type, step_name, [(hour, int(count)) for *_, hour, count in hours])
        for (agent_id, status, fingerprint, error_type, step_name), hours in groupby(rows, lambda row: row[:5])
    ]


async def _first_hours(
    connection: psycopg.AsyncConnection[Any], rule: Rule, clusters: Sequence[Cluster]
) -> Mapping[str, datetime]:
    agent_ids = sorted({cluster.agent_id for cluster in clusters})
    parameters = {"workspace_id": rule.workspace_id, "agent_ids": agent_ids}
    return dict(await (await connection.execute(SQL.read_first_hours, parameters)).fetchall())
