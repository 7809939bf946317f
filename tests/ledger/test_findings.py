"""What the ledger learns after ingest: orphans that find their parent, doubled tokens, live spans, dropped traces."""

from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from tests.api.client import client_of
from tests.ledger.accounts import nonzero, read
from tests.spans import Sent, agent, chat, steps, tool
from tests.storing import Connection, fold_all

from stepwell_storage import facts, idle, ledger
from stepwell_storage.commit import Committer
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import LogRecord
from stepwell_storage.settings import Settings

AT_ONCE = timedelta(seconds=-1)
QUERY = Sent("SELECT", {"db.system": "postgresql"}, parent="GET /", at_ms=5)


@pytest.fixture
async def committer(settings: Settings) -> Any:
    """Takes facts, as a receiver does."""
    committer = Committer(settings)
    await committer.start()
    yield committer
    await committer.stop()


@pytest.fixture
async def api(settings: Settings) -> Any:
    """The API on the same database."""
    async with client_of(settings) as client:
        yield client


async def send(committer: Committer, *sent: Sent) -> None:
    await committer.submit(LOCAL_WORKSPACE_ID, steps(*sent), 100)


async def told(api: httpx.AsyncClient, signal: str = "traces") -> Counter[str]:
    """What stands in the ledger but how late the spans of the fixed clock are."""
    counts = nonzero((await read(api, signal))["totals"])
    del counts["late"]
    return counts


async def test_an_orphan_is_one_until_its_parent_comes(
    committer: Committer, connection: Connection, api: httpx.AsyncClient
) -> None:
    await send(committer, chat("c", parent="a"), tool("t", parent="a"))
    stored = {"received": 2, "stored": 2, "kept": 2}
    assert await told(api) == stored
    await fold_all(connection)
    assert await told(api) == {**stored, "orphaned": 2}

    await send(committer, agent("a", for_ms=100))
    await fold_all(connection)
    assert await told(api) == {"received": 3, "stored": 3, "kept": 3}


async def test_a_span_whose_parent_is_remote_or_that_has_none_is_no_orphan(
    committer: Committer, connection: Connection, api: httpx.AsyncClient
) -> None:
    await send(committer, agent("a"), agent("b", parent="elsewhere", flags=0x300), agent("c", parent="c"))
    await fold_all(connection)
    assert await told(api) == {"received": 3, "stored": 3, "kept": 3}


async def test_tokens_that_two_spans_report_are_excluded_once(
    committer: Committer, connection: Connection, api: httpx.AsyncClient
) -> None:
    usage = {"gen_ai.usage.input_tokens": 130, "gen_ai.usage.output_tokens": 30}
    await send(committer, agent("a", for_ms=100, attributes=usage))
    await fold_all(connection)
    assert await told(api) == {"received": 1, "stored": 1, "kept": 1}

    await send(committer, chat("c", (100, 10), parent="a"), chat("twin", (30, 20), parent="c", scope="other"))
    await fold_all(connection)
    (run,) = await (
        await connection.execute("SELECT prompt_tokens, completion_tokens FROM analytics.agent_executions")
    ).fetchall()
    counts = await told(api)
    assert counts["excluded_prompt_tokens"] + run[0] == 130 + 100 + 30
    assert counts["excluded_completion_tokens"] + run[1] == 30 + 10 + 20


async def test_tokens_beyond_64_bits_harm_no_sum(
    committer: Committer, connection: Connection, api: httpx.AsyncClient
) -> None:
    largest = 2**63 - 1
    used = [step._replace(prompt_tokens=largest) for step in steps(agent("a"), agent("b", parent="a"))]
    await committer.submit(LOCAL_WORKSPACE_ID, [*used, *steps(chat("c", parent="b"))], 10)
    await fold_all(connection)
    await ledger.sum_entries(connection)
    counts = await told(api)
    assert (counts["excluded_prompt_tokens"], counts["orphaned"]) == (largest, 0)


async def test_a_live_span_is_replaced_by_its_finished_one(
    committer: Committer, connection: Connection, api: httpx.AsyncClient
) -> None:
    live = agent("a", attributes={"stepwell.span.state": "started"})
    await send(committer, live)
    await send(committer, live, agent("b"))
    started = {"received": 3, "stored": 2, "duplicate": 1, "live": 1, "kept": 2}
    assert await told(api) == started

    await send(committer, agent("a"))
    await facts.delete_superseded_live_steps(connection)
    assert await told(api) == {**started, "received": 4, "stored": 3, "replaced": 1}


async def test_dropped_traces_leave_what_was_received_and_take_their_orphans_along(
    committer: Committer, connection: Connection, api: httpx.AsyncClient
) -> None:
    (query,) = steps(QUERY)
    record = LogRecord(trace_id=query.trace_id, span_id=query.span_id, time_ns=query.start_ns, record_key=b"1")
    await send(committer, QUERY, Sent("live", {"stepwell.span.state": "started"}))
    await committer.submit(LOCAL_WORKSPACE_ID, [record], 10, signal="logs")
    await fold_all(connection)
    stored = {"received": 2, "stored": 2, "live": 1}
    assert await told(api) == {**stored, "kept": 2, "orphaned": 1}

    assert await idle.drop(connection, AT_ONCE) == 3
    assert await told(api) == {**stored, "dropped:no_agent_activity": 2}
    assert await told(api, "logs") == {"received": 1, "stored": 1, "dropped:no_agent_activity": 1}


async def test_summing_up_entries_changes_nothing(
    committer: Committer, connection: Connection, api: httpx.AsyncClient
) -> None:
    before = []
    for number in range(3):
        trace = [step._replace(trace_id=bytes([number + 1] * 16)) for step in steps(QUERY, agent("a"))]
        await committer.submit(LOCAL_WORKSPACE_ID, trace, 10, rejected={"malformed": 1})
        await fold_all(connection)
        before.append(await read(api))
        await ledger.sum_entries(connection)
        assert await read(api) == before[-1]
    assert await (await connection.execute("SELECT count(*) FROM analytics.ledger_entries")).fetchone() == (0,)
    assert before[-1]["totals"]["received"] == 9


async def test_folding_again_changes_nothing(
    committer: Committer, connection: psycopg.AsyncConnection, api: httpx.AsyncClient
) -> None:
    await send(committer, QUERY, agent("a", attributes={"gen_ai.usage.input_tokens": 7}), chat("c", parent="a"))
    await fold_all(connection)
    before = await read(api)
    await connection.execute(
        "INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count)"
        " SELECT workspace_id, trace_id, earliest, latest, 1 FROM analytics.trace_windows"
    )
    await fold_all(connection)
    assert await read(api) == before
