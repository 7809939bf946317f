"""What is wrong with a question is told, by the parameter, before any database is asked."""

from collections.abc import AsyncIterator
from typing import Any, get_origin

import httpx
import pytest
from tests.api.client import client_of

from stepwell_api import parameters
from stepwell_storage.settings import Settings

LIST = "/api/v1/executions"
STATUSES = ["pending", "running", "success", "failed", "timeout", "cancelled"]
STEPS_OF_A_RUN = ["limit", "cursor", "first"]


@pytest.fixture
async def unconnected() -> AsyncIterator[httpx.AsyncClient]:
    """An API whose database is not there: an answer other than 503 was given without it."""
    async with client_of(Settings(database_url="postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "query", "parameter", "allowed"),
    [
        (LIST, "status=done", "status", STATUSES),
        (LIST, "status=success&status=", "status", STATUSES),
        (LIST, "status=success,failed", "status", STATUSES),
        (LIST, "trigger_type=cron", "trigger_type", ["manual", "scheduled", "webhook", "api"]),
        (LIST, "sort=cost", "sort", [str(word) for word in parameters.ExecutionSort]),
        (LIST, "sort=-agent_id", "sort", [str(word) for word in parameters.ExecutionSort]),
        ("/api/v1/agents", "sort=start_time", "sort", [str(word) for word in parameters.AgentSort]),
        (LIST, "limit=0", "limit", None),
        (LIST, "limit=1001", "limit", None),
        (LIST, "limit=ten", "limit", None),
        (LIST, "limit=99999999999999999999", "limit", None),
        (LIST, "limit=", "limit", None),
        (LIST, "min_duration_ms=-1", "min_duration_ms", None),
        (LIST, "min_duration_ms=nan", "min_duration_ms", None),
        (LIST, "max_duration_ms=inf", "max_duration_ms", None),
        (LIST, "min_cost_usd=1e999", "min_cost_usd", None),
        (LIST, "agent_id=a%00b", "agent_id", None),
        (LIST, "q=%00", "q", None),
        (LIST, "q=", "q", None),
        (LIST, f"q={'x' * 1001}", "q", None),
        (LIST, "path=%00", "path", None),
        (LIST, "from=yesterday", "from", None),
        (LIST, "from=", "from", None),
        (LIST, "from=2026-02-30T00:00:00Z", "from", None),
        (LIST, "from=2026-02-03", "from", None),
        (LIST, "from=1770000000", "from", None),
        (LIST, "from=2026-02-03T00:00:00+02:00", "from", None),
        (LIST, "to=0001-01-01T00:00:00%2B23:59", "to", None),
        (LIST, "from=2026-02-03T00:00:00Z&to=2026-02-02T00:00:00Z", "from", None),
        (LIST, "to=2026-02-03T00:00:00Z&to=2026-02-04T00:00:00Z", "to", None),
        (LIST, "sort=cost_usd&sort=tokens", "sort", None),
        (LIST, "user=ann", "user", list(parameters.ExecutionListParameters.model_json_schema()["properties"])),
        (LIST, "from_=2026-02-03T00:00:00Z", "from_", ...),
        (f"{LIST}/abc", "limit=1", "limit", ["graph"]),
        (f"{LIST}/abc/steps", "status=failed", "status", STEPS_OF_A_RUN),
        (f"{LIST}/a%00b", "", "execution_id", None),
        ("/api/v1/agents/a%00b/analytics", "", "agent_id", None),
        ("/api/v1/analytics", "agent_id=a", "agent_id", ["from", "to", "environment", "version"]),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_bad_parameter_is_named(
    unconnected: httpx.AsyncClient, path: str, query: str, parameter: str, allowed: Any
) -> None:
    response = await unconnected.get(f"{path}?{query}")
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["code"]) == (422, "invalid_parameter")
    [error] = problem["errors"]
    assert error["parameter"] == parameter
    assert f"{parameter}: {error['detail']}" == problem["detail"]
    if allowed is not ...:
        assert error.get("allowed") == allowed


async def test_all_bad_parameters_are_named_at_once(unconnected: httpx.AsyncClient) -> None:
    response = await unconnected.get(LIST, params={"status": "done", "limit": 0, "min_cost_usd": "much"})
    assert {error["parameter"] for error in response.json()["errors"]} == {"status", "limit", "min_cost_usd"}


async def test_long_value_is_not_repeated_whole(unconnected: httpx.AsyncClient) -> None:
    response = await unconnected.get(LIST, params={"status": "x" * 10_000})
    assert len(response.content) < 2_000


@pytest.mark.parametrize("time", ["2026-02-03T10:00:00", "2026-02-03 10:00:00.5"])
async def test_time_without_its_offset_is_refused(unconnected: httpx.AsyncClient, time: str) -> None:
    response = await unconnected.get(LIST, params={"from": time})
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == "from"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1", 404), ("/api/v1/nothing", 404), ("/api/v1/executions/a/b", 404), ("/api/v2/agents", 404)],
)
async def test_unknown_path_is_a_problem(unconnected: httpx.AsyncClient, path: str, status: int) -> None:
    response = await unconnected.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.pop("detail")
    assert problem == {"type": "about:blank", "title": "Not Found", "status": 404, "code": "not_found"}


async def test_wrong_method_is_a_problem_that_names_the_right_one(unconnected: httpx.AsyncClient) -> None:
    response = await unconnected.post(LIST)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET"
    assert response.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", [LIST, f"{LIST}/abc", f"{LIST}/abc/steps", "/api/v1/agents", "/api/v1/analytics"])
async def test_database_that_is_away_is_told_with_a_delay(unconnected: httpx.AsyncClient, path: str) -> None:
    response = await unconnected.get(path)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["code"] == "database_unavailable"
    assert "127.0.0.1" not in response.text


def test_repeatable_parameters_are_the_list_valued_ones() -> None:
    models = (parameters.ExecutionListParameters, parameters.AgentListParameters, parameters.SuggestionsParameters)
    fields = {name: field for model in models for name, field in model.model_fields.items()}
    assert {name for name, field in fields.items() if get_origin(field.annotation) is list} == parameters.REPEATABLE
