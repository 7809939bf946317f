"""Executions take their memory from the samples of their process, whatever order spans and samples come in."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import psycopg
import pytest
from tests.rollups import check_rollups
from tests.spans import MS, START_NS, Sent, agent, chat, steps
from tests.storing import Connection, fold_all, store
from tests.test_worker import eventually, executions, running_worker

from stepwell_receiver import processes
from stepwell_storage import process_memory
from stepwell_storage.model import Fact, MemorySample
from stepwell_storage.settings import Settings

RESOURCE: dict[str, Any] = {"service.name": "shop", "service.instance.id": "one"}
OTHER: dict[str, Any] = {"service.name": "shop", "service.instance.id": "two"}
SECOND_MS = 1000
RUN = (agent("a", for_ms=5 * SECOND_MS, attributes={"stepwell.output": '"done"'}), chat("c", parent="a", at_ms=1))


def sample(
    memory_mb: float, at_ms: float, resource: dict[str, Any] | None = None, *, heap: bool = False
) -> MemorySample:
    """A sample of the run's process, or of another, at a time after the run's start."""
    process_key = processes.key_of(RESOURCE if resource is None else resource)
    assert process_key is not None
    at_ns = START_NS + round(at_ms * MS)
    return MemorySample(process_key=process_key, time_ns=at_ns, memory_mb=memory_mb, is_resident=not heap)


def spans(*sent: Sent, resource: dict[str, Any] | None = None) -> list[Fact]:
    return list(steps(*sent, resource=RESOURCE if resource is None else resource))


async def take(connection: Connection, *groups: Sequence[Fact]) -> list[dict[str, Any]]:
    """The executions after the groups have come one after the other."""
    for group in groups:
        await store(connection, group)
        await fold_all(connection)
        await process_memory.apply(connection)
    return await executions(connection)


async def memory_of(connection: Connection, *groups: Sequence[Fact]) -> float | None:
    (run,) = await take(connection, *groups)
    memory_mb: float | None = run["memory_usage_mb"]
    return memory_mb


@pytest.mark.parametrize(
    ("samples", "memory_mb"),
    [
        pytest.param([sample(200, 1000), sample(300, 2000), sample(250, 4000)], 300, id="the largest of its time"),
        pytest.param([sample(200, 5000)], 200, id="at its end"),
        pytest.param([sample(900, -30_000), sample(200, 1000), sample(800, 30_000)], 200, id="not those around it"),
        pytest.param([sample(210, -59_000), sample(200, 30_000)], 210, id="around it, where none is in its time"),
        pytest.param([sample(200, -61_000), sample(200, 66_000)], None, id="too far away"),
        pytest.param([sample(100, 1000, heap=True)], 100, id="the heap, where nothing else is told"),
        pytest.param([sample(900, 1000, heap=True), sample(200, 2000)], 200, id="resident memory before the heap"),
        pytest.param([sample(200, 1000, OTHER)], None, id="of another process"),
        pytest.param([sample(200, 1000), sample(900, 1000, OTHER)], 200, id="among other processes"),
    ],
)
async def test_a_run_takes_what_the_samples_of_its_process_tell(
    connection: Connection, samples: list[MemorySample], memory_mb: float | None
) -> None:
    assert await memory_of(connection, samples, spans(*RUN)) == memory_mb


TABLES = ("step_facts", "dirty_traces", "trace_windows", "execution_keys", "agent_executions", "memory_samples")


async def test_order_and_repetition_of_spans_and_samples_do_not_matter(connection: Connection) -> None:
    top, call = ([fact] for fact in spans(*RUN))
    groups: list[Sequence[Fact]] = [top, call, [sample(200, 1000)], [sample(300, 30_000), sample(250, 2000)]]
    found = []
    for order in permutations(groups):
        for table in TABLES:
            await connection.execute(psycopg.sql.SQL("TRUNCATE analytics.{}").format(psycopg.sql.Identifier(table)))
        found.append(await take(connection, *order, order[0]))
    assert [run["memory_usage_mb"] for run in found[0]] == [250]
    assert all(rows == found[0] for rows in found)


async def test_memory_that_a_span_states_wins(connection: Connection) -> None:
    stated = chat("c", parent="a", at_ms=1, attributes={"stepwell.memory_mb": 70})
    assert await memory_of(connection, [sample(200, 1000)], spans(RUN[0], stated), [sample(300, 2000)]) == 70


async def test_a_run_takes_the_memory_of_its_top_spans_process(connection: Connection) -> None:
    sent = [*spans(RUN[0]), *spans(RUN[1], resource=OTHER)]
    assert await memory_of(connection, sent, [sample(200, 1000), sample(900, 1000, OTHER)]) == 200


async def test_a_top_span_that_comes_late_brings_its_process(connection: Connection) -> None:
    samples = [sample(200, 1000), sample(900, 1, OTHER)]
    (before,) = await take(connection, samples, spans(RUN[1], resource=OTHER))
    (after,) = await take(connection, spans(RUN[0]))
    assert (before["memory_usage_mb"], after["memory_usage_mb"]) == (900, 200)


async def test_every_run_of_the_process_in_that_time_takes_a_late_sample(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_memory, "MAX_EXECUTIONS", 2)  # several pages
    runs = [agent(f"a{i}", for_ms=5 * SECOND_MS, at_ms=i * 40 * SECOND_MS) for i in range(7)]
    rows = await take(connection, spans(*runs), [sample(200, 41 * SECOND_MS), sample(300, 82 * SECOND_MS)])
    rows.sort(key=lambda row: row["start_time"])
    assert [row["memory_usage_mb"] for row in rows] == [200, 200, 300, 300, None, None, None]
    await check_rollups(connection)


async def test_the_worker_brings_late_samples_to_runs_that_are_there(
    connection: Connection, settings: Settings
) -> None:
    async def memory_is(memory_mb: float | None) -> bool:
        return [row["memory_usage_mb"] for row in await executions(connection)] == [memory_mb]

    async with running_worker(settings):
        await store(connection, spans(*RUN))
        await eventually(lambda: memory_is(None))
        await store(connection, [sample(200, 1000)])
        await eventually(lambda: memory_is(200))


async def test_a_fold_holds_up_the_marks_of_its_process_until_it_is_committed(
    connection: Connection, settings: Settings
) -> None:
    """Else a fold that read the samples before, and a mark that read the executions before, would miss each other."""
    await store(connection, spans(*RUN))
    await fold_all(connection)
    await connection.execute("SET lock_timeout = '100ms'")
    await store(connection, [sample(200, 1000)])
    async with await psycopg.AsyncConnection.connect(settings.database_url) as other:
        key = processes.key_of(RESOURCE)
        await other.execute(process_memory.SQL.lock_readers, {"process_keys": [key]})
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await process_memory.apply(connection)
    assert await process_memory.apply(connection) == 1


async def test_old_samples_go_and_runs_keep_their_memory(connection: Connection) -> None:
    await take(connection, spans(*RUN), [sample(200, 1000)])
    await connection.execute("UPDATE analytics.memory_samples SET created_at = created_at - interval '31 days'")
    await store(connection, [sample(300, 90_000)])

    assert await process_memory.drop_old(connection) == 1
    assert await memory_of(connection) == 200
