"""Agents and steps: what is told of them, of functions of each kind, of retries and of failures."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from tests.instrumentation.recording import told

import stepwell
from stepwell.testing import Recorder, recorded


def test_agent_and_step_follow_the_conventions(recorder: Recorder) -> None:
    @stepwell.step
    def look_up(city: str, *, limit: int = 3) -> list[str]:
        return [city] * limit

    @stepwell.agent("guide", version="3", id="g-1", user_id="u", session_id="s", runtime_mode="fast")
    def run(question: str) -> str:
        return look_up(question, limit=2)[0]

    assert run("oslo") == "oslo"
    guide, tool = recorder.steps
    assert {key: value for key, value in guide.attributes.items() if "_ms" not in key and "_mb" not in key} == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "guide",
        "gen_ai.agent.version": "3",
        "gen_ai.agent.id": "g-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "user.id": "u",
        "session.id": "s",
        "stepwell.runtime_mode": "fast",
        "stepwell.input": '{"question": "oslo"}',
        "stepwell.output": '"oslo"',
        "stepwell.http_calls": 0,
        "stepwell.model_calls": 0,
    }
    assert tool.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look_up",
        "gen_ai.tool.call.arguments": '{"city": "oslo", "limit": 2}',
        "gen_ai.tool.call.result": '["oslo", "oslo"]',
        "stepwell.step.type": "action",
    }
    assert [(span.name, span.kind.name) for span in recorder.spans] == [
        ("execute_tool look_up", "INTERNAL"),
        ("invoke_agent guide", "INTERNAL"),
    ]


def test_ids_and_times_are_the_same_in_every_run() -> None:
    def run() -> list[tuple[int, int, int, int]]:
        with recorded() as recorder:
            with stepwell.agent("a"), stepwell.step("s"):
                pass
            contexts = [(span, span.get_span_context()) for span in recorder.spans]
            return [(c.trace_id, c.span_id, span.start_time or 0, span.end_time or 0) for span, c in contexts if c]

    assert run() == run()


@pytest.mark.parametrize(
    ("declared", "kind", "operation", "name"),
    [
        (stepwell.step("s"), "action", "execute_tool", "execute_tool s"),
        (stepwell.step("s", model="m-1"), "api_call", "chat", "s"),
        (stepwell.step(model="m-1"), "api_call", "chat", "chat m-1"),
        (stepwell.step("s", operation="embeddings"), "api_call", "embeddings", "s"),
        (stepwell.step("s", step_type="api_call"), "api_call", None, "s"),
        (stepwell.decision("s"), "decision", None, "s"),
        (stepwell.loop("s"), "loop", None, "s"),
    ],
)
def test_kinds_of_steps(recorder: Recorder, declared: Any, kind: str, operation: str | None, name: str) -> None:
    with declared:
        pass
    (step,) = recorder.steps
    assert (step.step_type, step.operation, recorder.spans[0].name) == (kind, operation, name)


async def test_async_functions_and_blocks(recorder: Recorder) -> None:
    @stepwell.step
    async def ask(word: str) -> str:
        await asyncio.sleep(0)
        return word.upper()

    @stepwell.agent
    async def run() -> str:
        async with stepwell.step("around") as step:
            step.output = await ask("hi")
        return "done"

    assert inspect.iscoroutinefunction(run)
    assert await run() == "done"
    assert told(recorder) == [(None, "run", None), ("run", "around", None), ("around", "ask", None)]
    assert recorder.step("around").output == "HI"


async def test_parallel_tasks_are_steps_of_the_step_that_starts_them(recorder: Recorder) -> None:
    @stepwell.step
    async def tool(number: int) -> int:
        await asyncio.sleep(0)
        with stepwell.step(f"inner{number}"):
            await asyncio.sleep(0)
        return number

    @stepwell.agent
    async def run() -> list[int]:
        return await asyncio.gather(*(tool(number) for number in range(3)))

    assert await run() == [0, 1, 2]
    assert sorted((step.parent, step.name) for step in recorder.steps[1:]) == [
        *[("run", "tool")] * 3,
        *[("tool", f"inner{number}") for number in range(3)],
    ]
    outer = {span.get_span_context().span_id: span for span in recorder.spans}  # type: ignore[union-attr]
    for span in recorder.spans:
        if span.name.startswith("execute_tool inner"):
            assert span.parent is not None
            around = outer[span.parent.span_id].attributes or {}
            assert around["gen_ai.tool.call.arguments"] == f'{{"number": {span.name[-1]}}}'


class Service:
    """Methods of all kinds."""

    @stepwell.step
    def method(self, number: int) -> int:
        return number

    @stepwell.step
    @classmethod
    def of_class(cls, number: int) -> int:
        return number

    @stepwell.step
    @staticmethod
    def of_none(number: int) -> int:
        return number


def test_methods_tell_no_instance(recorder: Recorder) -> None:
    assert (Service().method(1), Service.of_class(2), Service.of_none(3)) == (1, 2, 3)
    assert [(step.name, step.input) for step in recorder.steps] == [
        ("method", {"number": 1}),
        ("of_class", {"number": 2}),
        ("of_none", {"number": 3}),
    ]


def test_arguments_by_name_also_those_without_one(recorder: Recorder) -> None:
    @stepwell.step
    def collect(first: int, /, *others: int, flag: bool = False, **more: int) -> None: ...

    collect(1, 2, 3, flag=True, extra=4)
    assert recorder.steps[0].input == {"first": 1, "others": [2, 3], "flag": True, "extra": 4}
    assert recorder.steps[0].output is None


@pytest.mark.parametrize(
    ("error", "told_type"),
    [
        (ValueError("no"), "ValueError"),
        (TimeoutError("slow"), "TimeoutError"),
        (asyncio.CancelledError(), "asyncio.exceptions.CancelledError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(1), "SystemExit"),
        (SystemExit(0), None),
    ],
    ids=repr,
)
def test_exceptions_pass_unchanged_and_are_told(
    recorder: Recorder, error: BaseException, told_type: str | None
) -> None:
    @stepwell.step
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    (span,) = recorder.spans
    assert recorder.steps[0].error_type == told_type
    assert [(event.attributes or {}).get("exception.type") for event in span.events] == (
        [told_type] if told_type else []
    )


def test_exception_of_a_block(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="no"), stepwell.agent("a"), stepwell.step("s"):
        raise ValueError("no")
    assert told(recorder) == [(None, "a", "ValueError"), ("a", "s", "ValueError")]


def test_retries_are_attempts(recorder: Recorder) -> None:
    calls: list[int] = []

    @stepwell.step(retries=stepwell.Retries(3, on=(ConnectionError, TimeoutError)))
    def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("again")
        return "ok"

    assert flaky() == "ok"
    assert [(step.attempt, step.error_type) for step in recorder.steps] == [
        (1, "ConnectionError"),
        (2, "ConnectionError"),
        (3, None),
    ]


async def test_retries_end_with_the_last_exception_and_spare_others(recorder: Recorder) -> None:
    @stepwell.step(retries=stepwell.Retries(1, on=OSError, delay_s=0.001))
    async def broken(error: Exception) -> None:
        raise error

    last = OSError("x")
    with pytest.raises(OSError) as caught:
        await broken(last)
    assert caught.value is last
    with pytest.raises(KeyError):
        await broken(KeyError("y"))
    assert [(step.attempt, step.error_type) for step in recorder.steps] == [
        (1, "OSError"),
        (2, "OSError"),
        (1, "KeyError"),
    ]


def test_what_is_said_of_a_step(recorder: Recorder) -> None:
    with stepwell.agent("run"):
        with stepwell.step("call"):
            stepwell.usage(input_tokens=10, output_tokens=1, model="m", provider="p")
            stepwell.usage(input_tokens=5, cost_usd=0.25, finish_reason="stop", response_id="r")
            stepwell.credits(2)
            stepwell.credits(0.5)
            stepwell.trigger("webhook", {"from": "shop"})
        assert stepwell.checkpoint({"at": 1}, id="one") == "one"
        named = stepwell.checkpoint()
    run, call = recorder.steps
    assert (call.operation, call.step_type, call.credits) == ("chat", "api_call", 2.5)
    wanted = {
        "gen_ai.usage.input_tokens": 15,
        "gen_ai.usage.output_tokens": 1,
        "gen_ai.usage.cost": 0.25,
        "gen_ai.request.model": "m",
        "gen_ai.provider.name": "p",
        "gen_ai.response.id": "r",
        "gen_ai.response.finish_reasons": ("stop",),
    }
    assert {key: call.attributes[key] for key in wanted} == wanted
    assert run.attributes["stepwell.trigger.type"] == "webhook"
    assert run.attributes["stepwell.trigger.source"] == '{"from": "shop"}'
    assert run.checkpoints == (("one", {"at": 1}), (named, None))
    assert run.attributes["stepwell.model_calls"] == 1


def test_what_is_said_of_a_span_of_another_instrumentation(recorder: Recorder) -> None:
    tracer = recorder.provider.get_tracer("some.framework")
    with tracer.start_as_current_span("llm"):
        stepwell.credits(3)
        stepwell.checkpoint({"n": 1}, id="c")
    (step,) = recorder.steps
    assert (step.credits, step.checkpoints) == (3, (("c", {"n": 1}),))


def test_one_declaration_used_again_and_inside_itself(recorder: Recorder) -> None:
    declared = stepwell.step("again")
    with declared:
        with declared:
            pass
        with declared:
            pass
    assert told(recorder) == [(None, "again", None), ("again", "again", None), ("again", "again", None)]


def test_step_in_hand(recorder: Recorder) -> None:
    assert stepwell.current_step() is None
    with stepwell.agent("run") as run:
        with stepwell.step("s") as step:
            assert stepwell.current_step() is step
            run.set_attribute("team", ["a", "b"])
            step.set_attribute("detail", {"deep": [1]})
            step.set_input("given")
            step.output = {"n": 1}
        assert run.trace_id == "0" * 31 + "1"
        assert (run.name, run.is_agent, step.is_agent) == ("run", True, False)
    step.set_attribute("late", 1)
    step.output = "late"
    found = recorder.step("s")
    assert (found.input, found.output, found.attributes["detail"]) == ("given", {"n": 1}, '{"deep": [1]}')
    assert recorder.step("run").attributes["team"] == ("a", "b")


def test_content_is_left_out_where_a_step_says_so(recorder: Recorder) -> None:
    @stepwell.step(capture=False)
    def secret(word: str) -> str:
        return word

    assert secret("x") == "x"
    assert (recorder.steps[0].input, recorder.steps[0].output) == (None, None)


def test_without_any_provider_functions_run_as_they_are() -> None:
    @stepwell.step
    def plain(number: int) -> int:
        stepwell.credits(1)
        stepwell.checkpoint({})
        return number

    @stepwell.agent
    def run() -> Iterator[int]:
        yield plain(1)

    assert list(run()) == [1]
    with stepwell.agent("block") as block:
        block.output = 1
