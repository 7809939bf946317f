"""Steps are stored once, whichever way they come again, and only traces with new steps are marked."""

import asyncio
from itertools import permutations
from typing import Any

import orjson
import psycopg
import pytest
from tests.storage.steps import (
    DAY_NS,
    OTHER_WORKSPACE,
    START_NS,
    WORKSPACE,
    make_live_step,
    make_step,
    read_all,
    read_one,
    span_numbers,
)

from stepwell.semconv import SPAN_SEEN_NS
from stepwell_storage.database import connect
from stepwell_storage.facts import delete_superseded_live_steps, insert_facts
from stepwell_storage.model import Step
from stepwell_storage.row_keys import RecentKeys
from stepwell_storage.traces import TraceWindow, read_narrow

MARKS = """
SELECT encode(trace_id, 'hex')::numeric, (extract(epoch FROM earliest) * 1000000)::bigint,
       (extract(epoch FROM latest) * 1000000)::bigint, span_count
FROM analytics.dirty_traces ORDER BY sequence
"""


async def _insert(connection: psycopg.AsyncConnection, *steps: Step, **options: Any) -> tuple[int, int, int]:
    async with connection.transaction():
        insertion = await insert_facts(connection, {WORKSPACE: steps}, **options)
    return insertion.stored, insertion.live, insertion.duplicate


async def test_step_twice_in_a_batch_is_stored_once(connection: psycopg.AsyncConnection) -> None:
    assert await _insert(connection, make_step(1), make_step(2), make_step(1)) == (2, 0, 1)
    assert await span_numbers(connection) == [1, 2]


async def test_step_of_an_earlier_batch_is_left_as_it_is(connection: psycopg.AsyncConnection) -> None:
    assert await _insert(connection, make_step(1, name="first")) == (1, 0, 0)
    assert await _insert(connection, make_step(1, name="second"), make_step(2)) == (1, 0, 1)
    assert await read_all(connection, "SELECT name FROM analytics.step_facts ORDER BY span_id") == [
        ("first",),
        ("step 2",),
    ]


async def test_suspected_steps_are_told_from_new_ones(connection: psycopg.AsyncConnection) -> None:
    recent = RecentKeys()
    assert await _insert(connection, make_step(1), make_step(2), recent=recent) == (2, 0, 0)
    assert await _insert(connection, make_step(2), make_step(3), recent=recent) == (1, 0, 1)
    assert await _insert(connection, make_step(1), make_step(2), make_step(3), recent=recent) == (0, 0, 3)
    assert await span_numbers(connection) == [1, 2, 3]


async def test_suspected_step_of_a_transaction_that_failed_is_stored(connection: psycopg.AsyncConnection) -> None:
    recent = RecentKeys()
    async with connection.transaction(force_rollback=True):
        await insert_facts(connection, {WORKSPACE: [make_step(1)]}, recent=recent)
    assert await _insert(connection, make_step(1), make_step(2), recent=recent) == (2, 0, 0)


async def test_same_ids_in_another_workspace_are_other_steps(connection: psycopg.AsyncConnection) -> None:
    async with connection.transaction():
        insertion = await insert_facts(connection, {WORKSPACE: [make_step(1)], OTHER_WORKSPACE: [make_step(1)]})
    assert (insertion.stored, insertion.duplicate) == (2, 0)
    assert await read_all(connection, "SELECT workspace_id FROM analytics.step_facts ORDER BY 1") == [
        (WORKSPACE,),
        (OTHER_WORKSPACE,),
    ]


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
async def test_any_order_and_batching_of_live_finished_and_repeated_gives_the_same(
    connection: psycopg.AsyncConnection, order: tuple[int, ...]
) -> None:
    sent = [make_live_step(1), make_step(1), make_live_step(2), make_step(1)]
    for index in order:
        await _insert(connection, sent[index])
    assert await span_numbers(connection) == [1]
    await delete_superseded_live_steps(connection)
    assert await span_numbers(connection, "live_steps") == [2]


async def test_finished_step_wins_over_its_live_one_in_a_batch(connection: psycopg.AsyncConnection) -> None:
    assert await _insert(connection, make_live_step(1), make_step(1), make_live_step(2)) == (1, 1, 1)
    assert await span_numbers(connection) == [1]
    assert await span_numbers(connection, "live_steps") == [2]


async def test_live_step_again_changes_nothing(connection: psycopg.AsyncConnection) -> None:
    assert await _insert(connection, make_live_step(1), make_live_step(1)) == (0, 1, 1)
    assert await _insert(connection, make_live_step(1), make_live_step(2)) == (0, 1, 1)
    assert await span_numbers(connection, "live_steps") == [1, 2]


async def test_marks_name_traces_with_new_steps_alone(connection: psycopg.AsyncConnection) -> None:
    await _insert(connection, make_step(1, trace=7), make_step(2, trace=8))
    later_ns = START_NS + 3 * DAY_NS
    await _insert(
        connection, make_step(1, trace=7), make_step(3, trace=8), make_live_step(4, trace=8, start_ns=later_ns)
    )
    start_us, later_us = START_NS // 1000, later_ns // 1000
    assert await read_all(connection, MARKS) == [
        (7, start_us, start_us, 1),
        (8, start_us, start_us, 1),
        (8, start_us, later_us, 2),
    ]


