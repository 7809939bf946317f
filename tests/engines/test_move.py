"""A database moves from native partitions to hypertables with all it holds, also when it is cut off on the way."""

import os
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.lifecycle.process_table import until
from tests.lifecycle.running import Running
from tests.spans import Sent, steps
from tests.storage.steps import DAY_NS, START_NS, make_live_step, make_step
from tests.storing import fold_all, store

from stepwell_migrations import engine, move, runner
from stepwell_migrations.engine import Engine
from stepwell_migrations.move import Progress
from stepwell_storage.database import connect
from stepwell_storage.model import Role
from stepwell_storage.partitions import ensure_days

TABLES = ("step_facts", "live_steps", "agent_executions", "execution_keys", "trace_windows", "execution_steps")
DAYS = 4
TRACES = 30


class CutOffError(Exception):
    """Ends a move in the middle."""


@pytest.fixture
async def native_url(empty_timescale_url: str) -> str:
    """A database with native partitions and data of several days, on a server that has TimescaleDB."""
    runner.migrate(empty_timescale_url, may_use_timescale=False)
    async with await connect(empty_timescale_url) as connection:
        await connection.execute("COMMENT ON VIEW analytics.execution_steps IS 'steps in order'")
        await connection.execute("GRANT SELECT ON analytics.step_facts, analytics.execution_steps TO pg_monitor")
        first = date(2026, 9, 21)
        await ensure_days(connection, [first])
        for trace in range(1, TRACES + 1):
            start_ns = START_NS + trace % DAYS * DAY_NS
            root = make_step(1, trace=trace, start_ns=start_ns, role=Role.AGENT, operation="invoke_agent")
            tool = make_step(2, trace=trace, start_ns=start_ns + 1000, parent_span_id=root.span_id, input_json='"é"')
            await store(connection, [root, tool])
        await store(connection, [make_live_step(1, trace=99), *steps(Sent("root"))])
        await fold_all(connection)
    return empty_timescale_url


def _contents(url: str) -> dict[str, list[Any]]:
    """Every row of every table and view, as text."""
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(f"SELECT t::text FROM analytics.{table} t ORDER BY 1").fetchall()
            for table in TABLES
        }


def _rights(url: str) -> list[Any]:
    query = """
        SELECT c.relname, c.relacl::text, obj_description(c.oid, 'pg_class') FROM pg_class c
        WHERE c.relname = ANY (%s) AND c.relnamespace = 'analytics'::regnamespace ORDER BY 1
    """
    with psycopg.connect(url) as connection:
        return connection.execute(query, (list(TABLES),)).fetchall()


def _relations(url: str) -> list[Any]:
    query = "SELECT relname FROM pg_class WHERE relnamespace = 'analytics'::regnamespace AND relname ~ %s ORDER BY 1"
    with psycopg.connect(url) as connection:
        return connection.execute(query, ("^(step_facts|agent_executions)",)).fetchall()


def _ignore(progress: Progress) -> None:
    """Nobody looks."""


def _cut_off_at(number: int) -> Callable[[Progress], None]:
    """Ends the move after so many transactions."""
    seen = 0

    def report(progress: Progress) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            raise CutOffError

    return report


async def test_everything_is_there_afterwards_and_nothing_twice(native_url: str) -> None:
    before, rights = _contents(native_url), _rights(native_url)
    reports: list[Progress] = []

    moved = runner.move_to_timescale(native_url, reports.append)

    assert moved == len(before["step_facts"]) + len(before["agent_executions"])
    assert _contents(native_url) == before
    assert _rights(native_url) == rights
    assert engine.of(native_url) is Engine.TIMESCALE
    assert (reports[-1].rows, reports[-1].done_bytes) == (moved, reports[-1].total_bytes)
    assert not any("native" in name or "hyper" in name or "_p2026" in name for (name,) in _relations(native_url))
    runner.check(native_url)


async def test_moving_again_changes_nothing(native_url: str) -> None:
    runner.move_to_timescale(native_url, _ignore)
    before = _contents(native_url)
    assert runner.move_to_timescale(native_url, _ignore) == 0
    assert _contents(native_url) == before


async def test_new_and_repeated_steps_are_stored_once_after_the_move(native_url: str) -> None:
    runner.move_to_timescale(native_url, _ignore)
    async with await connect(native_url) as connection:
        before = len(_contents(native_url)["step_facts"])
        await store(connection, [make_step(1, trace=3, start_ns=START_NS + 3 * DAY_NS), make_step(7, trace=3)])
        await fold_all(connection)
    assert len(_contents(native_url)["step_facts"]) == before + 1


@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_move_that_was_cut_off_goes_on(native_url: str, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(move, "BLOCKS_PER_TRANSACTION", 1)
    before = _contents(native_url)

    with pytest.raises(CutOffError):
        runner.move_to_timescale(native_url, _cut_off_at(number))
    for act in (runner.check, runner.migrate):
        with pytest.raises(runner.MoveUnfinishedError, match="stepwell migrate --to timescale"):
            act(native_url)
    runner.move_to_timescale(native_url, _ignore)

    assert _contents(native_url) == before
    runner.check(native_url)


async def test_killed_command_goes_on(native_url: str, tmp_path: Path) -> None:
    before = _contents(native_url)
    command = ["migrate", "--to", "timescale", "--database-url", native_url]
    killed = Running(command, tmp_path, {})
    until(lambda: "moving " in killed.stderr or killed.process.poll() is not None, "progress", 60)
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait(30)

    finished = Running(command, tmp_path, {})
    assert finished.process.wait(90) == os.EX_OK, finished.stderr
    assert '"engine": "timescale"' in finished.stdout
    assert _contents(native_url) == before


@pytest.mark.parametrize("name", ["stepwell receiver", "stepwell api", "stepwell worker"])
def test_processes_that_serve_are_named(database_url: str, name: str) -> None:
    with (
        psycopg.connect(database_url, application_name=name),
        psycopg.connect(database_url, application_name="stepwell migrate") as connection,
        pytest.raises(engine.ProcessesConnectedError, match=rf"{name} \(1\)\. Stop them"),
    ):
        engine.require_alone(connection)


def test_alone_it_may_move(database_url: str) -> None:
    with (
        psycopg.connect(database_url, application_name="stepwell migrate"),
        psycopg.connect(database_url, application_name="psql") as connection,
    ):
        engine.require_alone(connection)


def test_plain_server_is_refused_and_left_alone(database_url: str) -> None:
    with pytest.raises(engine.EngineUnavailableError, match=r"nothing was changed\. Install the Community edition"):
        runner.move_to_timescale(database_url, _ignore)
    runner.check(database_url)
    assert engine.of(database_url) is Engine.NATIVE
