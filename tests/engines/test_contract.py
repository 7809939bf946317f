"""What storage promises holds on both engines."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.api.client import client_of
from tests.api.rows import store_runs
from tests.api.test_execution_list import FILTERS, LATE, URL, VARIED, numbers
from tests.spans import Sent, steps
from tests.storage.steps import DAY_NS, START_NS, make_live_step, make_step, read_all, read_one, span_numbers
from tests.storing import Connection, fold_all, store

from stepwell_storage import facts, idle, stale
from stepwell_storage.database import connect
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Role, Step
from stepwell_storage.row_keys import RecentKeys
from stepwell_storage.settings import Settings

MS = 1_000_000
AT_ONCE = timedelta(0)


def _agent(trace: int, *, start_ns: int = START_NS, **fields: Any) -> Step:
    return make_step(
        1, trace=trace, start_ns=start_ns, role=Role.AGENT, operation="invoke_agent", agent_name="planner", **fields
    )


def _tool(span: int, trace: int, *, start_ns: int = START_NS, **fields: Any) -> Step:
    return make_step(span, trace=trace, start_ns=start_ns, parent_span_id=(1).to_bytes(8, "big"), **fields)


async def _runs(connection: Connection) -> list[tuple[Any, ...]]:
    return await read_all(
        connection,
        "SELECT execution_id, start_time, status, steps_total FROM analytics.agent_executions ORDER BY 1, 2",
    )


async def _keys(connection: Connection) -> list[tuple[Any, ...]]:
    return await read_all(connection, "SELECT execution_id, start_time FROM analytics.execution_keys ORDER BY 1, 2")


async def test_duplicates_are_stored_once(either: Connection) -> None:
    """Two hundred spans of several days, again and again, in whatever way."""
    sent = [make_step(span, trace=span % 20 + 1, start_ns=START_NS + span % 5 * DAY_NS) for span in range(200)]
    recent = RecentKeys()
    for batch in (sent, sent[::-1], sent[50:150], [*sent, make_step(999)]):
        async with either.transaction():
            await facts.insert_facts(either, {LOCAL_WORKSPACE_ID: batch}, recent=recent)
    assert await span_numbers(either) == [*range(200), 999]


async def test_folding_again_changes_nothing(either: Connection) -> None:
    for _ in range(3):
        await store(either, [_agent(1), _tool(2, 1), make_live_step(3, trace=1, parent_span_id=_agent(1).span_id)])
        await fold_all(either)
    before = await _runs(either)
    await _mark_all(either)
    await fold_all(either)
    assert await _runs(either) == before
    assert len(before) == 1


async def _mark_all(connection: Connection) -> None:
    await connection.execute(
        "INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count)"
        " SELECT workspace_id, trace_id, earliest, latest, 1 FROM analytics.trace_windows"
    )


@pytest.mark.parametrize("days", [-1, -3])
async def test_start_that_moves_to_an_earlier_day_moves_the_execution(either: Connection, days: int) -> None:
    late, early = START_NS, START_NS + days * DAY_NS
    await store(either, [_tool(2, 1, start_ns=late, role=Role.MODEL, operation="chat")])
    await fold_all(either)
    await store(either, [_agent(1, start_ns=early, end_ns=late + MS)])
    await fold_all(either)
    runs = await _runs(either)
    assert [(run[1].day, run[3]) for run in runs] == [(21 + days, 2)]
    assert await _keys(either) == [run[:2] for run in runs]


async def test_live_run_ends_or_times_out(either: Connection) -> None:
    await store(either, [make_live_step(1, trace=trace, role=Role.AGENT, operation="invoke_agent") for trace in (1, 2)])
    await fold_all(either)
    await store(either, [_agent(1)])
    await fold_all(either)
    assert [status for *_, status, _ in await _runs(either)] == ["success", "running"]
    assert await stale.time_out(either, AT_ONCE) == 1
    assert [status for *_, status, _ in await _runs(either)] == ["success", "timeout"]
    assert await stale.time_out(either, AT_ONCE) == 0


async def test_open_run_of_an_older_version_is_found(either: Connection) -> None:
    await store(either, [make_live_step(1, role=Role.AGENT, operation="invoke_agent")])
    await fold_all(either)
    await either.execute("UPDATE analytics.execution_keys SET is_open = false, last_activity_at = NULL")
    assert await stale.time_out(either, AT_ONCE) == 0
    await stale.find_open(either)
    assert await stale.time_out(either, AT_ONCE) == 1


async def test_trace_of_10_008_steps(either: Connection) -> None:
    tools = [_tool(span, 1, start_ns=START_NS + span * MS) for span in range(2, 10_009)]
    for first in range(0, len(tools), 4_000):
        await store(either, tools[first : first + 4_000])
    await store(either, [_agent(1, end_ns=START_NS + 20_000 * MS, duration_ms=20_000.0)])
    await fold_all(either)
    assert [run[2:] for run in await _runs(either)] == [("success", 10_008)]
    view = "SELECT count(*), max(step_index) FROM analytics.execution_steps"
    assert await read_all(either, view) == [(10_008, 10_007)]


async def test_every_filter_of_the_api(either_url: str) -> None:
    await store_runs(either_url, [*VARIED, LATE])
    async with client_of(Settings(database_url=either_url)) as api:
        found = [(parameters, await numbers(api, **parameters)) for parameters, _ in FILTERS]
        assert found == FILTERS
        for sort in ("start_time", "duration_ms", "cost_usd", "tokens", "steps_total"):
            pages = [await _by_one(api, order) for order in (sort, f"-{sort}")]
            assert sorted(pages[0]) == sorted(pages[1]) == [1, 2, 3, 0xABC]


async def _by_one(api: httpx.AsyncClient, sort: str) -> list[int]:
    """All runs, a page for each."""
    parameters: dict[str, Any] = {
        "from": "2026-03-10T00:00:00Z",
        "to": "2026-03-11T00:00:00Z",
        "sort": sort,
        "limit": 1,
    }
    found: list[int] = []
    while True:
        page = (await api.get(URL, params=parameters)).json()
        found += [int(item["root_span_id"], 16) for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        parameters["cursor"] = page["next_cursor"]


async def test_run_with_its_steps_and_analytics_over_the_api(either_url: str) -> None:
    async with await connect(either_url) as connection:
        await store(connection, [_agent(1), _tool(2, 1, input_json='{"q": 1}'), _tool(3, 1, start_ns=START_NS + MS)])
        await fold_all(connection)
    window = {"from": "2026-09-01T00:00:00Z", "to": "2026-10-01T00:00:00Z"}
    async with client_of(Settings(database_url=either_url)) as api:
        (run,) = (await api.get(URL, params=window)).json()["items"]
        steps_url = f"{URL}/{run['execution_id']}/steps"
        assert [step["input"] for step in (await api.get(steps_url)).json()["items"]] == [None, {"q": 1}, None]
        assert (await api.get(f"{URL}/{(1).to_bytes(16, 'big').hex()}")).json()["execution_id"] == run["execution_id"]
        told = (await api.get("/api/v1/agents/planner/analytics", params=window)).json()
        assert told["statistics"]["total_executions"] == 1


async def test_what_was_committed_outlives_its_connection(either_url: str) -> None:
    async with await connect(either_url) as connection:
        await store(connection, [_agent(1)])
        async with connection.transaction(force_rollback=True):
            await facts.insert_facts(connection, {LOCAL_WORKSPACE_ID: [_tool(2, 1)]})
    async with await connect(either_url) as connection:
        await fold_all(connection)
        assert [run[3] for run in await _runs(connection)] == [1]


async def test_steps_of_far_away_days_are_kept(either: Connection) -> None:
    far = [make_step(1, start_ns=0), make_step(2, start_ns=2**62), make_step(3)]
    await store(either, far)
    await store(either, far)
    assert await span_numbers(either) == [1, 2, 3]


async def test_dropped_trace_leaves_no_step(either: Connection) -> None:
    await store(either, steps(Sent("GET /")))
    await fold_all(either)
    assert await idle.drop(either, AT_ONCE) == 1
    assert await read_one(either, "SELECT count(*) FROM analytics.step_facts") == 0
