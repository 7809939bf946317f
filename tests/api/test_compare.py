"""``/agents/{agent_id}/compare``, against figures computed from the rows."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from math import sqrt
from typing import Any

import httpx
import pytest
from tests.api import figures
from tests.api.figures import about
from tests.api.rows import DAY, NOON, Row, make_agent_step, make_run, make_step, store_runs, store_steps

from stepwell_api import effects
from stepwell_api.insight import differences
from stepwell_api.insight.differences import Values
from stepwell_api.models.comparison import Comparison
from stepwell_storage.model import Role, Status, Step

COMPARE = "/api/v1/agents/planner/compare"
START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = {"from": "2026-03-01T00:20:00Z", "to": "2026-03-29T17:40:00Z"}
FINISHED = ("success", "failed", "timeout", "cancelled")


async def ask(api: httpx.AsyncClient, a: str, b: str, **parameters: Any) -> Any:
    """The answer, which is as documented."""
    response = await api.get(COMPARE, params={**DAY, "a": a, "b": b, **parameters})
    assert response.status_code == 200, response.text
    Comparison.model_validate_json(response.content)
    return response.json()


def some_runs() -> list[Row]:
    chance = random.Random(8)
    rows = figures.random_runs(600, START, timedelta(days=29), seed=12)
    for row in rows:
        row["path"] = chance.choice(["plan", "plan > search"])
        row["models"] = chance.choice([["m"], ["n"], ["m", "n"], []])
        row["steps_total"] = chance.randrange(1, 9)
    return rows


def chosen(rows: Sequence[Row], is_chosen: Callable[[Row], bool]) -> list[Row]:
    start, stop = (datetime.fromisoformat(WINDOW[name]) for name in ("from", "to"))
    return [
        row for row in rows if row["agent_id"] == "planner" and start <= row["start_time"] < stop and is_chosen(row)
    ]


def expected(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of one side."""
    durations, finished = figures.known(rows, "duration_ms"), figures.share_of(rows, *FINISHED)
    tokens = [
        (row["prompt_tokens"] or 0) + (row["completion_tokens"] or 0)
        for row in rows
        if row["prompt_tokens"] is not None or row["completion_tokens"] is not None
    ]
    return {
        "avg_duration": pytest.approx(figures.mean(durations)),
        "median_duration": about(figures.percentile(durations, 0.5)),
        "p95_duration": about(figures.percentile(durations, 0.95)),
        "p99_duration": about(figures.percentile(durations, 0.99)),
        "failure_rate": pytest.approx(figures.share_of(rows, "failed") / finished),
        "timeout_rate": pytest.approx(figures.share_of(rows, "timeout") / finished),
        "success_rate": pytest.approx(figures.share_of(rows, "success") / finished),
        "tokens": pytest.approx(figures.mean(tokens)),
        "prompt_tokens": pytest.approx(figures.mean(figures.known(rows, "prompt_tokens"))),
        "completion_tokens": pytest.approx(figures.mean(figures.known(rows, "completion_tokens"))),
        "cost_usd": pytest.approx(figures.mean(figures.known(rows, "cost_usd"))),
        "steps_total": pytest.approx(figures.mean([row["steps_total"] for row in rows])),
    }


MIDDLE = datetime(2026, 3, 15, 9, 30, tzinfo=UTC)
SIDES: list[tuple[str, str, str, Callable[[Row], bool], Callable[[Row], bool]]] = [
    ("versions", "version:1", "2", lambda row: row["version"] == "1", lambda row: row["version"] == "2"),
    ("environments", "environment:production", "environment:staging",
     lambda row: row["environment"] == "production", lambda row: row["environment"] == "staging"),
    ("models", "model:m", "model:n", lambda row: "m" in row["models"], lambda row: "n" in row["models"]),
    ("windows", f"window:{WINDOW['from']}/2026-03-15T09:30:00Z", f"window:2026-03-15T09:30:00Z/{WINDOW['to']}",
     lambda row: row["start_time"] < MIDDLE, lambda row: row["start_time"] >= MIDDLE),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "is_a", "is_b"), [side[1:] for side in SIDES], ids=[side[0] for side in SIDES])