async def test_nothing_new_leaves_no_mark(connection: psycopg.AsyncConnection) -> None:
    await _insert(connection, make_step(1))
    await _insert(connection, make_step(1))
    await _insert(connection)
    assert await read_one(connection, "SELECT count(*) FROM analytics.dirty_traces") == 1


async def test_workers_are_notified_on_commit(database_url: str, connection: psycopg.AsyncConnection) -> None:
    async with await connect(database_url) as listener:
        await listener.execute("LISTEN stepwell_dirty")
        await _insert(connection, make_step(1))
        notice = await anext(listener.notifies(timeout=10, stop_after=1))
    assert (notice.channel, notice.payload) == ("stepwell_dirty", "")


async def test_rollback_leaves_neither_steps_nor_marks(connection: psycopg.AsyncConnection) -> None:
    async with connection.transaction(force_rollback=True):
        await insert_facts(connection, {WORKSPACE: [make_step(1), make_live_step(2)]})
    for table in ("step_facts", "live_steps", "dirty_traces"):
        assert await read_one(connection, f"SELECT count(*) FROM analytics.{table}") == 0


async def test_writers_of_the_same_steps_in_opposite_order_do_not_deadlock(database_url: str) -> None:
    steps = [make_step(n, trace=n % 9 + 1, start_ns=START_NS + n % 3 * DAY_NS) for n in range(1, 400)]

    async def write(mine: list[Step]) -> tuple[int, int]:
        async with await connect(database_url) as own:
            stored = duplicate = 0
            for at in range(0, len(mine), 50):
                async with own.transaction():
                    insertion = await insert_facts(own, {WORKSPACE: mine[at : at + 50]})
                stored, duplicate = stored + insertion.stored, duplicate + insertion.duplicate
            return stored, duplicate

    outcomes = await asyncio.gather(write(steps), write(steps[::-1]), write(steps[::2] + steps[1::2]))
    assert sum(stored for stored, _ in outcomes) == 399
    assert sum(duplicate for _, duplicate in outcomes) == 2 * 399
    async with await connect(database_url) as connection:
        assert await span_numbers(connection) == list(range(1, 400))
        assert await read_one(connection, "SELECT sum(span_count) FROM analytics.dirty_traces") == 399


async def test_superseded_live_steps_are_deleted_over_many_batches(
    connection: psycopg.AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stepwell_storage.facts.LIVE_BATCH_ROWS", 7)
    await _insert(connection, *[make_live_step(n) for n in range(1, 51)])
    await _insert(connection, *[make_step(n) for n in range(1, 51) if n % 5])
    assert await delete_superseded_live_steps(connection) == 40
    assert await span_numbers(connection, "live_steps") == list(range(5, 51, 5))
    assert await delete_superseded_live_steps(connection) == 0


def seen(span: int, at: int | float | str | None, **changes: Any) -> Step:
    """A running step as it is sent again at this time."""
    told = "{}" if at is None else orjson.dumps({SPAN_SEEN_NS: at}).decode()
    return make_live_step(span, attributes_json=told, **changes)


SEEN = f"SELECT credits, attributes ->> '{SPAN_SEEN_NS}' FROM analytics.live_steps ORDER BY span_id"


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("at_once", [True, False])
async def test_of_a_running_step_the_latest_report_is_kept_in_any_order(
    connection: psycopg.AsyncConnection, order: tuple[int, ...], at_once: bool
) -> None:
    reports = [seen(1, None), seen(1, 5, credits=1.0), seen(1, 7, credits=2.0)]
    sent = [reports[index] for index in order]
    for batch in [sent] if at_once else [[step] for step in sent]:
        await _insert(connection, *batch)
    assert await read_all(connection, SEEN) == [(2.0, "7")]


async def test_running_step_that_is_sent_again_marks_its_trace_and_counts_as_known(
    connection: psycopg.AsyncConnection,
) -> None:
    recent = RecentKeys()
    assert await _insert(connection, seen(1, None), seen(2, 1), recent=recent) == (0, 2, 0)
    assert await _insert(connection, seen(1, 5), seen(2, 1), seen(3, 2), recent=recent) == (0, 1, 2)
    assert await read_one(connection, "SELECT count(*) FROM analytics.dirty_traces") == 2
    assert await read_all(connection, SEEN) == [(None, "5"), (None, "1"), (None, "2")]


@pytest.mark.parametrize("at", ["soon", True, None, -5, 1e300])
async def test_odd_signs_of_life_harm_nothing(connection: psycopg.AsyncConnection, at: Any) -> None:
    await _insert(connection, make_live_step(1))
    await _insert(connection, seen(1, at), make_live_step(2))
    await _insert(connection, seen(1, at))
    window = TraceWindow(WORKSPACE, (1).to_bytes(16, "big"), *await _starts(connection))
    steps = (await read_narrow(connection, [window]))[window]
    assert {step.span_id[-1]: step.seen_ns for step in steps} == {1: 9 * 10**18 if at == 1e300 else None, 2: None}


async def _starts(connection: psycopg.AsyncConnection) -> tuple[Any, Any]:
    (row,) = await read_all(connection, "SELECT min(start_time), max(start_time) FROM analytics.live_steps")
    return row[0], row[1]
