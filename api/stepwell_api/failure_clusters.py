"""Failed runs by what went wrong: one cluster for each fingerprint of error type, failing step and masked message.

How many and when comes from rollups; messages and examples from a few runs of each cluster; what sets its runs apart
from the bounded sample (`insight.reading`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import effects, rollups
from stepwell_api.edges import Edges, read_edges
from stepwell_api.insight import occurrence
from stepwell_api.insight.contrasts import Contrast, contrasts_of
from stepwell_api.insight.occurrence import Counts, Stretches
from stepwell_api.insight.reading import Reading
from stepwell_api.question import Question
from stepwell_api.times import EARLIEST, Window
from stepwell_api.totals import Totals
from stepwell_storage import queries
from stepwell_storage.fold.ending import fingerprint, masked
from stepwell_storage.model import Status
from stepwell_storage.rollups.figures import Item, Kind

SQL = queries.load("sampling")

LOOKBACK: Final = timedelta(days=30)
"""How long before the window earlier occurrences are looked for."""
EXAMPLES: Final = 5
KINDS: Final[Mapping[Status, Kind]] = {Status.FAILED: Kind.FAILURE, Status.TIMEOUT: Kind.TIMEOUT}

Hours = Mapping[datetime, Totals]


@dataclass(slots=True)
class Cluster:
    """The failures of one kind."""

    cluster_id: str
    status: Status
    error_type: str | None
    step_name: str | None
    figures: Totals
    fingerprint: str
    """As runs carry it; empty where they carry none."""
    times: dict[int, int] = field(default_factory=dict)
    """How many in each stretch of the window and before it."""

    @property
    def count(self) -> int:
        """Runs of the window."""
        return int(self.figures["executions"])


async def read_clusters(
    connection: AsyncConnection, question: Question, edges: Edges, stretches: Stretches, statuses: Sequence[Status]
) -> list[Cluster]:
    """The clusters of the window, the most frequent first."""
    found: dict[tuple[Status, str], Cluster] = {}
    for status in statuses:
        items = await rollups.by_item(connection, question, edges, KINDS[status])
        for item, totals in sorted(items.items(), key=lambda entry: -entry[1]["executions"]):
            place = (status, _id_of(item))
            if place in found:
                found[place].figures.add(totals)
            else:
                found[place] = Cluster(place[1], status, item.detail, item.step_name, totals, item.name)
        for item, times in (await _times(connection, question, edges, stretches, KINDS[status])).items():
            cluster = found.get((status, _id_of(item)))
            if cluster is not None:
                _merge(cluster.times, times)
    return sorted(found.values(), key=lambda cluster: (-cluster.count, cluster.cluster_id, cluster.status))


def _id_of(item: Item) -> str:
    """The fingerprint; of failures without one, that of their type and step alone."""
    return item.name or fingerprint(item.detail, item.step_name, None)


async def _times(
    connection: AsyncConnection, question: Question, edges: Edges, stretches: Stretches, kind: Kind
) -> dict[Item, dict[int, int]]:
    found: dict[Item, dict[int, int]] = {}
    for window in (_before(question.window), question.hours()):
        if window is None or window.start >= window.stop:
            continue
        parameters = {
            **question.parameters(),
            "kind": kind.value,
            "start": window.start,
            "stop": window.stop,
            "length": stretches.length,
            "origin": stretches.origin,
        }
        for row in await connection.exec_driver_sql(SQL.read_cluster_times, parameters):
            item = Item(kind, row.item, row.error_type, row.step_name)
            _merge(found.setdefault(item, {}), {stretches.place(row.start): row.executions})
    for hour, item, totals in edges.of(question.agent_id):
        if item.kind is kind:
            _merge(found.setdefault(item, {}), {max(stretches.place(hour), 0): totals["executions"]})
    return found


def _before(window: Window) -> Window:
    """The time before the window, in whole hours; what of the window's first hour lies before it is left out."""
    stop = window.start.replace(minute=0, second=0, microsecond=0)
    return Window(stop - min(LOOKBACK, stop - EARLIEST), stop)


def _merge(times: dict[int, int], more: Counts) -> None:
    for place, count in more.items():
        times[place] = times.get(place, 0) + count


async def read_runs_by_stretch(
    connection: AsyncConnection, question: Question, hours: Hours, stretches: Stretches
) -> dict[int, int]:
    """How many runs of any kind there were in each stretch of the window and before it."""
    before = replace(question, window=_before(question.window))
    earlier = await rollups.by_hour(connection, before, await read_edges(connection, before))
    found: dict[int, int] = {}
    for hour, totals in hours.items():
        _merge(found, {max(stretches.place(hour), 0): totals["executions"]})
    for hour, totals in earlier.items():
        _merge(found, {min(stretches.place(hour), -1): totals["executions"]})
    return found


@dataclass(frozen=True, slots=True)
class Example:
    """A run of a cluster."""

    execution_id: str
    trace_id: str
    start: datetime
    error_type: str | None
    step_name: str | None
    message: str | None


