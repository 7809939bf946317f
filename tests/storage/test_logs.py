"""Log records are stored once, mark their trace, and give their step its input and output whatever the order."""

from itertools import permutations
from typing import Any

import psycopg
import pytest
from tests.storage.steps import OTHER_WORKSPACE, START_NS, WORKSPACE, make_step, read_all, read_one

from stepwell_storage import folding
from stepwell_storage.commit import CommitResult, Committer
from stepwell_storage.facts import insert_facts
from stepwell_storage.model import Fact, LogRecord, Role
from stepwell_storage.row_keys import RecentKeys
from stepwell_storage.settings import Settings
from stepwell_storage.traces import read_steps

ASKED = '[{"role": "user", "content": "Refund A-17"}]'
TOLD = '[{"role": "system", "content": "Handle refunds"}]'
ANSWERED = '[{"index": 0, "message": {"content": "Done"}}]'
KEYS = "SELECT record_key FROM analytics.step_logs ORDER BY workspace_id, trace_id, span_id, time, record_key"
MARKS = "SELECT span_count FROM analytics.dirty_traces ORDER BY sequence"
RUN = "SELECT status, input_data, output_data FROM analytics.agent_executions"
VIEW = "SELECT input, output FROM analytics.execution_steps ORDER BY span_id"


def make_record(number: int, span: int = 2, *, trace: int = 1, at_us: int = 0, **changes: Any) -> LogRecord:
    """A record of a step; `number` tells its content."""
    return LogRecord(
        trace_id=trace.to_bytes(16, "big"),
        span_id=span.to_bytes(8, "big"),
        time_ns=START_NS + at_us * 1000,
        record_key=number.to_bytes(16, "big"),
        **changes,
    )


async def _insert(connection: psycopg.AsyncConnection, *facts: Fact, **options: Any) -> tuple[int, int]:
    async with connection.transaction():
        insertion = await insert_facts(connection, {WORKSPACE: facts}, **options)
    return insertion.logs, insertion.duplicate


async def _fold(connection: psycopg.AsyncConnection) -> None:
    for batch in folding.batches(await folding.waiting(connection)):
        await folding.fold(connection, batch)


async def test_record_again_changes_nothing_whichever_way_it_comes(connection: psycopg.AsyncConnection) -> None:
    recent = RecentKeys()
    first, second = make_record(1), make_record(2)
    assert await _insert(connection, first, second, first, recent=recent) == (2, 1)
    assert await _insert(connection, second, make_record(3), recent=recent) == (1, 1)
    assert await _insert(connection, make_record(3), make_record(4)) == (1, 1)
    assert [key for (key,) in await read_all(connection, KEYS)] == [n.to_bytes(16, "big") for n in range(1, 5)]


async def test_same_record_of_another_span_time_or_workspace_is_another(connection: psycopg.AsyncConnection) -> None:
    assert await _insert(connection, make_record(1), make_record(1, 3), make_record(1, at_us=1)) == (3, 0)
    async with connection.transaction():
        insertion = await insert_facts(connection, {OTHER_WORKSPACE: [make_record(1)]})
    assert insertion.logs == 1


async def test_every_column_of_a_record_is_stored(connection: psycopg.AsyncConnection) -> None:
    told = make_record(
        1, event_name="app.\tpaid", severity_number=9, severity_text="INFO\\", input_json=ASKED, output_json=ANSWERED,
        body_json='"a\\nb"', attributes_json='{"n": 1}', flags=("attribute_cut",),
    )  # fmt: skip
    await _insert(connection, told)
    columns = "event_name, severity_number, severity_text, input::text, output::text, body, attributes, flags"
    assert await read_all(connection, f"SELECT {columns} FROM analytics.step_logs") == [
        ("app.\tpaid", 9, "INFO\\", ASKED, ANSWERED, "a\nb", {"n": 1}, ["attribute_cut"]),
    ]  # fmt: skip


