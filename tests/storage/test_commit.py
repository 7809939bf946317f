"""Group commit: acknowledged means committed, one bad step harms nobody, and a database that is away comes back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    span_numbers,
)

from stepwell_migrations import runner
from stepwell_storage.commit import CommitResult, Committer
from stepwell_storage.database import connect
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.errors import DatabaseUnavailableError, QueueFullError
from stepwell_storage.model import Step
from stepwell_storage.settings import Settings


@asynccontextmanager
async def _running(settings: Settings, **options: Any) -> AsyncIterator[Committer]:
    committer = Committer(settings, **options)
    await committer.start()
    try:
        yield committer
    finally:
        await committer.stop()


@pytest.fixture
async def committer(settings: Settings) -> AsyncIterator[Committer]:
    async with _running(settings) as committer:
        yield committer


async def test_answered_submit_is_visible_to_others(committer: Committer, connection: psycopg.AsyncConnection) -> None:
    steps = [make_step(number, trace=number) for number in range(1, 20)]
    result = await committer.submit(WORKSPACE, [*steps, make_live_step(20)], 1000)
    assert result == CommitResult(stored=20)
    assert await span_numbers(connection) == list(range(1, 20))
    assert await span_numbers(connection, "live_steps") == [20]
    assert committer.queued_bytes == 0


async def test_many_submits_at_once_are_each_told_their_own_result(
    committer: Committer, connection: psycopg.AsyncConnection
) -> None:
    await committer.submit(WORKSPACE, [make_step(1), make_step(2)], 10)
    results = await asyncio.gather(
        committer.submit(WORKSPACE, [make_step(1), make_step(3)], 10),
        committer.submit(OTHER_WORKSPACE, [make_step(1), make_step(2)], 10),
        committer.submit(WORKSPACE, [make_step(2), make_step(1)], 10),
        committer.submit(WORKSPACE, [], 0),
        committer.submit(WORKSPACE, [make_step(4)] * 3, 10),
    )
    assert list(results) == [
        CommitResult(stored=1, duplicate=1),
        CommitResult(stored=2),
        CommitResult(duplicate=2),
        CommitResult(),
        CommitResult(stored=1, duplicate=2),
    ]
    rows = await read_all(connection, "SELECT workspace_id FROM analytics.step_facts")
    assert sorted(rows).count((WORKSPACE,)) == 4


async def test_two_committers_with_the_same_steps_in_opposite_order_store_each_once(
    settings: Settings, connection: psycopg.AsyncConnection
) -> None:
    steps = [make_step(number, trace=number % 13 + 1) for number in range(1, 601)]

    async def send(committer: Committer, mine: list[Step]) -> CommitResult:
        parts = [committer.submit(WORKSPACE, mine[at : at + 40], 100) for at in range(0, len(mine), 40)]
        return sum(await asyncio.gather(*parts), CommitResult())

    async with _running(settings) as one, _running(settings) as other:
        results = await asyncio.gather(send(one, steps), send(other, steps[::-1]))
    assert sum(result.stored for result in results) == 600
    assert sum(result.duplicate for result in results) == 600
    assert await span_numbers(connection) == list(range(1, 601))


BAD = {
    "json": {"input_json": "{not json"},
    "number": {"prompt_tokens": 2**63},
    "NUL": {"name": "a\0b"},
    "NUL in JSON": {"output_json": '"\\u0000"'},
    "surrogate": {"error_message": "\ud800"},
    "time": {"start_ns": 10**21},
    "depth": {"attributes_json": "[" * 100_000 + "]" * 100_000},
    "long name in the key": {"trace_id": b"".join(n.to_bytes(4, "big") for n in range(100_000))},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
async def test_bad_step_is_rejected_and_all_others_are_stored(
    committer: Committer, connection: psycopg.AsyncConnection, change: dict[str, Any]
) -> None:
    steps = [make_step(number, trace=number % 3 + 1) for number in range(1, 31)]
    steps[17] = steps[17]._replace(**change)
    results = await asyncio.gather(*[committer.submit(WORKSPACE, steps[at : at + 10], 100) for at in (0, 10, 20)])
    assert list(results) == [
        CommitResult(stored=10),
        CommitResult(stored=9, rejected=1, reason="unstorable"),
        CommitResult(stored=10),
    ]
    assert await span_numbers(connection) == [number for number in range(1, 31) if number != 18]


NOT_MORE_THAN = """
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM written) > %s THEN
        RAISE EXCEPTION 'out of shared memory' USING ERRCODE = 'out_of_memory';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse AFTER INSERT ON analytics.step_facts
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.refuse();
"""


async def test_more_than_fits_into_a_transaction_is_stored_in_several(
    committer: Committer, connection: psycopg.AsyncConnection
) -> None:
    await connection.execute(NOT_MORE_THAN.replace("%s", "3"))
    steps = [make_step(number, start_ns=START_NS + number * DAY_NS) for number in range(1, 21)]
    assert await committer.submit(WORKSPACE, steps, 100) == CommitResult(stored=20)
    assert await span_numbers(connection) == list(range(1, 21))


async def test_single_step_that_does_not_fit_stays_with_its_sender(
    committer: Committer, connection: psycopg.AsyncConnection
) -> None:
    await connection.execute(NOT_MORE_THAN.replace("%s", "0"))
    with pytest.raises(DatabaseUnavailableError):
        await committer.submit(WORKSPACE, [make_step(1), make_step(2)], 100)
    assert await span_numbers(connection) == []


async def test_full_queue_refuses_with_a_delay_and_takes_again_afterwards(settings: Settings) -> None:
    bounded = replace(settings, max_queued_bytes=1_000_000)
    async with _running(bounded, writers=1) as committer:
        waiting = [
            asyncio.create_task(committer.submit(WORKSPACE, [make_step(number)], 400_000)) for number in range(1, 6)
        ]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        refused = [result for result in results if isinstance(result, QueueFullError)]
        assert results[:2] == [CommitResult(stored=1), CommitResult(stored=1)]
        assert len(refused) == 3
        assert all(0.1 <= error.retry_after_s <= 30 for error in refused)
        assert await committer.submit(WORKSPACE, [make_step(3)], 400_000) == CommitResult(stored=1)


async def test_flood_of_one_key_leaves_room_for_another(settings: Settings) -> None:
    bounded = replace(settings, max_queued_spans=100, max_key_share=0.5)
    async with _running(bounded, writers=1) as committer:
        flood = [
            asyncio.create_task(committer.submit(WORKSPACE, [make_step(number)], 10, key_id="flood"))
            for number in range(1, 101)
        ]
        other = asyncio.create_task(committer.submit(OTHER_WORKSPACE, [make_step(1)] * 25, 10, key_id="other"))
        results = await asyncio.gather(*flood, return_exceptions=True)
        assert [type(result) for result in results] == [CommitResult] * 50 + [QueueFullError] * 50
        assert await other == CommitResult(stored=1, duplicate=24)


async def test_workspaces_take_turns_in_the_groups(settings: Settings, connection: psycopg.AsyncConnection) -> None:
    async with _running(settings, writers=1) as committer:
        steps = [make_step(number, trace=number) for number in range(1, 24_001)]
        flood = [
            asyncio.create_task(committer.submit(WORKSPACE, steps[at : at + 1000], 10)) for at in range(0, 24_000, 1000)
        ]
        other = asyncio.create_task(committer.submit(OTHER_WORKSPACE, [make_step(1)], 10))
        await other
        assert sum(submit.done() for submit in flood) <= 8
        await asyncio.gather(*flood)


async def test_many_refused_requests_are_noted_together(
    committer: Committer, connection: psycopg.AsyncConnection
) -> None:
    for _ in range(1000):
        committer.refuse(WORKSPACE, key_id="one", signal="traces", reason="malformed")
    committer.refuse(WORKSPACE, key_id="two", signal="traces", reason="malformed")
    await committer.submit(WORKSPACE, [make_step(1)], 10)
    await committer.stop()
    rows = await read_all(
        connection,
        "SELECT key_id, reason, amount FROM analytics.ledger_entries WHERE outcome = 'refused' ORDER BY key_id",
    )
    assert rows == [("one", "malformed", 1000), ("two", "malformed", 1)]


async def test_request_larger_than_the_queue_is_taken_when_nothing_waits(settings: Settings) -> None:
    async with _running(replace(settings, max_queued_bytes=10)) as committer:
        assert await committer.submit(WORKSPACE, [make_step(1)], 5_000) == CommitResult(stored=1)


async def test_stop_commits_what_waits_and_refuses_what_comes_later(
    settings: Settings, connection: psycopg.AsyncConnection
) -> None:
    committer = Committer(settings)
    await committer.start()
    waiting = [asyncio.create_task(committer.submit(WORKSPACE, [make_step(n, trace=n)], 10)) for n in range(1, 50)]
    await asyncio.sleep(0)
    await committer.stop()
    assert await asyncio.gather(*waiting) == [CommitResult(stored=1)] * 49
    assert await span_numbers(connection) == list(range(1, 50))
    with pytest.raises(DatabaseUnavailableError):
        await committer.submit(WORKSPACE, [make_step(99)], 10)


async def test_sender_that_gives_up_harms_nobody(committer: Committer, connection: psycopg.AsyncConnection) -> None:
    gone = asyncio.create_task(committer.submit(WORKSPACE, [make_step(1)], 10))
    kept = asyncio.create_task(committer.submit(WORKSPACE, [make_step(2)], 10))
    await asyncio.sleep(0)
    gone.cancel()
    assert await kept == CommitResult(stored=1)
    assert await committer.submit(WORKSPACE, [make_step(3)], 10) == CommitResult(stored=1)
    assert set(await span_numbers(connection)) >= {2, 3}
    assert committer.queued_bytes == 0


async def test_connection_that_was_ended_is_replaced_without_a_word(
    committer: Committer, connection: psycopg.AsyncConnection
) -> None:
    await committer.submit(WORKSPACE, [make_step(n, trace=n) for n in range(1, 20)], 10)
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'stepwell receiver' AND datname = current_database()"
    )
    result = await committer.submit(WORKSPACE, [make_step(n, trace=n) for n in range(1, 40)], 10)
    assert result == CommitResult(stored=20, duplicate=19)


async def test_missing_table_is_no_fault_of_the_steps(
    committer: Committer, connection: psycopg.AsyncConnection
) -> None:
    await connection.execute("ALTER TABLE analytics.dirty_traces RENAME TO elsewhere")
    with pytest.raises(DatabaseUnavailableError):
        await committer.submit(WORKSPACE, [make_step(1)], 10)
    await connection.execute("ALTER TABLE analytics.elsewhere RENAME TO dirty_traces")
    assert await committer.submit(WORKSPACE, [make_step(1)], 10) == CommitResult(stored=1)


async def _send_until_stored(committer: Committer, step: Step, refusals: list[Exception]) -> None:
    """As an exporter does: again after the delay it is told, until a deadline."""
    deadline_s = time.monotonic() + 60
    while True:
        try:
            await committer.submit(WORKSPACE, [step], 10)
        except DatabaseUnavailableError as error:
            refusals.append(error)
            assert time.monotonic() < deadline_s
            await asyncio.sleep(min(error.retry_after_s, 0.1))
        else:
            return


async def test_restart_of_the_database_loses_nothing(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data", fsync=False) as server:
        runner.migrate(server.url)
        refusals: list[Exception] = []
        async with _running(Settings(database_url=server.url)) as committer:
            await _send_until_stored(committer, make_step(1), refusals)
            assert refusals == []
            server.stop()
            sending = [
                asyncio.create_task(_send_until_stored(committer, make_step(n, trace=n), refusals))
                for n in range(2, 40)
            ]
            async with asyncio.timeout(30):
                while not refusals:
                    await asyncio.sleep(0.01)
            server.start()
            await asyncio.gather(*sending)
        async with await connect(server.url) as connection:
            assert await span_numbers(connection) == list(range(1, 40))


async def test_database_that_is_away_at_the_start_is_told_and_found_later(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", fsync=False)
    with server:
        runner.migrate(server.url)
    async with _running(Settings(database_url=server.url)) as committer:
        with pytest.raises(DatabaseUnavailableError):
            await committer.submit(WORKSPACE, [make_step(1)], 10)
        with server:
            refusals: list[Exception] = []
            await _send_until_stored(committer, make_step(1), refusals)
            async with await connect(server.url) as connection:
                assert await span_numbers(connection) == [1]
