"""Whatever runs look like, suggestions are made without an error, and the order of runs changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell_api.insight.payloads import payload_of
from stepwell_api.insight.sample import HourFigures, RunRecord, Sample, StepRecord
from stepwell_api.insight.suggestions import suggest
from stepwell_storage.model import Role, Status

START = datetime(2026, 3, 1, tzinfo=UTC)


def odd_step(dice: Random, index: int, scale_ms: float) -> StepRecord:
    start_ms = dice.choice((0.0, dice.uniform(-5, scale_ms)))
    return StepRecord(
        name=dice.choice(("", "a", "b", "chat", "ü > x")),
        role=dice.choice(list(Role)),
        operation="chat",
        step_type=dice.choice(("action", "decision", "loop", "api_call")),
        parent=dice.choice((-1, 0, index - 1, dice.randrange(-1, index + 1))) if index else -1,
        start_ms=start_ms,
        end_ms=dice.choice((None, start_ms, start_ms + dice.uniform(-3, scale_ms))),
        status=dice.choice(list(Status)),
        attempt=dice.choice((1, 1, 1, 2, 7)),
        prompt_tokens=dice.choice((None, 0, 1, 10**12)),
        completion_tokens=dice.choice((None, 0, 5)),
        cost_usd=dice.choice((None, 0.0, 1e-9, 4.0)),
        error_type=dice.choice((None, "E")),
        is_duplicate=dice.random() < 0.1,
        input=dice.choice((None, payload_of({"q": dice.randrange(3)}, with_words=dice.random() < 0.5))),
        output=dice.choice((None, payload_of([dice.randrange(2)], with_words=True))),
    )


def odd_run(dice: Random, number: int, words: tuple[str, ...]) -> RunRecord:
    steps = [odd_step(dice, index, 100.0) for index in range(dice.choice((0, 1, 2, 6)))]
    return RunRecord(
        execution_id=f"run-{number}",
        start=START + timedelta(hours=dice.choice((0.0, 5.5, dice.uniform(0, 24 * 20)))),
        status=Status(dice.choice(words)),
        duration_ms=dice.choice((None, 0.0, 5.0, dice.uniform(0, 1e9))),
        steps=steps,
        weight=dice.choice((1.0, 12.5)),
        path=dice.choice(("", "a", "a > b")),
        version=dice.choice((None, "1", "2")),
        prompt_tokens=dice.choice((None, 0, 7)),
        completion_tokens=dice.choice((None, 0, 7)),
        cost_usd=dice.choice((None, 0.0, 3.0)),
        error_type=dice.choice((None, "E")),
        error_step_name=dice.choice((None, "a", "chat", "nowhere")),
        inputs=dice.choice((None, {}, {"k": "v"}, {"k": "", "x": str(dice.randrange(3))})),
    )


def sample_of(runs: list[RunRecord]) -> Sample:
    hours: dict[datetime, int] = {}
    for run in runs:
        hour = run.start.replace(minute=0, second=0, microsecond=0)
        hours[hour] = hours.get(hour, 0) + 1
    figures = [HourFigures(hour, count) for hour, count in sorted(hours.items())]
    return Sample("odd", START, START + timedelta(days=20), max(len(runs), 60), runs, figures)


ENDINGS = [
    tuple(status.value for status in Status),
    ("success",),
    ("failed",),
    ("running", "pending"),
    ("timeout", "success"),
    ("cancelled",),
]


@pytest.mark.parametrize("words", ENDINGS, ids="-".join)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.sampled_from((0, 1, 2, 31, 75, 140)))
def test_odd_runs_are_no_error(words: tuple[str, ...], seed: int, count: int) -> None:
    dice = Random(seed)
    runs = [odd_run(dice, number, words) for number in range(count)]
    told = suggest(sample_of(runs))
    assert orjson.loads(orjson.dumps(told)) == orjson.loads(orjson.dumps(suggest(sample_of(runs[::-1]))))


def test_no_time_passes_between_runs() -> None:
    dice = Random(3)
    runs = [replace(odd_run(dice, number, ("success", "failed")), start=START) for number in range(80)]
    suggest(sample_of(runs))
