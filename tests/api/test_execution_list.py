"""``GET /api/v1/executions``: which runs, and what is told of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
from tests.api.rows import DAY, MINUTE, NOON, Row, make_agent_step, make_run, make_step, store_runs, store_steps

from stepwell_api.execution_rows import LOOKED_THROUGH
from stepwell_api.models.executions import ExecutionPage
from stepwell_storage.model import LogRecord, Status
from stepwell_storage.searching import read_words
from stepwell_storage.times import to_ns

URL = "/api/v1/executions"

VARIED: Sequence[Row] = [
    make_run(
        1,
        agent_id="a, b",
        status="failed",
        environment="production",
        version="1.0",
        trigger_type="webhook",
        error_type="TimeoutError",
        user_id="ann",
        session_id="s1",
        models=["gpt-4o", "o3"],
        framework="crewai",
        duration_ms=100.0,
        cost_usd=0.5,
        path="plan → search",
    ),
    make_run(
        2,
        agent_id="team/writer",
        status="running",
        environment="staging",
        version="2.0",
        trigger_type="api",
        error_type=None,
        user_id="bob",
        session_id="s2",
        models=["o3"],
        framework="langgraph",
        duration_ms=None,
        cost_usd=None,
        path="plan",
    ),
    make_run(
        3,
        agent_id="planner",
        status="success",
        environment=None,
        version=None,
        trigger_type=None,
        user_id=None,
        session_id=None,
        framework=None,
        duration_ms=2500.5,
        cost_usd=0.0,
        path="plan → write",
    ),
]

LATE = make_run(0xABC, start_time=NOON + timedelta(hours=2))


async def numbers(api: httpx.AsyncClient, **parameters: Any) -> list[int]:
    """The numbers of the runs that a question finds, in order."""
    response = await api.get(URL, params={**DAY, **parameters})
    assert response.status_code == 200, response.text
    page = ExecutionPage.model_validate_json(response.content)
    return [int(item.root_span_id or "0", 16) for item in page.items]


FILTERS: Sequence[tuple[dict[str, Any], list[int]]] = [
    ({"trace_id": f"{1:032x}"}, [1]),
    ({"trace_id": f"{0xABC:032X}"}, [0xABC]),
    ({"trace_id": [f"{1:032x}", f"{3:032x}"]}, [3, 1]),
    ({"trace_id": "no trace id"}, []),
    ({"agent_id": "a, b"}, [1]),
    ({"agent_id": "a"}, []),
    ({"agent_id": ["team/writer", "planner"]}, [0xABC, 3, 2]),
    ({"status": "running"}, [2]),
    ({"status": ["failed", "running"]}, [2, 1]),
    ({"environment": "production"}, [1]),
    ({"environment": ""}, []),
    ({"version": ["1.0", "2.0"]}, [2, 1]),
    ({"trigger_type": "webhook"}, [1]),
    ({"error_type": "TimeoutError"}, [1]),
    ({"user_id": "bob"}, [2]),
    ({"session_id": "s1"}, [1]),
    ({"model": "o3"}, [2, 1]),
    ({"model": ["gpt-4o", "claude"]}, [1]),
    ({"framework": "langgraph"}, [2]),
    ({"min_duration_ms": 100}, [3, 1]),
    ({"max_duration_ms": 100}, [1]),
    ({"min_duration_ms": 100.5, "max_duration_ms": 2500.5}, [3]),
    ({"min_cost_usd": 0}, [3, 1]),
    ({"min_cost_usd": 0.1}, [1]),
    ({"path": "plan"}, [0xABC, 2]),
    ({"path": "plan → write"}, [3]),
    ({"status": "failed", "environment": "staging"}, []),
    ({"from": (NOON + MINUTE).isoformat(), "to": (NOON + 2 * MINUTE).isoformat()}, [1]),
    ({"from": "2026-03-10T13:02:00+01:00", "to": "2026-03-10t12:03:00.000000001z"}, [2]),
    ({"from": "2026-03-10T12:02:00Z", "to": "2026-03-10T12:02:00Z"}, []),
    ({"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}, [0xABC, 3, 2, 1]),
]


async def test_filters(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [*VARIED, LATE])
    found = [(parameters, await numbers(api, **parameters)) for parameters, _ in FILTERS]
    assert found == FILTERS


async def test_window_is_the_last_seven_days_by_default(api: httpx.AsyncClient, database_url: str) -> None:
    now = datetime.now(UTC)
    ages_h = {1: 0.1, 2: 7 * 24 - 1, 3: 7 * 24 + 1, 4: -1}
    runs = [make_run(number, start_time=now - timedelta(hours=age_h)) for number, age_h in ages_h.items()]
    await store_runs(database_url, runs)
    page = (await api.get(URL)).json()
    assert [int(item["root_span_id"], 16) for item in page["items"]] == [1, 2]
    until = {"to": (now - timedelta(days=5)).isoformat()}
    page = (await api.get(URL, params=until)).json()
    assert [int(item["root_span_id"], 16) for item in page["items"]] == [2, 3]


UNKNOWN = (
    *("parent_execution_id", "agent_name", "user_id", "session_id", "trigger_type", "end_time", "duration_ms"),
    *("error_type", "error_message", "error_step_name", "error_fingerprint", "credits_consumed", "cost_usd"),
    *("completion_tokens", "memory_usage_mb", "environment", "runtime_mode", "version", "service_name", "framework"),
)


async def test_row_has_every_column_and_null_for_the_unknown(api: httpx.AsyncClient, database_url: str) -> None:
    run = make_run(
        7,
        start_time=NOON,
        input_data={"q": 1},
        trigger_source={"hook": [1, 10**30]},
        tokens_used={"prompt": 3},
        prompt_tokens=3,
        created_at=NOON,
        updated_at=NOON + timedelta(microseconds=1),
    )
    await store_runs(database_url, [run])
    response = await api.get(URL, params=DAY)
    assert f'"trigger_source":{{"hook": [1, {10**30}]}}' in response.text
    [item] = response.json()["items"]
    assert item == {
        "id": str(run["id"]),
        "execution_id": f"{7:032x}-{7:016x}",
        "trace_id": f"{7:032x}",
        "root_span_id": f"{7:016x}",
        "workspace_id": "00000000-0000-0000-0000-000000000001",
        "agent_id": "planner",
        "start_time": "2026-03-10T12:00:00Z",
        "last_activity_at": "2026-03-10T12:00:00Z",
        "created_at": "2026-03-10T12:00:00Z",
        "updated_at": "2026-03-10T12:00:00.000001Z",
        "status": "success",
        "trigger_source": {"hook": [1, 10**30]},
        "tokens_used": {"prompt": 3},
        "prompt_tokens": 3,
        "api_calls_count": 0,
        "steps_total": 1,
        "steps_completed": 1,
        "path": "plan",
        "models": [],
        **dict.fromkeys(UNKNOWN),
    }


SEARCHED = [
    make_run(1, error_message="Connection RESET by peer", status="failed"),
    make_run(2, input_data={"question": 'Wie groß ist "München"?\nBitte genau'}),
    make_run(3, output_data=["100% sure", "under_score", "back\\slash"]),
    make_run(4, output_data=["1000 sure", "underXscore"]),
]


IN_RUNS = [
    ("reset", [1]),
    ("MÜNCHEN", [2]),
    ('ist "münchen"?', [2]),
    ("?\nbitte", [2]),
    ('"question": "wie', [2]),
    ("100% sure", [4, 3]),
    ("under_s", [4, 3]),
    ("back\\slash", [3]),
    ("%", [3]),
    ("nowhere", []),
    ("'; DROP TABLE analytics.agent_executions; --", []),
    ("{}[]()*+?.^$|\\", []),
    ("%(workspace_id)s", []),
]


async def test_search_finds_text_of_runs(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, SEARCHED)
    assert [(text, await numbers(api, q=text)) for text, _ in IN_RUNS] == IN_RUNS


def with_steps() -> list[Any]:
    """A finished run and one that goes on, each with a step that holds text nowhere else."""
    other = {"trace_id": b"\xcd" * 16}
    return [
        make_agent_step(1, 0, 9),
        make_step(2, 1, 1, 2, name="web_search", input_json='{"query": "Zebra \\"crossing\\""}', has_input=True),
        make_step(3, 1, 3, 4, name="fetch", status=Status.FAILED, error_message="No route to Atlantis"),
        make_agent_step(4, 0, None, **other),
        make_step(5, 4, 1, None, name="dig", output_json='["Quokka"]', has_output=True, **other),
    ]


IN_STEPS = [
    ("WEB_search", [1]),
    ('zebra "cross', [1]),
    ("crossing zebra", [1]),
    ("to atlantis", [1]),
    ("quokka", [4]),
    ("dig", [4]),
    ("webXsearch", []),
    ("quokka atlantis", []),
]
ONLY_ONCE_READ: list[tuple[str, list[int]]] = [("zeb crossing", []), ("ebra", [])]
"""All words but the last have to be whole, and every one begins where a word begins."""


async def test_search_finds_text_of_steps_at_once(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, with_steps())
    assert [(text, await numbers(api, q=text)) for text, _ in IN_STEPS] == IN_STEPS


async def test_search_finds_text_of_steps_by_their_words(
    api: httpx.AsyncClient, database_url: str, connection: psycopg.AsyncConnection
) -> None:
    await store_steps(database_url, with_steps())
    assert await read_words(connection, rested=timedelta(0)) == 2
    asked = [*IN_STEPS, *ONLY_ONCE_READ]
    assert [(text, await numbers(api, q=text)) for text, _ in asked] == asked


async def test_search_finds_messages_that_come_late_as_log_records(
    api: httpx.AsyncClient, database_url: str, connection: psycopg.AsyncConnection
) -> None:
    await store_steps(database_url, with_steps())
    await read_words(connection, rested=timedelta(0))
    late = LogRecord(
        trace_id=b"\xab" * 16,
        span_id=(3).to_bytes(8),
        time_ns=to_ns(NOON),
        record_key=b"k",
        input_json='[{"role": "user", "content": "Narwhal"}]',
    )
    await store_steps(database_url, [late])
    assert await numbers(api, q="narwhal") == [1]
    assert await read_words(connection, rested=timedelta(0)) == 1
    assert await numbers(api, q="narwh") == [1]


async def test_search_looks_through_the_newest_runs_only_and_tells_so(
    api: httpx.AsyncClient, database_url: str, connection: psycopg.AsyncConnection
) -> None:
    others = [make_run(number, start_time=NOON + number * MINUTE / 60) for number in range(LOOKED_THROUGH + 1)]
    told = {0: "heron", 1: "heron", LOOKED_THROUGH: "heron"}
    runs = [{**run, "error_message": told.get(number)} for number, run in enumerate(others)]
    await store_runs(database_url, runs)
    page = (await api.get(URL, params={**DAY, "q": "heron"})).json()
    assert [int(item["root_span_id"], 16) for item in page["items"]] == [LOOKED_THROUGH, 1]
    assert (page["total"], page["search_complete"]) == (2, False)
    for narrower in ({"from": runs[1]["start_time"].isoformat()}, {"user_id": "nobody"}):
        assert (await api.get(URL, params={**DAY, "q": "heron", **narrower})).json()["search_complete"]
    await connection.execute("UPDATE analytics.agent_executions SET words = coalesce(error_message, '')")
    page = (await api.get(URL, params={**DAY, "q": "heron"})).json()
    assert (page["total"], page["search_complete"]) == (3, True)


async def test_words_are_read_of_executions_that_rest(database_url: str, connection: psycopg.AsyncConnection) -> None:
    await store_steps(database_url, with_steps())
    assert await read_words(connection, rested=timedelta(hours=1)) == 0
    assert await read_words(connection, rested=timedelta(0), since=NOON + timedelta(days=1)) == 0
    assert await read_words(connection, rested=timedelta(0)) == 2
    assert await read_words(connection, rested=timedelta(0)) == 0


async def test_words_are_read_in_gaps_between_folds(database_url: str, connection: psycopg.AsyncConnection) -> None:
    await store_steps(database_url, with_steps())
    unread: list[int] = []

    async def gap() -> None:
        cursor = await connection.execute("SELECT count(*) FROM analytics.agent_executions WHERE words IS NULL")
        unread.extend([row[0] async for row in cursor])

    assert await read_words(connection, rested=timedelta(0), gap=gap) == 2
    assert unread == [2]
