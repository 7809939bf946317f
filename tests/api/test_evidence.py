"""What a suggestion names as the place to check it shows the figures that it claims."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import httpx
import psycopg
import pytest
from bench.planted import simulate
from bench.planted_cases import planted_case
from bench.planted_wire import DIALECTS, bodies_of
from tests.api.figures import about
from tests.storing import fold_all, store

from stepwell_api.insight.finding import Kind
from stepwell_receiver import protobuf
from stepwell_receiver.mapping import map_request

Shown = dict[str, Any]
Evidence = Mapping[str, Any]
Target = Mapping[str, Any]


async def suggested(api: httpx.AsyncClient, connection: psycopg.AsyncConnection[Any], kind: Kind) -> Any:
    """The suggestion for an agent with a planted pattern, sent as spans and folded."""
    case = planted_case(kind, Random(f"evidence {kind}"))
    case.plan.runs = min(case.plan.runs, 600 if kind is Kind.FAILURE_REGRESSION else 250)
    runs = simulate(case.plan, Random(f"evidence {kind}"))
    for body in bodies_of(case.plan, runs, DIALECTS["genai"]):
        await store(connection, map_request(protobuf.decode_traces(body), max_attribute_bytes=10_000))
    await fold_all(connection)
    window = {"from": runs[0].start.isoformat(), "to": "2027-01-01T00:00:00Z"}
    answer = await api.get(f"/api/v1/agents/{case.plan.agent_id}/suggestions", params=window)
    assert answer.status_code == 200, answer.text
    found = [suggestion for suggestion in answer.json()["items"] if suggestion["kind"] == kind]
    assert found, answer.text
    return found[0]


def of_step(shown: Shown, target: Target) -> Shown:
    (step,) = [step for step in shown["bottlenecks"] if step["step_name"] == target["step_name"]]
    return dict(step)


def bottleneck(shown: Shown, target: Target, evidence: Evidence) -> None:
    assert of_step(shown, target)["critical_path_share"] == pytest.approx(evidence["critical_path_share"], abs=1e-4)


def repeated(shown: Shown, target: Target, evidence: Evidence) -> None:
    step = of_step(shown, target)
    assert step["retries"] == evidence["repetitions"]
    assert step["executions"] > 0


def flaky(shown: Shown, target: Target, evidence: Evidence) -> None:
    step = of_step(shown, target)
    assert (step["execution_count"], step["failed"]) == (evidence["calls"], evidence["failed_calls"])


def failing_input(shown: Shown, target: Target, evidence: Evidence) -> None:
    (usage,) = [
        usage
        for usage in shown["input_patterns"]
        if (usage["input_key"], usage["input_value"]) == (target["input_key"], target["input_value"])
    ]
    assert usage["usage_count"] == evidence["executions_with"]
    assert 1 - usage["success_rate"] == pytest.approx(evidence["failure_rate_with"], abs=1e-6)


def peak(shown: Shown, target: Target, evidence: Evidence) -> None:
    hours = [hour for hour in shown["hourly_patterns"] if hour["hour"] in target["hours"]]
    runs = sum(hour["execution_count"] for hour in hours)
    succeeded = sum(hour["success_rate"] * hour["execution_count"] for hour in hours)
    assert runs == evidence["executions_in_hours"]
    assert 1 - succeeded / runs == pytest.approx(evidence["failure_rate_in_hours"], abs=1e-6)


def failures(shown: Shown, target: Target, evidence: Evidence) -> None:
    counts = [item["count"] for item in shown["items"] if item["step_name"] == target["step_name"]]
    assert sum(counts) == evidence.get("failed_executions", evidence.get("timed_out_executions"))
    assert evidence.get("share_of_failed_executions") in (None, pytest.approx(sum(counts) / shown["total_failures"]))


def figure(shown: Shown, name: str) -> Shown:
    (found,) = [found for found in shown["figures"] if found["name"] == name]
    return dict(found)


def slower(shown: Shown, target: Target, evidence: Evidence) -> None:
    told = figure(shown, "median_duration")
    assert about(told["a"]) == evidence["median_duration_ms_before"]
    assert about(told["b"]) == evidence["median_duration_ms_after"]


def failing_more(shown: Shown, target: Target, evidence: Evidence) -> None:
    failed, timed_out = figure(shown, "failure_rate"), figure(shown, "timeout_rate")
    for side, name in (("a", "failure_rate_before"), ("b", "failure_rate_after")):
        assert failed[side] + timed_out[side] == pytest.approx(evidence[name], abs=0.01)


def growing(shown: Shown, target: Target, evidence: Evidence) -> None:
    if evidence["grows"] == "within runs":
        prompts = [step["prompt_tokens"] for step in shown["items"] if step["step_name"] == target["step_name"]]
        assert prompts[-1] > 1.5 * prompts[0]
        return
    told = figure(shown, "tokens")
    assert told["a"] == pytest.approx(evidence["mean_tokens_in_first_quarter"], abs=1e-3)
    assert told["b"] == pytest.approx(evidence["mean_tokens_in_last_quarter"], abs=1e-3)


def on_path(shown: Shown, target: Target, evidence: Evidence) -> None:
    (path,) = [path for path in shown["execution_paths"] if path["execution_path"] == target["execution_path"]]
    assert path["frequency"] == evidence["executions_told_as_this_path"]


# The other kinds name the steps of an example, where they can be seen.
CHECKS: dict[Kind, Callable[[Shown, Target, Evidence], None]] = {
    Kind.BOTTLENECK_STEP: bottleneck,
    Kind.FLAKY_STEP: flaky,
    Kind.RETRY_WASTE: repeated,
    Kind.FAILING_INPUT: failing_input,
    Kind.PEAK_HOURS: peak,
    Kind.FAILING_STEP: failures,
    Kind.TIMEOUT_RISK: failures,
    Kind.LATENCY_REGRESSION: slower,
    Kind.FAILURE_REGRESSION: failing_more,
    Kind.TOKEN_GROWTH: growing,
    Kind.UNDERPERFORMING_PATH: on_path,
}


@pytest.mark.parametrize("kind", CHECKS, ids=lambda kind: kind.value)
async def test_check_shows_what_is_claimed(
    api: httpx.AsyncClient, connection: psycopg.AsyncConnection[Any], kind: Kind
) -> None:
    suggestion = await suggested(api, connection, kind)
    check = suggestion["evidence"]["check"]
    answer = await api.get(check)
    assert answer.status_code == 200, (check, answer.text)
    CHECKS[kind](answer.json(), suggestion["target"], suggestion["evidence"])