async def test_figures_equal_those_of_the_rows(
    api: httpx.AsyncClient,
    database_url: str,
    a: str,
    b: str,
    is_a: Callable[[Row], bool],
    is_b: Callable[[Row], bool],
) -> None:
    rows = some_runs()
    await store_runs(database_url, rows)
    sides = {"a": chosen(rows, is_a), "b": chosen(rows, is_b)}
    answer = await ask(api, a, b, **WINDOW)
    for name, group in sides.items():
        assert (answer[name]["executions"], answer[name]["sampled"]) == (len(group), len(group))
        assert answer[name]["is_exact"]
        assert {figure["name"]: figure[name] for figure in answer["figures"]} == expected(group)
    rate = next(figure for figure in answer["figures"] if figure["name"] == "failure_rate")
    counts = [(figures.share_of(group, "failed"), figures.share_of(group, *FINISHED)) for group in sides.values()]
    interval = effects.rate_difference(*counts[1], *counts[0])
    assert (rate["low"], rate["high"]) == pytest.approx((interval.low, interval.high))
    assert rate["difference"] == pytest.approx(rate["b"] - rate["a"])
    assert rate["low"] < rate["difference"] < rate["high"]
    for path in answer["paths"]:
        shares = [sum(row["path"] == path["execution_path"] for row in group) / len(group) for group in sides.values()]
        assert (path["a"], path["b"]) == pytest.approx(tuple(shares))
    assert len(answer["paths"]) == 2


async def test_alike_sides_differ_in_nothing_and_unlike_ones_do(api: httpx.AsyncClient, database_url: str) -> None:
    chance = random.Random(3)
    rows = []
    for number in range(600):
        version = "new" if number % 2 else "old"
        slow, failing = (1.5, 0.4) if version == "new" else (1.0, 0.1)
        rows.append(
            make_run(
                number,
                start_time=NOON - timedelta(minutes=number),
                version=version,
                environment=chance.choice(["x", "y"]),
                status="failed" if chance.random() < failing else "success",
                duration_ms=slow * chance.lognormvariate(6, 0.3),
                prompt_tokens=chance.randrange(100, 200),
            )
        )
    await store_runs(database_url, rows)
    alike = await ask(api, "environment:x", "environment:y")
    assert not any(figure["is_significant"] for figure in alike["figures"])
    unlike = {figure["name"]: figure for figure in (await ask(api, "old", "new"))["figures"]}
    assert {name for name, figure in unlike.items() if figure["is_significant"]} == {
        "avg_duration",
        "failure_rate",
        "success_rate",
    }
    assert unlike["avg_duration"]["effect_size"] > 0.4
    assert unlike["failure_rate"]["low"] > 0
    assert unlike["median_duration"]["low"] > 0


async def test_filters_hold_for_both_sides(api: httpx.AsyncClient, database_url: str) -> None:
    rows = some_runs()
    await store_runs(database_url, rows)
    answer = await ask(api, "1", "2", **WINDOW, environment="staging")
    for name, version in (("a", "1"), ("b", "2")):
        staged = chosen(rows, lambda row: row["environment"] == "staging")
        assert answer[name]["executions"] == sum(row["version"] == version for row in staged)


Call = tuple[str, float, Mapping[str, Any]]


def trace(number: int, version: str, calls: Sequence[Call]) -> list[Step]:
    """A run with calls of tools one after the other: name, seconds, and what else is told."""
    trace_id, at = number.to_bytes(16), number * 100
    steps = []
    start = 1.0
    for place, (name, length, told) in enumerate(calls, 1):
        steps.append(make_step(at + place, at, start, start + length, trace_id=trace_id, name=name, **told))
        start += length
    return [make_agent_step(at, 0, start + 1, trace_id=trace_id, service_version=version), *steps]


FAILED = {"status": Status.FAILED, "error_type": "E"}


@pytest.mark.parametrize("sides", [("1", "2"), ("model:m1", "model:m2")])
async def test_steps_are_compared_by_name(api: httpx.AsyncClient, database_url: str, sides: tuple[str, str]) -> None:
    steps = []
    for version, number in product((1, 2), range(1, 5)):
        chat = {"role": Role.MODEL, "operation": "chat", "model": f"m{version}", "has_output": True}
        fails = FAILED if number == 4 and version == 2 else {}
        last: Call = ("rank", 0.25, {}) if version == 2 else ("fetch", 0.5, {})
        calls: list[Call] = [("search", 1.0 * version, fails), ("fetch", 0.5, {}), last, ("chat", 0.1, chat)]
        steps += trace(version * 10 + number, str(version), calls)
    await store_steps(database_url, steps)
    found = {step["step_name"]: step for step in (await ask(api, *sides))["steps"]}
    assert {name: step["calls_per_execution"] for name, step in found.items()} == {
        "search": [1.0, 1.0],
        "fetch": [2.0, 1.0],
        "rank": [None, 1.0],
        "chat": [1.0, 1.0],
    }
    durations, failures = found["search"]["figures"]
    assert (durations["name"], durations["a"], durations["b"]) == ("avg_duration", 1000.0, 2000.0)
    assert (failures["name"], failures["a"], failures["b"]) == ("failure_rate", 0.0, 0.25)
    assert not durations["is_significant"]


