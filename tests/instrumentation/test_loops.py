"""Iterations as steps, however their body is left."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from opentelemetry import trace
from tests.instrumentation.recording import told

import stepwell
from stepwell.testing import Recorder


def test_loop_makes_a_step_of_each_pass(recorder: Recorder) -> None:
    @stepwell.agent
    def run() -> list[int]:
        found = []
        for number in stepwell.loop(range(3), name="turn"):
            with stepwell.step(f"s{number}"):
                found.append(number)
            if number == 1:
                break
        with stepwell.step("after"):
            return found

    assert run() == [0, 1]
    assert told(recorder) == [
        (None, "run", None),
        ("run", "turn", None),
        ("turn", "s0", None),
        ("run", "turn", None),
        ("turn", "s1", None),
        ("run", "after", None),
    ]
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_loop_whose_body_fails_fails_with_the_run(recorder: Recorder) -> None:
    @stepwell.agent
    def run() -> None:
        for number in stepwell.loop([1, 2], name="turn"):
            if number == 2:
                raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run()
    assert told(recorder) == [(None, "run", "ValueError"), ("run", "turn", None), ("run", "turn", "ValueError")]


def test_loop_whose_failure_was_handled(recorder: Recorder) -> None:
    @stepwell.agent
    def run() -> None:
        with contextlib.suppress(ValueError):
            for _ in stepwell.loop([1], name="turn"):
                raise ValueError("no")
        with stepwell.step("after"):
            pass

    run()
    assert told(recorder) == [(None, "run", None), ("run", "turn", None), ("run", "after", None)]


async def test_loop_over_an_async_iterator(recorder: Recorder) -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    with stepwell.agent("run"):
        async for number in stepwell.loop(numbers(), name="turn"):
            with stepwell.step(f"s{number}"):
                pass
    assert told(recorder)[1:] == [
        ("run", "turn", None),
        ("turn", "s1", None),
        ("run", "turn", None),
        ("turn", "s2", None),
    ]
