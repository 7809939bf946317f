"""``GET /api/v1/executions``: which runs, in which order, on which page."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.api.rows import DAY, MINUTE, NOON, Row, make_agent_step, make_run, make_step, store_runs, store_steps

from stepwell_api.models.executions import ExecutionPage
from stepwell_storage.model import Status

URL = "/api/v1/executions"
SORT_KEYS = ("start_time", "duration_ms", "cost_usd", "tokens", "steps_total")

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


async def numbers(api: httpx.AsyncClient, **parameters: Any) -> list[int]:
    """The numbers of the runs that a question finds, in order."""
    response = await api.get(URL, params={**DAY, **parameters})
    assert response.status_code == 200, response.text
    page = ExecutionPage.model_validate_json(response.content)
    return [int(item.root_span_id or "0", 16) for item in page.items]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
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
    ],
    ids=str,
)
async def test_filters(
    api: httpx.AsyncClient, database_url: str, parameters: dict[str, Any], expected: list[int]
) -> None:
    late = make_run(0xABC, start_time=NOON + timedelta(hours=2))
    await store_runs(database_url, [*VARIED, late])
    assert await numbers(api, **parameters) == expected


async def test_window_is_the_last_seven_days_by_default(api: httpx.AsyncClient, database_url: str) -> None:
    now = datetime.now(UTC)
    ages = {1: timedelta(minutes=1), 2: timedelta(days=6, hours=23), 3: timedelta(days=7, hours=1), 4: -timedelta(hours=1)}
    await store_runs(database_url, [make_run(number, start_time=now - age) for number, age in ages.items()])
    page = (await api.get(URL)).json()
    assert [int(item["root_span_id"], 16) for item in page["items"]] == [1, 2]
    until = {"to": (now - timedelta(days=5)).isoformat()}
    page = (await api.get(URL, params=until)).json()
    assert [int(item["root_span_id"], 16) for item in page["items"]] == [2, 3]


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
        **dict.fromkeys(
            ["parent_execution_id", "agent_name", "user_id", "session_id", "trigger_type", "end_time", "duration_ms"]
            + ["error_type", "error_message", "error_step_name", "error_fingerprint", "credits_consumed", "cost_usd"]
            + ["completion_tokens", "memory_usage_mb", "environment", "runtime_mode", "version", "service_name"]
            + ["framework"]
        ),
    }


def many_runs(count: int) -> list[Row]:
    """Runs with few different values, so that every sort has ties, and many unknown ones."""
    chance = random.Random(7)
    return [
        make_run(
            number,
            start_time=NOON + chance.randrange(9) * MINUTE,
            duration_ms=chance.choice([None, None, 0.0, 0.1 + 0.2, 1e9, 17.25]),
            cost_usd=chance.choice([None, 0.0, 1 / 3]),
            prompt_tokens=chance.choice([None, 0, 5, 2**63 - 1]),
            completion_tokens=chance.choice([None, 0, 7, 2**63 - 1]),
            steps_total=chance.randrange(3),
        )
        for number in range(1, count + 1)
    ]


def value_of(run: Row, key: str) -> Any:
    """What a run is sorted by."""
    if key != "tokens":
        return run[key]
    told = [run[name] for name in ("prompt_tokens", "completion_tokens") if run[name] is not None]
    return min(sum(told), 2**63 - 1) if told else None


def in_order(runs: Sequence[Row], sort: str) -> list[int]:
    """The numbers of the runs in the order of `sort`: unknown last, ties by id the other way round."""
    key, is_descending = sort.removeprefix("-"), sort.startswith("-")
    by_id = sorted(runs, key=lambda run: str(run["execution_id"]), reverse=not is_descending)
    known = [run for run in by_id if value_of(run, key) is not None]
    known.sort(key=lambda run: value_of(run, key), reverse=is_descending)
    ordered = [*known, *(run for run in by_id if value_of(run, key) is None)]
    return [int(run["root_span_id"], 16) for run in ordered]


@pytest.mark.parametrize("sort", [*SORT_KEYS, *(f"-{key}" for key in SORT_KEYS)])
async def test_pages_of_every_sort_together_are_the_whole_list(
    api: httpx.AsyncClient, database_url: str, sort: str
) -> None:
    runs = many_runs(60)
    await store_runs(database_url, runs)
    for limit in (1, 7, 60):
        found: list[int] = []
        parameters: dict[str, Any] = {**DAY, "sort": sort, "limit": limit}
        while True:
            page = (await api.get(URL, params=parameters)).json()
            assert page["total"] == 60
            assert len(page["items"]) <= limit
            found += [int(item["root_span_id"], 16) for item in page["items"]]
            if page["next_cursor"] is None:
                break
            parameters["cursor"] = page["next_cursor"]
        assert found == in_order(runs, sort)


async def test_newest_come_first_by_default(api: httpx.AsyncClient, database_url: str) -> None:
    runs = many_runs(20)
    await store_runs(database_url, runs)
    assert await numbers(api) == in_order(runs, "-start_time")


async def test_page_holds_fifty_by_default(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, many_runs(51))
    page = (await api.get(URL, params=DAY)).json()
    assert len(page["items"]) == 50
    assert page["next_cursor"]


async def test_runs_that_arrive_meanwhile_neither_repeat_nor_skip_any(api: httpx.AsyncClient, database_url: str) -> None:
    now = datetime.now(UTC) - timedelta(hours=1)
    await store_runs(database_url, [make_run(number, start_time=now - number * MINUTE) for number in range(4)])
    first = (await api.get(URL, params={"limit": 2})).json()
    await store_runs(database_url, [make_run(100, start_time=datetime.now(UTC)), make_run(101, start_time=now)])
    second = (await api.get(URL, params={"limit": 9, "cursor": first["next_cursor"]})).json()
    found = [int(item["root_span_id"], 16) for item in (*first["items"], *second["items"])]
    # The second new run started before the first page was asked for, at the start of its first run.
    assert found == [0, 1, 2, 3]
    assert second["next_cursor"] is None


async def test_total_is_exact_to_ten_thousand_and_a_bound_beyond(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(number, start_time=NOON) for number in range(10_000)])
    page = (await api.get(URL, params={**DAY, "limit": 1})).json()
    assert (page["total"], page["total_at_least"]) == (10_000, None)
    await store_runs(database_url, [make_run(10_000, start_time=NOON)])
    page = (await api.get(URL, params={**DAY, "limit": 1})).json()
    assert (page["total"], page["total_at_least"]) == (None, 10_000)


SEARCHED = [
    make_run(1, error_message="Connection RESET by peer", status="failed"),
    make_run(2, input_data={"question": 'Wie groß ist "München"?\nBitte genau'}),
    make_run(3, output_data=["100% sure", "under_score", "back\\slash"]),
    make_run(4, output_data=["1000 sure", "underXscore"]),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reset", [1]),
        ("MÜNCHEN", [2]),
        ('ist "münchen"?', [2]),
        ("?\nbitte", [2]),
        ('"question": "wie', [2]),
        ("100% s", [3]),
        ("under_s", [3]),
        ("back\\slash", [3]),
        ("%", [3]),
        ("nowhere", []),
        ("'; DROP TABLE analytics.agent_executions; --", []),
        ("{}[]()*+?.^$|\\", []),
        ("%(workspace_id)s", []),
    ],
)
async def test_search_finds_text_of_runs(
    api: httpx.AsyncClient, database_url: str, text: str, expected: list[int]
) -> None:
    await store_runs(database_url, SEARCHED)
    assert await numbers(api, q=text) == expected


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WEB_search", [1]),
        ('zebra "cross', [1]),
        ("to atlantis", [1]),
        ("quokka", [4]),
        ("dig", [4]),
        ("webXsearch", []),
    ],
)
async def test_search_finds_text_of_steps(
    api: httpx.AsyncClient, database_url: str, text: str, expected: list[int]
) -> None:
    await store_steps(database_url, with_steps())
    assert await numbers(api, q=text) == expected


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: {**asked, "sort": "duration_ms"},
        lambda asked: {**asked, "sort": "-start_time", "status": "failed"},
        lambda asked: {**asked, "to": "2026-03-12T00:00:00Z"},
        lambda asked: {**asked, "agent_id": ["planner", "other"]},
        lambda asked: {**asked, "cursor": asked["cursor"][:-4]},
        lambda asked: {**asked, "cursor": "x" + asked["cursor"]},
        lambda asked: {**asked, "cursor": ""},
        lambda asked: {**asked, "cursor": "münchen"},
        lambda asked: {**asked, "cursor": "bnVsbA"},
        lambda asked: {**asked, "cursor": "WzEsMiwzXQ"},
        lambda asked: {**asked, "cursor": "\0"},
    ],
    ids=["sort", "filter", "window", "values", "cut", "prefix", "empty", "unicode", "null", "short", "nul"],
)
async def test_cursor_of_another_list_is_refused(api: httpx.AsyncClient, database_url: str, change: Change) -> None:
    await store_runs(database_url, [make_run(number) for number in range(3)])
    asked = {**DAY, "limit": 1, "agent_id": ["planner"]}
    asked["cursor"] = (await api.get(URL, params=asked)).json()["next_cursor"]
    assert (await api.get(URL, params=asked)).status_code == 200
    response = await api.get(URL, params=change(asked))
    assert response.status_code == 400
    assert response.json()["code"] == "bad_cursor"


async def test_page_may_change_its_size(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(number) for number in range(5)])
    first = (await api.get(URL, params={**DAY, "limit": 2})).json()
    second = (await api.get(URL, params={**DAY, "limit": 3, "cursor": first["next_cursor"]})).json()
    assert [item["root_span_id"] for item in second["items"]] == [f"{number:016x}" for number in (2, 1, 0)]
