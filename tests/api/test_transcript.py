"""A run as a conversation: messages of every dialect, each told once, paged by steps."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from tests.api.rows import make_agent_step, make_step, store_steps
from tests.captures import Capture, captures
from tests.test_captures import folded, mapped

from stepwell_api.models.transcript import Transcript
from stepwell_api.run_steps import outline_of
from stepwell_api.transcript.blocks import blocks_of, looks_like_messages
from stepwell_api.transcript.telling import Spoken, turns_of
from stepwell_storage.model import Execution, Role, Status, Step, StepType
from stepwell_storage.places import place_of

RUN = f"/api/v1/executions/{'ab' * 16}/transcript"
ASKED = ("message", "user", "Weather?", None)
CALLED = ("tool_call", "assistant", {"city": "Graz"}, "get_weather")
GIVEN = ("tool_result", "tool", "21 degrees", None)
GRAZ = {"city": "Graz"}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Graz"}'}}


def constructor(name: str, **arguments: Any) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "messages", name], "kwargs": arguments}


DIALECTS: dict[str, Any] = {
    "chat completions": {"messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "21 degrees"},
    ], "tools": [{"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": {}}}]},
    "responses": [
        {"role": "user", "content": "Weather?"},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city": "Graz"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "21 degrees"},
    ],
    "content blocks": {"messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "get_weather", "input": GRAZ}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "21 degrees"}]},
    ]},
    "parts": {"contents": [
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {"role": "model", "parts": [{"function_call": {"name": "get_weather", "args": {"city": "Graz"}}}]},
        {"role": "user", "parts": [{"function_response": {"response": "21 degrees"}}]},
    ]},
    "semantic conventions": [
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "get_weather", "arguments": GRAZ}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "21 degrees"}]},
    ],
    "constructors": {"messages": [[
        constructor("HumanMessage", content="Weather?", type="human"),
        constructor("AIMessage", content="", tool_calls=[{"name": "get_weather", "args": GRAZ, "id": "c1"}]),
        constructor("ToolMessage", content="21 degrees", tool_call_id="c1"),
    ]]},
    "dotted keys": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_calls.0.tool_call.function.name": "get_weather",
         "tool_calls.0.tool_call.function.arguments": '{"city": "Graz"}'},
        {"role": "tool", "content": "21 degrees"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("payload", DIALECTS.values(), ids=DIALECTS)
def test_dialects_say_the_same(payload: Any) -> None:
    for written in (payload, orjson.dumps(payload).decode()):
        told = [(block.kind, block.role, block.value, block.name) for block in blocks_of(written, "user")]
        assert told == [ASKED, CALLED, GIVEN]


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"type": "thinking", "thinking": "hm"}, [("reasoning", "hm")]),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, [("reasoning", "hm")]),
        ({"role": "assistant", "reasoning_content": "hm", "content": "so"}, [("reasoning", "hm"), ("message", "so")]),
        ({"choices": [{"index": 0, "message": {"role": "assistant", "content": "so"}}]}, [("message", "so")]),
        ({"order": 7, "text": "so"}, [("message", {"order": 7, "text": "so"})]),
        ({"role": "admin", "name": "x"}, [("message", {"role": "admin", "name": "x"})]),
        ('{"city": "Graz"}', [("message", '{"city": "Graz"}')]),
        ({"output": None}, []),
        (7, [("message", 7)]),
    ],
)
def test_other_shapes_are_told_as_what_they_are(payload: Any, told: list[tuple[str, Any]]) -> None:
    assert [(block.kind, block.value) for block in blocks_of(payload, "assistant")] == told


def spoken(execution: Execution) -> Iterator[Spoken]:
    for placement in execution.placements:
        step = placement.step
        given, gave = (None if text is None else orjson.loads(text) for text in (step.input_json, step.output_json))
        yield Spoken(place_of(placement), outline_of(step), step.error_message, given, gave)


@pytest.mark.parametrize("capture", [pytest.param(capture, id=capture.name) for capture in captures()])
def test_what_a_capture_recorded_is_read(capture: Capture) -> None:
    for execution in folded(mapped(capture)):
        steps = list(spoken(execution))
        turns = {turn["step_index"]: turn for turn in turns_of(steps, is_end=True)}
        told = [block for turn in turns.values() for block in turn["blocks"]]
        said = [block for turn in turns.values() if turn["kind"] == "model" for block in turn["blocks"]]
        asked = [step for step in steps if step.input and turns.get(step.place.index, {}).get("kind") == "model"]
        assert bool(asked) <= any(block["role"] in ("system", "user") for block in told)
        assert all(block["name"] for block in said if block["kind"] == "tool_call")
        assert not [block for block in said if block["value"] and looks_like_messages(block["value"])]


def conversation() -> list[Step]:
    """An agent that asks a model twice, the second time with all that was said before, and a tool in between."""
    model = {"role": Role.MODEL, "step_type": StepType.API_CALL, "operation": "chat", "name": "chat"}
    before = [{"role": "user", "content": "yes"}, {"role": "assistant", "tool_calls": [CALL]}]
    later = [
        *before,
        {"role": "tool", "tool_call_id": "c1", "content": "21 degrees"},
        {"role": "user", "content": "yes"},
    ]
    return [
        make_agent_step(1, 0, 9, input_json='"yes"', output_json='"Sun"'),
        make_step(2, 1, 1, 2, input_json=json_of(before[:1]), output_json=json_of(before[1]), **model),
        make_step(3, 1, 2, 3, name="get_weather", input_json=json_of(GRAZ), output_json='{"result": "21 degrees"}'),
        make_step(4, 1, 3, 4, name="parse", operation="function", status=Status.FAILED, error_message="<b>no</b>"),
        make_step(5, 1, 4, 5, input_json=json_of(later), output_json='{"content": "Sun"}', **model),
    ]  # fmt: skip


def json_of(value: Any) -> str:
    return orjson.dumps(value).decode()


def told(page: dict[str, Any]) -> list[tuple[int, str, list[Any]]]:
    return [
        (turn["step_index"], turn["kind"], [block["value"] or block["text"] for block in turn["blocks"]])
        for turn in page["items"]
    ]


async def test_each_turn_tells_what_is_new(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, conversation())
    response = await api.get(RUN)
    Transcript.model_validate_json(response.content)
    whole = response.json()
    assert told(whole) == [
        (0, "agent", ["yes"]),
        (1, "model", [{"city": "Graz"}]),
        (2, "tool", [{"city": "Graz"}, {"result": "21 degrees"}]),
        (3, "step", []),
        (4, "model", ["yes", "Sun"]),
    ]
    assert whole["items"][3]["error_message"] == "<b>no</b>"
    pages = [(await api.get(RUN, params={"limit": 2})).json()]
    while pages[-1]["next_cursor"]:
        pages.append((await api.get(RUN, params={"limit": 2, "cursor": pages[-1]["next_cursor"]})).json())
    assert [turn for page in pages for turn in page["items"]] == whole["items"]


async def test_long_texts_are_cut_and_told_to_be(api: httpx.AsyncClient, database_url: str) -> None:
    long = json_of("é" * 30_000)
    await store_steps(database_url, [make_agent_step(1, 0, 1, input_json=long, output_json=long.replace("é", "è"))])
    (turn,) = (await api.get(RUN)).json()["items"]
    assert [(len(block["text"]), block["is_cut"]) for block in turn["blocks"]] == [(20_000, True), (20_000, True)]


async def test_payload_of_megabytes_is_told_by_its_size(api: httpx.AsyncClient, database_url: str) -> None:
    large = json_of("a" * 3_000_000)
    await store_steps(database_url, [make_agent_step(1, 0, 1, input_json=large)])
    (turn,) = (await api.get(RUN)).json()["items"]
    assert turn["blocks"][0]["text"] == "[3000002 characters]"
