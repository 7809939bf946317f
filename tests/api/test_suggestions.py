"""``/agents/{agent_id}/suggestions``: what the stored runs support, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from tests.api.rows import DAY, Row, make_run, store_runs

from stepwell_api.models.suggestions import SuggestionList
from stepwell_storage.database import connect
from stepwell_storage.model import Status

SUGGESTIONS = "/api/v1/agents/planner/suggestions"


def runs_by_country(count: int, *, failing_every: int) -> list[Row]:
    """Half of the runs have the input FR, of which every so-many-th fails."""
    rows = []
    for number in range(count):
        is_french = number % 2 == 0
        failed = is_french and number // 2 % failing_every == 0
        rows.append(
            make_run(
                number,
                status=(Status.FAILED if failed else Status.SUCCESS).value,
                input_data={"country": "FR" if is_french else "DE"},
            )
        )
    return rows


async def ask(api: httpx.AsyncClient, path: str = SUGGESTIONS, **parameters: Any) -> Any:
    response = await api.get(path, params={**DAY, **parameters})
    assert response.status_code == 200, response.text
    return response.json()


async def test_failing_input_is_suggested_with_its_evidence(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, runs_by_country(200, failing_every=2))
    answer = await ask(api)
    SuggestionList.model_validate(answer)
    (suggestion,) = answer["items"]
    assert suggestion["kind"] == "failing_input"
    assert suggestion["target"] == {"input_key": "country", "input_value": "FR"}
    assert suggestion["evidence"]["failure_rate_with"] == 0.5
    assert suggestion["evidence"]["failure_rate_without"] == 0.0
    assert suggestion["impact"]["executions_affected"] == 100
    assert (await api.get(suggestion["evidence"]["check"])).status_code == 200


async def test_patterns_tell_the_same_suggestions(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, runs_by_country(200, failing_every=2))
    patterns = await ask(api, "/api/v1/agents/planner/patterns")
    assert patterns["optimization_suggestions"] == (await ask(api))["items"] != []


async def test_agent_without_a_pattern_has_no_suggestions(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, runs_by_country(60, failing_every=20))
    assert (await ask(api))["items"] == []


async def test_unknown_agent_is_not_found(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1/agents/nobody/suggestions")).status_code == 404


async def decide(api: httpx.AsyncClient, suggestion: Any, **body: Any) -> httpx.Response:
    return await api.patch(f"{SUGGESTIONS}/{suggestion['id']}", params=DAY, json=body)


async def test_dismissed_suggestion_is_told_only_when_asked_for(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, runs_by_country(200, failing_every=2))
    (suggestion,) = (await ask(api))["items"]
    assert suggestion["state"] == "open"
    answer = await decide(api, suggestion, state="dismissed", note="known")
    assert answer.status_code == 200, answer.text
    assert (await ask(api))["items"] == []
    (dismissed,) = (await ask(api, state="dismissed"))["items"]
    assert (dismissed["id"], dismissed["state"], dismissed["note"]) == (suggestion["id"], "dismissed", "known")
    assert (await decide(api, suggestion, state="open")).json()["state"] == "open"
    assert [item["id"] for item in (await ask(api))["items"]] == [suggestion["id"]]


async def test_effect_of_what_was_done_is_told(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, runs_by_country(200, failing_every=2))
    (suggestion,) = (await ask(api))["items"]
    assert (await decide(api, suggestion, state="done")).json()["effect"] is not None
    now = datetime.now(UTC)
    before = [make_run(1000 + n, start_time=now - timedelta(minutes=5 + n), status="failed") for n in range(20)]
    await store_runs(database_url, before)
    async with await connect(database_url) as connection:
        await connection.execute(
            "UPDATE analytics.suggestion_states SET changed_at = %s", (now - timedelta(minutes=3),)
        )
        await connection.commit()
    await store_runs(database_url, [make_run(2000 + n, start_time=now - timedelta(minutes=2)) for n in range(20)])
    (done,) = (await ask(api))["items"]
    effect = done["effect"]
    assert (effect["before"]["executions"], effect["before"]["failure_rate"]) == (20, 1.0)
    assert (effect["after"]["executions"], effect["after"]["failure_rate"]) == (20, 0.0)
    assert effect["failure_rate_fell_p_value"] < 1e-9


async def test_decided_suggestion_outlives_its_evidence(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, runs_by_country(200, failing_every=2))
    (suggestion,) = (await ask(api))["items"]
    await decide(api, suggestion, state="accepted")
    later = {"from": "2026-03-12T00:00:00Z", "to": "2026-03-13T00:00:00Z"}
    (kept,) = (await api.get(SUGGESTIONS, params=later)).json()["items"]
    assert (kept["id"], kept["state"], kept["is_current"]) == (suggestion["id"], "accepted", False)


async def test_unknown_suggestion_is_not_found(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, runs_by_country(60, failing_every=20))
    assert (await decide(api, {"id": "none"}, state="done")).status_code == 404
