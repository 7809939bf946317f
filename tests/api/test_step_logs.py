"""Log records at ``GET /api/v1/executions/{id}/steps``: messages as payload, all others as lines, at most 100."""

from typing import Any

import httpx
from tests.api.rows import NOON, make_agent_step, make_step, store_steps

from stepwell_api.models.executions import StepPage
from stepwell_storage.model import Fact, LogRecord, Role

TRACE_ID = b"\xab" * 16
STEPS = f"/api/v1/executions/{TRACE_ID.hex()}/steps"


def record(number: int, span: int = 2, *, at_s: int | None = 0, **fields: Any) -> LogRecord:
    """A record of the trace 0xab…, its time in seconds after `NOON`, or untold."""
    time_ns = 0 if at_s is None else (int(NOON.timestamp()) + at_s) * 10**9
    return LogRecord(
        trace_id=TRACE_ID, span_id=span.to_bytes(8), time_ns=time_ns, record_key=number.to_bytes(4), **fields
    )


async def steps_of(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    """The run's steps, which are as documented."""
    response = await api.get(STEPS)
    assert response.status_code == 200, response.text
    StepPage.model_validate_json(response.content)
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_lines_come_in_order_of_time_and_messages_are_payload(api: httpx.AsyncClient, database_url: str) -> None:
    facts: list[Fact] = [
        make_agent_step(1, 0, 10),
        make_step(2, 1, 1, 2, role=Role.MODEL, operation="chat"),
        record(1, at_s=2, severity_number=10, body_json='"later"', event_name="app.paid", flags=("attribute_cut",)),
        record(2, at_s=1, severity_number=9, severity_text="info", body_json='{"n": 1}', attributes_json='{"a": 2}'),
        record(3, at_s=None, severity_number=17),
        record(4, event_name="gen_ai.user.message", input_json='[{"content": "hi"}]', attributes_json='{"b": 1}'),
    ]
    await store_steps(database_url, facts)

    top, chat = await steps_of(api)
    nothing: dict[str, Any] = {"event_name": None, "body": None, "attributes": None, "flags": []}
    assert (top["logs"], top["more_logs"], top["input"]) == ([], False, None)
    assert (chat["input"], chat["output"], chat["more_logs"]) == ([{"content": "hi"}], None, False)
    first = {"time": "2026-03-10T12:00:01Z", "severity": "info", "body": {"n": 1}, "attributes": {"a": 2}}
    second = {"time": "2026-03-10T12:00:02Z", "severity": "INFO2", "body": "later", "event_name": "app.paid"}
    assert chat["logs"] == [
        {**nothing, "time": None, "severity": "ERROR"},
        {**nothing, **first},
        {**nothing, **second, "flags": ["attribute_cut"]},
    ]


async def test_the_first_hundred_lines_of_each_step_are_shown(api: httpx.AsyncClient, database_url: str) -> None:
    many = [record(number, at_s=number) for number in range(105)]
    exact = [record(number, 1, at_s=number) for number in range(100)]
    await store_steps(database_url, [make_agent_step(1, 0, 10), make_step(2, 1, 1, 2), *many, *exact])

    top, busy = await steps_of(api)
    assert (len(top["logs"]), top["more_logs"]) == (100, False)
    assert (len(busy["logs"]), busy["more_logs"]) == (100, True)
    assert busy["logs"][99]["time"] == "2026-03-10T12:01:39Z"
