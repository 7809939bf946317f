"""Numbers in inputs: ranges that do badly are told, clocks and counters are not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from stepwell_api.insight.inputs import is_within, usage_of
from stepwell_api.insight.sample import HourFigures, RunRecord, Sample
from stepwell_api.insight.suggestions import suggest
from stepwell_storage.model import Status

START = datetime(2026, 3, 2, tzinfo=UTC)
RUNS = 600

Inputs = Callable[[int, Random], dict[str, str]]


def agent(inputs: Inputs, fails: Callable[[dict[str, str], Random], bool]) -> Sample:
    """An agent whose runs, one every ten minutes, differ in their inputs alone."""
    dice, runs = Random("inputs"), []
    for number in range(RUNS):
        given = inputs(number, dice)
        status = Status.FAILED if fails(given, dice) else Status.SUCCESS
        start = START + timedelta(minutes=10 * number)
        runs.append(RunRecord(f"run-{number}", start, status, 100.0, error_step_name="step", inputs=given))
    hours = [HourFigures(START + timedelta(hours=hour), 6) for hour in range(RUNS // 6)]
    return Sample("agent", START, START + timedelta(hours=RUNS / 6), RUNS, runs, hours)


def told(sample: Sample) -> list[dict[str, Any]]:
    return [found["target"] for found in suggest(sample) if found["kind"] == "failing_input"]


def pages(number: int, dice: Random) -> dict[str, str]:
    return {"pages": str(dice.randrange(1, 500))}


def test_range_of_numbers_that_fails_is_told_once_with_its_runs() -> None:
    sample = agent(pages, lambda given, dice: dice.random() < (0.4 if int(given["pages"]) >= 350 else 0.02))
    (suggestion,) = [found for found in suggest(sample) if found["kind"] == "failing_input"]
    target, evidence = suggestion["target"], suggestion["evidence"]
    operator, end = target["input_value"].split()
    assert (target["input_key"], operator) == ("pages", ">=")
    assert 320 <= int(end) <= 380
    usage = usage_of(sample.runs, "pages", target["input_value"])
    assert usage.runs == evidence["executions_with"]
    assert 1 - usage.successful / usage.runs == pytest.approx(evidence["failure_rate_with"], abs=1e-6)


def test_small_numbers_may_be_the_bad_ones() -> None:
    sample = agent(pages, lambda given, dice: dice.random() < (0.5 if int(given["pages"]) < 100 else 0.02))
    (target,) = told(sample)
    assert target["input_value"].startswith("< ")


def test_counter_is_no_input_that_fails() -> None:
    sample = agent(
        lambda number, dice: {"order": str(90_000 + number)},
        lambda given, dice: dice.random() < (0.4 if int(given["order"]) > 90_300 else 0.02),
    )
    assert told(sample) == []


def test_key_that_is_missing_is_told() -> None:
    sample = agent(
        lambda number, dice: {"user": f"u{number}"} if dice.random() < 0.7 else {"guest": "yes"},
        lambda given, dice: dice.random() < (0.02 if "user" in given else 0.4),
    )
    (target,) = told(sample)
    assert target["input_key"] in ("user", "guest")


def test_numbers_that_do_not_matter_say_nothing() -> None:
    assert told(agent(pages, lambda given, dice: dice.random() < 0.1)) == []


@pytest.mark.parametrize(
    ("text", "bounds", "expected"),
    [
        ("12", ">= 12", True), ("11.9", ">= 12", False), ("11.9", "< 12", True), ("-3", "< -2.5", True),
        ("1e3", ">= 1000", True), ("nan", "< 5", False), ("12 kg", ">= 1", False), ("12", "12", False),
        ("9" * 300, ">= 1", True), ("1e999", ">= 1", False), ("12", "> 1", False),
    ],
)  # fmt: skip
def test_numbers_lie_in_a_range(text: str, bounds: str, *, expected: bool) -> None:
    assert is_within(text, bounds) is expected
