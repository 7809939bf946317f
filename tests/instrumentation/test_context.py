"""The current step goes along into threads, executors and over HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import stepwell
from stepwell import threads
from stepwell.testing import Recorder


@pytest.fixture
def installed() -> Iterator[None]:
    threads.install()
    try:
        yield
    finally:
        threads.uninstall()


@stepwell.step
def work(number: int) -> int:
    return number


def parents(recorder: Recorder) -> dict[str, str | None]:
    return {f"{step.name}{(step.input or {}).get('number', '')}": step.parent for step in recorder.steps}


@pytest.mark.usefixtures("installed")
def test_threads_work_in_the_step_that_starts_them(recorder: Recorder) -> None:
    class Own(threading.Thread):
        def run(self) -> None:
            work(2)

    with stepwell.agent("run"):
        made = [threading.Thread(target=work, args=(1,)), Own()]
        for thread in made:
            thread.start()
        for thread in made:
            thread.join()
    outside = threading.Thread(target=work, args=(3,))
    outside.start()
    outside.join()
    assert parents(recorder) == {"run": None, "work1": "run", "work2": "run", "work3": None}


@pytest.mark.usefixtures("installed")
def test_pool_works_in_the_step_that_submits_whoever_started_its_threads(recorder: Recorder) -> None:
    with ThreadPoolExecutor(1) as pool:
        with stepwell.agent("first"):
            assert pool.submit(work, 1).result() == 1
        with stepwell.agent("second"):
            assert list(pool.map(work, [2, 3])) == [2, 3]
        assert pool.submit(work, 4).result() == 4
    assert parents(recorder) == {
        **{"first": None, "work1": "first", "second": None},
        **{"work2": "second", "work3": "second", "work4": None},
    }


@pytest.mark.usefixtures("installed")
async def test_executors_and_threads_of_asyncio(recorder: Recorder) -> None:
    async with stepwell.agent("run"):
        await asyncio.get_running_loop().run_in_executor(None, work, 1)
        await asyncio.to_thread(work, 2)
        await asyncio.create_task(_async_work(3))
    assert parents(recorder) == {"run": None, "work1": "run", "work2": "run", "work3": "run"}


async def _async_work(number: int) -> int:
    return work(number)


def test_without_the_layer_a_function_is_carried_by_hand(recorder: Recorder) -> None:
    threads.uninstall()
    with ThreadPoolExecutor(1) as pool, stepwell.agent("run"):
        assert pool.submit(work, 1).result() == 1
        assert pool.submit(stepwell.carry(work), 2).result() == 2
        assert pool.submit(work, 3).result() == 3
    assert parents(recorder) == {"run": None, "work1": None, "work2": "run", "work3": None}


def test_layer_is_taken_away_whole() -> None:
    before = threading.Thread.start, ThreadPoolExecutor.submit
    threads.install()
    threads.install()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) != before
    threads.uninstall()
    threads.uninstall()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == before


@pytest.mark.parametrize("spelling", ["traceparent", "Traceparent", "list", "bytes"])
def test_headers_take_a_step_to_another_process(recorder: Recorder, spelling: str) -> None:
    with stepwell.agent("caller"):
        sent = stepwell.inject({"accept": "json"})
    value: object = sent.pop("traceparent")
    received: dict[str, dict[str, object]] = {
        "list": {"traceparent": [value]},
        "bytes": {"traceparent": str(value).encode()},
    }
    with stepwell.extract(received.get(spelling, {spelling: value})):
        work(1)
    work(2)
    assert sent == {"accept": "json"}
    assert parents(recorder) == {"caller": None, "work1": "caller", "work2": None}


@pytest.mark.parametrize("headers", [{}, {"traceparent": "nonsense"}, {"traceparent": 5}, {"x": None}])
def test_headers_that_tell_nothing(recorder: Recorder, headers: dict[str, object]) -> None:
    with stepwell.agent("run"), stepwell.extract(headers):
        work(1)
    assert parents(recorder) == {"run": None, "work1": "run"}
