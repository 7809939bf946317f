"""Generators and async generators as steps: one each, current only while they run."""

import asyncio
import contextlib
import gc
import inspect
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
from tests.instrumentation.recording import told

import stepwell
from stepwell.testing import Recorder


def test_generator_is_one_step_and_current_only_while_it_runs(recorder: Recorder) -> None:
    @stepwell.step
    def parts() -> Generator[str, str, int]:
        with stepwell.step("inside"):
            got = yield "a"
            yield got
        return 7

    with stepwell.agent("run"):
        made = parts()
        assert next(made) == "a"
        with stepwell.step("between"):
            assert made.send("b") == "b"
        with pytest.raises(StopIteration) as stop:
            next(made)
    assert stop.value.value == 7
    assert told(recorder) == [
        (None, "run", None),
        ("run", "parts", None),
        ("parts", "inside", None),
        ("run", "between", None),
    ]
    assert recorder.step("parts").output == 7


def test_generator_of_text_tells_the_text(recorder: Recorder) -> None:
    @stepwell.step
    def words() -> Iterator[str]:
        yield "to"
        yield "day"

    assert list(words()) == ["to", "day"]
    assert recorder.step("words").output == "today"


def test_generator_that_is_not_used_is_no_step(recorder: Recorder) -> None:
    @stepwell.step
    def words() -> Iterator[str]:
        yield "never"

    words()
    gc.collect()
    assert recorder.started == []


def test_generator_that_is_left_early(recorder: Recorder) -> None:
    closed = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(True)

    for declare in (stepwell.step("step"), stepwell.agent("agent")):
        for number in declare(numbers)():
            if number == 1:
                break
    assert closed == [True, True]
    step, agent = recorder.steps
    assert (step.error_type, step.output, step.attributes["stepwell.closed_early"]) == (None, [0, 1], True)
    assert agent.error_type == "GeneratorExit"


def test_generator_handles_what_is_thrown_into_it(recorder: Recorder) -> None:
    @stepwell.step
    def stubborn() -> Iterator[str]:
        try:
            yield "first"
        except KeyError:
            yield "second"
        raise OSError("third")

    made = stubborn()
    assert next(made) == "first"
    assert made.throw(KeyError("x")) == "second"  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="third"):
        next(made)
    assert recorder.step("stubborn").error_type == "OSError"


async def test_async_generator(recorder: Recorder) -> None:
    @stepwell.step
    async def stream() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            with stepwell.step(f"piece{number}"):
                pass
            yield number

    @stepwell.agent
    async def run() -> list[int]:
        found = []
        async for number in stream():
            with stepwell.step(f"use{number}"):
                found.append(number)
        return found

    assert inspect.isasyncgenfunction(stream)
    assert await run() == [0, 1, 2]
    assert recorder.step("stream").output == [0, 1, 2]
    parents = {step.name: step.parent for step in recorder.steps}
    assert parents == {
        "run": None,
        "stream": "run",
        **{f"piece{n}": "stream" for n in range(3)},
        **{f"use{n}": "run" for n in range(3)},
    }


async def test_async_generator_left_early_ends_with_its_loop(recorder: Recorder) -> None:
    @stepwell.step
    async def stream() -> AsyncIterator[int]:
        yield 1
        yield 2

    async with contextlib.aclosing(stream()) as made:  # type: ignore[type-var]
        async for _ in made:
            break
    assert recorder.step("stream").attributes["stepwell.closed_early"] is True