async def read_examples(
    connection: AsyncConnection, question: Question, stretches: Stretches, clusters: Sequence[Cluster]
) -> list[list[Example]]:
    """For each cluster its newest runs and the first one, the newest first; empty where their rows are gone."""
    found: list[set[Example]] = [set() for _ in clusters]
    for status in KINDS:
        asked = [
            (place, cluster.fingerprint, window, is_newest)
            for place, cluster in enumerate(clusters)
            if cluster.status is status
            for window, is_newest in _example_windows(question.window, stretches, cluster)
        ]
        if not asked:
            continue
        starts, stops = [window.start for *_, window, _ in asked], [window.stop for *_, window, _ in asked]
        parameters = {
            **question.parameters(),
            "status": status.value,
            "places": [place for place, *_ in asked],
            "fingerprints": [name for _, name, *_ in asked],
            "starts": starts,
            "stops": stops,
            "newest": [is_newest for *_, is_newest in asked],
            "lowest": min(starts),
            "highest": max(stops),
        }
        for row in await connection.exec_driver_sql(SQL.read_cluster_examples, parameters):
            cluster, (_, *told) = clusters[row.place], tuple(row)
            example = Example(*told)
            if cluster.fingerprint or (example.error_type, example.step_name) == (
                cluster.error_type,
                cluster.step_name,
            ):
                found[row.place].add(example)
    return [sorted(examples, key=lambda run: (run.start, run.execution_id), reverse=True) for examples in found]


def _example_windows(window: Window, stretches: Stretches, cluster: Cluster) -> list[tuple[Window, bool]]:
    seen = sorted(place for place, count in cluster.times.items() if place >= 0 and count)
    if not seen:
        return []
    asked, found = [(seen[0], False)], 0
    for place in reversed(seen):
        if found < EXAMPLES:
            asked.append((place, True))
            found += cluster.times[place]
    return [(_clipped(stretches, place, window), is_newest) for place, is_newest in asked]


def _clipped(stretches: Stretches, place: int, window: Window) -> Window:
    start = stretches.start(place)
    # The last stretch of all times ends beyond them.
    stop = start + min(stretches.length, window.stop - start)
    return Window(max(start, window.start), stop)


async def read_templates(
    connection: AsyncConnection, question: Question, clusters: Sequence[Cluster], examples: Sequence[Sequence[Example]]
) -> list[str | None]:
    """The masked message of each cluster; ``None`` where no run that is kept tells one.

    The fingerprint is that of the failing step's own message, which the run passes on in other words at times.
    """
    found: list[str | None] = [None] * len(clusters)
    unlike: list[int] = []
    for place, runs in enumerate(examples):
        if runs and runs[0].message is not None:
            found[place] = masked(runs[0].message.strip())
        if runs and clusters[place].fingerprint and not _is_told_by(clusters[place], runs[0]):
            unlike.append(place)
    if unlike:
        parameters = {
            "workspace_id": question.workspace_id,
            "trace_ids": [bytes.fromhex(examples[place][0].trace_id) for place in unlike],
            "step_names": [examples[place][0].step_name for place in unlike],
        }
        for row in await connection.exec_driver_sql(SQL.read_failed_messages, parameters):
            cluster = clusters[unlike[row.place - 1]]
            for error_type in (row.error_type, cluster.error_type):
                if fingerprint(error_type, cluster.step_name, row.error_message) == cluster.fingerprint:
                    found[unlike[row.place - 1]] = masked(row.error_message.strip())
    return found


def _is_told_by(cluster: Cluster, run: Example) -> bool:
    return fingerprint(run.error_type, run.step_name, run.message) == cluster.fingerprint


def apart(reading: Reading) -> dict[tuple[Status, str], list[Contrast]]:
    """What sets the runs of each cluster apart from the successful ones, by status and cluster id."""
    groups: dict[str, list[int]] = {}
    for at, run in enumerate(reading.sample.runs):
        if run.status in KINDS:
            item = Item(KINDS[run.status], run.error_fingerprint or "", run.error_type, run.error_step_name)
            groups.setdefault(f"{run.status} {_id_of(item)}", []).append(at)
    found = contrasts_of(reading, groups)
    return {(Status(name.split()[0]), name.split()[1]): contrasts for name, contrasts in found.items()}


def trends(clusters: Sequence[Cluster], stretches: Stretches, runs: Counts) -> list[dict[str, Any]]:
    """The trend of each cluster; p-values are corrected over all of them."""
    found = [occurrence.trend(stretches, cluster.times, runs) for cluster in clusters]
    p_values = effects.adjusted([trend["p_value"] for trend in found])
    return [
        {**trend, "p_value": p_value, "direction": trend["direction"] if p_value <= occurrence.SURE else "steady"}
        for trend, p_value in zip(found, p_values, strict=True)
    ]


def described(
    cluster: Cluster, total: int, trend: Mapping[str, Any], stretches: Stretches, runs: Counts
) -> dict[str, Any]:
    """What figures tell of a cluster; `total` is how many runs failed in all."""
    return {
        "cluster_id": cluster.cluster_id,
        "error_type": cluster.error_type,
        "step_name": cluster.step_name,
        "status": cluster.status,
        "count": cluster.count,
        "share": cluster.count / total,
        "avg_duration_before_failure": cluster.figures.mean("duration_ms", "duration_count"),
        "trend": trend,
        "is_new": occurrence.is_new(cluster.times, runs),
        "reopened_at": occurrence.reopened_at(stretches, cluster.times, runs),
    }


def exemplified(
    cluster: Cluster, stretches: Stretches, examples: Sequence[Example], template: str | None
) -> dict[str, Any]:
    """What runs of a cluster tell of it; where none are kept, times are those of its figures."""
    seen = [place for place, count in cluster.times.items() if place >= 0 and count] or [0]
    first, last = (_clipped(stretches, place, stretches.window).start for place in (min(seen), max(seen)))
    return {
        "template": template,
        "first_seen": examples[-1].start if examples else first,
        "last_seen": examples[0].start if examples else last,
        "example_execution_ids": [run.execution_id for run in examples[:EXAMPLES]],
    }