async def test_records_mark_their_trace_once_and_beside_steps_not_at_all(connection: psycopg.AsyncConnection) -> None:
    await _insert(connection, make_record(1), make_record(2, 3))
    assert await read_all(connection, MARKS) == [(0,)]
    await _insert(connection, make_record(1))
    await _insert(connection, make_record(3), make_step(2))
    assert await read_all(connection, MARKS) == [(0,), (1,)]


async def test_rollback_leaves_neither_records_nor_marks(connection: psycopg.AsyncConnection) -> None:
    async with connection.transaction(force_rollback=True):
        await insert_facts(connection, {WORKSPACE: [make_record(1)]})
    assert await read_all(connection, KEYS) == []
    assert await read_all(connection, MARKS) == []


AGENT = make_step(1, role=Role.AGENT, operation="invoke_agent", end_ns=START_NS + 9_000_000)
CALL = make_step(2, role=Role.MODEL, operation="chat", parent_span_id=(1).to_bytes(8, "big"))
QUESTION = make_record(9, at_us=1, event_name="gen_ai.user.message", input_json=ASKED)
PROMPT = make_record(10, at_us=1, event_name="gen_ai.system.message", input_json=TOLD)
CHOICE = make_record(1, at_us=2, event_name="gen_ai.choice", output_json=ANSWERED)
LINE = make_record(2, event_name="app.started", body_json='"hello"')


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
async def test_messages_give_step_and_run_their_payload_in_any_order(
    connection: psycopg.AsyncConnection, order: tuple[int, ...]
) -> None:
    groups: list[list[Fact]] = [[AGENT, CALL], [QUESTION], [CHOICE, LINE], [PROMPT]]
    for index in (*order, *order):
        await _insert(connection, *groups[index])
        await _fold(connection)
    asked = [{"role": "system", "content": "Handle refunds"}, {"role": "user", "content": "Refund A-17"}]
    answered = [{"index": 0, "message": {"content": "Done"}}]
    assert await read_all(connection, RUN) == [("success", asked, answered)]
    assert await read_all(connection, VIEW) == [(None, None), (asked, answered)]
    steps = {step.span_id: step for step in await read_steps(connection, WORKSPACE, CALL.trace_id)}
    assert [(steps[key].has_input, steps[key].has_output) for key in sorted(steps)] == [(False, False), (True, True)]


async def test_a_spans_own_payload_goes_before_messages(connection: psycopg.AsyncConnection) -> None:
    own = make_step(2, role=Role.MODEL, operation="chat", input_json='"own"', has_input=True)
    await _insert(connection, own, QUESTION, CHOICE)
    await _fold(connection)
    assert await read_all(connection, VIEW) == [("own", [{"index": 0, "message": {"content": "Done"}}])]


async def test_records_leave_the_window_of_a_trace_to_its_steps(connection: psycopg.AsyncConnection) -> None:
    await _insert(connection, AGENT)
    await _fold(connection)
    windows = "SELECT earliest, latest FROM analytics.trace_windows"
    before = await read_all(connection, windows)
    await _insert(connection, make_record(1, at_us=-(10**12)))
    await _fold(connection)
    assert await read_all(connection, windows) == before
    assert await read_one(connection, "SELECT count(*) FROM analytics.dirty_traces") == 0


async def test_one_bad_record_is_refused_alone(settings: Settings, connection: psycopg.AsyncConnection) -> None:
    committer = Committer(settings)
    await committer.start()
    try:
        facts: list[Fact] = [make_step(1), make_record(1, body_json="{nope"), make_record(2), make_record(3)]
        assert await committer.submit(WORKSPACE, facts, 100) == CommitResult(stored=3, rejected=1, reason="unstorable")
        assert await committer.submit(WORKSPACE, facts[2:], 100) == CommitResult(duplicate=2)
    finally:
        await committer.stop()
    assert await read_one(connection, "SELECT count(*) FROM analytics.step_logs") == 2