async def test_two_executions_part_at_a_step(api: httpx.AsyncClient, database_url: str) -> None:
    common: list[Call] = [("search", 1.0, {}), ("fetch", 1.0, {})]
    await store_steps(database_url, trace(1, "1", [*common, ("write", 1.0, {})]))
    await store_steps(database_url, trace(2, "1", [*common, ("write", 2.0, FAILED), ("write", 1.0, {})]))
    await store_steps(database_url, trace(3, "1", common))
    ids = [f"execution:{number:032x}" for number in (1, 2, 3)]
    answer = await ask(api, ids[0], ids[1])
    divergence = answer["divergence"]
    assert divergence["common_steps"] == 2
    assert (divergence["a"]["step_name"], divergence["a"]["status"]) == ("write", "success")
    assert (divergence["b"]["step_name"], divergence["b"]["status"], divergence["b"]["step_index"]) == (
        "write",
        "failed",
        3,
    )
    durations = {figure["name"]: (figure["a"], figure["b"]) for figure in answer["figures"]}
    assert durations["duration_ms"] == (5000.0, 7000.0)
    shorter = (await ask(api, ids[2], ids[0]))["divergence"]
    assert (shorter["common_steps"], shorter["a"], shorter["b"]["step_name"]) == (2, None, "write")
    assert (await ask(api, ids[0], ids[0]))["divergence"] is None


@pytest.mark.parametrize(
    "sides",
    [
        {"a": "window:yesterday/today", "b": "1"},
        {"a": "window:2026-03-10T00:00:00Z/2026-03-09T00:00:00Z", "b": "1"},
        {"a": "window:2026-03-10T00:00:00Z", "b": "1"},
        {"a": "1", "b": "execution:x"},
        {"a": "", "b": "1"},
    ],
)
async def test_sides_that_are_none_are_refused(
    api: httpx.AsyncClient, database_url: str, sides: Mapping[str, str]
) -> None:
    await store_runs(database_url, [make_run(1)])
    response = await api.get(COMPARE, params={**DAY, **sides})
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (422, "a")


async def test_sides_without_runs_are_answered(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1, version="1", duration_ms=5.0)])
    answer = await ask(api, "1", "nothing")
    assert (answer["a"]["executions"], answer["b"]["executions"]) == (1, 0)
    told = {figure["name"]: (figure["a"], figure["b"], figure["p_value"]) for figure in answer["figures"]}
    assert told["avg_duration"] == (5.0, None, None)
    for path, status in (("/api/v1/agents/nobody/compare", 404), (COMPARE, 200)):
        response = await api.get(path, params={**DAY, "a": "x", "b": "y"})
        assert response.status_code == status
    response = await api.get(COMPARE, params={**DAY, "a": f"execution:{1:032x}", "b": "execution:nothing"})
    assert response.status_code == 404


def test_rank_test_by_hand() -> None:
    """Four against four with one tie: 13.5 of 16 pairs, and the variance corrected for the tie."""
    delta, p_value = differences.rank_test({1: 1, 2: 1, 3: 1, 4: 1}, {4: 1, 5: 1, 6: 1, 2.5: 1})
    assert delta == pytest.approx(2 * 13.5 / 16 - 1)
    variance = 16 / 12 * (9 - (2**3 - 2) / (8 * 7))
    assert p_value == pytest.approx(effects.two_sided((13.5 - 8) / sqrt(variance)))


def test_means_by_hand() -> None:
    found = differences.of_means("x", Values.of_weights({1: 2, 3: 2}), Values.of_weights({5: 1, 7: 3}))
    half = effects.Z_95 * sqrt((4 / 3) / 4 + 1 / 4)
    assert (found.a, found.b) == (2.0, 6.5)
    assert (found.interval.low, found.interval.high) == pytest.approx((4.5 - half, 4.5 + half))
    assert found.effect_size == 1.0


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((10, 10, 0, 20), 0.6791, 1.0)],
    ids=["large", "small", "extreme"],
)
def test_newcombes_published_intervals(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    found = effects.rate_difference(*counts)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


def test_exact_and_approximate_tests_of_rates_agree() -> None:
    exact = min(2 * effects.fisher_greater(3300, 30_000, 3050, 30_000), 1.0)
    assert effects.rate_p_value(3300, 30_000, 3050, 30_000) == pytest.approx(exact, rel=0.05)
    assert effects.fisher_greater(3, 4, 1, 4) == pytest.approx(17 / 70)
    assert effects.adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
